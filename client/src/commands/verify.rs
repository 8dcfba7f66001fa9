//! `acta verify`: receipts, offline.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use acta_client::{durable, terminal};
use clap::Args;
use serde_json::{Value, json};
use tlog::policy::Policy;
use tlog::printable::Printable;
use tlog::proof::{MAX_PROOF_FILE, Proof, VerifiedReceipt};
use tlog::tiles::MAX_ENTRY;

use super::{Exit, Failure, read_file, read_policy, say, say_json, show, warn, witnesses_json, wrong_file};

/// Check receipts, offline
#[derive(Debug, Args)]
#[command(after_help = "A good receipt shows that the log in the policy has published exactly this entry, and that as many witnesses as \
the policy wants have seen it. Nothing is asked of any server.\n\nExamples:\n  acta verify --policy policy receipts/*.tlog-proof\n  \
acta verify --policy policy permit.tlog-proof --entry permit.json\n\nExit status: 0 all are good; 1 at least one is not; 2 a file cannot be read.")]
pub(crate) struct Verify {
    /// The policy file: the log's key, and which witnesses must have signed
    #[arg(long, value_name = "FILE", env = "ACTA_POLICY", hide_env_values = true)]
    policy: PathBuf,
    /// Receipts (.tlog-proof), or directories with receipts in them
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<PathBuf>,
    /// The entry that the receipt must be for: needed if the receipt does not carry it, compared if it does
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// Print one JSON object a line for each receipt
    #[arg(long)]
    json: bool,
    /// Print only receipts that are not good, and the count
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

/// A receipt that is good: as such, or for the entry beside it.
struct Good {
    entry: Vec<u8>,
    index: u64,
    checkpoint: tlog::policy::VerifiedCheckpoint,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let policy = read_policy(&self.policy)?;
        let receipts = self.expand()?;
        if self.entry.is_some() && receipts.len() != 1 {
            return Err(Exit::Usage.because("--entry belongs to one receipt; give one"));
        }
        let entry = self.entry.as_deref().map(|path| read_file(path, MAX_ENTRY)).transpose()?;
        let (mut good, mut bad, mut unread) = (0, 0, 0);
        for path in &receipts {
            let result = match read_receipt(path) {
                Ok(Some(bytes)) => check(&policy, &bytes, entry.as_deref()),
                Ok(None) => Err(format!("it is larger than any receipt ({MAX_PROOF_FILE} bytes); is it the right file?")),
                // It says nothing about the others.
                Err(error) => {
                    unread += 1;
                    self.tell_unread(path, &error)?;
                    continue;
                }
            };
            *(if result.is_ok() { &mut good } else { &mut bad }) += 1;
            self.tell(path, result)?;
        }
        if !self.json && receipts.len() > 1 {
            let unread = if unread > 0 { format!(", {unread} not readable") } else { String::new() };
            say(format_args!("{}, {bad} not good{unread}", show::count(good, "good receipt", "good receipts")))?;
        }
        match (bad, unread) {
            (0, 0) => Ok(()),
            (0, _) => Err(Exit::Usage.told()),
            _ => Err(Exit::Refused.told()),
        }
    }

    /// A directory stands for the receipts in it: a shell's `*` cannot name hundreds of thousands.
    fn expand(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut receipts = Vec::new();
        for path in &self.receipts {
            if !path.is_dir() {
                receipts.push(path.clone());
                continue;
            }
            let before = receipts.len();
            for file in path.read_dir().map_err(|error| wrong_file(path, error))? {
                let file = file.map_err(|error| wrong_file(path, error))?.path();
                if file.extension() == Some(OsStr::new("tlog-proof")) {
                    receipts.push(file);
                }
            }
            if receipts.len() == before {
                return Err(wrong_file(path, "there is no .tlog-proof file in this directory"));
            }
            receipts[before..].sort();
        }
        Ok(receipts)
    }

    fn tell_unread(&self, path: &Path, error: &io::Error) -> Result<(), Failure> {
        if self.json {
            return say_json(
                &json!({ "receipt": path.display().to_string(), "good": false, "reason": format!("it cannot be read: {error}") }),
            );
        }
        warn(format_args!("{}: {error}", terminal::path(path)));
        Ok(())
    }

    fn tell(&self, path: &Path, result: Result<Good, String>) -> Result<(), Failure> {
        let (name, path) = (path.display().to_string(), terminal::path(path));
        match result {
            Ok(good) if self.json => say_json(&good.json(&name)),
            Err(reason) if self.json => say_json(&json!({ "receipt": name, "good": false, "reason": reason })),
            Ok(_) if self.quiet => Ok(()),
            Ok(good) => say(format_args!("{path}: good. {}", good.words())),
            Err(reason) => say(format_args!("{path}: NOT GOOD. {reason}")),
        }
    }
}

/// The bytes of a receipt; `None` if it is larger than any.
fn read_receipt(path: &Path) -> io::Result<Option<Vec<u8>>> {
    durable::read_bounded(path, u64::try_from(MAX_PROOF_FILE).expect("small"))
}

/// The checks of one receipt.
fn check(policy: &Policy, receipt: &[u8], entry: Option<&[u8]>) -> Result<Good, String> {
    let proof = Proof::parse(receipt).map_err(|error| error.to_string())?;
    match entry {
        // The file beside stands in for the entry that the receipt does not carry.
        Some(entry) if proof.extra().is_none() => {
            let checkpoint = proof.verify(policy, entry).map_err(|error| error.to_string())?;
            Ok(Good { entry: entry.to_vec(), index: proof.index().as_u64(), checkpoint })
        }
        entry => proof.verify_receipt(policy, entry).map(Good::from).map_err(|error| error.to_string()),
    }
}

impl From<VerifiedReceipt> for Good {
    fn from(receipt: VerifiedReceipt) -> Self {
        let (entry, index) = (receipt.entry().to_vec(), receipt.index().as_u64());
        Good { entry, index, checkpoint: receipt.checkpoint().clone() }
    }
}

impl Good {
    fn words(&self) -> String {
        let checkpoint = self.checkpoint.checkpoint();
        let witnesses = match self.checkpoint.cosignatures() {
            [] => "the policy wants no witnesses".to_owned(),
            cosigned => format!("witnessed by {}", show::cosigned(cosigned)),
        };
        let entry = show::entry(&self.entry);
        let size = show::count(checkpoint.size().as_u64(), "entry", "entries");
        format!("{} has it as entry {} under a checkpoint of {size}; {witnesses}.\n    {entry}", Printable(checkpoint.origin()), self.index)
    }

    fn json(&self, receipt: &str) -> Value {
        let checkpoint = self.checkpoint.checkpoint();
        json!({
            "receipt": receipt,
            "good": true,
            "origin": checkpoint.origin().as_str(),
            "index": self.index,
            "size": checkpoint.size().as_u64(),
            "root": checkpoint.root().to_base64(),
            "entry": str::from_utf8(&self.entry).ok(),
            "entry_sha256": tlog::Hash::sha256(&self.entry).to_hex(),
            "witnesses": witnesses_json(self.checkpoint.cosignatures()),
        })
    }
}
