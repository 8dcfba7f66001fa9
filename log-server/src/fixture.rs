//! Logs for tests, in memory.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use decision::statement::Draft;
use prometheus::Registry;
use serde_json::json;
use tempfile::TempDir;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::admission::{Checked, Claim};
use crate::anchor::{Anchor, Anchored};
use crate::head::Head;
use crate::log::{Log, Options, WriteSide};
use crate::metrics::Metrics;
use crate::queue::AddError;
use crate::startup::StartupError;

use crate::store::{Admits, Identity, LogId, MemoryStore, Store, TreeState};

pub(crate) const ORIGIN: &str = "log.test/2026";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap()
}

pub(crate) fn identity() -> Identity {
    Identity { origin: ORIGIN.into(), verifier_key: key().verifier_key().to_string(), log_id: LogId([1; 16]), admits: Admits::Open }
}

pub(crate) fn empty_tree() -> TreeState {
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::ZERO, Hash::EMPTY_TREE);
    Head::new(SignedCheckpoint::sign(&checkpoint, &[&key()]).unwrap()).tree_state()
}

/// A store in memory and an anchor on disk, for a log that can be stopped and started.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
}

impl Fixture {
    /// A new log: its store, and the fixture with its anchor.
    pub(crate) fn new() -> (Self, MemoryStore) {
        let fixture = Fixture { dir: tempfile::tempdir().unwrap() };
        fixture.anchor_at(&empty_tree());
        (fixture, MemoryStore::create(identity(), empty_tree()))
    }

    pub(crate) fn anchor_at(&self, tree: &TreeState) {
        Anchor::create(&self.dir.path().join("anchor"), Anchored { log_id: identity().log_id, size: tree.size, root: tree.root }).unwrap();
    }

    pub(crate) fn anchored(&self) -> Anchored {
        Anchor::open(&self.dir.path().join("anchor")).unwrap().1
    }

    pub(crate) fn start<S: Store>(&self, store: S) -> Result<(Log<S>, WriteSide), StartupError> {
        let anchor = Anchor::open(&self.dir.path().join("anchor")).unwrap();
        Log::start(store, key(), anchor, Options::default(), Arc::new(Metrics::new(&Registry::new()).unwrap()))
    }
}

/// An entry as a log that takes any bytes has it checked.
pub(crate) fn checked(entry: Bytes) -> Checked {
    Checked { leaf: Hash::leaf(&entry), entry, claim: Claim::Bytes }
}

pub(crate) fn entry(number: u64) -> Bytes {
    Bytes::from(format!("decision {number}"))
}

pub(crate) async fn add<S: Store>(log: &Log<S>, number: u64) -> Result<LeafIndex, AddError> {
    log.add(entry(number))?.await
}

/// Adds entries `0..count` and stops the log.
pub(crate) async fn fill<S: Store>(fixture: &Fixture, store: S, count: u64) {
    let (log, mut write_side) = fixture.start(store).unwrap();
    for outcome in log.add_batch((0..count).map(entry)).await {
        outcome.unwrap();
    }
    log.close();
    write_side.ended().await.unwrap();
}

/// The key of the one registrar, and of the one issuer, of a log of statements.
fn signer(name: &str) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[9; 32]).unwrap()
}

/// A log of statements with its charter, entry 0, still to come.
pub(crate) fn statements_store() -> MemoryStore {
    let store = MemoryStore::create(Identity { admits: Admits::Statements, ..identity() }, empty_tree());
    store.set_ledger_size(Some(TreeSize::ZERO));
    store
}

fn signed(statement: &serde_json::Value, keys: &[&SigningKey]) -> Bytes {
    Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes().into()
}

pub(crate) fn charter() -> Bytes {
    let registrars = [signer("registrar.test").verifier_key().to_string()];
    let charter = json!({"type": "charter", "log": ORIGIN, "issued": "2026-03-01T09:30:00Z", "version": 1, "registrars": registrars,
        "threshold": 1, "admission": "statements"});
    signed(&charter, &[&key()])
}

pub(crate) fn registration() -> Bytes {
    let issuer = signer("issuer.test");
    let registration = json!({"type": "issuer", "log": ORIGIN, "issuer": "issuer.test", "issued": "2026-03-01T09:30:00Z",
        "names": {"en": "Issuer"}, "keys": [issuer.verifier_key().to_string()], "kinds": ["*"]});
    signed(&registration, &[&signer("registrar.test"), &issuer])
}

pub(crate) fn decision(seq: u64, subject: &str) -> Bytes {
    let decision = json!({"type": "decision", "log": ORIGIN, "issuer": "issuer.test", "issued": "2026-03-01T09:30:00Z", "series": "2026",
        "seq": seq, "kind": "permit", "subject": subject, "outcome": "granted", "decided": "2026-03-01"});
    signed(&decision, &[&signer("issuer.test")])
}
