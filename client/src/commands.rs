//! The commands, one file for each, and what they share: options, exit status, output.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acta_client::audit::AuditError;
use acta_client::durable;
use acta_client::fold::{FoldCache, FoldError};
use acta_client::location::Location;
use acta_client::publish::PublishError;
use acta_client::source::{FetchError, Options, Source, SourceError, read_ca_file};
use acta_client::statements::RunError;
use acta_client::status::StatusError;
use acta_client::submit::SubmitError;
use acta_client::terminal;
use acta_client::verified::{ReadError, VerifiedLog};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tlog::policy::{MAX_POLICY, Policy, Since, TrustedLog, VerifiedCheckpoint, Vote};
use tlog::printable::Printable;

mod audit;
mod bench;
mod checkpoint;
mod completions;
mod cosign;
mod demo;
mod follow_up;
mod get;
mod inspect;
mod issuer;
mod key;
mod keygen;
mod prove;
mod publish;
mod registrar;
mod search;
mod show;
mod statement;
mod status;
mod verify;

/// Publish decisions to a transparency log, keep receipts for them, and check both.
#[derive(Debug, Parser)]
#[command(
    name = "acta",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 all is well; 1 something failed its verification; 2 the command or a file given to it is wrong; \
                  3 the network or the log's server failed.\n\nSet ACTA_TRACE=debug to see every attempt on standard error."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// In the order in which somebody needs them.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Publish(Box<publish::Publish>),
    Correct(Box<follow_up::Correct>),
    Supersede(Box<follow_up::Supersede>),
    Revoke(Box<follow_up::Revoke>),
    Verify(verify::Verify),
    Status(status::StatusCommand),
    Search(Box<search::Search>),
    Inspect(inspect::Inspect),
    Checkpoint(checkpoint::Checkpoint),
    Get(get::Get),
    Prove(prove::Prove),
    Audit(audit::Audit),
    Cosign(cosign::Cosign),
    Keygen(keygen::Keygen),
    Issuer(issuer::IssuerCommand),
    Key(key::KeyCommand),
    Registrar(registrar::RegistrarCommand),
    Statement(statement::StatementCommand),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

impl Cli {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Demo(command) => command.run().await,
            Command::Publish(command) => command.run().await,
            Command::Correct(command) => command.run().await,
            Command::Supersede(command) => command.run().await,
            Command::Revoke(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Status(command) => command.run().await,
            Command::Search(command) => command.run().await,
            Command::Inspect(command) => command.run(),
            Command::Checkpoint(command) => command.run().await,
            Command::Get(command) => command.run().await,
            Command::Prove(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Cosign(command) => command.run().await,
            Command::Keygen(command) => command.run(),
            Command::Issuer(command) => command.run().await,
            Command::Key(command) => command.run().await,
            Command::Registrar(command) => command.run().await,
            Command::Statement(command) => command.run().await,
            Command::Bench(command) => command.run().await,
            Command::Completions(command) => command.run(),
        }
    }
}

/// How a command ends that does not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed its verification.
    Refused,
    /// The command line or a local file is wrong.
    Usage,
    /// The network or the log's server failed.
    Unavailable,
}

/// Why a command did not end well. Without an error, it has said so itself.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 3,
        })
    }
}

impl Exit {
    /// A failure that explains itself by `error`.
    fn because(self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure { exit: self, error: Some(error.into()) }
    }

    /// A failure of which the output has told already.
    fn told(self) -> Failure {
        Failure { exit: self, error: None }
    }
}

/// A file that was named on the command line and is no use: the path, and why.
fn wrong_file(path: &Path, reason: impl Display) -> Failure {
    Exit::Usage.because(format!("{}: {reason}", terminal::path(path)))
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        ReadError::from(error).into()
    }
}

impl Failure {
    /// For scripts that read standard output: what is an error there is told to them too.
    fn say_json(self) -> Result<(), Failure> {
        if let Some(error) = &self.error {
            say_json(&serde_json::json!({ "good": false, "reason": error.to_string() }))?;
        }
        Err(self)
    }
}

/// Which failures are the log's lies, which its absence, and which our own questions.
fn exit_of_read(error: &ReadError) -> Exit {
    match error {
        ReadError::Plan(_) => Exit::Usage,
        // A page of HTML is a wrong address rather than a lie.
        ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. })) => Exit::Refused,
        // A file of an exported tree that is there and cannot be read.
        ReadError::Source(SourceError::Fetch(FetchError::File { .. })) => Exit::Usage,
        ReadError::Source(SourceError::Fetch(_) | SourceError::Checkpoint(_)) => Exit::Unavailable,
        _ => Exit::Refused,
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        exit_of_read(&error).because(error)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let exit = match &error {
            AuditError::Read(error) | AuditError::Unproven { source: error, .. } => exit_of_read(error),
            AuditError::Heads(_) => Exit::Usage,
            _ => Exit::Refused,
        };
        exit.because(error)
    }
}

