//! What a receipt's statement says, and what is known of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use acta_client::terminal;
use acta_client::words::{self, Words};
use decision::disclosure::{Disclosure, MAX_FILE, parse_file, reveal};
use decision::statement::{Draft, Statement};
use decision::types::{Body, Document, Vkey};
use serde_json::{Value, json};
use tlog::Hash;
use tlog::key::VerifierKey;
use tlog::policy::{Policy, VerifiedCheckpoint};

use super::super::statement::load_vkey;
use super::super::{Failure, read_file, show, wrong_file};
use super::online::{Judged, Online, earliest};

/// Files beside a receipt that are to fit its statement.
#[derive(Debug, Default)]
pub(super) struct Beside {
    documents: Vec<(PathBuf, Hash)>,
    disclosures: Vec<Disclosure>,
    issuer_keys: Vec<VerifierKey>,
}

/// A statement, and what is known of it.
pub(super) struct Said {
    statement: Statement,
    /// The same with what disclosures open, as far as that is still a statement.
    shown: Draft,
    /// In the order of the signature lines: whether one of the keys that are known here has made it.
    checked: Vec<bool>,
    /// The members that are sealed in the statement and were disclosed here.
    disclosed: Option<Disclosed>,
    /// The files, and which of the statement's documents each is.
    documents: Vec<(PathBuf, usize)>,
    /// In seconds since 1970.
    first_cosigned: Option<u64>,
    online: Option<LookedUp>,
}

/// What disclosures open.
struct Disclosed {
    members: Vec<(String, Value)>,
    /// The statement with them.
    revealed: Value,
}

/// What the log's entries tell.
struct LookedUp {
    judged: Judged,
    /// Of how many entries.
    size: u64,
}

impl Beside {
    pub(super) fn read(documents: &[PathBuf], disclosures: &[PathBuf], issuer_keys: &[PathBuf]) -> Result<Self, Failure> {
        let hash = |path: &PathBuf| sha256(path).map(|hash| (path.clone(), hash)).map_err(|error| wrong_file(path, error));
        Ok(Beside {
            documents: documents.iter().map(hash).collect::<Result<_, _>>()?,
            disclosures: disclosures.iter().map(|path| read_disclosures(path)).collect::<Result<Vec<_>, _>>()?.concat(),
            issuer_keys: issuer_keys.iter().map(|path| Ok(load_vkey(path)?.verifier_key())).collect::<Result<_, Failure>>()?,
        })
    }

    /// Whether there are files that mean nothing for an entry of other bytes.
    pub(super) fn wants_statement(&self) -> bool {
        !self.documents.is_empty() || !self.disclosures.is_empty()
    }
}

impl Said {
    /// What there is to say without the log; else why the receipt is not good.
    pub(super) fn offline(statement: Statement, policy: &Policy, head: &VerifiedCheckpoint, beside: &Beside) -> Result<Self, String> {
        let known = known_keys(&statement, policy, head, beside);
        let checked = check_signatures(&statement, &known)?;
        if matches!(statement.body(), Body::Decision(_) | Body::Annotation(_)) && !beside.issuer_keys.is_empty() && !checked.contains(&true)
        {
            let signers: Vec<_> = statement.signatures().iter().map(words::signer).collect();
            return Err(format!("it is signed by {}, and by none of the keys that were given with --issuer-key", signers.join(", ")));
        }
        let disclosed = disclose(&statement, &beside.disclosures)?;
        let shown = disclosed.as_ref().and_then(|disclosed| Draft::from_json(&disclosed.revealed).ok());
        // What was sealed need not be of the form that it would have had in the open.
        let shown = shown.unwrap_or_else(|| statement.draft().clone());
        let documents = find_documents(&shown, beside)?;
        Ok(Said { statement, shown, checked, disclosed, documents, first_cosigned: earliest(head), online: None })
    }

    /// Asks the log's entries; else why the receipt is not good after all. An error says nothing of the receipt.
    pub(super) async fn look_up(&mut self, online: &Online, index: u64, head: &VerifiedCheckpoint) -> Result<Result<(), String>, Failure> {
        if let Err(reason) = online.continues(head).await? {
            return Ok(Err(reason));
        }
        let judged = match online.judge(index)? {
            Ok(judged) => judged,
            Err(reason) => return Ok(Err(terminal::line(&reason))),
        };
        if matches!(judged, Judged::Admitted(_)) {
            // The fold has verified each line.
            self.checked.fill(true);
        }
        let first = online.first_cosigned(index).await?;
        self.first_cosigned = [self.first_cosigned, first].into_iter().flatten().min();
        self.online = Some(LookedUp { judged, size: online.size() });
        Ok(Ok(()))
    }

