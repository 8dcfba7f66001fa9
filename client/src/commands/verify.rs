//! `acta verify`: receipts, offline; of statements also in words, and with the log's help whether they still stand. And evidence against
//! a log.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use acta_client::{durable, terminal};
use clap::Args;
use decision::statement::Statement;
use serde_json::{Value, json};
use tlog::key::VerifierKey;
use tlog::policy::Policy;
use tlog::printable::Printable;
use tlog::proof::{MAX_PROOF_FILE, Proof, VerifiedReceipt};
use tlog::tiles::MAX_ENTRY;

use self::convict::LogKey;
use self::online::Online;
use self::said::{Beside, Said};
use super::{CacheArgs, Exit, Failure, LogArgs, add_witnesses, read_file, read_policy, say, say_json, show, warn, wrong_file};

mod convict;
mod online;
mod said;

/// Check receipts, offline; or evidence against a log
#[derive(Debug, Args)]
#[command(mut_arg("policy", |policy| policy.required(false).required_unless_present("log_keys")))]
#[command(after_help = "A good receipt shows that the log in the policy has published exactly this entry, and that as many witnesses as \
the policy wants have seen it. Nothing is asked of any server.\n\nIf the entry is a statement, it is shown in words. Whether its issuer's key was \
in force, and whether it was corrected, superseded or revoked since, only later and earlier entries tell: with --online all of the log is read \
and judged here.\n\nWith --evidence the question is another one: whether the file proves that a log signed two histories. That takes the log's \
public key, from the policy or from --log-key, and nothing else.\n\nExamples:\n  acta verify --policy policy receipts/*.tlog-proof\n  \
acta verify --policy policy permit.tlog-proof --entry permit.json\n  acta verify --policy policy permit.tlog-proof --document plan.pdf \
--disclosure permit.disclosures\n  acta verify --policy policy permit.tlog-proof --online --log https://log.example\n  acta verify --evidence 5f0c.acta-evidence --log-key log.vkey\n\nExit status: \
0 all are good, or the evidence proves it; 1 at least one is not, or the evidence proves nothing; 2 a file cannot be read; 3 the log could not be asked.")]
pub(crate) struct Verify {
    /// Receipts (.tlog-proof), or directories with receipts in them
    #[arg(required_unless_present = "evidence", value_name = "RECEIPT")]
    receipts: Vec<PathBuf>,
    /// A file of evidence (.acta-evidence) that a log signed two histories
    #[arg(long, value_name = "FILE", conflicts_with_all = ["receipts", "entry", "documents", "disclosures", "issuer_keys", "online", "quiet"])]
    evidence: Option<PathBuf>,
    /// A public key of the log, or a file with one (.vkey), in place of a policy; may be given several times
    #[arg(long = "log-key", value_name = "VKEY", requires = "evidence")]
    log_keys: Vec<LogKey>,
    /// The entry that the receipt must be for: needed if the receipt does not carry it, compared if it does
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// A document that must be one of those that the decision names; may be given several times
    #[arg(long = "document", value_name = "FILE")]
    documents: Vec<PathBuf>,
    /// A file with disclosures of sealed fields of the decision, which are checked and shown; may be given several times
    #[arg(long = "disclosure", value_name = "FILE")]
    disclosures: Vec<PathBuf>,
    /// A verifier key (.vkey) of an issuer that you trust: decisions must be signed by it, or by another one given; may be given several times
    #[arg(long = "issuer-key", value_name = "VKEY_FILE")]
    issuer_keys: Vec<PathBuf>,
    /// Read the log too: whether the issuer's key was in force, and whether a later entry corrects, supersedes or revokes the decision
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    cache: CacheArgs,
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
    /// If the entry is a statement, what is to be said of it.
    said: Option<Box<Said>>,
}

impl Verify {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        if let Some(evidence) = &self.evidence {
            return convict::convict(evidence, &self.log_keys()?, self.json);
        }
        if !self.log_keys.is_empty() {
            return Err(Exit::Usage.because("--log-key goes with --evidence; what a receipt needs, a policy says (--policy FILE)"));
        }
        let policy = match &self.log.origin {
            Some(_) => self.log.policy()?,
            // Receipts may be of several logs.
            None => read_policy(self.log.policy_file()?)?,
        };
        let receipts = self.expand()?;
        let beside = self.beside(receipts.len())?;
        let entry = self.entry.as_deref().map(|path| read_file(path, MAX_ENTRY)).transpose()?;
        let online = if self.online { Some(Online::open(&self.log, &self.cache).await?) } else { None };
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
            let result = match result {
                Ok(receipt) => receipt.with_statement(&policy, &beside, online.as_ref()).await?,
                Err(reason) => Err(reason),
            };
            *(if result.is_ok() { &mut good } else { &mut bad }) += 1;
            self.tell(path, &policy, result)?;
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

    /// The keys that were given for the log, or else those of the policy.
    fn log_keys(&self) -> Result<Vec<VerifierKey>, Failure> {
        if !self.log_keys.is_empty() {
            return convict::load_keys(&self.log_keys);
        }
        let policy = match &self.log.origin {
            Some(_) => self.log.policy()?,
            None => read_policy(self.log.policy_file()?)?,
        };
        Ok(policy.log_keys())
    }

    /// The files that are to fit the one receipt.
    fn beside(&self, receipts: usize) -> Result<Beside, Failure> {
        let options =
            [("--entry", self.entry.is_some()), ("--document", !self.documents.is_empty()), ("--disclosure", !self.disclosures.is_empty())];
        if let Some((option, _)) = options.into_iter().find(|(_, given)| *given && receipts != 1) {
            return Err(Exit::Usage.because(format!("{option} belongs to one receipt; give one")));
        }
        Beside::read(&self.documents, &self.disclosures, &self.issuer_keys)
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

    fn tell(&self, path: &Path, policy: &Policy, result: Result<Good, String>) -> Result<(), Failure> {
        let (name, path) = (path.display().to_string(), terminal::path(path));
        match result {
            Ok(good) if self.json => say_json(&good.json(&name, policy)),
            Err(reason) if self.json => say_json(&json!({ "receipt": name, "good": false, "reason": reason })),
            Ok(_) if self.quiet => Ok(()),
            Ok(good) => say(format_args!("{path}: good. {}", good.words(policy))),
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
    let proof = Proof::parse(receipt).map_err(|error| {
        // An easy mistake to make, and one that must not look as if the log were fine.
        let convicts = receipt.starts_with(tlog::evidence::HEADER.as_bytes());
        if convicts { "this is evidence against a log, and no receipt: give it as --evidence FILE".to_owned() } else { error.to_string() }
    })?;
    match entry {
        // The file beside stands in for the entry that the receipt does not carry.
        Some(entry) if proof.extra().is_none() => {
            let checkpoint = proof.verify(policy, entry).map_err(|error| error.to_string())?;
            Ok(Good { entry: entry.to_vec(), index: proof.index().as_u64(), checkpoint, said: None })
        }
        entry => proof.verify_receipt(policy, entry).map(Good::from).map_err(|error| error.to_string()),
    }
}

impl From<VerifiedReceipt> for Good {
    fn from(receipt: VerifiedReceipt) -> Self {
        let (entry, index) = (receipt.entry().to_vec(), receipt.index().as_u64());
        Good { entry, index, checkpoint: receipt.checkpoint().clone(), said: None }
    }
}

impl Good {
    /// Adds what there is to say if the entry is a statement, or why it is not good after all.
    async fn with_statement(mut self, policy: &Policy, beside: &Beside, online: Option<&Online>) -> Result<Result<Self, String>, Failure> {
        let statement = match Statement::parse(&self.entry) {
            Ok(statement) => statement,
            Err(reason) if beside.wants_statement() => {
                return Ok(Err(format!(
                    "the receipt is genuine, but its entry is not a statement that could name or seal anything: {reason}"
                )));
            }
            Err(_) => {
                let continued = match online {
                    Some(online) => online.continues(&self.checkpoint).await?,
                    None => Ok(()),
                };
                return Ok(continued.map(|()| self));
            }
        };
        let mut said = match Said::offline(statement, policy, &self.checkpoint, beside) {
            Ok(said) => said,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(online) = online
            && let Err(reason) = said.look_up(online, self.index, &self.checkpoint).await?
        {
            return Ok(Err(reason));
        }
        self.said = Some(Box::new(said));
        Ok(Ok(self))
    }

    fn words(&self, policy: &Policy) -> String {
        let checkpoint = self.checkpoint.checkpoint();
        let witnesses = match show::witnesses(&policy.tally(self.checkpoint.cosignatures())) {
            None => "the policy wants no witnesses".to_owned(),
            Some(witnesses) => format!("witnessed by {witnesses}"),
        };
        let entry = match &self.said {
            Some(said) => said.words().lines("    ").trim_end().to_owned(),
            None => format!("    {}", show::entry(&self.entry)),
        };
        let size = show::count(checkpoint.size().as_u64(), "entry", "entries");
        format!("{} has it as entry {} under a checkpoint of {size}; {witnesses}.\n{entry}", Printable(checkpoint.origin()), self.index)
    }

    fn json(&self, receipt: &str, policy: &Policy) -> Value {
        let checkpoint = self.checkpoint.checkpoint();
        let mut json = json!({
            "receipt": receipt,
            "good": true,
            "origin": checkpoint.origin().as_str(),
            "index": self.index,
            "size": checkpoint.size().as_u64(),
            "root": checkpoint.root().to_base64(),
            "entry": str::from_utf8(&self.entry).ok(),
            "entry_sha256": tlog::Hash::sha256(&self.entry).to_hex(),
        });
        add_witnesses(&mut json, policy, &self.checkpoint);
        if let Some(said) = &self.said {
            said.add_to(&mut json);
        }
        json
    }
}
