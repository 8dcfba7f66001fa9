//! What all checks together cost for each entry: `cargo bench -p monitor --bench checks`.
//!
//! A monitor has to judge 40,000 entries in a second on two cores, signatures included, so checks may take a few microseconds each time. Each
//! run goes over all entries once, in batches of 4,096 as a monitor writes them, in a new store; the batches' writing is part of it.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::LazyLock;

use decision::statement::{Draft, Statement};
use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::Timestamp;
use monitor::check::{Judged, Outcome, Published, Rows};
use monitor::checks::{Settings, all};
use monitor::store::{Store, StoreError, StoreOptions};
use serde_json::{Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};

const ENTRIES: u64 = 16_384;
const ISSUERS: u64 = 100;
const BATCH: usize = 4096;

fn main() {
    divan::main();
}

/// Decisions of few words: a number, a kind, a line.
#[divan::bench(sample_count = 10)]
fn short_decisions(bencher: Bencher<'_, '_>) {
    static ENTRIES: LazyLock<Vec<Statement>> = LazyLock::new(|| made(|_| json!({})));
    run(bencher, &ENTRIES);
}

/// Decisions as authorities publish them: a subject of a dozen words, an address, and two documents.
#[divan::bench(sample_count = 10)]
fn whole_decisions(bencher: Bencher<'_, '_>) {
    static ENTRIES: LazyLock<Vec<Statement>> = LazyLock::new(|| made(whole));
    run(bencher, &ENTRIES);
}

fn run(bencher: Bencher<'_, '_>, entries: &[Statement]) {
    let checks = all(&Settings::default());
    let names: Vec<&str> = checks.iter().map(|check| check.name()).collect();
    let new_store = || {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap();
        (dir, store)
    };
    bencher.counter(ItemsCount::new(entries.len())).with_inputs(new_store).bench_local_values(|(dir, store)| {
        let mut out = Outcome::default();
        let bytes = b"";
        for (batch, first) in entries.chunks(BATCH).zip((0..).step_by(BATCH)) {
            let filled: Result<(), StoreError> = store.write(|txn| {
                for (statement, index) in batch.iter().zip(first..) {
                    let published = published(index);
                    let (index, leaf) = (LeafIndex::new(index), Hash::leaf(bytes));
                    let statement = Some(statement);
                    let entry = Judged { log: "log.example", index, leaf, bytes, statement, refusal: None, related: &[], published };
                    for (check, name) in checks.iter().zip(&names) {
                        check.entry(&mut Rows::new(txn, 0, name), &entry, &mut out)?;
                    }
                }
                Ok(())
            });
            filled.unwrap();
        }
        assert!(out.raised().is_empty(), "{:?}", out.raised().first());
        (dir, store)
    });
}

/// One entry a second.
fn published(index: u64) -> Published {
    let at = Timestamp::from_second(1_772_452_800 + i64::try_from(index).unwrap()).unwrap();
    Published { earliest: Some(at), latest: at }
}

fn made(members: fn(u64) -> Value) -> Vec<Statement> {
    let key = SigningKey::from_seed(KeyName::new("issuer.example").unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap();
    let one = |index: u64| {
        let time = published(index).latest.to_string();
        let issuer = format!("issuer-{}.example", index % ISSUERS);
        let mut decision = json!({"type": "decision", "log": "log.example", "issuer": issuer, "issued": time, "series": "2026",
            "seq": index / ISSUERS + 1, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": time[..10]});
        let Value::Object(members) = members(index) else { unreachable!() };
        decision.as_object_mut().unwrap().extend(members);
        Draft::from_json(&decision).unwrap().sign(&[&key]).unwrap()
    };
    (0..ENTRIES).map(one).collect()
}

fn whole(index: u64) -> Value {
    const WORDS: [&str; 16] = [
        "erection",
        "extension",
        "dwelling",
        "conversion",
        "retaining",
        "garage",
        "driveway",
        "alterations",
        "replacement",
        "windows",
        "boundary",
        "agricultural",
        "conservatory",
        "warehouse",
        "approval",
        "variation",
    ];
    let hash = Hash::sha256(&index.to_be_bytes());
    let words: Vec<&str> = hash.as_bytes()[..12].iter().map(|byte| WORDS[usize::from(byte % 16)]).collect();
    let document = |name: &str| {
        let sha256 = Hash::sha256(format!("{name} {index}").as_bytes()).to_hex();
        json!({"name": name, "media_type": "application/pdf", "size": 500_000, "sha256": sha256})
    };
    json!({"subject": words.join(" "), "place": {"address": format!("{index} Harbour Parade, Eskmouth")},
        "documents": [document("notice"), document("drawings")]})
}
