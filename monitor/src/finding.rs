//! What a monitor can find.
//!
//! Invariant: a finding is named by what it is about, not by when or how often it was seen: its id is a hash of log, code and subject. So the
//! same cause is the same finding for every run and every monitor, however often it is looked at.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::Hash;

mod code;

pub use code::{Code, UnknownCode};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Notice,
    /// Something is not as it should be.
    Warning,
    /// The log or an issuer broke a rule, or does not do what it is there for.
    Error,
    /// The log cannot be relied on any more.
    Critical,
}

/// What names a finding: the first half of the SHA-256 of log, code and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FindingId([u8; 16]);

/// What was written is not the id of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of a finding: write its 32 hexadecimal digits, in lower case")]
pub struct MalformedFindingId;

/// What a check says is the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// What kind of finding.
    pub code: Code,
    /// How much it matters, where that is not as the code says.
    pub severity: Option<Severity>,
    /// Whom it is about: findings of one code and group are one alert. An issuer, a witness, or empty for the log itself.
    pub group: String,
    /// What exactly it is about. As long as this is the same, it is the same finding.
    pub subject: String,
    /// What is the case, in a sentence or two for people, with the facts.
    pub text: String,
    /// The entries that it rests on.
    pub indexes: Vec<u64>,
    /// The name of the evidence file, if there is one that convicts by itself.
    pub evidence: Option<String>,
}

/// A finding as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What names it.
    pub id: FindingId,
    /// The origin of the log.
    pub log: String,
    /// What kind of finding.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// Whom it is about, for grouping.
    pub group: String,
    /// What exactly it is about.
    pub subject: String,
    /// What is the case.
    pub text: String,
    /// The entries that it rests on.
    pub indexes: Vec<u64>,
    /// The name of the evidence file, if there is one.
    pub evidence: Option<String>,
    /// When it was found, or found again after it had gone.
    pub found: Timestamp,
    /// When its cause was gone.
    pub resolved: Option<Timestamp>,
}

impl FindingId {
    /// The id of what is said of a log under a code.
    pub fn new(log: &str, code: &Code, subject: &str) -> Self {
        // Origins have no line breaks and codes neither, so no two findings have one text.
        let hash = Hash::sha256(format!("acta finding\n{log}\n{code}\n{subject}").as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        FindingId(id)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for FindingId {
    type Err = MalformedFindingId;

    fn from_str(text: &str) -> Result<Self, MalformedFindingId> {
        let digits = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !digits {
            return Err(MalformedFindingId);
        }
        Ok(FindingId(u128::from_str_radix(text, 16).map_err(|_| MalformedFindingId)?.to_be_bytes()))
    }
}

impl TryFrom<String> for FindingId {
    type Error = MalformedFindingId;

    fn try_from(text: String) -> Result<Self, MalformedFindingId> {
        text.parse()
    }
}

impl From<FindingId> for String {
    fn from(id: FindingId) -> String {
        id.to_string()
    }
}

impl Severity {
    /// All, the least first.
    pub const ALL: [Severity; 5] = [Severity::Info, Severity::Notice, Severity::Warning, Severity::Error, Severity::Critical];

    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Raised {
    /// Something that the code says all about but for these words.
    pub fn new(code: Code, group: impl Into<String>, subject: impl Into<String>, text: impl Into<String>) -> Self {
        let (group, subject, text) = (group.into(), subject.into(), text.into());
        Raised { code, severity: None, group, subject, text, indexes: Vec::new(), evidence: None }
    }

    /// The same, resting on these entries.
    #[must_use]
    pub fn at(mut self, indexes: impl IntoIterator<Item = u64>) -> Self {
        self.indexes.extend(indexes);
        self
    }

    /// The finding that this is for a log at a time.
    pub(crate) fn into_finding(self, log: &str, found: Timestamp) -> Finding {
        Finding {
            id: FindingId::new(log, &self.code, &self.subject),
            log: log.to_owned(),
            severity: self.severity.unwrap_or_else(|| self.code.severity()),
            code: self.code,
            group: self.group,
            subject: self.subject,
            text: self.text,
            indexes: self.indexes,
            evidence: self.evidence,
            found,
            resolved: None,
        }
    }
}
