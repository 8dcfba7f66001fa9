//! Searching with a monitor, without believing it.
//!
//! A monitor finds; the log proves. Of a hit only its place and its leaf hash are used: the entry is read from the log under a verified head,
//! and whatever is shown is the entry's own words. A monitor that names an entry which is not there, which is another one, which says
//! something else than it claims, or which was not asked for, is found out.
//!
//! What no client can see is what a monitor leaves out. Whoever needs to be certain asks several, or reads the log.

use std::fmt;

use decision::statement::Statement;
use decision::types::{Body, IssuerId, Kind, KindPattern};
use reqwest::Url;
use serde::Deserialize;
use tlog::printable::Printable;
use tlog::{Hash, LeafIndex};

use crate::source::{FetchError, Http, Options};
use crate::verified::{ReadError, VerifiedLog};

/// The most hits in one answer.
pub const MAX_HITS: u8 = 100;

/// The most bytes of an answer: so many hits with the longest texts that they can have.
const MAX_ANSWER: usize = 4 << 20;

/// A monitor's search.
#[derive(Debug)]
pub struct Monitor {
    http: Http,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Words, phrases, fields and ranges, as the monitor understands them.
    pub query: String,
    /// Only what is in the log with this origin.
    pub log: Option<String>,
    /// Only what is of this issuer.
    pub issuer: Option<IssuerId>,
    /// Only what is of such a kind.
    pub kind: Option<KindPattern>,
    /// Only decisions that stand so: `in-force`, `corrected`, `superseded`, `revoked`; or what the log should have refused, `refused`.
    pub status: Option<String>,
    /// Only what was decided on this day, in this month, in this year, or later.
    pub from: Option<String>,
    /// Only what was decided on this day, in this month, in this year, or before.
    pub to: Option<String>,
    /// So many hits at most.
    pub limit: u8,
}

/// What a monitor says that it found. Nothing of it is checked.
#[derive(Clone, Debug, Deserialize)]
pub struct Results {
    /// How many hits there are.
    pub count: Count,
    /// The first of them.
    pub hits: Vec<Hit>,
}

/// How many hits there are, as the monitor says.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Count {
    /// So many, or at least so many.
    pub number: u64,
    /// Whether there are not more.
    pub exact: bool,
}

/// An entry that a monitor says it found, in its words.
#[derive(Clone, Debug, Deserialize)]
pub struct Hit {
    /// The origin of the log.
    pub log: String,
    /// Which entry.
    pub index: u64,
    /// Its leaf hash in hexadecimal.
    pub leaf: String,
    /// What type of statement.
    pub r#type: String,
    /// Whom it is of, or about.
    pub issuer: Option<String>,
    /// Its kind.
    pub kind: Option<String>,
    /// The issuer's counter.
    pub series: Option<String>,
    /// The number in it.
    pub seq: Option<u64>,
    /// The subject of a decision, the text of an annotation.
    pub subject: Option<String>,
    /// The outcome of a decision.
    pub outcome: Option<String>,
    /// The day of a decision.
    pub decided: Option<String>,
    /// How a decision stands.
    pub standing: Option<String>,
    /// The entry that took its place.
    pub by: Option<u64>,
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The monitor is away, or refused: then it says why.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What came is no answer to a search.
    #[error("what {url} answered is no answer to a search: {error}. Is this the address of a monitor?")]
    Malformed {
        /// The monitor.
        url: Box<Url>,
        /// Where it stops making sense.
        error: serde_json::Error,
    },
    /// More hits than were asked for.
    #[error("the monitor sent {0} hits, more than it was asked for; do not rely on it")]
    TooMany(usize),
}

/// What became of checking a hit.
#[derive(Debug)]
pub enum Verdict {
    /// The log has this entry, it is the one that the monitor meant, and it is what was asked for.
    Verified(Box<Statement>),
    /// It is not so, and the monitor is not to be relied on.
    Wrong(Lie),
    /// The log could not be read.
    Unchecked(ReadError),
}

