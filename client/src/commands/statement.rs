//! `acta statement`: statements that are passed from hand to hand until all have signed, and what the commands that build them share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acta_client::registrar::{BuildError, Collected, EXTENSION, Missing};
use acta_client::source::FetchError;
use acta_client::submit::{Receipt, SubmitError, Writer};
use acta_client::verified::ReadError;
use acta_client::words::{self, Words};
use acta_client::{durable, terminal};
use clap::{Args, Subcommand};
use decision::statement::Draft;
use decision::types::{Body, Timestamp, Vkey};
use serde_json::{Value, json};
use tlog::key::{SigningKey, VerifierKey};
use tlog::printable::Printable;
use tlog::tiles::MAX_ENTRY;

use super::{Exit, Failure, LogArgs, read_file, read_policy, say, say_json, stdout, warn, wrong_file};

/// Sign, look at and publish statements that are passed round as files
#[derive(Debug, Args)]
#[command(after_help = "A statement that several people must sign goes from one to the next as a file, offline if need be: `acta issuer \
register`, `acta registrar replace` and `acta key` write it with --out, each signer adds a signature, the last one publishes it.\n\nExamples:\n  \
acta statement show planning.example.statement\n  acta statement sign --key registrar.key planning.example.statement\n  \
acta statement submit --log https://log.example --policy policy --receipt planning.tlog-proof planning.example.statement")]
pub(crate) struct StatementCommand {
    #[command(subcommand)]
    command: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    Show(Show),
    Sign(Sign),
    Submit(Submit),
}

/// Say in words what a statement says, who has signed it, and who has not yet
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acta statement show planning.example.statement")]
struct Show {
    /// The statement
    file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Add signatures to a statement
#[derive(Debug, Args)]
#[command(after_help = "What is signed is shown in words; nothing is asked. Nothing is sent anywhere.\n\nExample:\n  \
acta statement sign --key registrar.key planning.example.statement")]
struct Sign {
    /// A private key to sign with; may be given several times
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// The statement
    file: PathBuf,
    /// Where to write it [default: back to where it was]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Publish a statement that all have signed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acta statement submit --log https://log.example --policy policy --receipt planning.tlog-proof \
planning.example.statement")]
struct Submit {
    /// The statement
    file: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// Where to write the receipt
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What becomes of a statement that a command builds.
#[derive(Debug, Args)]
pub(super) struct Passing {
    #[command(flatten)]
    log: LogArgs,
    /// Write the statement to a new file, for others to sign and publish, instead of publishing it
    #[arg(long, value_name = "FILE", conflicts_with = "receipt")]
    out: Option<PathBuf>,
    /// Where to write the receipt
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// When it is issued, such as 2026-03-01T09:30:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    issued: Option<Timestamp>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl StatementCommand {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Step::Show(step) => step.run(),
            Step::Sign(step) => step.run(),
            Step::Submit(step) => step.run().await,
        }
    }
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let collected = read_statement(&self.file)?;
        if self.json {
            return say_json(&file_json(&self.file, &collected));
        }
        show(&collected)?;
        refuse_forged(&collected)?;
        tell_missing(&collected, &self.file)
    }
}

impl Sign {
    fn run(&self) -> Result<(), Failure> {
        let keys = load_keys(&self.keys)?;
        let mut collected = read_statement(&self.file)?;
        show(&collected)?;
        sign(&mut collected, &keys)?;
        refuse_forged(&collected)?;
        let out = self.out.as_deref().unwrap_or(&self.file);
        durable::write(out, &collected.to_bytes()).map_err(|error| wrong_file(out, error))?;
        say(format_args!("Signed by {}, and written to {}.", signers(&keys), terminal::path(out)))?;
        tell_missing(&collected, out)
    }
}

impl Submit {
    async fn run(&self) -> Result<(), Failure> {
        let collected = read_statement(&self.file)?;
        refuse_forged(&collected)?;
        if !collected.missing().is_empty() {
            tell_missing(&collected, &self.file)?;
            return Err(Exit::Usage.because("nothing was published: signatures are missing"));
        }
        let receipt = publish(&self.log, &collected).await.map_err(|failure| name_rule(failure, Some(&self.file)))?;
        told_published(&collected, &receipt, self.receipt.as_deref(), self.json)
    }
}

impl Passing {
    /// The name of the log that the statement will be for.
    pub(super) fn log(&self) -> Result<String, Failure> {
        self.log.origin(&read_policy(self.log.policy_file()?)?)
    }

    /// When it is issued.
    pub(super) fn issued(&self) -> Timestamp {
        self.issued.unwrap_or_else(|| {
            let now = jiff::Timestamp::now().as_second();
            Timestamp::from_unix(now).expect("this machine's clock shows a year of four digits")
        })
    }

    /// Signs, and publishes or writes. `what` is a word for the name of a file.
    pub(super) async fn finish(&self, draft: Draft, keys: &[SigningKey], what: &str) -> Result<(), Failure> {
        let mut collected = Collected::new(draft);
        sign(&mut collected, keys)?;
        if let Some(out) = &self.out {
            return self.write(&collected, out);
        }
        if !collected.missing().is_empty() {
            let out = PathBuf::from(format!("{what}.{EXTENSION}"));
            self.write(&collected, &out)?;
            return Err(Exit::Usage.because("nothing was published yet: signatures are missing"));
        }
        let receipt = publish(&self.log, &collected).await.map_err(|failure| name_rule(failure, None))?;
        told_published(&collected, &receipt, self.receipt.as_deref(), self.json)
    }

    fn write(&self, collected: &Collected, out: &Path) -> Result<(), Failure> {
        if out.symlink_metadata().is_ok() {
            let reason = "it exists already, perhaps with signatures of others, and is not overwritten; give another name with --out";
            return Err(wrong_file(out, reason));
        }
        durable::write(out, &collected.to_bytes()).map_err(|error| wrong_file(out, error))?;
        if self.json {
            return say_json(&file_json(out, collected));
        }
        show(collected)?;
        say(format_args!("Written to {}; nothing was published.", terminal::path(out)))?;
        tell_missing(collected, out)
    }
}

/// The private keys in these files.
pub(super) fn load_keys(paths: &[PathBuf]) -> Result<Vec<SigningKey>, Failure> {
    paths.iter().map(|path| keyfile::load(path).map_err(|error| Exit::Usage.because(error))).collect()
}

/// The verifier key in a file.
pub(super) fn load_vkey(path: &Path) -> Result<Vkey, Failure> {
    let key = keyfile::load_verifier_key_at(path).map_err(|error| Exit::Usage.because(error))?;
    let key = key.ok_or_else(|| wrong_file(path, "there is no such file; it should have the public half of a key"))?;
    Vkey::try_from(key.to_string()).map_err(|error| wrong_file(path, error))
}

/// The private half beside `FILE.vkey`, which is `FILE`: only who made the key has it.
pub(super) fn key_beside(vkey: &Path) -> Result<Option<SigningKey>, Failure> {
    let Some(path) = vkey.to_str().and_then(|path| path.strip_suffix(".vkey")).map(PathBuf::from) else { return Ok(None) };
    if !path.is_file() {
        return Ok(None);
    }
    keyfile::load(&path).map(Some).map_err(|error| Exit::Usage.because(error))
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Exit::Usage.because(error)
    }
}

fn read_statement(path: &Path) -> Result<Collected, Failure> {
    let bytes = read_file(path, MAX_ENTRY)?;
    Collected::parse(&bytes).map_err(|error| wrong_file(path, error))
}

fn sign(collected: &mut Collected, keys: &[SigningKey]) -> Result<(), Failure> {
    for key in keys {
        collected.sign(key).map_err(|error| Exit::Usage.because(error))?;
    }
    Ok(())
}

/// All that the statement says, and by whom it is signed so far.
fn show(collected: &Collected) -> Result<(), Failure> {
    let mut words = Words::of(collected.draft());
    for line in collected.signatures() {
        words.add("signed by", words::signer(line));
    }
    stdout(words.lines("").as_bytes())?;
    Ok(())
}

/// A line that does not fit the text: after it was made, somebody has changed what is signed.
fn refuse_forged(collected: &Collected) -> Result<(), Failure> {
    match collected.forged(&checkable(collected))[..] {
        [] => Ok(()),
        [key, ..] => Err(Exit::Refused.because(format!(
            "the signature of {} ({}) does not fit the text: somebody has changed it since. Do not sign or publish this; ask for the original",
            Printable(key.name()),
            key.id()
        ))),
    }
}

/// The keys that the statement itself names: their signatures can be checked without the log.
fn checkable(collected: &Collected) -> Vec<VerifierKey> {
    match collected.draft().body() {
        Body::Registration(registration) => registration.keys.iter().map(Vkey::verifier_key).collect(),
        Body::KeyChange(change) => vec![change.key.verifier_key()],
        _ => Vec::new(),
    }
}

fn tell_missing(collected: &Collected, file: &Path) -> Result<(), Failure> {
    let file = terminal::path(file);
    let missing = collected.missing();
    for missing in &missing {
        let who = match missing {
            Missing::AddedKey(key) => format!("the holder of the new key {}, to show that it is theirs", words::key(key)),
            _ if matches!(collected.draft().body(), Body::KeyChange(_)) => "a key of the issuer, or the log's registrars".to_owned(),
            _ => "as many of the log's registrars as its threshold says".to_owned(),
        };
        say(format_args!("Still to sign: {who}:\n    acta statement sign --key KEY {file}"))?;
    }
    if missing.is_empty() {
        say(format_args!(
            "If these are all who must sign, publish it:\n    acta statement submit --log URL --policy POLICY --receipt RECEIPT {file}"
        ))?;
    }
    Ok(())
}

fn file_json(path: &Path, collected: &Collected) -> Value {
    let missing = collected.missing().into_iter().map(|missing| match missing {
        Missing::AddedKey(key) => json!({ "key": key.as_str() }),
        _ => json!({ "authority": true }),
    });
    json!({
        "published": false,
        "file": path.display().to_string(),
        "id": collected.draft().id().to_string(),
        "statement": collected.draft().json(),
        "signatures": signatures_json(collected.signatures()),
        "missing": missing.collect::<Value>(),
    })
}

/// Names and ids of the keys of signature lines.
pub(super) fn signatures_json(lines: &[tlog::note::Signature]) -> Value {
    lines.iter().map(|line| json!({ "name": line.name.as_str(), "key_id": line.key_id.to_string() })).collect()
}

fn signers(keys: &[SigningKey]) -> String {
    let one = |key: &SigningKey| words::key(&Vkey::from(key.verifier_key()));
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Publishes it, once it is certain to be the log that the statement names.
async fn publish(args: &LogArgs, collected: &Collected) -> Result<Receipt, Failure> {
    let policy = args.policy()?;
    let source = args.source(&policy, &args.options()?)?;
    let writer = Writer::new(source.clone(), policy.clone(), Duration::from_secs(args.wait))?;
    let signed = source.checkpoint().await.map_err(ReadError::from)?;
    signed.verify_log(&policy.log_keys()).map_err(|error| Exit::Refused.because(format!("nothing was published. {error}")))?;
    let (origin, meant) = (signed.checkpoint().origin(), collected.draft().body().log());
    if origin.as_str() != meant {
        let (origin, meant) = (Printable(origin), Printable(meant));
        return Err(Exit::Usage.because(format!("nothing was published: the statement is for the log {meant}, and this is {origin}")));
    }
    let statement = collected.statement().ok_or_else(|| Exit::Usage.because("nobody has signed this statement yet"))?;
    Ok(writer.add_with_receipt(statement.to_bytes().into()).await?)
}

/// After a refusal for want of registrars: how to get the others' signatures.
fn name_rule(failure: Failure, file: Option<&Path>) -> Failure {
    let problem = match failure.error.as_ref().and_then(|error| error.downcast_ref::<SubmitError>()) {
        Some(SubmitError::Fetch(FetchError::Refused { problem, .. })) => problem.kind.as_ref(),
        _ => None,
    };
    if problem.is_some_and(|kind| kind.as_str() == "too-few-registrars") {
        match file {
            Some(file) => warn(format_args!("let more registrars sign it:  acta statement sign --key KEY {}", terminal::path(file))),
            None => warn("let more registrars sign it: give all their keys with --registrar-key, or pass it round with --out FILE"),
        }
    }
    failure
}

fn told_published(collected: &Collected, receipt: &Receipt, out: Option<&Path>, json: bool) -> Result<(), Failure> {
    if let Some(out) = out {
        durable::write(out, &receipt.bytes).map_err(|error| {
            wrong_file(
                out,
                format_args!(
                    "the statement is published as entry {}, but its receipt cannot be written: {error}",
                    receipt.verified.index()
                ),
            )
        })?;
    }
    let index = receipt.verified.index();
    if json {
        return say_json(&json!({
            "published": true,
            "index": index.as_u64(),
            "id": collected.draft().id().to_string(),
            "statement": collected.draft().json(),
            "signatures": signatures_json(collected.signatures()),
            "receipt": out.map(|out| out.display().to_string()),
        }));
    }
    show(collected)?;
    let kept = out.map_or_else(String::new, |out| format!("; its receipt is {}", terminal::path(out)));
    say(format_args!("Published as entry {index}{kept}."))
}
