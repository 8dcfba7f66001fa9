//! Sealed fields: selectively disclosed members of a statement's objects, in the manner of RFC 9901 (SD-JWT).
//!
//! A statement is published for ever, so what concerns a natural person is not in it: the object that would have the member has, in
//! its `_sd` array, the digest of a *disclosure* `[salt, name, value]`. The disclosure is kept elsewhere, goes to whom it concerns, and can be
//! deleted. Without the salt nobody can guess the value from the digest.
//!
//! ```
//! use decision::disclosure::{parse_file, print_file, reveal, seal};
//! use serde_json::json;
//!
//! let mut party = json!({"role": "applicant", "name": "Ada Example"}).as_object().unwrap().clone();
//! // Random, and never used again.
//! let salt = [7; 16];
//! let disclosure = seal(&mut party, "name", &salt)?;
//! assert!(party.contains_key("_sd") && !party.contains_key("name"), "only a digest is published");
//!
//! let kept = print_file(&[disclosure]);
//! let public = json!({"parties": [party]});
//! let revealed = reveal(&public, &parse_file(&kept)?)?;
//! assert_eq!(revealed["parties"][0]["name"], "Ada Example");
//! assert!(reveal(&json!({"parties": []}), &parse_file(&kept)?).is_err(), "it belongs to one statement");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: [`reveal`] shows a value only where the signed statement has the digest of its disclosure, once.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tlog::Hash;

use crate::canonical::MAX_DEPTH;
use crate::types::Digest;

/// The member that holds the digests.
const SD: &str = "_sd";

/// The name that RFC 9901 keeps for sealed elements of arrays.
const ARRAY_ELEMENT: &str = "...";

/// Members of statements that the rules look at. The rules do not see into seals, so a sealed one would have no effect, and once opened look as
/// if it had: a revocation that never was, or a right that nobody gave.
pub const NEVER_SEALED: &[&str] = &[
    "action",
    "admission",
    "doubt_from",
    "issued",
    "issuer",
    "key",
    "keys",
    "kind",
    "kinds",
    "log",
    "may_overrule",
    "registrars",
    "relates",
    "retired",
    "seq",
    "series",
    "threshold",
    "type",
    "version",
];

/// The fewest bytes of a salt: 128 bits, as RFC 9901 section 9.3 recommends.
const MIN_SALT: usize = 16;

/// The most bytes of a disclosure: it stands for a part of an entry, encoded.
const MAX_DISCLOSURE: usize = 96 * 1024;

/// The most disclosures of one statement.
pub const MAX_DISCLOSURES: usize = 1024;

/// The most bytes of a file of disclosures.
pub const MAX_FILE: usize = 4 << 20;

/// The extension of files of disclosures.
pub const EXTENSION: &str = "disclosures";

/// A sealed member: its salt, name and value.
#[derive(Clone, PartialEq)]
pub struct Disclosure {
    encoded: Box<str>,
    name: Box<str>,
    value: Value,
}

/// Why a text is not a disclosure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDisclosure {
    /// Not base64url, or not of an array of three.
    #[error("this is not a disclosure: expected base64url of a JSON array with a salt, a name and a value; copy the line again")]
    Malformed,
    /// Larger than anything that was ever in a statement.
    #[error("the disclosure is larger than any part of a statement can be")]
    TooLarge,
    /// A salt that can be guessed.
    #[error("the salt of the disclosure has fewer than 128 bits, so its value could be guessed: it was not made as it should")]
    WeakSalt,
    /// A name that cannot be a sealed member's.
    #[error("a sealed field cannot be named `_sd` or `...`")]
    ReservedName,
}

/// Why a file of disclosures cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A line.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: InvalidDisclosure,
    },
    /// Too many lines, or too large.
    #[error("a file of disclosures has at most {MAX_DISCLOSURES} lines and 4 MiB; is it the right file?")]
    TooLarge,
}

/// Why a member cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is no such member.
    #[error("there is no such field to seal")]
    Missing,
    /// A name that cannot be a sealed member's.
    #[error("a field named `_sd` or `...` cannot be sealed")]
    ReservedName,
    /// `_sd` holds something else.
    #[error("`_sd` holds something that is not a list of digests")]
    NotDigests,
}

