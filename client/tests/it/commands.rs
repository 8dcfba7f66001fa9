//! `acta` beside a log's server in this process: exit statuses, and what becomes of the work when something around it fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use acta_client::publish::{PublishError, Publisher};
use acta_client::submit::Writer;
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};

use crate::server::{Answer, ORIGIN, Server, Tree, key, policy};

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

fn told(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

fn two_logs(first: Option<&str>, second: Option<&str>) -> String {
    let stranger = SigningKey::from_seed(KeyName::new("log.test/two").unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let line = |key: &VerifierKey, url: Option<&str>| format!("log {key} {}\n", url.unwrap_or_default()).replace(" \n", "\n");
    line(key(ORIGIN).verifier_key(), first) + &line(stranger.verifier_key(), second) + "quorum none\n"
}

/// The server signs as log.test/one. Under a policy with two logs it must not pass for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_log_of_a_policy_cannot_stand_in_for_another() {
    let server = Server::start(Tree::new(5)).await;
    let desk = Desk::new();
    fs::write(desk.path("in.jsonl"), "a\n").unwrap();
    let url = server.url();
    let with_policy = |text: String, args: &[&str]| {
        fs::write(desk.path("both"), text).unwrap();
        let output = desk.run(&[args, &["--policy", "both", "--wait", "0"]].concat());
        (output.status.code(), told(&output))
    };
    let publish = ["publish", "--receipts", "receipts", "in.jsonl"];
    for command in [["checkpoint"].as_slice(), &["audit", "--state", "state"], &publish] {
        let with = |more: &[&'static str]| [command, &["--log", url.as_str()], more].concat();
        // Its address is that of the other log.
        assert_eq!(with_policy(two_logs(None, Some(&url)), &with(&[])).0, Some(1), "{command:?}");
        assert_eq!(with_policy(two_logs(None, None), &with(&["--origin", "log.test/two"])).0, Some(1), "{command:?}");
        let (status, told) = with_policy(two_logs(None, None), &with(&[]));
        assert!(status == Some(2) && told.contains("--origin") && told.contains("log.test/two"), "{command:?}: {told}");
        assert_eq!(with_policy(two_logs(None, None), &with(&["--origin", "log.test/three"])).0, Some(2), "{command:?}");
    }
    assert!(!server.requests().contains(&"add".to_owned()), "nothing was published");
    for command in [["checkpoint"].as_slice(), &["audit", "--state", "state"], &publish] {
        assert_eq!(with_policy(two_logs(Some(&url), None), command).0, Some(2), "no log is named");
        assert_eq!(with_policy(two_logs(Some(&url), None), &[command, &["--origin", ORIGIN]].concat()).0, Some(0), "by its name");
        assert_eq!(with_policy(two_logs(Some(&url), None), &[command, &["--log", &url]].concat()).0, Some(0), "by its address");
    }
}

/// What a library user gives to a writer must not widen what a run takes for a receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_another_log_of_the_policy_is_not_taken() {
    let server = Server::start(Tree::new(5)).await;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.jsonl"), "a\n").unwrap();
    let policy = tlog::policy::Policy::parse(two_logs(None, None).as_bytes()).unwrap();
    let writer = || Writer::new(server.source(), policy.clone(), std::time::Duration::ZERO).unwrap();
    let input = acta_client::publish::Input::at(&dir.path().join("in.jsonl")).unwrap();
    let publisher = Publisher::new(writer(), &policy, "log.test/two", &dir.path().join("receipts"), 1).unwrap();
    let error = publisher.run(&[input], |_| ()).await.unwrap_err();
    assert!(matches!(&error, PublishError::Submit { source, .. } if source.is_false_claim()), "{error}");
    let unlisted = Publisher::new(writer(), &policy, "log.test/three", dir.path(), 1).unwrap_err();
    assert!(matches!(unlisted, PublishError::UnlistedLog { .. }), "{unlisted}");
}

#[test]
fn an_odd_file_does_not_keep_the_other_receipts_from_being_checked() {
    let desk = Desk::new();
    fs::create_dir(desk.path("receipts")).unwrap();
    fs::copy(offline("good.tlog-proof"), desk.path("receipts/z.tlog-proof")).unwrap();
    fs::create_dir(desk.path("receipts/a.tlog-proof")).unwrap();
    let verify = ["verify", "--policy", "policy", "receipts"];
    let output = desk.run(&verify);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told(&output).contains("1 good receipt, 0 not good, 1 not readable"), "{output:?}");
    fs::write(desk.path("receipts/b.tlog-proof"), vec![b'x'; 1 << 20]).unwrap();
    let output = desk.run(&verify);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told(&output).contains("1 good receipt, 1 not good, 1 not readable"), "{output:?}");
    let output = desk.run(&[verify.as_slice(), &["--json"]].concat());
    assert_eq!(told(&output).matches(r#""good":false"#).count(), 2, "{output:?}");
}

#[test]
fn foreign_names_do_nothing_to_the_terminal() {
    let desk = Desk::new();
    let odd = "a\u{9b}2J\u{202e}\n.tlog-proof";
    fs::copy(offline("good.tlog-proof"), desk.path(odd)).unwrap();
    fs::write(desk.path("odd\u{202e}\n.policy"), format!("log {} http://x/\u{9b}2J\u{202e}\nquorum none\n", key(ORIGIN).verifier_key()))
        .unwrap();
    fs::write(desk.path("odd.vkey"), format!("{}\n", key("a\u{9b}2J\u{202e}").verifier_key())).unwrap();
    for args in [
        ["verify", "--policy", "policy", odd, "missing\u{9b}\n"].as_slice(),
        &["verify", "--policy", "policy", odd, "--json"],
        &["inspect", "odd\u{202e}\n.policy"],
        &["inspect", "odd.vkey"],
        &["inspect", "none\u{9b}\n"],
        &["checkpoint", "--policy", "policy", "--log", "nowhere\u{9b}"],
        &["publish", "--policy", "policy", "--log", "http://127.0.0.1:9", "--receipts", "r", "in\u{202e}"],
    ] {
        let told = told(&desk.run(args));
        assert!(!told.is_empty() && !told.contains(['\u{9b}', '\u{202e}']), "{args:?}: {told:?}");
        assert!(!told.contains("\n.tlog-proof") && !told.contains("\n.policy"), "{args:?}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_told_also_when_the_run_stops() {
    let server = Server::start(Tree::new(5)).await;
    server.fault(|path| (path == "add").then_some(Answer::Close));
    let desk = Desk::new();
    fs::write(desk.path("in.jsonl"), format!("{}\nsmall\n", "x".repeat(65_536))).unwrap();
    let output = desk.run(&["publish", "--log", &server.url(), "--policy", "policy", "--receipts", "receipts", "--wait", "0", "in.jsonl"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(told(&output).contains("in.jsonl line 1: not published"), "{output:?}");
}

#[test]
fn an_address_without_http_is_told_from_a_directory() {
    let desk = Desk::new();
    for command in [["checkpoint"].as_slice(), &["audit"], &["publish", "--receipts", "receipts", "policy"], &["get", "0"]] {
        let output = desk.run(&[command, &["--policy", "policy", "--log", "log.example:8080"]].concat());
        if command[0] != "publish" {
            assert!(told(&output).contains("write http://log.example:8080"), "{output:?}");
        }
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    // A tree in which something that should be a file cannot be read as one.
    fs::create_dir_all(desk.path("tree/checkpoint")).unwrap();
    let output = desk.run(&["checkpoint", "--policy", "policy", "--log", "tree"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_read_why_an_audit_or_a_run_failed() {
    let server = Server::start(Tree::new(5)).await;
    let desk = Desk::new();
    fs::write(desk.path("in.jsonl"), "a\n").unwrap();
    server.fault(|path| (path != "checkpoint").then_some(Answer::Endless));
    for command in [["audit", "--state", "state"].as_slice(), &["publish", "--receipts", "receipts", "in.jsonl"]] {
        let output = desk.run(&[command, &["--json", "--policy", "policy", "--wait", "0", "--log", &server.url()]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(said["good"] == false && said["reason"].as_str().unwrap().contains("larger than"), "{said}");
    }
}