/// How a hit is not what the log has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lie {
    /// There is no such entry.
    #[error("the log has no such entry: it ends before")]
    NotInLog,
    /// There is another entry.
    #[error("the log has another entry there, with the leaf hash {}", .0.to_hex())]
    OtherEntry(Hash),
    /// The entry is no statement.
    #[error("the entry is no statement")]
    NoStatement,
    /// The entry says something else.
    #[error("the entry says something else about its {0} than the monitor")]
    OtherWords(&'static str),
    /// The entry is not what was asked for.
    #[error("this was not asked for: it has another {0}")]
    NotAsked(&'static str),
    /// The log gave something that is not its own.
    #[error("the log itself served something wrong: {0}")]
    Log(ReadError),
}

impl Monitor {
    /// The monitor at `url`, which ends in a slash. Nothing is sent yet.
    pub fn new(url: Url, options: &Options) -> Result<Self, FetchError> {
        Ok(Monitor { http: Http::new(url, options)? })
    }

    /// Asks.
    pub async fn search(&self, question: &Question) -> Result<Results, SearchError> {
        let answer = self.http.get(&question.path(), MAX_ANSWER).await?;
        let malformed = |error| SearchError::Malformed { url: self.http.base().clone().into(), error };
        let results: Results = serde_json::from_slice(&answer).map_err(malformed)?;
        if results.hits.len() > usize::from(question.limit) {
            return Err(SearchError::TooMany(results.hits.len()));
        }
        Ok(results)
    }
}

impl Question {
    fn path(&self) -> String {
        let limit = self.limit.to_string();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut path = String::from("api/v1/search");
        let mut separator = '?';
        for (name, value) in [
            ("q", self.query.clone()),
            ("log", text(&self.log)),
            ("issuer", self.issuer.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("kind", self.kind.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("status", text(&self.status)),
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("limit", limit),
        ] {
            if !value.is_empty() {
                path.push(separator);
                path.push_str(name);
                path.push('=');
                encode(&value, &mut path);
                separator = '&';
            }
        }
        path
    }

    /// Whether a statement is of what was asked for, as far as that can be seen from itself; if not, what is otherwise.
    fn fits(&self, statement: &Statement) -> Result<(), &'static str> {
        let (kind, decided) = match statement.body() {
            Body::Decision(decision) => (Some(&decision.kind), Some(decision.decided.as_str())),
            Body::Annotation(annotation) => (Some(&annotation.kind), None),
            _ => (None, None),
        };
        let of_kind = |pattern: &KindPattern| kind.is_some_and(|kind: &Kind| pattern.matches(kind));
        // Days, months and years are compared as they are written, as far as the shorter one goes.
        let day = |bound: &str| decided.map(|day| &day[..bound.len().min(day.len())]);
        let after = |from: &String| day(from).is_some_and(|day| day >= from.as_str());
        let before = |to: &String| day(to).is_some_and(|day| day <= to.as_str());
        if self.issuer.as_ref().is_some_and(|issuer| statement.issuer() != Some(issuer)) {
            return Err("issuer");
        }
        if self.kind.as_ref().is_some_and(|pattern| !of_kind(pattern)) {
            return Err("kind");
        }
        if self.from.as_ref().is_some_and(|from| !after(from)) || self.to.as_ref().is_some_and(|to| !before(to)) {
            return Err("day of the decision");
        }
        Ok(())
    }
}

impl Hit {
    /// Reads the entry from the log, and compares.
    pub async fn verify(&self, question: &Question, log: &VerifiedLog) -> Verdict {
        let entry = match log.entry(LeafIndex::new(self.index)).await {
            Ok(entry) => entry,
            // The index is beyond the log's end.
            Err(ReadError::Plan(_)) => return Verdict::Wrong(Lie::NotInLog),
            Err(error) if error.is_unavailable() => return Verdict::Unchecked(error),
            Err(error) => return Verdict::Wrong(Lie::Log(error)),
        };
        let leaf = Hash::leaf(&entry);
        if leaf.to_hex() != self.leaf {
            return Verdict::Wrong(Lie::OtherEntry(leaf));
        }
        let Ok(statement) = Statement::parse(&entry) else { return Verdict::Wrong(Lie::NoStatement) };
        if let Err(what) = self.agrees(&statement) {
            return Verdict::Wrong(Lie::OtherWords(what));
        }
        match question.fits(&statement) {
            Ok(()) => Verdict::Verified(Box::new(statement)),
            Err(what) => Verdict::Wrong(Lie::NotAsked(what)),
        }
    }

    /// Whether the monitor's words are those of the statement; if not, those about what.
    fn agrees(&self, statement: &Statement) -> Result<(), &'static str> {
        let number = statement.number();
        let (kind, subject, outcome, decided) = match statement.body() {
            Body::Decision(decision) => {
                let kind = Some(decision.kind.as_str());
                (kind, Some(decision.subject.as_str()), Some(decision.outcome.as_str()), Some(decision.decided.as_str()))
            }
            Body::Annotation(annotation) => {
                (Some(annotation.kind.as_str()), annotation.text.as_ref().map(|text| text.as_str()), None, None)
            }
            _ => (None, None, None, None),
        };
        let text = |said: &Option<String>, is: Option<&str>| said.as_deref() == is;
        for (what, agrees) in [
            ("type", self.r#type == statement.body().type_name()),
            ("issuer", text(&self.issuer, statement.issuer().map(IssuerId::as_str))),
            ("kind", text(&self.kind, kind)),
            ("series", text(&self.series, number.as_ref().map(|number| number.series.as_str()))),
            ("number", self.seq == number.as_ref().map(|number| number.seq)),
            ("subject", text(&self.subject, subject)),
            ("outcome", text(&self.outcome, outcome)),
            ("day", text(&self.decided, decided)),
        ] {
            if !agrees {
                return Err(what);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.exact {
            f.write_str("at least ")?;
        }
        write!(f, "{}", self.number)
    }
}

impl fmt::Display for Hit {
    /// The place, harmless in a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entry {}", Printable(&self.log), self.index)
    }
}

/// Appends a value as it stands in the query of an address.
fn encode(value: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_question_is_a_path_that_changes_nothing_of_it() {
        let question = Question {
            query: "\"Döhle & Söhne\" #1?/../x".into(),
            kind: Some("planning.*".parse().unwrap()),
            limit: 20,
            ..Question::default()
        };
        let path = "api/v1/search?q=%22D%C3%B6hle%20%26%20S%C3%B6hne%22%20%231%3F%2F..%2Fx&kind=planning.%2A&limit=20";
        assert_eq!(question.path(), path);
        let url = Url::parse("http://monitor.example/a/").unwrap().join(&question.path()).unwrap();
        let read: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        assert_eq!(read[0], ("q".to_owned(), question.query));
        assert_eq!(url.path(), "/a/api/v1/search");
    }
}