/// Which failures of adding an entry are the log's lies, which its absence, and which our own mistakes.
fn exit_of_submit(error: &SubmitError) -> Exit {
    match error {
        SubmitError::NotAServer | SubmitError::Empty | SubmitError::TooLarge(_) | SubmitError::BatchTooLarge => Exit::Usage,
        SubmitError::Read(error) => exit_of_read(error),
        SubmitError::Fetch(FetchError::TooLarge { .. }) => Exit::Refused,
        // The log has a rule against it, and will have it next time too.
        SubmitError::Fetch(FetchError::Refused { problem, .. }) if problem.is_refusal_of_content() => Exit::Usage,
        error if error.is_false_claim() => Exit::Refused,
        _ => Exit::Unavailable,
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        exit_of_submit(&error).because(error)
    }
}

impl From<FoldError> for Failure {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Read(error) => error.into(),
            // Nobody but us writes to a ledger in memory.
            error => Exit::Unavailable.because(error),
        }
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        let exit = match error {
            StatusError::Fetch(error) => return error.into(),
            StatusError::Fold(error) => return error.into(),
            StatusError::NotAServer | StatusError::NotYetPublished(_) => Exit::Usage,
            StatusError::OtherEntry { .. } => Exit::Refused,
            _ => Exit::Unavailable,
        };
        exit.because(error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let exit = match &error {
            PublishError::Submit { source, .. } => exit_of_submit(source),
            _ => Exit::Usage,
        };
        exit.because(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match &error {
            RunError::Refused { .. } => Exit::Refused,
            RunError::Submit { source, .. } => exit_of_submit(source),
            _ => Exit::Usage,
        };
        exit.because(error)
    }
}

/// Which log, and whom to believe about it.
#[derive(Debug, Args)]
struct LogArgs {
    /// The log: its address, or a directory that it was exported to. By default the address in the policy
    #[arg(long, value_name = "URL|DIR", env = "ACTA_LOG", hide_env_values = true)]
    log: Option<Location>,
    /// The policy file: the log's key, and which witnesses must have signed
    #[arg(long, value_name = "FILE", env = "ACTA_POLICY", hide_env_values = true, required = true)]
    policy: Option<PathBuf>,
    /// Which log of the policy is meant, by its name. Needed only if the policy lists several and the address does not tell
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Certificate authorities (PEM) to trust for https besides the web's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How long to try again when the log is away or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
}

/// Where to keep what never changes.
#[derive(Debug, Args)]
struct CacheArgs {
    /// Where to keep tiles and entries that never change; checked each time they are used [default: the user's cache directory]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Fetch everything anew and keep nothing
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

impl LogArgs {
    /// The policy for the one log that is meant: no other may answer for it.
    fn policy(&self) -> Result<Policy, Failure> {
        let policy = read_policy(self.policy_file()?)?;
        let origin = self.origin(&policy)?;
        policy.only(&origin).ok_or_else(|| self.wrong_policy(format_args!("it does not list the log {}", Printable(origin))))
    }

    /// Where the policy is. Only a command that can do without makes it optional.
    fn policy_file(&self) -> Result<&Path, Failure> {
        self.policy.as_deref().ok_or_else(|| Exit::Usage.because("whom to believe? Give --policy FILE"))
    }

    fn wrong_policy(&self, reason: impl Display) -> Failure {
        wrong_file(self.policy.as_deref().unwrap_or(Path::new("--policy")), reason)
    }

    /// The log that is meant: the one that is named, or else the only one at the address that is given, or else the only one there is.
    fn origin(&self, policy: &Policy) -> Result<String, Failure> {
        if let Some(origin) = &self.origin {
            return Ok(origin.clone());
        }
        let origins = |logs: &mut dyn Iterator<Item = &TrustedLog>| logs.map(|log| log.key().name().to_string()).collect::<BTreeSet<_>>();
        let is_at = |log: &&TrustedLog| self.log.is_some() && log.url().and_then(|url| url.parse().ok()) == self.log;
        let here = origins(&mut policy.logs().iter().filter(is_at));
        let all = origins(&mut policy.logs().iter());
        let candidates = if here.is_empty() { all } else { here };
        if candidates.len() > 1 {
            let list = candidates.iter().map(|origin| Printable(origin).to_string()).collect::<Vec<_>>().join(", ");
            return Err(self.wrong_policy(format_args!("which of its logs? Give --origin with one of: {list}")));
        }
        candidates.into_iter().next().ok_or_else(|| self.wrong_policy("it lists no log"))
    }

    fn options(&self) -> Result<Options, Failure> {
        let authorities = match &self.ca {
            Some(path) => read_ca_file(path).map_err(|error| wrong_file(path, error))?,
            None => Vec::new(),
        };
        Ok(Options { wait: Duration::from_secs(self.wait), authorities, ..Options::default() })
    }

