//! A log that really signed two histories, a real witness that saw one of them, and a monitor that reads the other.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use processes::Program;
use serde_json::Value;
use tempfile::TempDir;

const ORIGIN: &str = "log.test/views";

fn monitor() -> Program {
    Program::new(env!("CARGO_BIN_EXE_acta-monitor"))
}

fn beside(name: &str) -> Program {
    Program::beside(env!("CARGO_BIN_EXE_acta-monitor"), name)
}

/// A log and its copy, which goes its own way and shows its head to the witness.
struct World {
    dir: TempDir,
    log: processes::Server,
    copy: processes::Server,
    _witness: processes::Server,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (log, copy, home) = (path("log"), path("copy"), path("witness"));
        beside("acta-log").good(&["init", "--dir", text(&log), "--origin", ORIGIN, "--admission", "open"]);
        let mut first = beside("acta-log").serve(&log, &[]);
        (0..300).for_each(|entry| add(first.address, &format!("entry {entry}")));
        assert_eq!(first.stop(), Some(0));
        assert!(Command::new("cp").arg("-a").arg(&log).arg(&copy).status().unwrap().success());
        let (log, copy) = (beside("acta-log").serve(&log, &[]), beside("acta-log").serve(&copy, &[]));
        ["refused", "and more", "and more still"].iter().for_each(|entry| add(log.address, entry));
        add(copy.address, "granted");

        let key = fs::read_to_string(path("log/log.vkey")).unwrap();
        fs::write(path("alone"), format!("log {key}quorum none\n")).unwrap();
        beside("acta-witness").good(&["init", "--name", "w.test", "--dir", text(&home)]);
        let witness = beside("acta-witness").serve(&home, &["--policy", text(&path("alone"))]);
        let witness_key = fs::read_to_string(home.join("witness.vkey")).unwrap();
        let witness_key = witness_key.lines().next().unwrap();
        fs::write(path("policy"), format!("log {key}witness w {witness_key} {}\nquorum none\n", witness.url)).unwrap();
        beside("acta").good(&["cosign", "--log", &copy.url, "--policy", text(&path("policy")), "--witness", &witness.url]);
        World { dir, log, copy, _witness: witness }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the monitor on a state directory, and gives what it printed as lines of JSON, but for what is only worth knowing.
    fn run(&self, code: i32, command: &str, policy: &str, more: &[&str]) -> Vec<Value> {
        let (policy, state) = (self.path(policy), self.path("state"));
        let args = [&[command, "--policy", text(&policy), "--log", &self.log.url, "--state", text(&state), "--json"], more].concat();
        let output = monitor().run(&args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["severity"] != "info").collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn request(to: SocketAddr, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: log\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn add(log: SocketAddr, entry: &str) {
    request(log, "POST /add", entry);
}

/// The evidence in the state directory with this name.
fn find(state: &Path, name: &str) -> PathBuf {
    let logs = fs::read_dir(state.join("evidence")).unwrap().map(|log| log.unwrap().path().join(name));
    logs.into_iter().find(|path| path.is_file()).unwrap()
}

#[test]
fn a_fork_that_only_a_witness_saw_is_found_with_evidence_that_acta_verifies() {
    let world = World::new();
    // Whoever reads the log alone sees nothing.
    assert_eq!(world.run(0, "check", "alone", &[]), Vec::<Value>::new());
    let found = world.run(1, "check", "policy", &[]);
    let [fork] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&fork["code"], &fork["severity"]), (&Value::from("log.fork"), &Value::from("critical")));
    let evidence = find(&world.path("state"), fork["evidence"].as_str().unwrap());
    let told = beside("acta").good(&["verify", "--evidence", text(&evidence), "--log-key", text(&world.path("log/log.vkey"))]);
    assert!(told.contains("PROVEN"), "{told}");
    // Of another key it convicts nobody.
    let other = fs::read_to_string(world.path("witness/witness.vkey")).unwrap();
    fs::write(world.path("other.vkey"), other.lines().next().unwrap()).unwrap();
    beside("acta").refused(&["verify", "--evidence", text(&evidence), "--log-key", text(&world.path("other.vkey"))]);
    // A second look finds nothing new.
    assert_eq!(world.run(1, "check", "policy", &[]), found);
}

#[test]
fn a_receipt_of_the_other_history_is_found_with_evidence_that_acta_verifies() {
    let world = World::new();
    world.run(0, "check", "alone", &[]);
    let receipt = |name: &str, from: SocketAddr, index: u64| {
        fs::write(world.path(name), request(from, &format!("GET /proof/{index}"), "")).unwrap();
        world.path(name)
    };
    let (good, bad) = (receipt("good", world.log.address, 300), receipt("bad", world.copy.address, 300));
    fs::write(world.path("junk"), "nothing of the kind").unwrap();
    let result = |code, files: &[&Path]| -> Vec<String> {
        let files: Vec<&str> = files.iter().map(|file| text(file)).collect();
        world.run(code, "audit-receipt", "alone", &files).iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(result(0, &[&good]), ["included"]);
    assert_eq!(result(2, &[&good, &world.path("junk")]), ["included", "refused"]);
    assert_eq!(world.run(0, "check", "alone", &[]), Vec::<Value>::new());
    assert_eq!(result(1, &[&good, &bad]), ["included", "not-included"]);
    let found = world.run(1, "check", "alone", &[]);
    let codes: Vec<&str> = found.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["log.fork", "log.receipt-not-included"]);
    for finding in &found {
        let evidence = find(&world.path("state"), finding["evidence"].as_str().unwrap());
        beside("acta").good(&["verify", "--evidence", text(&evidence), "--log-key", text(&world.path("log/log.vkey"))]);
    }
}
