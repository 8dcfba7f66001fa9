//! A small state: agencies, their registrars and their decisions, as entries of a log of statements.
//!
//! What is added is kept with the name of the reason for which the log should refuse it, if it should.

use std::rc::Rc;

use bytes::Bytes;
use decision::statement::{Draft, Statement};
use decision::types::Vkey;
use serde_json::{Value, json};
use tlog::Hash;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::note::Note;

pub(crate) const ISSUED: &str = "2026-03-01T09:30:00Z";

/// Shared, since secret keys cannot be copied.
pub(crate) type Key = Rc<SigningKey>;

pub(crate) fn key(name: &str, seed: u8) -> Key {
    Rc::new(SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap())
}

pub(crate) fn vkey(key: &Key) -> String {
    Vkey::from(key.verifier_key()).to_string()
}

pub(crate) fn signed(statement: &Value, keys: &[&Key]) -> Statement {
    Draft::from_json(statement).unwrap().sign(&keys.iter().map(|key| &***key).collect::<Vec<_>>()).unwrap()
}

/// The statement with one member set.
pub(crate) fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement[name] = value;
    statement
}

pub(crate) struct World {
    log: String,
    pub(crate) registrars: Vec<Key>,
    pub(crate) planning: Key,
    /// A second key of planning.example.
    pub(crate) second: Key,
    pub(crate) court: Key,
    pub(crate) entries: Vec<Bytes>,
    /// Index and name of what should be refused.
    pub(crate) planted: Vec<(u64, &'static str)>,
}

impl World {
    pub(crate) fn registrars() -> Vec<Key> {
        (2..5).map(|seed| key(&format!("registrar-{seed}.example"), seed)).collect()
    }

    /// The charter of a log whose threshold is two of three registrars.
    pub(crate) fn charter(log: &str, log_key: &SigningKey) -> Bytes {
        let registrars: Vec<_> = Self::registrars().iter().map(vkey).collect();
        let charter = json!({"type": "charter", "log": log, "issued": ISSUED, "version": 1, "registrars": registrars, "threshold": 2,
            "admission": "open"});
        Draft::from_json(&charter).unwrap().sign(&[log_key]).unwrap().to_bytes().into()
    }

    /// After `charter`: two issuers, of which the court may overrule permits of the other one, which has two keys.
    pub(crate) fn new(log: &str, charter: Bytes) -> Self {
        let (planning, second, court) = (key("planning.example", 10), key("planning.example/2", 11), key("court.example", 12));
        let (registrars, entries) = (Self::registrars(), vec![charter]);
        let mut world = World { log: log.into(), registrars, planning, second, court, entries, planted: Vec::new() };
        let (planning, second, court) = (world.planning.clone(), world.second.clone(), world.court.clone());
        world.register(&world.registration("planning.example", &[&planning], &["planning.*"]), &[&planning]);
        let overrule = json!([{"issuer": "planning.example", "kinds": ["planning.permit"]}]);
        world.register(&with(world.registration("court.example", &[&court], &["judgment"]), "may_overrule", overrule), &[&court]);
        world.good(&world.key_change("add", &second), &[&planning, &second]);
        world
    }

