//! The command line of `acta-witness`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs a witness of transparency logs.
///
/// A witness signs a log's newest state if it continues the one that it signed before, and never another one. Where readers ask for the
/// signatures of several independent witnesses, a log cannot show two histories. Create one with `init`, run it with `serve`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 good, 1 refused, failed, or problems found, 2 wrong use of the command line.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Serve(Serve),
    #[command(subcommand)]
    Logs(Logs),
    Follow(Follow),
    CheckConfig(CheckConfig),
}

/// Creates a new witness.
///
/// Makes the directory, two signing keys, Ed25519 and ML-DSA-44, and `witness.vkey`, their verifier keys, to give to others. Prints what
/// a policy says to ask this witness: both keys are one vote.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness init --dir /var/lib/acta-witness --name witness.example/w1 --url https://witness.example/w1")]
pub(crate) struct Init {
    /// Where the witness shall live; a directory that does not exist yet, or is empty
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The witness's name for ever: like a web address without https://, such as witness.example/w1
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Where logs will reach it, for the policy lines that are printed
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Make no ML-DSA-44 key: less work and less disk, but not safe from quantum computers, and no sign-subtree
    #[arg(long)]
    pub(crate) ed25519_only: bool,
}

/// Runs the witness until it is told to stop (SIGTERM or Ctrl-C).
///
/// Prints `listening on http://ADDRESS` when it is ready. On SIGHUP it reads its policy files again.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness serve --dir /var/lib/acta-witness --listen 0.0.0.0:8081 --policy /etc/acta/logs")]
pub(crate) struct Serve {
    /// The witness's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Address and port for logs and monitors; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address and port for the operator: /metrics, /healthz, /readyz
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) ops_listen: Option<SocketAddr>,
    /// A policy file with logs to follow, or a directory of them, besides DIR/logs; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Serve over a connection to this bastion as well, so that no public address is needed
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bastion: Option<String>,
    /// Further settings; see acta-witness.example.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Says which logs are followed: adds and removes some, lists them.
///
/// Each log added here gets a policy file in DIR/logs. A running witness is told at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Logs {
    Add(AddLog),
    Remove(RemoveLog),
    List(ListLogs),
    Reload(Reload),
}

/// Follows a log.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness logs add --dir /var/lib/acta-witness --vkey log.vkey")]
pub(crate) struct AddLog {
    /// The witness's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The log's verifier key, or a file with it
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: String,
    /// Where the log can be read
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// Follows a log no more.
///
/// What was signed of it stays known: when it is added again, it goes on from there.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness logs remove --dir /var/lib/acta-witness --origin gazette.example/2026")]
pub(crate) struct RemoveLog {
    /// The witness's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The log's origin, the first line of its checkpoints
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: String,
}

/// Lists the logs that are followed.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness logs list --dir /var/lib/acta-witness --policy /etc/acta/logs")]
pub(crate) struct ListLogs {
    /// The witness's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// What `serve` is given as --policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// What `serve` is given as --config
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Lets a running witness read its policy files again, as SIGHUP does.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness logs reload --dir /var/lib/acta-witness")]
pub(crate) struct Reload {
    /// The witness's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Brings a witness the heads of logs that do not ask it themselves.
///
/// Fetches the newest head of each log that the policy files list with an address, builds the proof from the log's tiles, and sends both to the
/// witness, again and again. Needs no key and no directory of a witness, and may run on another machine.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness follow --witness http://127.0.0.1:8081 --policy /var/lib/acta-witness/logs --interval 5m")]
pub(crate) struct Follow {
    /// The witness's address: its submission prefix
    #[arg(long, value_name = "URL")]
    pub(crate) witness: String,
    /// A policy file with logs and their addresses, or a directory of them; may be given several times. Read again for each round
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) policy: Vec<PathBuf>,
    /// From the beginning of one round to that of the next
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(crate) interval: serving::units::Span,
    /// One round; the exit code says whether all logs were cosigned
    #[arg(long)]
    pub(crate) once: bool,
    /// A PEM file with certificate authorities to trust besides the web's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Checks a configuration file and says what is wrong with it, without starting anything.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-witness check-config --config /etc/acta/acta-witness.toml")]
pub(crate) struct CheckConfig {
    /// The file to check
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
