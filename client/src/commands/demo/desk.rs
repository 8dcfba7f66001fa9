//! Where the demo types its commands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use acta_client::{durable, terminal};
use tlog::key::SigningKey;
use tokio::process::Command;

use super::super::{Exit, Failure, say, wrong_file};

/// A directory, and this program.
pub(super) struct Desk {
    program: PathBuf,
    directory: PathBuf,
}

/// How a command is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// It does what it is asked.
    Well,
    /// It refuses, which is what is shown.
    Refusing,
}

impl Desk {
    pub(super) fn new(directory: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| Exit::Usage.because(format!("cannot find this program itself: {error}")))?;
        Ok(Desk { program, directory: directory.to_owned() })
    }

    /// Where that is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A key that the demo has made.
    pub(super) fn key(&self, path: &str) -> Result<SigningKey, Failure> {
        keyfile::load(&self.directory.join(path)).map_err(|error| Exit::Usage.because(error))
    }

    /// Whether a file is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.directory.join(path).exists()
    }

    pub(super) fn make_directory(&self, path: &str) -> Result<(), Failure> {
        let path = self.directory.join(path);
        fs::create_dir_all(&path).map_err(|error| wrong_file(&path, error))
    }

    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let path = self.directory.join(path);
        fs::read(&path).map_err(|error| wrong_file(&path, error))
    }

    /// Writes a file, with the directories that it needs.
    pub(super) fn write(&self, path: &str, content: &[u8]) -> Result<(), Failure> {
        let path = self.directory.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| durable::write(&path, content));
        written.map_err(|error| wrong_file(&path, error))
    }

    /// Copies a directory with all that is in it, rights included.
    pub(super) fn copy(&self, from: &str, to: &str) -> Result<(), Failure> {
        let copied = std::process::Command::new("cp").args(["-a", from, to]).current_dir(&self.directory).status();
        match copied {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Exit::Usage.because(format!("cp -a {from} {to} failed"))),
        }
    }

    /// The first file with that extension anywhere below a directory, by its path from here.
    pub(super) fn find(&self, directory: &str, extension: &str) -> Result<Option<String>, Failure> {
        let path = self.directory.join(directory);
        let mut files = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| wrong_file(&path, error))?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let name = format!("{directory}/{}", file.file_name().display());
            let found = if file.path().is_dir() {
                self.find(&name, extension)?
            } else {
                file.path().extension().is_some_and(|found| found == extension).then_some(name)
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Shows a command and runs it; what it prints is shown, `lines` of it at most.
    pub(super) async fn show(&self, arguments: &[&str], ends: Ends, lines: usize) -> Result<(), Failure> {
        let typed: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        say(format_args!("   $ acta {}", typed.join(" ")))?;
        let printed = self.run(arguments, ends).await?;
        let all: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in all.iter().take(lines) {
            say(format_args!("     {}", terminal::line(line)))?;
        }
        if let more @ 1.. = all.len().saturating_sub(lines) {
            say(format_args!("     … and {more} more lines"))?;
        }
        Ok(())
    }

    /// Runs a command and gives what it prints. One that ends as it should not ends the demo.
    pub(super) async fn run(&self, arguments: &[&str], ends: Ends) -> Result<String, Failure> {
        let mut command = Command::new(&self.program);
        // Nothing of the reader's own settings shall change what is shown.
        for name in ["ACTA_LOG", "ACTA_POLICY", "ACTA_TRACE"] {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(&self.directory).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| Exit::Usage.because(format!("cannot run acta: {error}")))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() == (ends == Ends::Well) {
            return Ok(printed);
        }
        let wanted = if ends == Ends::Well { "failed" } else { "was accepted, which must never happen" };
        Err(Exit::Refused.because(format!("acta {} {wanted}: {}", arguments.join(" "), printed.trim_end())))
    }
}

/// An argument as one types it in a shell.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    if argument.chars().all(plain) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
}
