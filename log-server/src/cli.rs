//! The command line of `acta-log`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs a public, append-only log of decisions.
///
/// A log accepts entries, gives each an index, and signs the whole list again and again, so that nothing can be changed or removed
/// afterwards without everybody being able to prove it. Create one with `init`, run it with `serve`.
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
    Adopt(Adopt),
    CheckConfig(CheckConfig),
    Fsck(Fsck),
    Export(Export),
    Backup(Backup),
    RebuildLedger(RebuildLedger),
    CtKey(CtKey),
}

/// Creates a new log.
///
/// Makes the directory, a signing key, and these files to give to others: `log.vkey`, the key that verifies the log's signatures, and
/// `policy`, which tells `acta` to trust this log.
///
/// Unless told otherwise the log takes in statements: decisions signed by issuers that are registered in it. Who registers issuers is the
/// first entry of the log, its charter.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  acta-log init --dir /var/lib/acta --origin gazette.example/2026 --registrar ministry.vkey court.vkey archive.vkey --threshold 2
  acta-log init --dir /var/lib/acta --origin notes.example/all --admission open")]
pub(crate) struct Init {
    /// Where the log shall live; a directory that does not exist yet, or is empty
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The log's name for ever: like a web address without https://, such as gazette.example/2026
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: String,
    /// Which entries are taken in
    #[arg(long, value_enum, default_value_t = Admission::Statements)]
    pub(crate) admission: Admission,
    /// Verifier keys (.vkey files, from `acta keygen`) of those who register issuers
    #[arg(long, value_name = "VKEY_FILE", num_args = 1..)]
    pub(crate) registrar: Vec<PathBuf>,
    /// How many registrars have to sign; may be left out if there is only one
    #[arg(long, value_name = "K", requires = "registrar")]
    pub(crate) threshold: Option<u16>,
    /// Use this signing key (its name must be ORIGIN) instead of making one; FILE.vkey must be beside it. Never one that has signed for a log before
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// Which entries a log takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Admission {
    /// Statements of registered issuers
    Statements,
    /// Any bytes, up to 65,535 of them
    Open,
}

/// Runs the log until it is told to stop (SIGTERM or Ctrl-C).
///
/// Prints `listening on http://ADDRESS` when it is ready. Before that it checks that the log is whole and is not an old copy of itself;
/// if it cannot be sure, it says why and does not start.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log serve --dir /var/lib/acta --listen 0.0.0.0:8080 --ops-listen 127.0.0.1:9090")]
pub(crate) struct Serve {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Address and port for everybody; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address and port for the operator: /metrics, /healthz, /readyz
    #[arg(long, value_name = "ADDR", value_parser = serving::address::listen)]
    pub(crate) ops_listen: Option<SocketAddr>,
    /// The policy to publish under, instead of DIR/policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Further settings; see acta-log.example.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Makes a new anchor for a log that has lost it.
///
/// The anchor is the file that says how far the log has come; without it an old copy cannot be told from the newest state, so `serve`
/// refuses. Use this only if you are sure that DIR/db is the newest copy that ever ran: after it, the log goes on from there.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log adopt --dir /var/lib/acta --at-size 17862")]
pub(crate) struct Adopt {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// How many entries the log must have; without it, `adopt` only tells how many it has
    #[arg(long, value_name = "N")]
    pub(crate) at_size: Option<u64>,
}

/// Checks a configuration file and says what is wrong with it, without starting anything.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log check-config --config /etc/acta/acta-log.toml")]
pub(crate) struct CheckConfig {
    /// The file to check
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Checks every entry and hash of a log that is not running.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log fsck --dir /var/lib/acta")]
pub(crate) struct Fsck {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Writes a log that is not running as files that any web server can serve.
///
/// Can be interrupted and run again; files that are there are kept. The result can be read by `acta` with `--log DIR`.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log export --dir /var/lib/acta --out /srv/www/log")]
pub(crate) struct Export {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where the files shall go
    #[arg(long, value_name = "TREE")]
    pub(crate) out: PathBuf,
    /// Export a backup, or what is left of a log after a loss: the anchor is not asked
    #[arg(long)]
    pub(crate) without_anchor: bool,
}

/// Copies a log that is not running to a new directory.
///
/// The copy has no signing key and no anchor, so it cannot be served by mistake.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log backup --dir /var/lib/acta --out /mnt/backup/acta-2026-11-22")]
pub(crate) struct Backup {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// A directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Draws the ledger anew from the entries of a log that is not running.
///
/// The ledger says who may issue what, and which decisions stand. All of it follows from the entries, so it can be made again: after
/// damage, or when `serve` says that it does not fit the log. Can be interrupted and run again.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log rebuild-ledger --dir /var/lib/acta")]
pub(crate) struct RebuildLedger {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Makes a key with which the log signs its heads for tools of Certificate Transparency.
///
/// Such tools (RFC 6962) read a log under /ct/v1/ and want its head, the answer to get-sth, signed with an ECDSA key. The log signs such heads
/// once this key is there and it has been started again. Tools need the public half, DIR/ct.pem.
#[derive(Debug, Args)]
#[command(after_help = "Example: acta-log ct-key --dir /var/lib/acta")]
pub(crate) struct CtKey {
    /// The log's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