    fn location(&self, policy: &Policy) -> Result<Location, Failure> {
        if let Some(location) = &self.log {
            return match location {
                Location::Directory(path) if !path.is_dir() => Err(Exit::Usage.because(format!(
                    "there is no directory {0}; if you mean an address, write http://{0} or https://{0}",
                    terminal::path(path)
                ))),
                location => Ok(location.clone()),
            };
        }
        // A log has several lines if it has several keys.
        match policy.logs().iter().find_map(TrustedLog::url) {
            Some(url) => url.parse().map_err(|error| self.wrong_policy(error)),
            None => Err(Exit::Usage.because("where is the log? The policy has no address for it; give --log URL")),
        }
    }

    fn source(&self, policy: &Policy, options: &Options) -> Result<Source, Failure> {
        Source::new(&self.location(policy)?, options).map_err(|error| Exit::Usage.because(error))
    }

    /// The log under its latest head.
    async fn open(&self, cache: &CacheArgs) -> Result<VerifiedLog, Failure> {
        let policy = self.policy()?;
        let log = VerifiedLog::open(self.source(&policy, &self.options()?)?, &policy).await?;
        Ok(match cache.directory() {
            Some(directory) => log.with_cache(&directory),
            None => log,
        })
    }
}

impl CacheArgs {
    /// Where it is kept what was computed of a log: nowhere, if there is no directory of the user's own for its digest.
    fn folds(&self, origin: &str) -> Option<FoldCache> {
        let own = own_directories()?;
        let state = own.state_dir().unwrap_or(own.data_local_dir()).join("folds");
        Some(FoldCache::new(&self.directory()?, &state, origin))
    }

    fn directory(&self) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(|| Some(own_directories()?.cache_dir().to_owned()))
    }
}

fn own_directories() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "acta")
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = read_file(path, MAX_POLICY)?;
    Policy::parse(&bytes).map_err(|error| wrong_file(path, error))
}

fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let bound = u64::try_from(limit).unwrap_or(u64::MAX);
    let bytes = durable::read_bounded(path, bound).map_err(|error| wrong_file(path, error))?;
    bytes.ok_or_else(|| {
        wrong_file(path, format_args!("the file is larger than {limit} bytes, which is more than it can be; is it the right one?"))
    })
}

/// Writes to standard output, or durably to a file.
fn write_out(out: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match out {
        Some(path) => durable::write(path, bytes).map_err(|error| wrong_file(path, error)),
        None => stdout(bytes),
    }
}

/// Whether whoever read our output has seen enough.
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. A reader that has gone, such as `head`, ends neither the work nor what its exit status says.
fn stdout(bytes: &[u8]) -> Result<(), Failure> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            STDOUT_CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        result => result.map_err(|error| Exit::Usage.because(format!("cannot write the output: {error}"))),
    }
}

/// A line on standard error. If nobody reads that, the exit status still tells how the command ended.
pub(crate) fn warn(line: impl Display) {
    let _ = io::stderr().lock().write_all(format!("acta: {line}\n").as_bytes());
}

/// A line on standard output.
fn say(line: impl Display) -> Result<(), Failure> {
    stdout(format!("{line}\n").as_bytes())
}

/// How far reading and judging entries has come; nothing where nobody sees it.
fn entries_bar(entries: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} entries  {per_sec}  {eta} left");
    ProgressBar::new(entries).with_style(style.expect("the template is valid"))
}

/// Adds to what scripts are told of a checkpoint: which keys cosigned it, and how those whom the policy counts stand to it.
fn add_witnesses(json: &mut serde_json::Value, policy: &Policy, head: &VerifiedCheckpoint) {
    let cosigned = head.cosignatures().iter();
    json["witnesses"] = cosigned.map(|c| serde_json::json!({ "witness": c.witness().to_string(), "time": c.timestamp() })).collect();
    let tally = policy.tally(head.cosignatures());
    let one = |vote: &Vote| {
        let time = vote.cosigned.and_then(|since| if let Since::Time(seconds) = since { Some(seconds) } else { None });
        serde_json::json!({ "name": vote.name.to_string(), "signed": vote.cosigned.is_some(), "time": time })
    };
    let votes: Vec<_> = tally.votes.iter().map(one).collect();
    json["quorum"] =
        if votes.is_empty() { serde_json::Value::Null } else { serde_json::json!({ "needed": tally.threshold, "votes": votes }) };
}

/// A line of JSON on standard output.
fn say_json(value: &serde_json::Value) -> Result<(), Failure> {
    say(terminal::json(&value.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().unwrap_or_default().to_string();
            assert!(help.contains(&format!("\n  acta {}", command.get_name())), "{} has no example", command.get_name());
        }
    }
}
