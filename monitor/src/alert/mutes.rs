//! Muting: whoever runs the monitor says which alerts shall not be sent, why, and until when.
//!
//! A mute is a file in the directory `mutes` of the state directory. So it can be made and removed whether the monitor runs or not, two
//! people at once lose nothing, and a running monitor sees it within a second. Findings and alerts that are muted are kept and shown like
//! all others.
//!
//! Invariant: what cannot be read mutes nothing.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use acta_client::durable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::Hash;
use tlog::printable::Printable;

use crate::finding::{Code, Severity};

/// The most mutes that are looked at.
const MAX_MUTES: usize = 1000;

/// The most bytes of one.
const MAX_FILE: u64 = 16 << 10;

/// What muted is, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// What names it.
    pub id: MuteId,
    /// Which kinds of findings.
    pub codes: Codes,
    /// Of which log; of all if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// About whom: an issuer, a witness; all if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What matters more than this is not muted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Severity>,
    /// Why, for those who come after.
    pub reason: String,
    /// When it was made.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// What names a mute: eight hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MuteId(String);

/// Kinds of findings: one, such as `log.fork`, a family, such as `process.*`, or all, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Codes(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    /// With the dot.
    Family(String),
    One(Code),
}

/// What was written names no kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this names no kind of finding: write one such as \"log.fork\", a family such as \"process.*\", or \"*\"; `acta-monitor codes` lists all"
)]
pub struct UnknownCodes;

/// What was written is not the id of a mute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of a mute; `acta-monitor mutes` lists them")]
pub struct MalformedMuteId;

/// A mute cannot be written, read or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MuteError {
    /// The directory or a file in it.
    #[error("cannot use {}: {error}; check the directory and that this user may read and write it", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What is there is no mute.
    #[error("{} is no mute and mutes nothing; remove the file, or make the mute again with `acta-monitor mute`", .0.display())]
    Malformed(PathBuf),
    /// There is none of that id.
    #[error("there is no mute {0}; `acta-monitor mutes` lists them")]
    None(MuteId),
    /// There are too many.
    #[error("there are {MAX_MUTES} mutes already; remove some with `acta-monitor unmute`, or mute a whole family such as \"process.*\"")]
    TooMany,
    /// It ends before it begins.
    #[error("a mute that ends at {0} mutes nothing; give a later end")]
    Over(Timestamp),
    /// Nobody would know why.
    #[error("say why with --reason: one line of at most 500 characters")]
    NoReason,
}

/// The directory with mutes.
#[derive(Clone, Debug)]
pub struct MuteDir(PathBuf);

/// The mutes that a running monitor knows of. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Mutes(Arc<RwLock<Arc<[Mute]>>>);

/// What a mute looks at.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The origin of the log.
    pub log: &'a str,
    /// What kind of finding.
    pub code: &'a Code,
    /// Whom it is about.
    pub group: &'a str,
    /// How much it matters.
    pub severity: Severity,
}

impl Mute {
    /// Whether it applies at a time.
    pub fn applies(&self, about: About<'_>, now: Timestamp) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        self.until > now
            && self.codes.contains(about.code)
            && is(&self.log, about.log)
            && is(&self.group, about.group)
            && self.up_to.is_none_or(|most| about.severity <= most)
    }
}

impl Mutes {
    /// The mute that applies, if there is one.
    pub fn applying(&self, about: About<'_>, now: Timestamp) -> Option<Mute> {
        self.all().iter().find(|mute| mute.applies(about, now)).cloned()
    }

    /// All of them, also those that are over.
    pub fn all(&self) -> Arc<[Mute]> {
        // Nobody panics while it is held, and a list is replaced as a whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, mutes: Vec<Mute>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = mutes.into();
    }
}

impl MuteDir {
    /// The one in a state directory.
    pub fn of(state: &Path) -> Self {
        MuteDir(state.join("mutes"))
    }

