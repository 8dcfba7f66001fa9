//! The command line of `acta-monitor`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use monitor::alert::{self, DeliveryId, MuteId};
use monitor::finding::Severity;

/// Watches logs of public decisions.
///
/// A monitor reads all that a log publishes, verifies it, and says what is wrong: a log that contradicts itself, entries that it should have
/// refused, decisions that look wrong, and decisions that are missing. Run it beside others' logs with `serve`, or look once with `check`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "To begin, with the policy file that the log's operator gives out:\n  \
     acta-monitor init --state watch --policy policy --log https://log.example --config watch.toml\n  \
     acta-monitor check --config watch.toml\n  \
     acta-monitor serve --config watch.toml\n\n\
     Exit codes: 0 good, 1 findings or an error, 2 wrong use of the command line or the configuration, 3 a log could not be looked at.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Serve(Serve),
    CheckConfig(CheckConfig),
    Check(Check),
    Replay(Replay),
    AuditReceipt(AuditReceipt),
    Codes(Codes),
    Mute(Mute),
    Unmute(Unmute),
    Mutes(Mutes),
    Deliveries(Deliveries),
    Requeue(Requeue),
    Export(Export),
}

/// Makes a state directory, and a configuration file to begin with.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor init --state /var/lib/acta-monitor --policy policy.txt --config acta-monitor.toml")]
pub(crate) struct Init {
    /// Where the monitor shall keep what it knows; a directory that does not exist yet, or is empty
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// A policy file: keys of the logs, their witnesses, and how many of these must sign
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Where the log is: an address, or a directory; if it is left out, where the policy says
    #[arg(long, value_name = "URL")]
    pub(crate) log: Option<String>,
    /// The configuration file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Follows logs until it is told to stop (SIGTERM or Ctrl-C).
///
/// Prints `listening on http://ADDRESS` when it is ready.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor serve --config /etc/acta/acta-monitor.toml")]
pub(crate) struct Serve {
    /// The configuration file; see acta-monitor.example.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Address and port for everybody, in place of the configured ones (127.0.0.1:8082 if there are none); port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address and port for whoever runs the monitor: /metrics, /healthz, /readyz; keep it away from the public
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) ops_listen: Option<SocketAddr>,
}

