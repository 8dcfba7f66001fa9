//! A log of statements in memory, to which entries are added one by one.

use std::rc::Rc;

use serde_json::{Map, Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};

use decision::ledger::{Fold, Rules, Status};
use decision::statement::{Draft, Statement};
use decision::types::Vkey;

pub(crate) const LOG: &str = "gazette.example/2026";
pub(crate) const ISSUED: &str = "2026-03-01T09:30:00Z";

/// Shared, since secret keys cannot be copied.
pub(crate) type Key = Rc<SigningKey>;

pub(crate) fn key(name: &str, seed: u8) -> Key {
    Rc::new(SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap())
}

pub(crate) fn vkey(key: &Key) -> String {
    Vkey::from(key.verifier_key()).to_string()
}

pub(crate) struct World {
    pub(crate) fold: Fold,
    pub(crate) log: Key,
    pub(crate) registrars: Vec<Key>,
    pub(crate) planning: Key,
    pub(crate) court: Key,
    entries: Vec<Vec<u8>>,
}

impl World {
    /// A log with nothing in it.
    pub(crate) fn empty() -> Self {
        let log = key(LOG, 1);
        let fold = Fold::new(Rules::new(LOG, vec![log.verifier_key().clone()]));
        let registrars = (2..5).map(|seed| key(&format!("registrar-{seed}.example"), seed)).collect();
        let (planning, court) = (key("planning.example", 10), key("court.example", 11));
        World { fold, log, registrars, planning, court, entries: Vec::new() }
    }

    /// A log with its charter (two of three registrars) and two issuers: an authority and a court that may overrule it.
    pub(crate) fn new() -> Self {
        let mut world = World::empty();
        world.good(&world.charter(2), &[&world.log.clone()]);
        let planning = world.registration("planning.example", &[&world.planning.clone()], &["planning.*"]);
        world.register(&planning, &[world.planning.clone()]);
        let mut court = world.registration("court.example", &[&world.court.clone()], &["judgment"]);
        court["may_overrule"] = json!([{"issuer": "planning.example", "kinds": ["planning.permit"]}]);
        world.register(&court, &[world.court.clone()]);
        world
    }

    pub(crate) fn next(&self) -> u64 {
        self.fold.size().as_u64()
    }

    pub(crate) fn charter(&self, threshold: u16) -> Value {
        let registrars: Vec<_> = self.registrars.iter().map(vkey).collect();
        let (log, version) = (LOG, 1);
        json!({"type": "charter", "log": log, "issued": ISSUED, "version": version, "registrars": registrars,
            "threshold": threshold, "admission": "statements"})
    }

    pub(crate) fn registration(&self, issuer: &str, keys: &[&Key], kinds: &[&str]) -> Value {
        let keys: Vec<_> = keys.iter().map(|key| vkey(key)).collect();
        json!({"type": "issuer", "log": LOG, "issuer": issuer, "issued": ISSUED, "names": {"en": issuer}, "keys": keys, "kinds": kinds})
    }

    /// Signed by two registrars and `keys`.
    pub(crate) fn register(&mut self, statement: &Value, keys: &[Key]) -> u64 {
        let registrars: Vec<_> = self.registrars[..2].iter().map(Rc::clone).collect();
        self.good(statement, &registrars.iter().chain(keys).collect::<Vec<_>>())
    }

    pub(crate) fn decision(&self, seq: u64) -> Value {
        self.decision_of("planning.example", "planning.permit", seq)
    }

    pub(crate) fn decision_of(&self, issuer: &str, kind: &str, seq: u64) -> Value {
        json!({"type": "decision", "log": LOG, "issuer": issuer, "issued": ISSUED, "series": "2026", "seq": seq, "kind": kind,
            "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"})
    }

    /// A decision of the court about the entry at `index`.
    pub(crate) fn judgment(&self, seq: u64, rel: &str, index: u64) -> Value {
        with(self.decision_of("court.example", "judgment", seq), "relates", json!([self.relation(rel, index)]))
    }

    pub(crate) fn annotation(&self, kind: &str, seq: u64) -> Value {
        json!({"type": "annotation", "log": LOG, "issuer": "planning.example", "issued": ISSUED, "series": "2026", "seq": seq, "kind": kind})
    }

    pub(crate) fn key_change(&self, action: &str, key: &Key) -> Value {
        json!({"type": "key", "log": LOG, "issuer": "planning.example", "issued": ISSUED, "action": action, "key": vkey(key)})
    }

    pub(crate) fn relation(&self, rel: &str, index: u64) -> Value {
        let leaf = Hash::leaf(&self.entries[usize::try_from(index).unwrap()]).to_hex();
        json!({"rel": rel, "index": index, "leaf": leaf})
    }

    /// Adds a decision that is good, and gives its index.
    pub(crate) fn decide(&mut self, seq: u64) -> u64 {
        let decision = self.decision(seq);
        self.good(&decision, &[&self.planning.clone()])
    }

    /// Adds an entry that must be admitted, and gives its index.
    pub(crate) fn good(&mut self, statement: &Value, keys: &[&Key]) -> u64 {
        let index = self.next();
        assert_eq!(self.offer(statement, keys), None, "{statement}");
        index
    }

    /// Offers a statement: the name of the reason why it is refused, if it is.
    pub(crate) fn offer(&mut self, statement: &Value, keys: &[&Key]) -> Option<&'static str> {
        self.offer_bytes(&signed(statement, keys).to_bytes())
    }

    /// Offers an entry. What is refused is not kept, as a log with admission would do.
    pub(crate) fn offer_bytes(&mut self, entry: &[u8]) -> Option<&'static str> {
        let before = self.fold.clone();
        match self.fold.push(entry).unwrap() {
            None => {
                self.entries.push(entry.to_vec());
                None
            }
            Some(finding) => {
                assert_eq!(finding.index, LeafIndex::new(before.size().as_u64()));
                assert_eq!(self.fold.ledger(), before.ledger(), "a refused statement changes nothing");
                assert!(!finding.to_string().is_empty());
                self.fold = before;
                Some(finding.reason.name())
            }
        }
    }

    pub(crate) fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    pub(crate) fn status(&self, index: u64) -> Status {
        self.fold.rules().status(self.fold.ledger(), LeafIndex::new(index)).unwrap().unwrap()
    }
}

pub(crate) fn signed(statement: &Value, keys: &[&Key]) -> Statement {
    Draft::from_json(statement).unwrap().sign(&keys.iter().map(|key| &***key).collect::<Vec<_>>()).unwrap()
}

/// The statement with one member set.
pub(crate) fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement.as_object_mut().unwrap().insert(name.into(), value);
    statement
}

/// The statement without one member.
pub(crate) fn without(statement: &Value, name: &str) -> Value {
    let mut members: Map<String, Value> = statement.as_object().unwrap().clone();
    members.remove(name).unwrap();
    members.into()
}
