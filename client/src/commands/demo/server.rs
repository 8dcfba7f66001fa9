//! Servers as child processes: logs, witnesses, and a monitor.
//!
//! Invariant: when this process ends in any way that it can act on, the servers end too, by SIGTERM first, so that they drain. If this
//! process is killed with SIGKILL they go on running; nothing can be done about that here without unsafe code.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::super::{Exit, Failure, wrong_file};

/// How long to wait for one to start, and for it to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Log,
    Witness,
    Monitor,
}

pub(super) struct Server {
    program: Program,
    child: Child,
    addresses: Addresses,
    messages: PathBuf,
    /// Kept, because a server whose standard output is closed could not write to it.
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Where it listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    pub(super) url: String,
    /// Of the log only: the demo has no use for the others'.
    pub(super) operations: Option<String>,
}

impl Server {
    /// Runs `PROGRAM serve --dir NAME …` (of a monitor: `--config NAME.toml …`) below `desk` until it listens. What it prints about itself goes to `NAME.messages`.
    pub(super) async fn start(program: Program, desk: &Path, name: &str, more: &[&str]) -> Result<Self, Failure> {
        let messages = desk.join(format!("{name}.messages"));
        let stderr = File::create(&messages).map_err(|error| wrong_file(&messages, error))?;
        let mut serve = Command::new(program.path());
        match program {
            Program::Log | Program::Witness => serve.args(["serve", "--dir", name]),
            Program::Monitor => serve.args(["serve", "--config", &format!("{name}.toml")]),
        };
        serve.args(more).current_dir(desk);
        if program == Program::Log {
            serve.args(["--ops-listen", "127.0.0.1:0"]);
        }
        // A group of its own: Ctrl-C reaches this process, which then ends the server in its own time.
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).process_group(0).kill_on_drop(true);
        let mut child = serve.spawn().map_err(|error| program.not_found(&error))?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut server = Server { program, child, addresses: Addresses::default(), messages, stdout: BufReader::new(stdout).lines() };
        match timeout(PATIENCE, server.read_addresses()).await {
            Ok(Some(())) => Ok(server),
            _ => Err(server.failure("did not start")),
        }
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Waits for it to end, which it should not do by itself.
    pub(super) async fn ended(&mut self) -> Failure {
        // Whether or not its status can be told, it is gone.
        let _ = self.child.wait().await;
        self.failure("ended by itself")
    }

    /// Waits for it to end by itself, and gives the last that it said.
    pub(super) async fn refused(&mut self) -> Result<String, Failure> {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if !status.success() => Ok(self.last_words()),
            _ => Err(self.failure("went on, which must never happen")),
        }
    }

    pub(super) async fn stop(&mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // It may have ended in between, which is what is wanted.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Reads where it listens; `None` if it ended before it said so.
    async fn read_addresses(&mut self) -> Option<()> {
        loop {
            let line = self.stdout.next_line().await.ok()??;
            if let Some(url) = line.strip_prefix("listening on ") {
                self.addresses.url = url.to_owned();
                if self.program != Program::Log {
                    return Some(());
                }
            }
            if let Some(url) = line.strip_prefix("operations on ") {
                self.addresses.operations = Some(url.to_owned());
                return Some(());
            }
        }
    }

    fn last_words(&self) -> String {
        let messages = std::fs::read_to_string(&self.messages).unwrap_or_default();
        messages.trim_end().lines().last().unwrap_or("it said nothing").to_owned()
    }

    fn failure(&self, what: &str) -> Failure {
        Exit::Unavailable.because(format!("{} {what}: {}", self.program.name(), self.last_words()))
    }
}

impl Program {
    pub(super) fn name(self) -> &'static str {
        match self {
            Program::Log => "acta-log",
            Program::Witness => "acta-witness",
            Program::Monitor => "acta-monitor",
        }
    }

    /// Runs a command of it that ends by itself.
    pub(super) async fn run(self, desk: &Path, arguments: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(self.path());
        command.args(arguments).current_dir(desk).stdin(Stdio::null()).kill_on_drop(true);
        let Output { status, stderr, .. } = command.output().await.map_err(|error| self.not_found(&error))?;
        if status.success() {
            return Ok(());
        }
        let (said, asked) = (String::from_utf8_lossy(&stderr), arguments.first().unwrap_or(&""));
        Err(Exit::Usage.because(format!("{} {asked} failed: {}", self.name(), said.trim_end())))
    }

    /// Beside this program, as all are built and installed together; else wherever the PATH has it.
    fn path(self) -> PathBuf {
        let beside = std::env::current_exe().ok().map(|path| path.with_file_name(self.name()));
        beside.filter(|path| path.is_file()).unwrap_or_else(|| self.name().into())
    }

    fn not_found(self, error: &std::io::Error) -> Failure {
        Exit::Usage.because(format!(
            "cannot start {}: {error}. Build it with `cargo build --workspace --bins`, or put {} beside acta or into the PATH",
            self.path().display(),
            self.name()
        ))
    }
}
