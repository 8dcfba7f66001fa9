//! What a statement costs: `cargo bench -p decision`.
//!
//! The signature is most of it. What is left is for those who read a whole log, as monitors do.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

use decision::canonical;
use decision::ledger::{Fold, Rules};
use decision::statement::{Draft, Statement, VerifiedStatement};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use serde_json::{Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::{Hash, LeafIndex};

const LOG: &str = "ledger.example/bench";
const ISSUED: &str = "2026-03-01T09:30:00Z";

fn main() {
    divan::main();
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn planning() -> SigningKey {
    key("planning.example", 3)
}

fn signed(statement: &Value, keys: &[&SigningKey]) -> Vec<u8> {
    Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes()
}

/// A decision of the size that decisions usually have, two thirds of a kilobyte.
fn decision(seq: u64) -> Vec<u8> {
    let statement = json!({
        "type": "decision", "log": LOG, "issuer": "planning.example", "issued": ISSUED, "lang": "en", "series": "2026", "seq": seq,
        "kind": "planning.permit", "subject": format!("Extension to the rear of the dwelling, application {seq}"), "outcome": "granted",
        "decided": "2026-02-27", "unit": "Planning Committee", "legal_basis": ["Town and Country Planning Act, section 10"],
        "documents": [{"name": "decision-notice.pdf", "media_type": "application/pdf", "size": 184_320,
            "sha256": Hash::sha256(&seq.to_be_bytes()).to_hex()}],
    });
    signed(&statement, &[&planning()])
}

/// A ledger with one issuer.
fn fold() -> Fold {
    let (log, registrar, planning) = (key(LOG, 1), key("registrar.example", 2), planning());
    let charter = json!({"type": "charter", "log": LOG, "issued": ISSUED, "version": 1, "admission": "statements",
        "registrars": [registrar.verifier_key().to_string()], "threshold": 1});
    let registration = json!({"type": "issuer", "log": LOG, "issuer": "planning.example", "issued": ISSUED,
        "names": {"en": "Planning"}, "keys": [planning.verifier_key().to_string()], "kinds": ["planning.*"]});
    let mut fold = Fold::new(Rules::new(LOG, vec![log.verifier_key().clone()]));
    for entry in [signed(&charter, &[&log]), signed(&registration, &[&registrar, &planning])] {
        assert_eq!(fold.push(&entry).unwrap(), None);
    }
    fold
}

#[divan::bench]
fn check_the_canonical_form(bencher: Bencher<'_, '_>) {
    let statement = Statement::parse(&decision(1)).unwrap();
    bencher.counter(BytesCount::of_str(statement.line())).bench(|| canonical::check(black_box(statement.line())).unwrap());
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let entry = decision(1);
    bencher.counter(BytesCount::of_slice(&entry)).bench(|| Statement::parse(black_box(&entry)).unwrap());
}

#[divan::bench]
fn parse_and_verify(bencher: Bencher<'_, '_>) {
    let (entry, keys) = (decision(1), [planning().verifier_key().clone()]);
    bencher.counter(ItemsCount::new(1_usize)).bench(|| verified(black_box(&entry), &keys));
}

/// What goes on one thread, in the order of the log.
#[divan::bench]
fn apply_a_verified_statement(bencher: Bencher<'_, '_>) {
    let (fold, entry) = (fold(), decision(1));
    let (statement, leaf, index) = (verified(&entry, &[planning().verifier_key().clone()]), Hash::leaf(&entry), LeafIndex::new(2));
    bencher.counter(ItemsCount::new(1_usize)).bench(|| fold.rules().apply(fold.ledger(), index, leaf, black_box(&statement)).unwrap());
}

/// All of it, one after the other: what a monitor without threads does.
#[divan::bench]
fn fold_a_thousand_entries(bencher: Bencher<'_, '_>) {
    let (empty, entries) = (fold(), (1..=1000).map(decision).collect::<Vec<_>>());
    bencher.counter(ItemsCount::new(entries.len())).with_inputs(|| empty.clone()).bench_values(|mut fold| {
        entries.iter().for_each(|entry| assert_eq!(fold.push(entry).unwrap(), None));
        fold
    });
}

fn verified(entry: &[u8], keys: &[VerifierKey]) -> VerifiedStatement {
    Statement::parse(entry).unwrap().verify(keys).unwrap()
}
