//! The real `acta-monitor`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use processes::Program;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Served, Server};
use crate::world::{ORIGIN, World, now, policy};

pub(crate) fn acta_monitor() -> Program {
    Program::new(env!("CARGO_BIN_EXE_acta-monitor"))
}

/// What `acta-monitor check --json` said.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) code: Option<i32>,
    pub(crate) findings: Vec<Value>,
    pub(crate) messages: String,
}

impl Checked {
    /// The codes of the findings that are open.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    pub(crate) fn the(&self, code: &str) -> &Value {
        self.findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("{code} is not among {self:?}"))
    }
}

/// A log that is served, and somebody who checks it.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) server: Server,
    policy: PathBuf,
    with_witness: bool,
}

impl Scene {
    pub(crate) fn new(with_witness: bool) -> Self {
        Scene::of(ORIGIN, with_witness)
    }

    /// A scene with the log of this name.
    pub(crate) fn of(origin: &str, with_witness: bool) -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::start());
        let policy = policy(dir.path(), origin, &server.url(), with_witness);
        Scene { dir, server, policy, with_witness }
    }

    /// Serves the log at this size, under a head that is good.
    pub(crate) fn serve(&self, world: &World, size: u64) {
        self.server.put_all(world.files(size));
        self.show(world, size, self.with_witness.then(now));
    }

    /// Serves this head.
    pub(crate) fn show(&self, world: &World, size: u64, cosigned: Option<u64>) {
        self.server.put("checkpoint", Served::Bytes(world.head(size, cosigned).to_bytes()));
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A configuration file with this in it, besides what it needs.
    pub(crate) fn config(&self, of_log: &str, rest: &str) -> PathBuf {
        let path = self.dir.path().join("monitor.toml");
        let (state, policy) = (self.state(), &self.policy);
        let text = format!("[monitor]\nstate = {state:?}\n[[log]]\npolicy = {policy:?}\n{of_log}\n{rest}\n");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn check(&self) -> Checked {
        self.check_at(&self.state())
    }

    pub(crate) fn check_at(&self, state: &Path) -> Checked {
        let url = self.server.url();
        let (policy, state) = (self.policy.to_str().unwrap(), state.to_str().unwrap());
        check(&["--policy", policy, "--log", &url, "--state", state])
    }

    pub(crate) fn check_with(&self, config: &Path) -> Checked {
        check(&["--config", config.to_str().unwrap()])
    }
}

/// Another program of ours.
pub(crate) fn beside(name: &str) -> Program {
    Program::beside(env!("CARGO_BIN_EXE_acta-monitor"), name)
}

pub(crate) fn check(args: &[&str]) -> Checked {
    let output = acta_monitor().run(&[&["check", "--json"], args].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    let findings = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Checked { code: output.status.code(), findings, messages: String::from_utf8(output.stderr).unwrap() }
}

/// Asks a running monitor for its metrics until this one has this value.
pub(crate) fn until_metric(server: &processes::Server, name: &str, value: u64) {
    let start = std::time::Instant::now();
    let line = format!("{name} {value}");
    loop {
        let metrics = get(server.operations, "/metrics");
        if metrics.lines().any(|found| found == line) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "never: {line}; {metrics}; {}", server.messages());
        std::thread::yield_now();
    }
}

/// What a running monitor answers to this question for JSON.
pub(crate) fn api(server: &processes::Server, path: &str) -> Value {
    let answer = get(server.address, path);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// Asks a running monitor for its findings until there is one such.
pub(crate) fn finding(server: &processes::Server, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = std::time::Instant::now();
    loop {
        let mut answer = api(server, "/api/v1/findings?limit=500");
        let findings = answer["findings"].as_array_mut().unwrap();
        if let Some(found) = findings.iter().position(&wanted) {
            return findings.swap_remove(found);
        }
        assert!(start.elapsed() < PATIENCE, "never found; {answer}; {}", server.messages());
        // As often as one client may ask.
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
}

/// Longer than anything here takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What is answered at a path, with its head.
pub(crate) fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: monitor.test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
