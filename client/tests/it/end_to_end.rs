//! `acta` against the real `acta-log`, as a person would use them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use processes::{Program, Server};

mod statements;
mod witnesses;

pub(crate) const ORIGIN: &str = "end.test/log";

fn acta() -> Program {
    Program::new(env!("CARGO_BIN_EXE_acta"))
}

/// The server's program.
pub(crate) fn acta_log() -> Program {
    beside_acta("acta-log")
}

/// A program of another package.
fn beside_acta(program: &str) -> Program {
    Program::beside(env!("CARGO_BIN_EXE_acta"), program)
}

pub(crate) struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    /// A directory with a new log in it.
    fn new() -> Self {
        let desk = Desk::empty();
        desk.init(&["--admission", "open"]);
        desk
    }

    /// A directory with nothing in it.
    pub(crate) fn empty() -> Self {
        Desk { dir: tempfile::tempdir().unwrap() }
    }

    /// Makes a log.
    pub(crate) fn init(&self, args: &[&str]) {
        let init = self.run(&acta_log(), &[&["init", "--dir", "log", "--origin", ORIGIN], args].concat());
        assert!(init.status.success(), "{init:?}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn serve(&self) -> Server {
        acta_log().serve(&self.path("log"), &[])
    }

    fn command(&self, program: &Program, args: &[&str]) -> Command {
        let mut command = program.command();
        command.args(args).current_dir(self.dir.path()).env_remove("ACTA_LOG").env_remove("ACTA_POLICY");
        command.env("HOME", self.dir.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
        command
    }

    pub(crate) fn run(&self, program: &Program, args: &[&str]) -> Output {
        self.command(program, args).output().unwrap()
    }

    /// Runs `acta` and gives what it printed, if it ended as expected.
    pub(crate) fn acta(&self, status: i32, args: &[&str]) -> String {
        let output = self.run(&acta(), args);
        assert_eq!(output.status.code(), Some(status), "acta {args:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    pub(crate) fn acta_at(&self, status: i32, log: &str, args: &[&str]) -> String {
        self.acta(status, &[args, &["--log", log, "--policy", "log/policy"]].concat())
    }

    fn write_lines(&self, name: &str, lines: impl IntoIterator<Item = String>) {
        fs::write(self.path(name), lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")).unwrap();
    }

    fn receipts(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path("receipts")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "tlog-proof")).collect()
    }
}

fn decision(number: u64) -> String {
    format!(r#"{{"decision":{number},"outcome":"granted"}}"#)
}

#[test]
fn decisions_go_in_and_receipts_come_out_that_verify_without_the_log() {
    let desk = Desk::new();
    let log = desk.serve();
    desk.write_lines("in.jsonl", (0..300).map(decision));
    fs::create_dir(desk.path("files")).unwrap();
    fs::write(desk.path("files/a"), decision(0)).unwrap();
    fs::write(desk.path("files/b"), "another").unwrap();
    let publish = ["publish", "--receipts", "receipts", "in.jsonl", "files", "--json"];
    let summary: serde_json::Value = serde_json::from_str(&desk.acta_at(0, &log.url, &publish)).unwrap();
    assert_eq!((&summary["summary"]["published"], &summary["summary"]["repeated"]), (&301.into(), &1.into()));
    let again: serde_json::Value = serde_json::from_str(&desk.acta_at(0, &log.url, &publish)).unwrap();
    assert_eq!((&again["summary"]["published"], &again["summary"]["already_published"]), (&0.into(), &301.into()));

    assert!(desk.acta_at(0, &log.url, &["checkpoint"]).contains("301 entries"));
    assert_eq!(desk.acta_at(0, &log.url, &["checkpoint", "--json"]).matches(ORIGIN).count(), 1);
    assert!(desk.acta_at(0, &log.url, &["audit"]).contains("All of its 301 entries"));
    desk.acta_at(0, &log.url, &["prove", "--entry", "files/b", "--out", "b.tlog-proof"]);
    let entry = desk.acta_at(0, &log.url, &["get", "299"]);
    assert!(entry.contains(r#""outcome":"granted""#) || entry == "another");
    desk.acta_at(0, &log.url, &["prove", "299", "--out", "299.tlog-proof"]);
    // What is asked for and not there.
    desk.acta_at(2, &log.url, &["get", "301"]);
    desk.acta_at(2, &log.url, &["prove", "301"]);
    fs::write(desk.path("unknown"), "never published").unwrap();
    assert!(desk.acta_at(1, &log.url, &["prove", "--entry", "unknown"]).contains("does not hold this"));
    drop(log);

    let verify = ["verify", "--policy", "log/policy", "--quiet", "receipts", "b.tlog-proof", "299.tlog-proof"];
    assert_eq!(desk.acta(0, &verify), "303 good receipts, 0 not good\n");
    let receipt = fs::read_to_string(&desk.receipts()[0]).unwrap();
    fs::write(desk.path("bad.tlog-proof"), receipt.replace("extra e", "extra f")).unwrap();
    assert!(desk.acta(1, &["verify", "--policy", "log/policy", "bad.tlog-proof"]).contains("NOT GOOD"));
}

#[test]
fn a_log_killed_in_the_middle_ends_with_each_decision_once() {
    let desk = Desk::new();
    let log = desk.serve();
    let address = log.address.to_string();
    desk.write_lines("in.jsonl", (0..2000).map(decision));
    let url = log.url.clone();
    let args = ["publish", "--log", &url, "--policy", "log/policy", "--receipts", "receipts", "--wait", "60", "-v", "in.jsonl"];
    let mut publish = desk.command(&acta(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(publish.stdout.take().unwrap()).lines();
    let mut log = Some(log);
    for _ in 0..3 {
        // Some receipts have arrived; others are on their way.
        for _ in 0..200 {
            lines.next().unwrap().unwrap();
        }
        // SIGKILL.
        drop(log.take());
        log = Some(acta_log().serve_at(&address, &desk.path("log"), &[]));
    }
    let rest = lines.map(Result::unwrap).last().unwrap();
    assert!(publish.wait().unwrap().success(), "{rest}");
    assert_eq!(desk.receipts().len(), 2000);
    assert_eq!(desk.acta(0, &["verify", "--policy", "log/policy", "--quiet", "receipts"]), "2,000 good receipts, 0 not good\n");
    assert!(desk.acta_at(0, &url, &["audit"]).contains("All of its 2,000 entries"), "each decision is there, and once");
}

#[test]
fn an_exported_log_is_read_and_a_change_in_it_is_found() {
    let desk = Desk::new();
    let log = desk.serve();
    desk.write_lines("in.jsonl", (0..600).map(decision));
    desk.acta_at(0, &log.url, &["publish", "--receipts", "receipts", "in.jsonl"]);
    drop(log);
    let export = desk.run(&acta_log(), &["export", "--dir", "log", "--out", "tree"]);
    assert!(export.status.success(), "{export:?}");
    assert!(desk.acta_at(0, "tree", &["audit"]).contains("All of its 600 entries"));
    desk.acta_at(0, "tree", &["prove", "599", "--out", "599.tlog-proof"]);
    desk.acta(0, &["verify", "--policy", "log/policy", "599.tlog-proof"]);

    let bundle = desk.path("tree/tile/entries/001");
    let changed = String::from_utf8(fs::read(&bundle).unwrap()).unwrap().replacen("granted", "refused", 1);
    fs::write(&bundle, changed).unwrap();
    assert!(desk.acta_at(1, "tree", &["audit"]).contains("is not what the log signed"));
    fs::remove_file(&bundle).unwrap();
    desk.acta_at(3, "tree", &["audit"]);
}

#[test]
fn a_log_that_is_away_or_not_the_one_meant_is_told_apart() {
    let desk = Desk::new();
    let log = desk.serve();
    desk.write_lines("in.jsonl", (0..3).map(decision));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let publish = ["publish", "--receipts", "receipts", "in.jsonl", "--wait", "0"];
    assert!(desk.acta_at(3, &nobody, &publish).contains("did not answer"));
    desk.acta_at(3, &format!("{}/elsewhere", log.url), &["checkpoint"]);
    // The policy of another log of the same name: nothing is sent.
    let init = desk.run(&acta_log(), &["init", "--dir", "other", "--origin", ORIGIN, "--admission", "open"]);
    assert!(init.status.success());
    let wrong = ["publish", "--log", &log.url, "--policy", "other/policy", "--receipts", "receipts", "in.jsonl"];
    assert!(desk.acta(1, &wrong).contains("nothing was published"));
    assert!(desk.acta_at(0, &log.url, &["checkpoint"]).contains("0 entries"));
    assert!(desk.acta_at(2, "log", &["publish", "--receipts", "receipts", "in.jsonl"]).contains("give its address"));
}

#[test]
fn entries_too_large_for_a_log_are_told_and_the_others_published() {
    let desk = Desk::new();
    let log = desk.serve();
    desk.write_lines("in.jsonl", ["x".repeat(65_535), String::new(), "y".repeat(65_536), decision(1)]);
    let told = desk.acta_at(2, &log.url, &["publish", "--receipts", "receipts", "in.jsonl"]);
    assert!(told.contains("in.jsonl line 3: not published") && told.contains("2 entries published"), "{told}");
    assert_eq!(desk.receipts().len(), 2);
}

#[test]
fn the_demo_ends_well_and_leaves_nothing_running() {
    let desk = Desk::new();
    let told = desk.acta(0, &["demo", "--dir", "demo", "--exit"]);
    assert!(told.contains("194 good receipts, 0 not good") && told.contains("NOT GOOD"), "{told}");
    // One witness fails, and another one; then they come back.
    assert!(told.contains("witnesses: ") && told.contains("witnesses have yet to sign it"), "{told}");
    assert_eq!(told.matches("1 decision published").count(), 3, "{told}");
    let receipt = "demo/receipts/lands.tarnholm.example-2026-34.tlog-proof";
    let seen = desk.acta(0, &["verify", "--policy", "demo/log/policy", receipt]);
    assert!(seen.contains("witnessed by 2 of 3 (2 needed): north.example") && seen.contains("; not by east.example."), "{seen}");
    let policy = fs::read_to_string(desk.path("demo/log/policy")).unwrap();
    fs::write(desk.path("strict"), policy.replace("group witnesses 2 ", "group witnesses 3 ")).unwrap();
    let short = desk.acta(1, &["verify", "--policy", "strict", receipt]);
    assert!(short.contains("`witnesses` has 2 of the 3 that it needs") && short.contains("east.example did not"), "{short}");
    let mut demo = desk.command(&acta(), &["demo", "--dir", "demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let running = lines.find(|line| line.contains("A log is running")).unwrap();
    let url = running.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    assert!(lines.any(|line| line.contains("Ctrl-C")));
    desk.acta(0, &["checkpoint", "--log", &url, "--policy", "demo/log/policy"]);
    let pid = rustix::process::Pid::from_raw(demo.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(demo.wait().unwrap().success());
    desk.acta(3, &["checkpoint", "--log", &url, "--policy", "demo/log/policy", "--wait", "0"]);
}

#[test]
fn keys_are_made_for_their_owner_alone_and_never_overwritten() {
    let desk = Desk::new();
    let told = desk.acta(0, &["keygen", "--name", "witness.test", "--out", "key", "--kind", "witness"]);
    assert!(told.contains("witness.test+"));
    assert_eq!(fs::metadata(desk.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(desk.path("key")).unwrap();
    let shown = desk.acta(0, &["inspect", "key"]);
    assert!(shown.contains("A private key") && shown.contains("witness.test"), "{shown}");
    let body = secret.lines().nth(1).unwrap();
    assert!(!shown.contains(body) && !shown.contains(&body[body.len() - 20..]));
    assert!(desk.acta(2, &["keygen", "--name", "witness.test", "--out", "key"]).contains("exists already"));
    assert_eq!(fs::read_to_string(desk.path("key")).unwrap(), secret);
    fs::set_permissions(desk.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(desk.acta(0, &["inspect", "key"]).contains("chmod 600"));
}

#[test]
fn https_needs_an_authority_that_is_trusted() {
    let desk = Desk::new();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(desk.path("certificate.pem"), certificate.cert.pem()).unwrap();
    fs::write(desk.path("tls.key"), certificate.signing_key.serialize_pem()).unwrap();
    let file = |name: &str| desk.path(name).display().to_string();
    let config = format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", file("certificate.pem"), file("tls.key"));
    fs::write(desk.path("log.toml"), config).unwrap();
    let log = acta_log().serve(&desk.path("log"), &["--config", &file("log.toml")]);
    let url = format!("https://localhost:{}", log.address.port());
    assert!(desk.acta_at(0, &url, &["checkpoint", "--ca", "certificate.pem"]).contains(ORIGIN));
    desk.write_lines("in.jsonl", (0..50).map(decision));
    desk.acta_at(0, &url, &["publish", "--ca", "certificate.pem", "--receipts", "receipts", "in.jsonl"]);
    let told = desk.acta_at(3, &url, &["checkpoint", "--wait", "0"]);
    assert!(told.contains("certificate"), "{told}");
    assert!(desk.acta_at(2, &url, &["checkpoint", "--ca", "in.jsonl"]).contains("no certificate"));
}
