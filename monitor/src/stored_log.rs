//! A store with a log in it, for tests: statements that are signed, folded and stored as following a log would.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use decision::ledger::{Fold, Rules};
use decision::statement::Draft;
use serde_json::{Value, json};
use tempfile::TempDir;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::merkle::Appender;
use tlog::policy::Policy;
use tlog::tiles::encode_entry;
use tlog::{Hash, LeafIndex, TreeSize};

use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::heads::{self, LogHead};
use crate::store::{Family, Store, StoreError, StoreOptions};
use crate::{logs, published};

/// When everything here was published, but for the first entry, whose time is known more closely.
pub(crate) const PUBLISHED: &str = "2026-03-02T10:00:00Z";

/// When everything here was signed.
pub(crate) const ISSUED: &str = "2026-03-01T09:30:00Z";

/// A log as a monitor has stored it.
pub(crate) struct StoredLog {
    pub(crate) store: Arc<Store>,
    pub(crate) origin: &'static str,
    pub(crate) entries: Vec<Vec<u8>>,
    fold: Fold,
}

impl StoredLog {
    /// With a charter and the issuers `planning.example` and `harbour.example`, which may issue everything: three entries.
    pub(crate) fn new(store: &Arc<Store>, origin: &'static str) -> Self {
        let rules = Rules::new(origin, vec![key(origin).verifier_key().clone()]);
        let mut log = StoredLog { store: Arc::clone(store), origin, entries: Vec::new(), fold: Fold::new(rules) };
        let registrar = key("registrar.example");
        let charter = json!({"type": "charter", "version": 1, "admission": "statements",
            "registrars": [registrar.verifier_key().to_string()], "threshold": 1});
        log.sign(charter, &[&key(origin)]);
        for (issuer, name) in [("planning.example", "Planning Authority"), ("harbour.example", "Harbour Office")] {
            let own = key(issuer);
            let registration = json!({"type": "issuer", "issuer": issuer, "names": {"en": name},
                "keys": [own.verifier_key().to_string()], "kinds": ["*"]});
            log.sign(registration, &[&registrar, &own]);
        }
        log
    }

    /// Adds a decision of `planning.example` or of the issuer that it names, with whatever members are given.
    pub(crate) fn decide(&mut self, seq: u64, members: Value) -> u64 {
        let mut decision = json!({"type": "decision", "issuer": "planning.example", "series": "2026", "seq": seq, "kind": "planning.permit",
            "subject": "A roof", "outcome": "granted", "decided": "2026-02-27"});
        merge(&mut decision, members);
        let issuer = key(decision["issuer"].as_str().unwrap());
        self.sign(decision, &[&issuer])
    }

    /// Adds an annotation of `planning.example`.
    pub(crate) fn annotate(&mut self, seq: u64, members: Value) -> u64 {
        let mut annotation = json!({"type": "annotation", "issuer": "planning.example", "series": "2026", "seq": seq, "kind": "note"});
        merge(&mut annotation, members);
        self.sign(annotation, &[&key("planning.example")])
    }

    /// What relates to an entry.
    pub(crate) fn relates(&self, rel: &str, index: u64) -> Value {
        let entry = &self.entries[usize::try_from(index).unwrap()];
        json!([{"rel": rel, "index": index, "leaf": Hash::leaf(entry).to_hex()}])
    }

    /// Adds bytes as they are.
    pub(crate) fn push(&mut self, entry: Vec<u8>) -> u64 {
        self.fold.push(&entry).unwrap();
        self.entries.push(entry);
        u64::try_from(self.entries.len()).unwrap() - 1
    }

    /// Stores what was added, as following the log would.
    pub(crate) fn store(&mut self) {
        let mut state = logs::register(&self.store, self.origin).unwrap();
        let mut tree = Appender::new();
        for entry in &self.entries {
            tree.append(Hash::leaf(entry), |_, _| {}).unwrap();
        }
        state.size = TreeSize::new(u64::try_from(self.entries.len()).unwrap());
        state.peaks = tree.peaks().to_vec();
        let checkpoint = Checkpoint::new(Origin::for_new_log(self.origin).unwrap(), state.size, tree.root());
        let head = SignedCheckpoint::sign(&checkpoint, &[&key(self.origin)]).unwrap();
        let policy = Policy::without_witnesses(key(self.origin).verifier_key().clone(), None).unwrap();
        let seen = PUBLISHED.parse().unwrap();
        (state.head, state.head_seen) = (Some(head.clone()), Some(seen));
        let prefix = state.number.to_be_bytes();
        let record = published::Record::default();
        let written = self.store.write(|txn| {
            for (number, entries) in (0..).zip(self.entries.chunks(256)) {
                let mut bundle = Vec::new();
                entries.iter().for_each(|entry| encode_entry(entry, &mut bundle).unwrap());
                txn.put(Family::Bundles, logs::bundle_key(state.number, number), bundle);
            }
            for (key, row) in self.fold.ledger().rows() {
                txn.put(Family::Ledger, [&prefix, key].concat(), row.to_vec());
            }
            for (index, bytes) in (0..).zip(&self.entries) {
                let published = Published { earliest: (index == 0).then_some(seen), latest: seen };
                let (index, leaf) = (LeafIndex::new(index), Hash::leaf(bytes));
                let entry = Judged { log: self.origin, index, leaf, bytes, statement: None, refusal: None, related: &[], published };
                record.entry(&mut Rows::new(txn, state.number, record.name()), &entry, &mut Outcome::default())?;
            }
            heads::note(txn, state.number, &LogHead::verify(&head, &policy).unwrap(), seen, &heads::Source::Log)?;
            state.write(txn);
            Ok::<_, StoreError>(())
        });
        written.unwrap();
    }

    /// Adds any statement, signed with these keys.
    pub(crate) fn sign(&mut self, mut statement: Value, keys: &[&SigningKey]) -> u64 {
        let issued = statement.get("issued").cloned().unwrap_or(ISSUED.into());
        merge(&mut statement, json!({"log": self.origin, "issued": issued}));
        self.push(Draft::from_json(&statement).unwrap().sign(keys).unwrap().to_bytes())
    }
}

/// A new store in a directory that goes with it.
pub(crate) fn store() -> (TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap();
    (dir, Arc::new(store))
}

/// The key of this name, always the same.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, Hash::sha256(name.as_bytes()).as_bytes()).unwrap()
}

fn merge(into: &mut Value, members: Value) {
    let Value::Object(members) = members else { panic!("members of a statement are an object") };
    into.as_object_mut().unwrap().extend(members);
}
