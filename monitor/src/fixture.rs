//! What tests of checks need: a log in a temporary store, and statements for it.

#![allow(clippy::unwrap_used, reason = "only tests are in here")]

use decision::ledger::Finding as Refusal;
use decision::statement::{Draft, Statement};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};

use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::store::{Store, StoreError, StoreOptions};

/// A log that is followed in a test.
pub(crate) struct Bench {
    pub(crate) store: Store,
    next: u64,
    _dir: TempDir,
}

/// A decision of planning.example with these members besides the needed ones, or instead of them.
pub(crate) fn decision(members: Value) -> Value {
    let mut all = json!({"type": "decision", "log": "log.example", "issuer": "planning.example", "issued": "2026-03-01T09:30:00Z",
        "series": "2026", "seq": 1, "kind": "planning.permit", "subject": "A fence", "outcome": "granted", "decided": "2026-03-01"});
    let Value::Object(members) = members else { panic!("an object") };
    all.as_object_mut().unwrap().extend(members);
    all
}

/// The statement with these members, signed by nobody known.
pub(crate) fn statement(members: &Value) -> Statement {
    let issuer = members["issuer"].as_str().unwrap();
    let key = SigningKey::from_seed(KeyName::new(issuer).unwrap(), Algorithm::Ed25519, &[3; 32]).unwrap();
    Draft::from_json(members).unwrap().sign(&[&key]).unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        Bench { store, next: 0, _dir: dir }
    }

    /// What a check says of the next entry.
    pub(crate) fn entry(&mut self, check: &dyn Check, members: &Value) -> Outcome {
        self.judged(check, Some(&statement(members)), None)
    }

    /// The same of an entry that is no statement, or that the log should have refused.
    pub(crate) fn judged(&mut self, check: &dyn Check, statement: Option<&Statement>, refusal: Option<&Refusal>) -> Outcome {
        let bytes = statement.map_or_else(|| b"noise".to_vec(), Statement::to_bytes);
        let time: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let entry = Judged {
            log: "log.example",
            index: LeafIndex::new(self.next),
            leaf: Hash::leaf(&bytes),
            bytes: &bytes,
            statement,
            refusal,
            related: &[],
            published: Published { earliest: None, latest: time },
        };
        self.next += 1;
        let mut outcome = Outcome::default();
        let ran: Result<(), StoreError> = self.store.write(|txn| check.entry(&mut Rows::new(txn, 0, check.name()), &entry, &mut outcome));
        ran.unwrap();
        outcome
    }
}

/// The codes and subjects of what was raised.
pub(crate) fn raised(outcome: &Outcome) -> Vec<(String, String)> {
    outcome.raised().iter().map(|raised| (raised.code.to_string(), raised.subject.clone())).collect()
}