/// Why disclosures do not fit a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevealError {
    /// It belongs to another statement, or was changed.
    #[error("the disclosure of `{}` does not belong to this statement, or was changed", tlog::printable::Printable(.0))]
    NotInStatement(Box<str>),
    /// A disclosure twice.
    #[error("the disclosure of `{}` is given twice", tlog::printable::Printable(.0))]
    Repeated(Box<str>),
    /// A digest in two places: what it stands for would be ambiguous.
    #[error("a digest occurs more than once in the statement, which must not be: do not rely on its sealed fields")]
    AmbiguousDigest,
    /// The object has that member already.
    #[error("the statement has a field `{}` in the open beside the sealed one: do not rely on either", tlog::printable::Printable(.0))]
    NameTaken(Box<str>),
    /// A member that counts only in the open.
    #[error(
        "the statement has `{0}` sealed, at which the log's rules never looked: it has no effect, whatever it says. Do not rely on this statement"
    )]
    NeverSealed(Box<str>),
    /// Nested deeper than a statement can be.
    #[error("the disclosures are nested deeper than a statement can be")]
    TooDeep,
    /// More than a statement can have.
    #[error("there are more disclosures than a statement can have")]
    TooMany,
}

impl Disclosure {
    /// A disclosure of a member with this name and value. `salt` must be random, and never used before.
    pub fn new(salt: &[u8; MIN_SALT], name: &str, value: Value) -> Result<Self, InvalidDisclosure> {
        check_name(name)?;
        let json = json!([BASE64_URL_SAFE_NO_PAD.encode(salt), name, value]).to_string();
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(json);
        if encoded.len() > MAX_DISCLOSURE {
            return Err(InvalidDisclosure::TooLarge);
        }
        Ok(Disclosure { encoded: encoded.into(), name: name.into(), value })
    }

    /// Parses base64url, as RFC 9901 section 4.2.1 has it. Its digest is that of this very text, so the text is kept as it is.
    pub fn parse(encoded: &str) -> Result<Self, InvalidDisclosure> {
        if encoded.len() > MAX_DISCLOSURE {
            return Err(InvalidDisclosure::TooLarge);
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidDisclosure::Malformed)?;
        let parts: (String, String, Value) = serde_json::from_slice(&json).map_err(|_| InvalidDisclosure::Malformed)?;
        let (salt, name, value) = parts;
        check_name(&name)?;
        // Others may encode their salts in other ways; what counts is that there is enough of it.
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&salt).map_or(salt.len(), |salt| salt.len());
        if bytes < MIN_SALT {
            return Err(InvalidDisclosure::WeakSalt);
        }
        Ok(Disclosure { encoded: encoded.into(), name: name.into(), value })
    }

    /// What is kept and handed over.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// The name of the member.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What stands for it in the statement (RFC 9901 section 4.2.3).
    pub fn digest(&self) -> Digest {
        let digest = BASE64_URL_SAFE_NO_PAD.encode(Hash::sha256(self.encoded.as_bytes()).as_bytes());
        digest.parse().expect("a SHA-256 has 43 characters")
    }
}

impl fmt::Debug for Disclosure {
    /// Without the value, which is nobody's but its holder's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({})", self.name)
    }
}

fn check_name(name: &str) -> Result<(), InvalidDisclosure> {
    if name == SD || name == ARRAY_ELEMENT { Err(InvalidDisclosure::ReservedName) } else { Ok(()) }
}

/// Takes a member out of an object and puts the digest of its disclosure into the object's `_sd`. Digests are sorted, so that their order
/// does not tell the one of the members.
pub fn seal(object: &mut Map<String, Value>, name: &str, salt: &[u8; MIN_SALT]) -> Result<Disclosure, SealError> {
    if check_name(name).is_err() {
        return Err(SealError::ReservedName);
    }
    let value = object.get(name).ok_or(SealError::Missing)?.clone();
    let disclosure = Disclosure::new(salt, name, value).map_err(|_| SealError::ReservedName)?;
    let Value::Array(digests) = object.entry(SD).or_insert_with(|| Value::Array(Vec::new())) else { return Err(SealError::NotDigests) };
    if digests.iter().any(|digest| !digest.is_string()) {
        return Err(SealError::NotDigests);
    }
    digests.push(Value::from(disclosure.digest().as_str()));
    digests.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    object.remove(name);
    Ok(disclosure)
}

