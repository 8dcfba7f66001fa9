//! Statements: signed notes (C2SP signed-note) whose text is exactly one line of canonical JSON.
//!
//! Invariant: one statement has one encoding. Its text is canonical (RFC 8785), its signature lines are sorted by name and key id, and
//! none is there twice; so nobody can publish what another has said in a second spelling. A statement is identified by the SHA-256 of
//! its text, never by its signatures.
//!
//! There are three steps, and each has its type: a [`Draft`] is well formed, a [`Statement`] is well formed and carries signatures, a
//! [`VerifiedStatement`] has only good ones. Whether those who signed were entitled to is for the [`ledger`](crate::ledger).

mod body;
mod malformed;
mod verified;

use std::fmt;

use serde_json::Value;
use tlog::Hash;
use tlog::key::{SignError, SigningKey};
use tlog::note::{Note, Signature};

use crate::canonical::{self, NotCanonical};
use crate::types::{Body, IssuerId, Number, Timestamp};

pub use malformed::{FieldError, Malformed};
pub use verified::{UnverifiedSignature, VerifiedStatement};

pub(crate) use verified::{Act, Numbered};

/// The most signature lines of a statement: as many as there can be registrars and added keys.
pub const MAX_SIGNATURES: usize = 48;

/// What identifies a statement: the SHA-256 of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(Hash);

impl StatementId {
    fn of(text: &str) -> Self {
        StatementId(Hash::sha256(text.as_bytes()))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// A statement that nobody has signed yet.
///
/// ```
/// use decision::statement::{Draft, Statement};
/// use serde_json::json;
/// use tlog::key::{Algorithm, KeyName, SigningKey};
///
/// let draft = Draft::from_json(&json!({"type": "annotation", "log": "log.example", "issuer": "planning.example",
///     "issued": "2026-03-01T09:30:00Z", "series": "2026", "seq": 7, "kind": "void"}))?;
/// assert!(draft.text().starts_with(r#"{"issued":"2026-03-01T09:30:00Z","issuer":"planning.example","#), "in canonical form");
///
/// let key = SigningKey::from_seed(KeyName::new("planning.example")?, Algorithm::Ed25519, &[3; 32])?;
/// let statement = draft.sign(&[&key])?;
/// assert_eq!(Statement::parse(&statement.to_bytes())?, statement);
/// assert_eq!(statement.id(), draft.id(), "signatures are no part of what a statement is");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// With its newline.
    text: String,
    id: StatementId,
    body: Body,
}

impl Draft {
    /// Puts the members of `value` into canonical form and checks that they are a statement.
    pub fn from_json(value: &Value) -> Result<Draft, Malformed> {
        let mut text = canonical::to_string(value)?;
        text.push('\n');
        Draft::from_text(text)
    }

    /// The statement that `body` says.
    pub fn from_body(body: &Body) -> Result<Draft, Malformed> {
        let value = serde_json::to_value(body).map_err(|_| NotCanonical::NoForm)?;
        Draft::from_json(&value)
    }

    /// Parses a line of JSON with its newline: what [`Draft::text`] gives.
    pub fn from_text(text: String) -> Result<Draft, Malformed> {
        let line = text.strip_suffix('\n').ok_or(Malformed::NotOneLine)?;
        if line.contains('\n') {
            return Err(Malformed::NotOneLine);
        }
        canonical::check(line)?;
        let body = body::parse(line)?;
        Ok(Draft { id: StatementId::of(&text), body, text })
    }

    /// What is signed: the line of JSON with its newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line of JSON without its newline.
    pub fn line(&self) -> &str {
        self.text.trim_end_matches('\n')
    }

    /// All members, also those that this version does not know.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.line()).expect("it was parsed when it was made")
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// What identifies it.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// Signs with each of `keys`.
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<Statement, SignStatementError> {
        let signatures = keys.iter().map(|key| key.sign_note(&self.text)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.with_signatures(signatures)?)
    }

    /// The statement with these signatures, in any order. Each is kept once.
    pub fn with_signatures(&self, mut signatures: Vec<Signature>) -> Result<Statement, Malformed> {
        signatures.sort_by(|one, other| place(one).cmp(&place(other)));
        signatures.dedup();
        let note = Note::new(&self.text, signatures)?;
        let statement = Statement::new(self.clone(), note.into_signatures())?;
        if statement.to_bytes().len() > tlog::tiles::MAX_ENTRY {
            return Err(Malformed::TooLarge);
        }
        Ok(statement)
    }
}

/// A draft could not be signed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignStatementError {
    /// A key of another kind.
    #[error(transparent)]
    Key(#[from] SignError),
    /// The signatures make it too large, or one key signed twice.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A well-formed statement with signatures of which nothing is known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    draft: Draft,
    signatures: Vec<Signature>,
}

impl Statement {
    /// Parses an entry of a log.
    pub fn parse(entry: &[u8]) -> Result<Statement, Malformed> {
        if entry.len() > tlog::tiles::MAX_ENTRY {
            return Err(Malformed::TooLarge);
        }
        let note = Note::parse(entry)?;
        let draft = Draft::from_text(note.text().to_owned())?;
        Statement::new(draft, note.into_signatures())
    }

    fn new(draft: Draft, signatures: Vec<Signature>) -> Result<Statement, Malformed> {
        if signatures.len() > MAX_SIGNATURES {
            return Err(Malformed::TooManySignatures);
        }
        for pair in signatures.windows(2) {
            match place(&pair[0]).cmp(&place(&pair[1])) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(Malformed::SignedTwice { name: pair[0].name.clone() }),
                std::cmp::Ordering::Greater => return Err(Malformed::UnsortedSignatures),
            }
        }
        Ok(Statement { draft, signatures })
    }

    /// What is signed: the line of JSON with its newline.
    pub fn text(&self) -> &str {
        self.draft.text()
    }

    /// The line of JSON without its newline.
    pub fn line(&self) -> &str {
        self.draft.line()
    }

    /// All members, also those that this version does not know.
    pub fn json(&self) -> Value {
        self.draft.json()
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        self.draft.body()
    }

    /// The same without signatures.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// What identifies it.
    pub fn id(&self) -> StatementId {
        self.draft.id
    }

    /// The name of the log that it is for.
    pub fn log(&self) -> &str {
        self.body().log()
    }

    /// The issuer that it is of, or about.
    pub fn issuer(&self) -> Option<&IssuerId> {
        self.body().issuer()
    }

    /// When its signers say that they issued it.
    pub fn issued(&self) -> Timestamp {
        self.body().issued()
    }

    /// The number of a decision or annotation.
    pub fn number(&self) -> Option<Number> {
        self.body().number()
    }

    /// The signature lines, sorted.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The entry: what [`Statement::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text())?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// What signature lines are sorted by.
fn place(signature: &Signature) -> (&str, u32) {
    (signature.name.as_str(), signature.key_id.as_u32())
}

#[cfg(test)]
mod tests;