    pub(super) fn words(&self) -> Words {
        let mut words = Words::of(&self.shown);
        for (name, value) in self.disclosed.iter().flat_map(|disclosed| &disclosed.members) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.add("disclosed", format!("{}: {}", terminal::line(name), terminal::line(&value)));
        }
        let seen = match self.first_cosigned {
            Some(seconds) => format!("{}, cosigned by a witness", show::time(seconds)),
            None => "no witness of the policy has cosigned it".to_owned(),
        };
        words.add("first seen", seen);
        for (line, checked) in self.statement.signatures().iter().zip(&self.checked) {
            let checked = if *checked { ": the signature is good" } else { "; not checked here, which takes --issuer-key or --online" };
            words.add("signed by", words::signer(line) + checked);
        }
        for (path, which) in &self.documents {
            let name = named_documents(&self.shown).get(*which).map(|document| terminal::line(document.name.as_str())).unwrap_or_default();
            words.add("file", format!("{} is its document {name}, byte for byte", terminal::path(path)));
        }
        self.standing(&mut words);
        words
    }

    fn standing(&self, words: &mut Words) {
        let Some(LookedUp { judged, size }) = &self.online else {
            words.add(
                "standing",
                "not looked up: whether the signer was entitled to this, and what later entries did to it, only the log tells (--online)",
            );
            return;
        };
        match judged {
            Judged::NoCharter => words.add("standing", "unknown: this log has no charter, so nobody has said who may issue what"),
            Judged::Admitted(status) => {
                if let Some(key) = &status.key {
                    words.key_status(key);
                }
                let standing = status.standing.map(|standing| words::standing_in_words(standing, status.by));
                words.add("standing", standing.unwrap_or_else(|| "the log was right to take it in".into()));
                words.add("as of", format!("{} of the log, each judged here", show::count(*size, "entry", "entries")));
            }
        }
    }

    /// Adds what scripts want to what is said of every receipt.
    pub(super) fn add_to(&self, receipt: &mut Value) {
        let lines = self.statement.signatures().iter().zip(&self.checked);
        let signatures = lines.map(|(line, good)| {
            // What was not checked is not bad: a bad line makes the receipt not good.
            json!({ "name": line.name.as_str(), "key_id": line.key_id.to_string(), "checked": good })
        });
        receipt["statement"] = self.statement.json();
        if let Some(disclosed) = &self.disclosed {
            receipt["revealed"] = disclosed.revealed.clone();
        }
        receipt["statement_id"] = self.statement.id().to_string().into();
        receipt["issued"] = self.statement.issued().to_string().into();
        receipt["first_cosigned"] = self.first_cosigned.map(show::time).into();
        receipt["signatures"] = signatures.collect();
        let documents = self.documents.iter().map(|(path, which)| json!({ "file": path.display().to_string(), "document": which }));
        receipt["documents"] = documents.collect();
        receipt["online"] = match &self.online {
            None => Value::Null,
            Some(LookedUp { judged: Judged::NoCharter, size }) => json!({ "size": size, "status": null }),
            Some(LookedUp { judged: Judged::Admitted(status), size }) => json!({ "size": size, "status": **status }),
        };
    }
}

/// Keys whose lines can be checked: those that were given, those of the log, and those that the statement itself is about.
fn known_keys(statement: &Statement, policy: &Policy, head: &VerifiedCheckpoint, beside: &Beside) -> Vec<VerifierKey> {
    let mut known = beside.issuer_keys.clone();
    match statement.body() {
        Body::Charter(_) => {
            let origin = head.checkpoint().origin().as_str();
            known.extend(policy.logs().iter().map(|log| log.key()).filter(|key| key.name().as_str() == origin).cloned());
        }
        Body::Registration(registration) => known.extend(registration.keys.iter().map(Vkey::verifier_key)),
        Body::KeyChange(change) => known.push(change.key.verifier_key()),
        _ => {}
    }
    known
}

/// Which signature lines one of `known` has made; a line that claims so and was not made by it is not good.
fn check_signatures(statement: &Statement, known: &[VerifierKey]) -> Result<Vec<bool>, String> {
    let check = |line: &tlog::note::Signature| {
        let mut claimed = known.iter().filter(|key| line.is_of(key)).peekable();
        if claimed.peek().is_none() {
            return Ok(false);
        }
        if claimed.any(|key| key.verify_note(statement.text(), &line.bytes).is_ok()) {
            return Ok(true);
        }
        Err(format!(
            "the log has published it, but the signature of {} in it does not fit: that key did not sign this",
            words::signer(line)
        ))
    };
    statement.signatures().iter().map(check).collect()
}

/// The statement with what these disclosures open: each must belong to it.
fn disclose(statement: &Statement, disclosures: &[Disclosure]) -> Result<Option<Disclosed>, String> {
    if disclosures.is_empty() {
        return Ok(None);
    }
    let revealed = reveal(&statement.json(), disclosures).map_err(|error| format!("the receipt is genuine, but {error}"))?;
    let members = disclosures.iter().map(|disclosure| (disclosure.name().to_owned(), disclosure.value().clone())).collect();
    Ok(Some(Disclosed { members, revealed }))
}

fn read_disclosures(path: &Path) -> Result<Vec<Disclosure>, Failure> {
    let bytes = read_file(path, MAX_FILE)?;
    let text = str::from_utf8(&bytes).map_err(|_| wrong_file(path, "this is not text; a file of disclosures has one a line"))?;
    parse_file(text).map_err(|error| wrong_file(path, error))
}

fn named_documents(draft: &Draft) -> &[Document] {
    match draft.body() {
        Body::Decision(decision) => &decision.documents,
        _ => &[],
    }
}

/// Which of the statement's documents each file is.
fn find_documents(draft: &Draft, beside: &Beside) -> Result<Vec<(PathBuf, usize)>, String> {
    let named = named_documents(draft);
    let find = |(path, hash): &(PathBuf, Hash)| match named.iter().position(|document| document.sha256.as_str() == hash.to_hex()) {
        Some(which) => Ok((path.clone(), which)),
        None => Err(format!(
            "the receipt is genuine, but {} is none of the documents that it names: it was changed, or belongs to another decision (SHA-256 {hash})",
            terminal::path(path)
        )),
    };
    beside.documents.iter().map(find).collect()
}

/// Of a file of any size.
fn sha256(path: &Path) -> io::Result<Hash> {
    let mut file = File::open(path)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    let digest: [u8; 32] = context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
    Ok(Hash::new(digest))
}
