//! `acta demo`: a log, decisions that go in, receipts that come out, and what a tampered one is worth.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acta_client::durable;
use acta_client::publish::{Event, Input, Publisher, Summary};
use acta_client::source::{Options, Source};
use acta_client::submit::Writer;
use clap::Args;
use tlog::policy::Policy;
use tlog::proof::{MAX_PROOF_FILE, Proof};
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, read_file, read_policy, say, show, wrong_file};
use server::{Addresses, Server};

mod server;

const ORIGIN: &str = "demo.acta.example/log";

/// Decisions of agencies that do not exist, part of the program so that the demo works wherever it is installed.
const AGENCIES: [(&str, &str); 5] = [
    ("planning.northmere.example", include_str!("../../../testdata/decisions/planning.northmere.example.jsonl")),
    ("marches.val-ormelle.example", include_str!("../../../testdata/decisions/marches.val-ormelle.example.jsonl")),
    ("lands.tarnholm.example", include_str!("../../../testdata/decisions/lands.tarnholm.example.jsonl")),
    ("wasser.kaltenwiek.example", include_str!("../../../testdata/decisions/wasser.kaltenwiek.example.jsonl")),
    ("licensing.port-calder.example", include_str!("../../../testdata/decisions/licensing.port-calder.example.jsonl")),
];

/// How many receipts of each agency are shown one by one.
const SHOWN: u64 = 3;