/// Checks a configuration file and says what is wrong with it, without starting anything.
///
/// Policy files are read, and rules compiled.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor check-config --config /etc/acta/acta-monitor.toml")]
pub(crate) struct CheckConfig {
    /// The file to check
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Looks at logs once, takes in what is new, and says what is wrong with them: for cron.
///
/// Give it --config, or --policy and --state. Prints all findings that are open, also those of earlier runs. Not while `serve` works on the
/// same state directory. Exit code: 0 nothing was found (what is only worth knowing does not count),
/// 1 findings, 2 wrong use, 3 a log could not be looked at.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor check --policy policy.txt --log https://log.example --state /var/lib/acta-watch")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) watched: Watched,
    /// Each finding as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which logs a command looks at, and what was seen of them before.
#[derive(Debug, Args)]
pub(crate) struct Watched {
    /// The policy file: keys of the logs, their witnesses, and how many of these must sign
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    pub(crate) policy: Option<PathBuf>,
    /// Where the log is: an address, or a directory; if it is left out, where the policy says
    #[arg(long, value_name = "URL", requires = "policy")]
    pub(crate) log: Option<String>,
    /// Where the monitor keeps what it knows from one run to the next; `check` makes it if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub(crate) state: Option<PathBuf>,
    /// A configuration file, with logs, settings and rules; with --policy beside it, only the log of that policy is looked at
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A PEM file with certificate authorities to trust besides the web's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Looks whether the log keeps what it promised in receipts.
///
/// Give it --config, or --policy and --state. Compares with what `check` or `serve` has read of the log. What has not been read yet is
/// remembered, and decided once it has been. A receipt that is not part of the log becomes a finding whose evidence convicts the log. While a
/// monitor runs on the state directory, the files are handed over to it. Exit code: 0 all are part of the log, 1 one is not, 2 a file is no receipt, 3 it is not known yet.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor audit-receipt --policy policy.txt --state /var/lib/acta-watch permit.tlog-proof")]
pub(crate) struct AuditReceipt {
    /// The receipts, as `acta publish` keeps them
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) watched: Watched,
    /// Each result as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Judges all entries that are kept anew, by the rules and checks of the configuration as it is now. Fetches nothing.
///
/// What is found again stays as it was, and no alert of it is repeated; what is not found any more is resolved.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor replay --config /etc/acta/acta-monitor.toml")]
pub(crate) struct Replay {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Lists all kinds of findings with what they mean, as docs/findings.md does.
#[derive(Debug, Args)]
pub(crate) struct Codes {
    /// As JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Says which alerts shall not be sent, why, and until when.
///
/// What is muted is found, kept and shown as before, and sent when the mute ends if it is still the case. A monitor that runs takes notice
/// within a second.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: acta-monitor mute 'process.*' --about planning.example --reason 'moving house' --for 72h --state /var/lib/acta-monitor"
)]
pub(crate) struct Mute {
    /// Which kinds of findings: one such as log.stale-head, a family such as 'process.*', or '*'
    #[arg(value_name = "KINDS")]
    pub(crate) codes: alert::Codes,
    /// The monitor's state directory
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Only of the log with this origin
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) log: Option<String>,
    /// Only about this issuer or witness
    #[arg(long, value_name = "NAME")]
    pub(crate) about: Option<String>,
    /// Only what matters no more than this: info, notice, warning, error or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) up_to: Option<Severity>,
    /// Why, in one line, for those who come after
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how long, such as 72h
    #[arg(long = "for", value_name = "TIME", required_unless_present = "until", conflicts_with = "until")]
    pub(crate) duration: Option<serving::units::Span>,
    /// Until when, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<jiff::Timestamp>,
}

/// Takes a mute back. What is still the case is sent.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor unmute 0123abcd --state /var/lib/acta-monitor")]
pub(crate) struct Unmute {
    /// The mute, as `acta-monitor mutes` lists it
    #[arg(value_name = "ID")]
    pub(crate) id: MuteId,
    /// The monitor's state directory
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
}

/// Lists what is muted, why, and until when.
#[derive(Debug, Args)]
pub(crate) struct Mutes {
    /// The monitor's state directory
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// As JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Lists alerts that wait to be delivered, or whose delivery was given up.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor deliveries --dead --state /var/lib/acta-monitor")]
pub(crate) struct Deliveries {
    /// The monitor's state directory
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Those that were given up; without this, those that wait
    #[arg(long)]
    pub(crate) dead: bool,
    /// As JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Lets deliveries that were given up be tried again, by the monitor that runs or is started next.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-monitor requeue --all --state /var/lib/acta-monitor")]
pub(crate) struct Requeue {
    /// The delivery, as `acta-monitor deliveries --dead` lists it
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<DeliveryId>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// The monitor's state directory
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
}

fn severity(text: &str) -> Result<Severity, String> {
    let named = Severity::ALL.into_iter().find(|severity| severity.name() == text);
    named.ok_or_else(|| "write info, notice, warning, error or critical".to_owned())
}

/// Writes findings or decisions for other programs, also while the monitor runs.
///
/// Columns of a table keep their names and order, new ones come at the end; members of a line of JSON have the same names. Findings come in the order in which
/// they were found, decisions and annotations in the order of their logs.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: acta-monitor export findings --state /var/lib/acta-monitor --format csv --since 2026-03-01T00:00:00Z > findings.csv"
)]
pub(crate) struct Export {
    /// What to write
    pub(crate) what: ExportWhat,
    /// Where the monitor keeps what it knows
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// As lines of JSON, or as a table
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: ExportFormat,
    /// Only what is of the log with this origin
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) log: Option<String>,
    /// Only what was found, or published, at this time or later, as 2026-03-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Where to write it; standard output if this is left out
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportWhat {
    /// What the monitor found
    Findings,
    /// What issuers published: decisions and annotations
    Decisions,
}

/// How it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// An object of JSON in each line
    Jsonl,
    /// A table
    Csv,
}
