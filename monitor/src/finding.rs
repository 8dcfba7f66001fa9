//! What a monitor can find.
//!
//! Invariant: a finding is named by what it is about, not by when or how often it was seen: its id is a hash of log, code and subject. So the
//! same cause is the same finding for every run and every monitor, however often it is looked at.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{self, id};

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

id! {
    /// What names a finding: the first half of the SHA-256 of log, code and subject.
    FindingId,
    /// What was written is not the id of a finding.
    #[error("this is not the id of a finding: write its 32 hexadecimal digits, in lower case")]
    MalformedFindingId
}

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
        FindingId(id::of(&format!("acta finding\n{log}\n{code}\n{subject}")))
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