    pub(crate) fn next(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What everybody who may sign something has in common.
    fn statement(&self, kind: &str, issuer: &str) -> Value {
        json!({"type": kind, "log": self.log, "issuer": issuer, "issued": ISSUED})
    }

    pub(crate) fn registration(&self, issuer: &str, keys: &[&Key], kinds: &[&str]) -> Value {
        let keys: Vec<_> = keys.iter().map(|key| vkey(key)).collect();
        let statement = with(self.statement("issuer", issuer), "names", json!({"en": format!("The office {issuer}")}));
        with(with(statement, "keys", json!(keys)), "kinds", json!(kinds))
    }

    pub(crate) fn key_change(&self, action: &str, key: &Key) -> Value {
        with(with(self.statement("key", "planning.example"), "action", json!(action)), "key", json!(vkey(key)))
    }

    pub(crate) fn decision(&self, seq: u64) -> Value {
        self.decision_of("planning.example", "planning.permit", seq)
    }

    pub(crate) fn decision_of(&self, issuer: &str, kind: &str, seq: u64) -> Value {
        json!({"type": "decision", "log": self.log, "issuer": issuer, "issued": ISSUED, "series": "2026", "seq": seq, "kind": kind,
            "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"})
    }

    /// A decision of the court about the entry at `index`.
    pub(crate) fn judgment(&self, seq: u64, rel: &str, index: u64) -> Value {
        with(self.decision_of("court.example", "judgment", seq), "relates", json!([self.relation(rel, index)]))
    }

    pub(crate) fn annotation(&self, kind: &str, seq: u64) -> Value {
        json!({"type": "annotation", "log": self.log, "issuer": "planning.example", "issued": ISSUED, "series": "2026", "seq": seq, "kind": kind})
    }

    pub(crate) fn relation(&self, rel: &str, index: u64) -> Value {
        let leaf = Hash::leaf(&self.entries[usize::try_from(index).unwrap()]).to_hex();
        json!({"rel": rel, "index": index, "leaf": leaf})
    }

    /// Adds what the log is right to take in, and gives its index.
    pub(crate) fn good(&mut self, statement: &Value, keys: &[&Key]) -> u64 {
        self.entries.push(signed(statement, keys).to_bytes().into());
        self.next() - 1
    }

    /// The same, signed by two registrars and `keys`.
    pub(crate) fn register(&mut self, statement: &Value, keys: &[&Key]) -> u64 {
        let registrars: Vec<_> = self.registrars[..2].to_vec();
        self.good(statement, &registrars.iter().chain(keys.iter().copied()).collect::<Vec<_>>())
    }

    /// Adds a good decision of planning.example, and gives its index.
    pub(crate) fn decide(&mut self, seq: u64) -> u64 {
        let decision = self.decision(seq);
        self.good(&decision, &[&self.planning.clone()])
    }

    /// Adds what the log should refuse for this reason.
    pub(crate) fn plant(&mut self, reason: &'static str, statement: &Value, keys: &[&Key]) {
        self.plant_bytes(reason, signed(statement, keys).to_bytes());
    }

    pub(crate) fn plant_bytes(&mut self, reason: &'static str, entry: impl Into<Bytes>) {
        self.planted.push((self.next(), reason));
        self.entries.push(entry.into());
    }

    /// Adds one entry for each reason for which a log refuses statements, with good ones between them.
    pub(crate) fn plant_all(&mut self) {
        self.plant_malformed();
        self.plant_signatures();
        self.plant_registrars();
        self.plant_numbers();
        self.plant_relations();
    }

    fn plant_malformed(&mut self) {
        let planning = self.planning.clone();
        let text = |value: &Value| Draft::from_json(value).unwrap().text().to_owned();
        // Signed, and yet no statement: the signature is of the text as it is.
        let note = |text: String| Note::new(&text, vec![planning.sign_note(&text).unwrap()]).unwrap().to_bytes();
        let decision = text(&self.decision(900));
        self.plant_bytes("not-a-statement", "a line of some program");
        self.plant_bytes("not-one-line", note(format!("{decision}{decision}")));
        self.plant_bytes("not-canonical", note(decision.replacen(':', ": ", 1)));
        self.plant_bytes("unknown-type", note(decision.replace("\"type\":\"decision\"", "\"type\":\"opinion\"")));
        self.plant_bytes("bad-field", note(decision.replace("\"seq\":900", "\"seq\":0")));
        let twice = json!([self.relation("corrects", 1), self.relation("corrects", 1)]);
        let twice = decision_json(&with(self.decision(901), "relates", twice));
        self.plant_bytes("related-twice", note(twice));
        let reversed = {
            let statement = signed(&self.decision(902), &[&planning, &self.second.clone()]);
            let mut lines = statement.signatures().to_vec();
            lines.reverse();
            Note::new(statement.text(), lines).unwrap().to_bytes()
        };
        self.plant_bytes("unsorted-signatures", reversed);
    }

    fn plant_signatures(&mut self) {
        let (planning, second, court) = (self.planning.clone(), self.second.clone(), self.court.clone());
        let decision = self.decision(1);
        self.plant("other-log", &with(decision.clone(), "log", json!("other.example")), &[&planning]);
        self.plant("unknown-signer", &decision, &[&court]);
        self.plant("superfluous-signature", &decision, &[&planning, &second]);
        let changed = signed(&decision, &[&planning]).to_string().replace("granted", "refused");
        self.plant_bytes("bad-signature", changed);
        self.plant("unregistered-issuer", &self.decision_of("nobody.example", "planning.permit", 1), &[&planning]);
        self.plant("kind-not-allowed", &self.decision_of("planning.example", "benefit.grant", 1), &[&planning]);
        self.good(&decision, &[&planning]);
        self.plant("already-published", &decision, &[&second]);
    }

    fn plant_registrars(&mut self) {
        let (planning, court) = (self.planning.clone(), self.court.clone());
        let [one, two] = [0, 1].map(|at: usize| self.registrars[at].clone());
        let (third, lands) = (key("planning.example/3", 20), key("lands.example", 21));
        let registrars: Vec<_> = self.registrars.iter().map(vkey).collect();
        let charter = json!({"type": "charter", "log": self.log, "issued": ISSUED, "version": 1, "registrars": registrars, "threshold": 1,
            "admission": "open"});
        // Whoever signs it, the log itself could not write another.
        self.plant("unknown-signer", &charter, &[&one]);
        let registration = self.registration("lands.example", &[&lands], &["land.*"]);
        self.plant("too-few-registrars", &registration, &[&one, &lands]);
        self.plant("no-proof-of-possession", &registration, &[&one, &two]);
        self.register(&registration, &[&lands]);
        self.register(&with(self.registration("lands.example", &[], &["land.*"]), "retired", json!(true)), &[]);
        self.plant("retired-issuer", &self.decision_of("lands.example", "land.transfer", 1), &[&lands]);
        self.plant("not-signed-by-issuer", &self.key_change("add", &third), &[&third]);
        self.plant("key-of-another-name", &self.key_change("add", &court), &[&planning, &court]);
        self.plant("known-key", &self.key_change("add", &planning), &[&planning]);
        self.plant("no-such-key", &self.key_change("retire", &key("planning.example/4", 22)), &[&planning]);
        self.good(&self.key_change("add", &third), &[&planning, &third]);
        self.plant("retires-another-key", &self.key_change("retire", &third), &[&planning]);
        self.plant("doubt-by-issuer", &with(self.key_change("retire", &third), "doubt_from", json!(1)), &[&third]);
        let future = with(self.key_change("retire", &third), "doubt_from", json!(self.next()));
        self.plant("doubt-not-earlier", &future, &[&one, &two]);
        self.good(&self.key_change("retire", &third), &[&third]);
        self.plant("retired-key", &self.decision(800), &[&third]);
    }

    fn plant_numbers(&mut self) {
        let planning = self.planning.clone();
        self.decide(2);
        let other = with(self.decision(2), "subject", json!("Another roof"));
        self.plant("number-used", &other, &[&planning]);
        self.plant("number-too-high", &self.decision(10_003), &[&planning]);
        let in_series = |statement: Value| with(statement, "series", json!("2025"));
        self.good(&in_series(self.decision(4)), &[&planning]);
        self.plant("closed-too-low", &in_series(self.annotation("close", 3)), &[&planning]);
        self.good(&in_series(self.annotation("close", 5)), &[&planning]);
        self.plant("series-closed", &in_series(self.decision(6)), &[&planning]);
    }

    fn plant_relations(&mut self) {
        let (planning, court) = (self.planning.clone(), self.court.clone());
        let (permit, plan) = (self.decide(3), self.good(&self.decision_of("planning.example", "planning.plan", 4), &[&planning]));
        let related = |world: &Self, seq: u64, relation: Value| with(world.decision(seq), "relates", json!([relation]));
        let missing = with(self.relation("refers", permit), "index", json!(1_000_000));
        self.plant("no-such-entry", &related(self, 5, missing), &[&planning]);
        let wrong = with(self.relation("corrects", permit), "index", json!(plan));
        self.plant("other-entry", &related(self, 5, wrong), &[&planning]);
        self.plant("not-a-decision", &related(self, 5, self.relation("revokes", 1)), &[&planning]);
        let annotation = with(self.annotation("note", 5), "relates", json!([self.relation("revokes", permit)]));
        self.plant("annotation-decides", &annotation, &[&planning]);
        self.plant("not-overruled", &self.judgment(1, "revokes", plan), &[&court]);
        let corrected = related(self, 5, self.relation("corrects", plan));
        self.good(&corrected, &[&planning]);
        self.plant("has-successor", &related(self, 6, self.relation("supersedes", plan)), &[&planning]);
        self.good(&self.judgment(1, "revokes", permit), &[&court]);
        self.plant("revoked", &related(self, 6, self.relation("corrects", permit)), &[&planning]);
    }
}

/// The line of a statement that the types would not let pass.
fn decision_json(value: &Value) -> String {
    decision::canonical::to_string(value).unwrap() + "\n"
}
