//! `acta demo`: the life of a decision, from the registration of its issuer to its revocation, under the eyes of three witnesses and a monitor;
//! and what becomes of a log that shows two histories.
//!
//! The demo runs the very commands that it shows, in its own directory, so that whoever reads along can type them too. Each step leaves
//! files by which a second run sees that it was done.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tlog::checkpoint::Origin;
use tlog::witness::monitoring_path;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, say, wrong_file};
use desk::Desk;
use server::Addresses;
use town::Town;

mod cast;
mod desk;
mod server;
mod split;
mod story;
mod town;
mod watch;

const ORIGIN: &str = "demo.acta.example/log";

/// The witnesses, by the names of their keys and of their directories.
const THREE: [&str; 3] = ["north.example", "south.example", "east.example"];

/// See all of it at work on this machine
#[derive(Debug, Args)]
#[command(
    after_help = "Starts a log and three witnesses (acta-log, acta-witness and acta-monitor have to be beside acta or in the PATH). Registrars register \
five invented agencies and a court; the agencies publish signed decisions and correct, supersede and revoke some; a court quashes one; keys \
are changed and stolen; receipts are checked offline, also one that somebody tampered with; witnesses fail and come back; a monitor finds what is wrong with a careless log. Every command is \
shown as it could be typed. The log then stays up until Ctrl-C, to look at.\n\nExamples:\n  acta demo\n  acta demo split-view"
)]
pub(crate) struct Demo {
    /// Where log, keys and receipts go, and stay; a second run goes on with them [default: a directory that vanishes in the end]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    /// End after the check, rather than with Ctrl-C
    #[arg(long, global = true)]
    exit: bool,
    #[command(subcommand)]
    scene: Option<Scene>,
}

/// Another story than the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum Scene {
    /// See a log show two histories, and be convicted of it
    ///
    /// Runs a copy of a log that shows one of its witnesses another history, signed with the real key of the log. The witness refuses and
    /// writes evidence, from which anybody can see that the log signed two histories.
    #[command(after_help = "Example:\n  acta demo split-view")]
    SplitView,
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
        // From here on a signal ends the servers first, in whatever step it comes.
        let mut signals = Signals::new()?;
        let desk = Desk::new(&directory)?;
        let mut town = Town::new(&directory);
        say(format_args!("All files are in {0}; to type a command yourself: cd {0}\n", directory.display()))?;
        let result = tokio::select! {
            result = self.play(&desk, &mut town, &directory) => result,
            () = signals.any() => Ok(()),
        };
        town.stop().await;
        result
    }

    async fn play(&self, desk: &Desk, town: &mut Town, directory: &Path) -> Result<(), Failure> {
        match self.scene {
            None => self.tour(desk, town, directory).await?,
            Some(Scene::SplitView) => split::tell(desk, town).await?,
        }
        if self.exit {
            return Ok(());
        }
        say("\nThe log stays up until you press Ctrl-C.")?;
        match &mut town.log {
            Some(log) => Err(log.ended().await),
            None => Ok(()),
        }
    }

    async fn tour(&self, desk: &Desk, town: &mut Town, directory: &Path) -> Result<(), Failure> {
        story::make_keys(desk).await?;
        let registrars = cast::REGISTRARS.map(|name| format!("keys/{name}.key.vkey"));
        let mut init = vec!["--threshold", cast::THRESHOLD, "--registrar"];
        init.extend(registrars.iter().map(String::as_str));
        town.start(&init).await?;
        let Town { log: Some(log), witnesses, .. } = town else { return Ok(()) };
        let addresses = log.addresses().clone();
        say(format_args!("   A log is running: {} ({ORIGIN})\n", addresses.url))?;
        tokio::select! {
            result = story::tell(desk, witnesses, &addresses.url) => result?,
            failure = log.ended() => return Err(failure),
        }
        watch::tell(desk, town, &addresses.url).await?;
        if self.exit { Ok(()) } else { look_at(directory, &addresses, town) }
    }
}

fn look_at(directory: &Path, log: &Addresses, town: &Town) -> Result<(), Failure> {
    let (url, witness) = (&log.url, town.witnesses.address(0));
    say("\nLook at it yourself:")?;
    let page = |address: String, what: &str| say(format_args!("   {address:<50} {what}"));
    page(format!("{url}/"), "the log's page")?;
    page(format!("{url}/checkpoint"), "its latest signed head")?;
    page(format!("{url}/tile/entries/000.p/5"), "the first entries as they are: charter, and issuers")?;
    page(format!("{url}/status/7"), "what the log says of an entry")?;
    let head = monitoring_path(&Origin::for_new_log(ORIGIN).map_err(|error| Exit::Usage.because(error))?);
    page(format!("{witness}/{head}"), "the newest head that a witness signed")?;
    if let Some(monitor) = town.watch.monitor() {
        page(format!("{}/", monitor.url), "what the monitor says")?;
    }
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
