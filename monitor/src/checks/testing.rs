//! A log for tests of checks: statements of few words, published at times that a test sets, and what is found of them.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests may fail, and give away what they made for one call")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use decision::ledger::Finding as Refusal;
use decision::statement::{Draft, Statement};
use decision::types::{Body, IssuerId, Number};
use jiff::{Span, Timestamp};
use serde_json::{Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};

use super::Section;
use crate::check::{Check, Judged, Outcome, Published, Related, Rows};
use crate::finding::{Code, Raised};
use crate::store::{Store, StoreError, StoreOptions};

pub(super) const LOG: &str = "gazette.example/2026";

/// All signatures are by one key: checks look at none.
static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed(KeyName::new("issuer.example").unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap());

/// One database for all tests of a process; each test has a log of its own in it.
static STORE: LazyLock<(tempfile::TempDir, Arc<Store>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap();
    (dir, Arc::new(store))
});

static LOGS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);

/// An entry that was published.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) statement: Statement,
    pub(super) refused: bool,
    pub(super) published: Published,
    pub(super) related: Vec<Related>,
}

/// A log, its checks, and what is found.
pub(super) struct World {
    checks: Vec<Box<dyn Check>>,
    pub(super) log: u32,
    pub(super) now: Timestamp,
    /// How long before it was published an entry is known not to have been; `None`: nothing is known.
    pub(super) precision: Option<i64>,
    entries: Vec<(Option<IssuerId>, Option<Number>, Hash)>,
    /// What is found now.
    pub(super) open: BTreeMap<(String, String), Raised>,
    /// How often something was found that was not so before.
    pub(super) opened: usize,
}

impl World {
    /// With all checks, set as this TOML says.
    pub(super) fn new(settings: &str) -> Self {
        let section: Section = toml::from_str(settings).unwrap();
        World::with(super::all(&section.validate().unwrap()))
    }

    pub(super) fn with(checks: Vec<Box<dyn Check>>) -> Self {
        let log = LOGS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        World { checks, log, now, precision: Some(1), entries: Vec::new(), open: BTreeMap::new(), opened: 0 }
    }

    pub(super) fn at(&mut self, time: &str) -> &mut Self {
        self.now = time.parse().unwrap();
        self
    }

    /// Some seconds go by.
    pub(super) fn later(&mut self, seconds: i64) -> &mut Self {
        self.now += Span::new().seconds(seconds);
        self
    }

    /// A decision with this number, that was issued a moment ago.
    pub(super) fn decision(&self, issuer: &str, series: &str, seq: u64) -> Value {
        let issued = Timestamp::from_second(self.now.as_second() - 5).unwrap();
        let day = issued.to_string()[..10].to_owned();
        json!({"type": "decision", "log": LOG, "issuer": issuer, "issued": issued.to_string(), "series": series, "seq": seq,
            "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": day})
    }

    pub(super) fn annotation(&self, issuer: &str, series: &str, seq: u64, kind: &str) -> Value {
        let issued = Timestamp::from_second(self.now.as_second() - 5).unwrap().to_string();
        json!({"type": "annotation", "log": LOG, "issuer": issuer, "issued": issued, "series": series, "seq": seq, "kind": kind})
    }

    pub(super) fn registration(&self, issuer: &str) -> Value {
        let issued = Timestamp::from_second(self.now.as_second() - 5).unwrap().to_string();
        json!({"type": "issuer", "log": LOG, "issuer": issuer, "issued": issued, "names": {"en": issuer}, "kinds": ["*"]})
    }

    /// The same, relating to earlier entries.
    pub(super) fn relating(&self, statement: Value, relations: &[(&str, u64)]) -> Value {
        let one = |(rel, index): &(&str, u64)| {
            let leaf = self.entries[usize::try_from(*index).unwrap()].2.to_hex();
            json!({"rel": rel, "index": index, "leaf": leaf})
        };
        with(statement, "relates", relations.iter().map(one).collect::<Vec<_>>().into())
    }

    /// Publishes, and gives the index.
    pub(super) fn publish(&mut self, statement: Value) -> u64 {
        let entry = self.entry(&statement, false);
        self.push(&[entry])
    }

    /// Publishes what the log should have refused.
    pub(super) fn publish_refused(&mut self, statement: Value) -> u64 {
        let entry = self.entry(&statement, true);
        self.push(&[entry])
    }

    /// Publishes a decision of which nothing matters but its number.
    pub(super) fn decide(&mut self, issuer: &str, seq: u64) -> u64 {
        let decision = self.decision(issuer, "2026", seq);
        self.publish(decision)
    }

