//! `acta demo`: the life of a decision, from the registration of its issuer to its revocation.
//!
//! The demo runs the very commands that it shows, in its own directory, so that whoever reads along can type them too. Each step leaves
//! files by which a second run sees that it was done.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, say, wrong_file};
use desk::Desk;
use server::{Addresses, Server};

mod cast;
mod desk;
mod server;
mod story;

const ORIGIN: &str = "demo.acta.example/log";

/// See all of it at work on this machine
#[derive(Debug, Args)]
#[command(
    after_help = "Starts a log (acta-log has to be beside acta or in the PATH). Registrars register five invented agencies and a court; \
the agencies publish signed decisions and correct, supersede and revoke some; a court quashes one; keys are changed and stolen; receipts \
are checked offline, also one that somebody tampered with. Every command is shown as it could be typed. The log then stays up until Ctrl-C, to \
look at.\n\nExample:\n  acta demo"
)]
pub(crate) struct Demo {
    /// Where log, keys and receipts go, and stay; a second run goes on with them [default: a directory that vanishes in the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the check, rather than with Ctrl-C
    #[arg(long)]
    exit: bool,
}

impl Demo {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let temporary;
        let directory = match &self.dir {
            Some(directory) => directory.as_path(),
            None => {
                temporary = tempfile::Builder::new()
                    .prefix("acta-demo-")
                    .tempdir()
                    .map_err(|error| Exit::Usage.because(format!("cannot make a temporary directory: {error}; give --dir DIR")))?;
                temporary.path()
            }
        };
        fs::create_dir_all(directory).map_err(|error| wrong_file(directory, error))?;
        let directory = directory.canonicalize().map_err(|error| wrong_file(directory, error))?;
        // From here on a signal ends the server first, in whatever step it comes.
        let mut signals = Signals::new()?;
        let desk = Desk::new(&directory)?;
        let mut server = tokio::select! {
            server = start(&desk, &directory) => server?,
            () = signals.any() => return Ok(()),
        };
        let addresses = server.addresses().clone();
        let result = tokio::select! {
            result = self.tour(&desk, &directory, &addresses) => result,
            failure = server.ended() => Err(failure),
            () = signals.any() => Ok(()),
        };
        server.stop().await;
        result
    }

    async fn tour(&self, desk: &Desk, directory: &Path, log: &Addresses) -> Result<(), Failure> {
        say(format_args!("   A log is running: {} ({ORIGIN})\n", log.url))?;
        story::tell(desk, &log.url).await?;
        if !self.exit {
            look_at(directory, log)?;
            say("\nThe log stays up until you press Ctrl-C.")?;
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Makes keys and log where there are none yet, and serves the log.
async fn start(desk: &Desk, directory: &Path) -> Result<Server, Failure> {
    say(format_args!("All files are in {0}; to type a command yourself: cd {0}\n", directory.display()))?;
    story::make_keys(desk).await?;
    let registrars = cast::REGISTRARS.map(|name| format!("keys/{name}.key.vkey"));
    Server::start(directory, ORIGIN, &registrars, cast::THRESHOLD).await
}

fn look_at(directory: &Path, log: &Addresses) -> Result<(), Failure> {
    let url = &log.url;
    say("\nLook at it yourself:")?;
    let page = |address: String, what: &str| say(format_args!("   {address:<50} {what}"));
    page(format!("{url}/"), "the log's page")?;
    page(format!("{url}/checkpoint"), "its latest signed head")?;
    page(format!("{url}/tile/entries/000.p/5"), "the first entries as they are: charter, and issuers")?;
    page(format!("{url}/status/7"), "what the log says of an entry")?;
    if let Some(operations) = &log.operations {
        page(format!("{operations}/metrics"), "its measurements")?;
    }
    say("and check it yourself:")?;
    say(format_args!("   cd {}", directory.display()))?;
    say("   acta verify --policy log/policy receipts")?;
    say("   acta verify --policy log/policy tampered.tlog-proof")?;
    say(format_args!("   acta audit --log {url} --policy log/policy"))
}

/// Ctrl-C, and what a supervisor sends.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Exit::Usage.because(format!("cannot wait for signals: {error}")));
        Ok(Signals { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