/// The statement with the members that `disclosures` open. Digests of those that stay sealed stay in `_sd`.
pub fn reveal(statement: &Value, disclosures: &[Disclosure]) -> Result<Value, RevealError> {
    if disclosures.len() > MAX_DISCLOSURES {
        return Err(RevealError::TooMany);
    }
    let mut opener = Opener { disclosures: Vec::with_capacity(disclosures.len()), used: HashSet::new(), seen: HashSet::new() };
    for disclosure in disclosures {
        let digest = disclosure.digest();
        if opener.disclosures.iter().any(|(other, _)| *other == digest) {
            return Err(RevealError::Repeated(disclosure.name.clone()));
        }
        opener.disclosures.push((digest, disclosure));
    }
    let revealed = opener.open(statement, 1)?;
    match opener.disclosures.iter().find(|(digest, _)| !opener.used.contains(digest.as_str())) {
        Some((_, unused)) => Err(RevealError::NotInStatement(unused.name.clone())),
        None => Ok(revealed),
    }
}

/// Walks through a statement, and through what it opens.
struct Opener<'a> {
    disclosures: Vec<(Digest, &'a Disclosure)>,
    used: HashSet<String>,
    /// Every digest met, opened or not.
    seen: HashSet<String>,
}

impl Opener<'_> {
    fn open(&mut self, value: &Value, depth: usize) -> Result<Value, RevealError> {
        if depth > 2 * MAX_DEPTH {
            return Err(RevealError::TooDeep);
        }
        match value {
            Value::Object(members) => self.object(members, depth).map(Value::Object),
            Value::Array(values) => values.iter().map(|value| self.open(value, depth + 1)).collect::<Result<_, _>>().map(Value::Array),
            other => Ok(other.clone()),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Result<Map<String, Value>, RevealError> {
        let mut open = Map::new();
        for (name, value) in members.iter().filter(|(name, _)| *name != SD) {
            open.insert(name.clone(), self.open(value, depth + 1)?);
        }
        let Some(Value::Array(digests)) = members.get(SD) else { return Ok(open) };
        let mut sealed = Vec::new();
        for digest in digests {
            let Some(text) = digest.as_str() else { continue };
            // RFC 9901 section 7.1: a digest that occurs twice, in whatever place, spoils all.
            if !self.seen.insert(text.to_owned()) {
                return Err(RevealError::AmbiguousDigest);
            }
            let Some((_, disclosure)) = self.disclosures.iter().find(|(digest, _)| digest.as_str() == text) else {
                sealed.push(digest.clone());
                continue;
            };
            let disclosure = *disclosure;
            if depth == 1 && NEVER_SEALED.contains(&&*disclosure.name) {
                return Err(RevealError::NeverSealed(disclosure.name.clone()));
            }
            self.used.insert(text.to_owned());
            let value = self.open(&disclosure.value, depth + 1)?;
            if members.contains_key(&*disclosure.name) || open.insert(disclosure.name.to_string(), value).is_some() {
                return Err(RevealError::NameTaken(disclosure.name.clone()));
            }
        }
        if !sealed.is_empty() {
            open.insert(SD.into(), Value::Array(sealed));
        }
        Ok(open)
    }
}

/// A file of disclosures: one a line.
pub fn print_file(disclosures: &[Disclosure]) -> String {
    disclosures.iter().map(|disclosure| format!("{}\n", disclosure.encoded())).collect()
}

/// Reads a file of disclosures. Empty lines are left out.
pub fn parse_file(text: &str) -> Result<Vec<Disclosure>, FileError> {
    if text.len() > MAX_FILE || text.lines().count() > MAX_DISCLOSURES {
        return Err(FileError::TooLarge);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(at, line): (usize, &str)| Disclosure::parse(line.trim()).map_err(|reason| FileError::Line { line: at + 1, reason });
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests;
