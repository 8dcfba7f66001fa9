//! The real programs, for tests: run to their end, served, told to stop, killed. Only ever a dependency of tests.
//!
//! A server takes free ports, so that tests can run beside each other, and says itself which; whoever waits for those lines waits for
//! nothing else. It is killed when it is dropped, so that no test leaves one running. What it prints about itself goes to a file and not
//! into a pipe, which would hold it up once it is full; a test that fails shows it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

pub mod faults;

/// A free port of this machine.
const FREE: &str = "127.0.0.1:0";

/// A program, and what it is run by.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<OsString>,
}

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The public listener.
    pub address: SocketAddr,
    /// Its web address, without a slash at the end.
    pub url: String,
    /// The operations listener.
    pub operations: SocketAddr,
    messages: NamedTempFile,
}

impl Program {
    /// The program at `path`, which cargo says in `env!("CARGO_BIN_EXE_…")`.
    pub fn new(path: impl Into<OsString>) -> Self {
        Program { words: vec![path.into()] }
    }

    /// A program of another package, beside the one at `path`: cargo builds it for its own package's tests only.
    pub fn beside(path: impl AsRef<Path>, name: &str) -> Self {
        let path = path.as_ref().with_file_name(name);
        assert!(path.is_file(), "{} is missing: run `cargo build --workspace --bins` before this test, or `make test`", path.display());
        Program::new(path)
    }

    /// The same, with another program running it.
    #[must_use]
    pub fn under(&self, wrapper: &[&str]) -> Self {
        Program { words: wrapper.iter().map(OsString::from).chain(self.words.iter().cloned()).collect() }
    }

    /// How it is called, without arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Runs it, which must end well, and gives what it printed.
    pub fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{self:?} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, which must refuse with exit code 1, and gives what it printed to both outputs.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{self:?} {args:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// Serves the directory `dir` on free ports, and waits until it listens. `more` are further arguments.
    pub fn serve(&self, dir: &Path, more: &[&str]) -> Server {
        self.serve_at(FREE, dir, more)
    }

    /// As [`Program::serve`], at this address.
    pub fn serve_at(&self, listen: &str, dir: &Path, more: &[&str]) -> Server {
        self.try_serve_at(listen, dir, more).unwrap_or_else(|told| panic!("{self:?} did not come to listening: {told}"))
    }

    /// As [`Program::serve`]. If it ends instead, it must do so with exit code 1; this gives what it printed.
    pub fn try_serve(&self, dir: &Path, more: &[&str]) -> Result<Server, String> {
        self.try_serve_at(FREE, dir, more)
    }

    /// Serves by this configuration file on free ports, and waits until it listens.
    pub fn serve_config(&self, config: &Path, more: &[&str]) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", FREE, "--config"]).arg(config).stdout(Stdio::piped());
        started(command, more).unwrap_or_else(|told| panic!("{self:?} did not come to listening: {told}"))
    }

    fn try_serve_at(&self, listen: &str, dir: &Path, more: &[&str]) -> Result<Server, String> {
        started(self.serving(listen, dir), more)
    }

    /// Serves the directory `dir` and kills the server after `life`, wherever it then is: most starts take some tens of milliseconds. Says
    /// whether it had come to listening.
    pub fn serve_and_kill(&self, dir: &Path, life: Duration) -> bool {
        let mut child = self.serving(FREE, dir).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(life); // what is waited for is nothing but a moment
        child.kill().unwrap();
        child.wait().unwrap();
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        told.contains("listening on")
    }

    fn serving(&self, listen: &str, dir: &Path) -> Command {
        let mut command = self.command();
        command.args(["serve", "--listen", listen, "--dir"]).arg(dir).stdout(Stdio::piped());
        command
    }
}

/// Starts what `command` serves, and waits until it listens. If it ends instead, gives what it printed.
fn started(mut command: Command, more: &[&str]) -> Result<Server, String> {
    // Not beside the data: a test may fill that disk.
    let messages = NamedTempFile::new().unwrap();
    let mut child = command.args(["--ops-listen", FREE]).args(more).stderr(messages.reopen().unwrap()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = |prefix: &str| Some(lines.next()?.unwrap().strip_prefix(prefix)?.to_owned());
    match told("listening on ").and_then(|public| Some((public, told("operations on http://")?))) {
        Some((url, operations)) => {
            let address = url.split_once("://").unwrap().1.parse().unwrap();
            Ok(Server { child, address, url, operations: operations.parse().unwrap(), messages })
        }
        None => {
            let ended = child.wait().unwrap();
            let told = std::fs::read_to_string(messages.path()).unwrap();
            assert_eq!(ended.code(), Some(1), "{told}");
            Err(told)
        }
    }
}

impl Server {
    /// What it has printed about itself so far.
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.messages.path()).unwrap()
    }

    /// The most memory that it has had at any time so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak.unwrap() << 10
    }

    /// What its environment says, as `NAME=value`.
    pub fn environment(&self) -> Vec<String> {
        let environment = std::fs::read(format!("/proc/{}/environ", self.child.id())).unwrap();
        environment.split(|byte| *byte == 0).map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL: the process has no chance to do anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end, and gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Waits for its end, which must have this exit code, and gives what it printed about itself.
    pub fn messages_after_end(&mut self, code: Option<i32>) -> String {
        let (ended, messages) = (self.wait(), self.messages());
        assert_eq!(ended, code, "{messages}");
        messages
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{} had printed:\n{}", self.url, std::fs::read_to_string(self.messages.path()).unwrap_or_default());
        }
    }
}