    /// What is in it, by id, and what is no mute. There need not be a directory.
    pub fn read(&self) -> Result<(Vec<Mute>, Vec<MuteError>), MuteError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(self.failed(error)),
        };
        let (mut mutes, mut bad) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|error| self.failed(error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            if mutes.len() + bad.len() == MAX_MUTES {
                bad.push(MuteError::TooMany);
                break;
            }
            match read_mute(&path) {
                Ok(Some(mute)) => mutes.push(mute),
                Ok(None) => {}
                Err(error) => bad.push(error),
            }
        }
        mutes.sort_by(|a: &Mute, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        Ok((mutes, bad))
    }

    /// Writes a new one. Those that ended before it began are removed.
    pub fn add(&self, new: &NewMute, now: Timestamp) -> Result<Mute, MuteError> {
        if new.until <= now {
            return Err(MuteError::Over(new.until));
        }
        let reason = new.reason.trim();
        if reason.is_empty() || reason.chars().count() > 500 || reason.chars().any(char::is_control) {
            return Err(MuteError::NoReason);
        }
        let (known, _) = self.read()?;
        for over in known.iter().filter(|mute| mute.until <= now) {
            self.remove(&over.id)?;
        }
        if known.iter().filter(|mute| mute.until > now).count() >= MAX_MUTES {
            return Err(MuteError::TooMany);
        }
        let id = MuteId::new(new, now);
        let NewMute { codes, log, group, up_to, until, .. } = new.clone();
        let mute = Mute { id, codes, log, group, up_to, reason: reason.to_owned(), since: now, until };
        durable::create_directory(&self.0).map_err(|error| self.failed(error))?;
        let path = self.file(&mute.id);
        let mut text = serde_json::to_vec_pretty(&mute).expect("a mute is plain data");
        text.push(b'\n');
        durable::write(&path, &text).map_err(|error| MuteError::Io { path, error })?;
        Ok(mute)
    }

    /// Removes one.
    pub fn remove(&self, id: &MuteId) -> Result<(), MuteError> {
        let path = self.file(id);
        match fs::remove_file(&path) {
            Ok(()) => durable::sync_directory(&self.0).map_err(|error| self.failed(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(MuteError::None(id.clone())),
            Err(error) => Err(MuteError::Io { path, error }),
        }
    }

    fn file(&self, id: &MuteId) -> PathBuf {
        self.0.join(format!("{}.json", id.0))
    }

    fn failed(&self, error: io::Error) -> MuteError {
        MuteError::Io { path: self.0.clone(), error }
    }
}

/// What shall be muted.
#[derive(Clone, Debug)]
pub struct NewMute {
    /// Which kinds of findings.
    pub codes: Codes,
    /// Of which log.
    pub log: Option<String>,
    /// About whom.
    pub group: Option<String>,
    /// What matters more than this is not muted.
    pub up_to: Option<Severity>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
}

impl Codes {
    /// Whether a kind is one of these.
    pub fn contains(&self, code: &Code) -> bool {
        match &self.0 {
            Pattern::All => true,
            Pattern::Family(family) => code.to_string().starts_with(family),
            Pattern::One(one) => one == code,
        }
    }
}

impl FromStr for Codes {
    type Err = UnknownCodes;

    fn from_str(text: &str) -> Result<Self, UnknownCodes> {
        if text == "*" {
            return Ok(Codes(Pattern::All));
        }
        let Some(family) = text.strip_suffix('*') else {
            return Ok(Codes(Pattern::One(text.parse().map_err(|_| UnknownCodes)?)));
        };
        let own = ["ledger.", "rule.", "watch."].contains(&family);
        let known = family.ends_with('.') && (own || Code::all().any(|code| code.to_string().starts_with(family)));
        if known { Ok(Codes(Pattern::Family(family.to_owned()))) } else { Err(UnknownCodes) }
    }
}

impl TryFrom<String> for Codes {
    type Error = UnknownCodes;

    fn try_from(text: String) -> Result<Self, UnknownCodes> {
        text.parse()
    }
}

impl From<Codes> for String {
    fn from(codes: Codes) -> String {
        codes.to_string()
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::All => f.write_str("*"),
            Pattern::Family(family) => write!(f, "{family}*"),
            Pattern::One(code) => code.fmt(f),
        }
    }
}

impl MuteId {
    fn new(mute: &NewMute, now: Timestamp) -> Self {
        let hash = Hash::sha256(format!("acta mute\n{now}\n{mute:?}").as_bytes());
        MuteId(hash.as_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl FromStr for MuteId {
    type Err = MalformedMuteId;

    fn from_str(text: &str) -> Result<Self, MalformedMuteId> {
        let digits = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 8 && digits { Ok(MuteId(text.to_owned())) } else { Err(MalformedMuteId) }
    }
}

impl TryFrom<String> for MuteId {
    type Error = MalformedMuteId;

    fn try_from(text: String) -> Result<Self, MalformedMuteId> {
        text.parse()
    }
}

impl From<MuteId> for String {
    fn from(id: MuteId) -> String {
        id.0
    }
}

impl fmt::Display for MuteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} until {}", self.id, self.codes, self.until)?;
        let mut bound = |name: &str, value: &Option<String>| match value {
            Some(value) => write!(f, ", {name} {}", Printable(value)),
            None => Ok(()),
        };
        bound("log", &self.log)?;
        bound("about", &self.group)?;
        if let Some(most) = self.up_to {
            write!(f, ", up to {most}")?;
        }
        write!(f, ": {}", Printable(&self.reason))
    }
}

/// `None` if it was removed meanwhile.
fn read_mute(path: &Path) -> Result<Option<Mute>, MuteError> {
    let bytes = match durable::read_bounded(path, MAX_FILE) {
        Ok(bytes) => bytes.ok_or_else(|| MuteError::Malformed(path.to_owned()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(MuteError::Io { path: path.to_owned(), error }),
    };
    let mute: Mute = serde_json::from_slice(&bytes).map_err(|_| MuteError::Malformed(path.to_owned()))?;
    // The name is what it is removed by.
    let named = path.file_stem().is_some_and(|name| name == mute.id.0.as_str());
    if named { Ok(Some(mute)) } else { Err(MuteError::Malformed(path.to_owned())) }
}

#[cfg(test)]
mod tests;
