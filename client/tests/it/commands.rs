//! `acta` beside a log's server in this process: exit statuses, and what becomes of the work when something around it fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::server::{Server, Tree, policy};

/// The files of [`cli`](crate::cli).
fn offline(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/offline.in").join(name)
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (_, writer) = io::pipe().unwrap();
    writer.into()
}

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy"), policy().to_bytes()).unwrap();
        Desk { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn acta(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acta"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null()).env_remove("ACTA_LOG").env_remove("ACTA_POLICY");
        command.env("HOME", self.dir.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.acta(args).output().unwrap()
    }
}

fn status(mut command: Command) -> Option<i32> {
    command.status().unwrap().code()
}

#[test]
fn a_failure_is_told_also_when_nobody_reads_the_output() {
    let desk = Desk::new();
    let (good, bad, policy) = (offline("good.tlog-proof"), offline("cut.tlog-proof"), offline("policy"));
    let mut verify = desk.acta(&["verify"]);
    verify.arg("--policy").arg(policy).args([good, bad]).stdout(closed()).stderr(closed());
    assert_eq!(status(verify), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_finished_also_when_nobody_reads_the_output() {
    let server = Server::start(Tree::new(0)).await;
    let desk = Desk::new();
    fs::write(desk.path("in.jsonl"), (0..300).map(|n| format!("decision {n}\n")).collect::<String>()).unwrap();
    let mut publish = desk.acta(&["publish", "--log", &server.url(), "--policy", "policy", "--receipts", "receipts", "-v", "in.jsonl"]);
    publish.stdout(closed()).stderr(closed());
    assert_eq!(status(publish), Some(0));
    assert_eq!(fs::read_dir(desk.path("receipts")).unwrap().count(), 300 + 1, "the receipts and the state file");
}

#[test]
fn a_time_to_wait_that_no_clock_can_hold_is_refused() {
    let desk = Desk::new();
    let args = ["checkpoint", "--log", "http://127.0.0.1:9", "--policy", "policy", "--wait"];
    for wait in [u64::MAX.to_string(), "86401".to_owned()] {
        let output = desk.run(&[args.as_slice(), &[&wait]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
