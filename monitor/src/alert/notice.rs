//! What is said of an alert: the same words for every channel, and for every try.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Alert, AlertId};
use crate::finding::{Code, Finding, FindingId, Severity};

/// How many findings a notice shows.
pub(super) const SAMPLES: usize = 5;

/// How many alerts a notice of a flood names.
pub(super) const NAMED: usize = 20;

/// How many characters of a text by strangers a notice shows.
const TEXT: usize = 1000;

/// How many indexes of a finding a notice shows.
const INDEXES: usize = 20;

/// Something that is said. It is not changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its place in the sequence of all notices, from 1, with gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub severity: Severity,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// An alert came.
    Opened(Box<Said>),
    /// There is more of it.
    More(Box<Said>),
    /// All of it is gone.
    Resolved(Box<Said>),
    /// So much was to be said that it is said together.
    Flood(Flood),
}

/// What is said of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Which.
    pub alert: Subject,
    /// How many findings came since the last time something was said of it.
    pub came: u64,
    /// How many went.
    pub went: u64,
    /// The first of those that came.
    pub findings: Vec<Sample>,
    /// How many of those that came are not among `findings`.
    pub omitted: u64,
}

/// An alert as it was when something was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What names it.
    pub id: AlertId,
    /// How often it has come.
    pub episode: u64,
    /// The origin of the log.
    pub log: String,
    /// What kind of findings.
    pub code: Code,
    /// That kind in a few words.
    pub title: String,
    /// Whom it is about; empty for the log itself.
    pub group: String,
    /// How much it matters.
    pub severity: Severity,
    /// When it came.
    pub opened: Timestamp,
    /// When all of it was gone.
    pub resolved: Option<Timestamp>,
    /// How many findings are open.
    pub open: u64,
    /// How many there were since it came.
    pub found: u64,
}

/// A finding, shortened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What names it.
    pub id: FindingId,
    /// What exactly it is about.
    pub subject: String,
    /// What is the case.
    pub text: String,
    /// How much it matters.
    pub severity: Severity,
    /// The first of the entries that it rests on.
    pub indexes: Vec<u64>,
    /// The name of the evidence file, if there is one.
    pub evidence: Option<String>,
    /// When it was found.
    pub found: Timestamp,
}

/// Alerts that were too many to be said one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// How many came.
    pub opened: u64,
    /// Of how many there is more.
    pub more: u64,
    /// How many are gone.
    pub resolved: u64,
    /// How many findings that are.
    pub findings: u64,
    /// Some of these alerts, the worst first.
    pub worst: Vec<Subject>,
}

impl Notice {
    /// What was said of one alert, if it is about one.
    pub fn said(&self) -> Option<&Said> {
        match &self.what {
            What::Opened(said) | What::More(said) | What::Resolved(said) => Some(said),
            What::Flood(_) => None,
        }
    }
}

impl Said {
    /// What is to be said of an alert now.
    pub(super) fn of(alert: &Alert) -> Self {
        let shown = u64::try_from(alert.unsaid.first.len()).unwrap_or(u64::MAX);
        Said {
            alert: Subject::of(alert),
            came: alert.unsaid.came,
            went: alert.unsaid.went,
            findings: alert.unsaid.first.clone(),
            omitted: alert.unsaid.came.saturating_sub(shown),
        }
    }
}

impl Subject {
    fn of(alert: &Alert) -> Self {
        Subject {
            id: alert.id,
            episode: alert.episode,
            log: alert.log.clone(),
            title: alert.code.title().to_owned(),
            code: alert.code.clone(),
            group: shortened(&alert.group),
            severity: alert.severity,
            opened: alert.opened,
            resolved: alert.resolved,
            open: alert.open,
            found: alert.found,
        }
    }
}

impl Sample {
    pub(super) fn of(finding: &Finding) -> Self {
        Sample {
            id: finding.id,
            subject: shortened(&finding.subject),
            text: shortened(&finding.text),
            severity: finding.severity,
            indexes: finding.indexes.iter().take(INDEXES).copied().collect(),
            evidence: finding.evidence.clone(),
            found: finding.found,
        }
    }
}

impl Flood {
    /// Adds something that would have been said.
    pub(super) fn add(&mut self, what: &What) {
        let (count, said) = match what {
            What::Opened(said) => (&mut self.opened, said),
            What::More(said) => (&mut self.more, said),
            What::Resolved(said) => (&mut self.resolved, said),
            What::Flood(_) => return,
        };
        *count += 1;
        self.findings += said.came;
        let at = self.worst.partition_point(|other| other.severity >= said.alert.severity);
        if at < NAMED {
            self.worst.insert(at, said.alert.clone());
            self.worst.truncate(NAMED);
        }
    }

    /// That of the worst alert.
    pub(super) fn severity(&self) -> Severity {
        self.worst.first().map_or(Severity::Info, |worst| worst.severity)
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