/// See all of it at work on this machine
#[derive(Debug, Args)]
#[command(after_help = "Starts a log (acta-log has to be beside acta or in the PATH), publishes the decisions of five invented agencies, \
checks the receipts offline, and shows what becomes of one that somebody tampered with. The log then stays up until Ctrl-C, to look \
at.\n\nExample:\n  acta demo")]
pub(crate) struct Demo {
    /// Where log and receipts go, and stay; a second run goes on with them [default: a directory that vanishes in the end]
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
        // From here on a signal ends the server first, in whatever step it comes.
        let mut signals = Signals::new()?;
        let log = directory.join("log");
        let mut server = tokio::select! {
            server = Server::start(&log, ORIGIN) => server?,
            () = signals.any() => return Ok(()),
        };
        let addresses = server.addresses().clone();
        let result = tokio::select! {
            result = self.tour(directory, &addresses) => result,
            failure = server.ended() => Err(failure),
            () = signals.any() => Ok(()),
        };
        server.stop().await;
        result
    }

    async fn tour(&self, directory: &Path, log: &Addresses) -> Result<(), Failure> {
        say(format_args!("1. A log is running: {} ({ORIGIN}), its files in {}\n", log.url, directory.display()))?;
        let policy = read_policy(&directory.join("log/policy"))?;
        let receipts = directory.join("receipts");
        say("2. Five agencies publish their decisions, and get a receipt for each:")?;
        let published = publish_all(directory, &log.url, &policy, &receipts).await?;
        say(format_args!("   {published}\n"))?;
        let some_receipt = verify_all(&receipts, &policy)?;
        tamper(directory, &some_receipt, &policy)?;
        if !self.exit {
            look_at(directory, log)?;
            say("\nThe log stays up until you press Ctrl-C.")?;
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// One agency after the other, in the order of their decisions.
async fn publish_all(directory: &Path, url: &str, policy: &Policy, receipts: &Path) -> Result<String, Failure> {
    let inputs = directory.join("decisions");
    fs::create_dir_all(&inputs).map_err(|error| wrong_file(&inputs, error))?;
    let (mut published, mut before) = (0, 0);
    for (agency, decisions) in AGENCIES {
        let file = inputs.join(format!("{agency}.jsonl"));
        durable::write(&file, decisions.as_bytes()).map_err(|error| wrong_file(&file, error))?;
        say(format_args!("   {agency}"))?;
        let summary = publish(&file, url, policy, receipts).await?;
        published += summary.published;
        before += summary.already_published;
    }
    let before = if before > 0 { format!(", {before} had theirs from an earlier run") } else { String::new() };
    Ok(format!("{}{before}.", show::count(published, "decision has its receipt", "decisions have their receipts")))
}

async fn publish(file: &Path, url: &str, policy: &Policy, receipts: &Path) -> Result<Summary, Failure> {
    let options = Options::default();
    let location = url.parse().map_err(|error| Exit::Unavailable.because(error))?;
    let source = Source::new(&location, &options)?;
    let writer = Writer::new(source, policy.clone(), Duration::from_secs(20)).map_err(|error| Exit::Unavailable.because(error))?;
    // One at a time, so that a decision comes before the one that corrects it.
    let publisher = Publisher::new(writer, policy, ORIGIN, receipts, 1)?;
    let input = Input::at(file).map_err(|error| Exit::Usage.because(error))?;
    let (mut shown, mut told) = (0, Ok(()));
    let show = |event: Event<'_>| {
        let Event::Published { index, receipt, .. } = event else { return };
        shown += 1;
        if shown <= SHOWN && told.is_ok() {
            told = say(format_args!("      entry {index}: {}", subject(receipt)));
        }
    };
    let summary = publisher.run(&[input], show).await?;
    told?;
    if let more @ 1.. = summary.published.saturating_sub(SHOWN) {
        say(format_args!("      … and {more} more"))?;
    }
    Ok(summary)
}

/// The decision's own line for people, from the receipt.
fn subject(receipt: &Path) -> String {
    let proof = fs::read(receipt).ok().and_then(|bytes| Proof::parse(&bytes).ok());
    let entry = proof.as_ref().and_then(Proof::extra).unwrap_or_default();
    let decision: serde_json::Value = serde_json::from_slice(entry).unwrap_or_default();
    show::entry(decision["subject"].as_str().unwrap_or("a decision").as_bytes())
}

/// Checks every receipt with nothing but the policy, and gives one of them.
fn verify_all(receipts: &Path, policy: &Policy) -> Result<PathBuf, Failure> {
    let mut good = 0;
    let mut first = None;
    for file in receipts.read_dir().map_err(|error| wrong_file(receipts, error))? {
        let path = file.map_err(|error| wrong_file(receipts, error))?.path();
        if path.extension().is_none_or(|extension| extension != "tlog-proof") {
            continue;
        }
        let proof = Proof::parse(&read_file(&path, MAX_PROOF_FILE)?).map_err(|error| failed(&path, error))?;
        proof.verify_receipt(policy, None).map_err(|error| failed(&path, error))?;
        good += 1;
        first = first.min(Some(path.clone())).or(Some(path));
    }
    say("3. The receipts are checked, without asking any server:")?;
    say(format_args!(
        "   {}, each with the log's signature and the proof that its decision is in the log.\n",
        show::count(good, "is good", "are good")
    ))?;
    first.ok_or_else(|| wrong_file(receipts, "there are no receipts"))
}

fn failed(path: &Path, error: impl std::fmt::Display) -> Failure {
    Exit::Refused.because(format!("{}: {error}", path.display()))
}

/// Changes a decision in a copy of its receipt, which then must not verify.
fn tamper(directory: &Path, receipt: &Path, policy: &Policy) -> Result<(), Failure> {
    let proof = Proof::parse(&read_file(receipt, MAX_PROOF_FILE)?).map_err(|error| failed(receipt, error))?;
    let decision = String::from_utf8_lossy(proof.extra().unwrap_or_default()).into_owned();
    let mut changed: serde_json::Value = serde_json::from_str(&decision).unwrap_or_default();
    let before = changed["outcome"].as_str().unwrap_or_default().to_owned();
    let after = if before == "refused" { "granted" } else { "refused" };
    changed["outcome"] = after.into();
    let forged = Proof::new(Some(changed.to_string().into_bytes()), proof.index(), proof.hashes().to_vec(), proof.checkpoint().clone());
    let forged = forged.map_err(|error| failed(receipt, error))?;
    let path = directory.join("tampered.tlog-proof");
    durable::write(&path, &forged.to_bytes()).map_err(|error| wrong_file(&path, error))?;
    say(format_args!("4. Somebody changes one decision in a copy of its receipt, from \"{before}\" to \"{after}\":"))?;
    say(format_args!("   {}", subject(&path)))?;
    match forged.verify_receipt(policy, None) {
        Err(reason) => say(format_args!("   NOT GOOD. {reason}")),
        Ok(_) => Err(failed(&path, "a tampered receipt was taken for good; this must never happen, please report it")),
    }
}

fn look_at(directory: &Path, log: &Addresses) -> Result<(), Failure> {
    let (url, policy) = (&log.url, directory.join("log/policy"));
    say("\n5. Look at it yourself:")?;
    let page = |address: String, what: &str| say(format_args!("   {address:<50} {what}"));
    page(format!("{url}/"), "the log's page")?;
    page(format!("{url}/checkpoint"), "its latest signed head")?;
    page(format!("{url}/tile/entries/000.p/5"), "the first decisions as they are")?;
    if let Some(operations) = &log.operations {
        page(format!("{operations}/metrics"), "its measurements")?;
    }
    say("   and check it yourself:")?;
    say(format_args!("   acta verify --policy {} {}", policy.display(), directory.join("receipts").display()))?;
    say(format_args!("   acta verify --policy {} {}", policy.display(), directory.join("tampered.tlog-proof").display()))?;
    say(format_args!("   acta audit --log {url} --policy {}", policy.display()))
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