    pub(super) fn entry(&self, statement: &Value, refused: bool) -> Entry {
        let statement = Draft::from_json(statement).unwrap().sign(&[&KEY]).unwrap();
        let relates = match statement.body() {
            Body::Decision(body) => body.relates.clone(),
            Body::Annotation(body) => body.relates.clone(),
            _ => Vec::new(),
        };
        let related = relates.iter().filter_map(|one| {
            let (issuer, number, _) = &self.entries[usize::try_from(one.index).unwrap()];
            let (issuer, number) = (issuer.clone()?, number.clone()?);
            Some(Related { rel: one.rel, index: LeafIndex::new(one.index), issuer, number })
        });
        let earliest = self.precision.map(|before| Timestamp::from_second(self.now.as_second() - before).unwrap());
        let published = Published { earliest, latest: self.now };
        Entry { related: related.collect(), statement, refused, published }
    }

    /// Publishes entries in one batch, and gives the index of the first.
    pub(super) fn push(&mut self, entries: &[Entry]) -> u64 {
        let first = u64::try_from(self.entries.len()).unwrap();
        let mut said = Vec::new();
        let store = Arc::clone(&STORE.1);
        store
            .write(|txn| {
                for (entry, at) in entries.iter().zip(first..) {
                    let bytes = entry.statement.to_bytes();
                    let (index, leaf) = (LeafIndex::new(at), Hash::leaf(&bytes));
                    let refusal = entry.refused.then(|| refusal(index));
                    let judged = Judged {
                        log: LOG,
                        index,
                        leaf,
                        bytes: &bytes,
                        statement: Some(&entry.statement),
                        refusal: refusal.as_ref(),
                        related: &entry.related,
                        published: entry.published,
                    };
                    for check in &self.checks {
                        let mut out = Outcome::default();
                        check.entry(&mut Rows::new(txn, self.log, check.name()), &judged, &mut out)?;
                        said.push(out);
                    }
                    let number = entry.statement.number().filter(|_| !entry.refused);
                    self.entries.push((entry.statement.issuer().cloned(), number, leaf));
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        said.into_iter().for_each(|out| self.note(out));
        first
    }

    /// Looks at the clock.
    pub(super) fn tick(&mut self) -> &mut Self {
        let mut said = Vec::new();
        let store = Arc::clone(&STORE.1);
        store
            .write(|txn| {
                for check in &self.checks {
                    let mut is_unfinished = true;
                    while is_unfinished {
                        let mut out = Outcome::default();
                        check.tick(&mut Rows::new(txn, self.log, check.name()), self.now, &mut out)?;
                        is_unfinished = out.is_unfinished();
                        said.push(out);
                    }
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        said.into_iter().for_each(|out| self.note(out));
        self
    }

    /// As findings are recorded: first what is gone, then what is there.
    fn note(&mut self, out: Outcome) {
        for (code, subject) in out.cleared() {
            self.open.remove(&(code.to_string(), subject.clone()));
        }
        for raised in out.raised() {
            assert!(raised.text.ends_with('.') && raised.text.len() < 2000 && !raised.text.contains(char::is_control), "{raised:?}");
            let place = (raised.code.to_string(), raised.subject.clone());
            if !self.open.contains_key(&place) {
                self.opened += 1;
                self.open.insert(place, raised.clone());
            }
        }
    }

    /// The subjects of what is found now under a code.
    pub(super) fn found(&self, code: &Code) -> Vec<&str> {
        let code = code.to_string();
        self.open.keys().filter(|(of, _)| *of == code).map(|(_, subject)| subject.as_str()).collect()
    }

    /// The only thing that is found now under a code.
    pub(super) fn one(&self, code: &Code) -> &Raised {
        let found = self.found(code);
        assert_eq!(found.len(), 1, "{found:?}");
        &self.open[&(code.to_string(), found[0].to_owned())]
    }

    /// How many rows the checks keep.
    pub(super) fn rows(&self) -> usize {
        self.all_rows().len()
    }

    /// The bytes of the longest of them.
    pub(super) fn longest_row(&self) -> usize {
        self.all_rows().iter().map(|(_, row)| row.len()).max().unwrap_or(0)
    }

    /// Keys, without the log's number, and rows.
    pub(super) fn all_rows(&self) -> Vec<crate::store::Row> {
        let rows = STORE.1.scan(crate::store::Family::Checks, &self.log.to_be_bytes(), 1_000_000).unwrap();
        rows.into_iter().map(|(key, row)| (key[4..].to_vec(), row)).collect()
    }

    pub(super) fn store(&self) -> &'static Store {
        &STORE.1
    }
}

/// The statement with one member set.
pub(super) fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement.as_object_mut().unwrap().insert(name.into(), value);
    statement
}

fn refusal(index: LeafIndex) -> Refusal {
    let reason = decision::ledger::FindingReason::Malformed(decision::statement::Malformed::TooLarge);
    Refusal { index, reason }
}
