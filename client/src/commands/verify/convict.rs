//! `acta verify --evidence`: whether a file convicts a log, from that file and the log's public key alone.

use std::path::{Path, PathBuf};

use acta_client::terminal;
use serde_json::{Value, json};
use tlog::evidence::{Contradiction, Conviction, Evidence, MAX_EVIDENCE};
use tlog::key::VerifierKey;
use tlog::printable::Printable;

use super::super::inspect::contradiction;
use super::super::{Exit, Failure, read_file, say, say_json, show, wrong_file};

/// A log's public key as it is given on the command line: its text, or a file that holds it.
#[derive(Clone, Debug)]
pub(super) enum LogKey {
    Key(Box<VerifierKey>),
    File(PathBuf),
}

impl std::str::FromStr for LogKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A file's name that is a verifier key with a fitting key id would have to be meant so.
        Ok(text.parse().map_or_else(|_| LogKey::File(text.into()), |key| LogKey::Key(Box::new(key))))
    }
}

impl LogKey {
    fn load(&self) -> Result<VerifierKey, Failure> {
        match self {
            LogKey::Key(key) => Ok(VerifierKey::clone(key)),
            LogKey::File(path) => {
                let key = keyfile::load_verifier_key_at(path).map_err(|error| Exit::Usage.because(error))?;
                key.ok_or_else(|| wrong_file(path, "this is neither a verifier key (NAME+ID+KEY) nor a file with one"))
            }
        }
    }
}

/// Reads the keys that were given.
pub(super) fn load_keys(keys: &[LogKey]) -> Result<Vec<VerifierKey>, Failure> {
    keys.iter().map(LogKey::load).collect()
}

/// Checks the file and tells what it proves. If it proves nothing, that is a failure of verification.
pub(super) fn convict(path: &Path, log_keys: &[VerifierKey], as_json: bool) -> Result<(), Failure> {
    let bytes = read_file(path, MAX_EVIDENCE)?;
    let evidence = Evidence::parse(&bytes).map_err(|error| error.to_string());
    let convicted = evidence.and_then(|evidence| match evidence.verify(log_keys) {
        Ok(conviction) => Ok((evidence, conviction)),
        Err(error) => Err(error.to_string()),
    });
    match convicted {
        Ok((evidence, conviction)) if as_json => say_json(&to_json(path, &evidence, &conviction)),
        Ok((evidence, conviction)) => say(words(path, &evidence, &conviction)),
        Err(reason) => {
            if as_json {
                say_json(&json!({ "evidence": path.display().to_string(), "convicts": false, "reason": reason }))?;
            } else {
                say(format_args!("{}: PROVES NOTHING. {reason}", terminal::path(path)))?;
            }
            Err(Exit::Refused.told())
        }
    }
}

fn words(path: &Path, evidence: &Evidence, conviction: &Conviction) -> String {
    let mut text = format!(
        "{}: PROVEN. The log {} signed two histories that cannot both be true.\n",
        terminal::path(path),
        Printable(conviction.origin())
    );
    for history in conviction.histories() {
        let size = show::count(history.checkpoint.size().as_u64(), "entry", "entries");
        text += &format!("    {size}, root hash {}, signed with its key {}\n", history.checkpoint.root().to_base64(), history.key.id());
    }
    text + "    "
        + &contradiction(evidence)
        + "\n    Both signatures were checked here. Nobody else's word is needed for this, and the log cannot take it back."
}

fn to_json(path: &Path, evidence: &Evidence, conviction: &Conviction) -> Value {
    let history = |history: &tlog::evidence::SignedHistory| {
        json!({
            "size": history.checkpoint.size().as_u64(),
            "root": history.checkpoint.root().to_base64(),
            "key": history.key.to_string(),
        })
    };
    let mut json = json!({
        "evidence": path.display().to_string(),
        "convicts": true,
        "origin": conviction.origin().as_str(),
        "id": evidence.id().to_hex(),
        "histories": conviction.histories().each_ref().map(history),
    });
    match evidence.contradiction() {
        Contradiction::SameSize => json["kind"] = "same-size".into(),
        Contradiction::Divergent { subtree, proven } => {
            json["kind"] = "divergent".into();
            json["subtree"] = json!({
                "start": subtree.start(),
                "end": subtree.end(),
                "hashes": proven.each_ref().map(|proven| proven.hash.to_base64()),
            });
        }
        // A kind of contradiction that this program does not know cannot have been parsed by it.
        _ => {}
    }
    json
}
