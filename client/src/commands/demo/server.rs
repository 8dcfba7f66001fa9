//! The log's server as a child process.
//!
//! Invariant: when this process ends in any way that it can act on, the server ends too, by SIGTERM first, so that it drains. If this
//! process is killed with SIGKILL the server goes on running; nothing can be done about that here without unsafe code.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::super::{Exit, Failure, say, wrong_file};

const PROGRAM: &str = "acta-log";

/// How long to wait for it to start, and for it to stop.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Server {
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
    pub(super) operations: Option<String>,
}

impl Server {
    /// Creates a log in the directory `log` below `desk` if there is none, and serves it on free ports of this machine. `registrars` are
    /// files with verifier keys, of which `threshold` must sign.
    pub(super) async fn start(desk: &Path, origin: &str, registrars: &[String], threshold: &str) -> Result<Self, Failure> {
        let program = program();
        let directory = desk.join("log");
        if !directory.join("policy").exists() {
            let mut arguments = vec!["init", "--dir", "log", "--origin", origin, "--threshold", threshold, "--registrar"];
            arguments.extend(registrars.iter().map(String::as_str));
            say(format_args!("   $ acta-log {}", arguments.join(" ")))?;
            let mut init = Command::new(&program);
            init.args(arguments).current_dir(desk).kill_on_drop(true);
            let output = init.output().await.map_err(|error| not_found(&program, &error))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(Exit::Usage.because(format!("acta-log init failed: {}", said.trim_end())));
            }
        }
        let messages = directory.with_extension("messages");
        let stderr = File::create(&messages).map_err(|error| wrong_file(&messages, error))?;
        let mut serve = Command::new(&program);
        serve.arg("serve").arg("--dir").arg(&directory).args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
        // A group of its own: Ctrl-C reaches this process, which then ends the server in its own time.
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).process_group(0).kill_on_drop(true);
        let mut child = serve.spawn().map_err(|error| not_found(&program, &error))?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut server = Server { child, addresses: Addresses::default(), messages, stdout: BufReader::new(stdout).lines() };
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
            }
            if let Some(url) = line.strip_prefix("operations on ") {
                self.addresses.operations = Some(url.to_owned());
                return Some(());
            }
        }
    }

    fn failure(&self, what: &str) -> Failure {
        let messages = std::fs::read_to_string(&self.messages).unwrap_or_default();
        let last = messages.trim_end().lines().last().unwrap_or("it said nothing").to_owned();
        Exit::Unavailable.because(format!("the log's server {what}: {last}"))
    }
}

/// Beside this program, as both are built and installed together; else wherever the PATH has it.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(PROGRAM));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PROGRAM.into())
}

fn not_found(program: &Path, error: &std::io::Error) -> Failure {
    Exit::Usage.because(format!(
        "cannot start {}: {error}. Build it with `cargo build --workspace --bins`, or put acta-log beside acta or into the PATH",
        program.display()
    ))
}
