//! How fast entries are indexed, and how fast a search over them answers.
//!
//! `cargo bench -p monitor --bench search -- 1000000` makes so many decisions (always the same ones), stores them as following a log would,
//! indexes them, and then searches: 200 times for each of some kinds of questions, one after the other. Entries carry one signature that
//! fits none of them, since nothing here looks at it, and there is no ledger, so that each counts as refused; both cost the index the same
//! reads as otherwise.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]
#![allow(clippy::as_conversions, reason = "numbers are printed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use decision::statement::Draft;
use monitor::logs;
use monitor::search::{self, Order, Page, Query, Search, Settings};
use monitor::store::{Family, Store, StoreError, StoreOptions};
use serde_json::json;
use tlog::TreeSize;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::note::Signature;
use tlog::tiles::encode_entry;
use tokio::sync::watch;

const LOG: &str = "log.example";
const WORDS: u64 = 30_000;
const SEARCHES: u64 = 200;

/// A sequence of numbers that is always the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A word, each as frequent as its rank is low (Zipf's law): two of three decisions have the first.
    fn word(&mut self) -> String {
        let share = self.below(1 << 32) as f64 / 4_294_967_296.0;
        word((WORDS as f64).powf(share) as u64 - 1)
    }
}

/// The word with this rank.
fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 32] = [
        "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we", "xi", "yo", "zu", "bra",
        "cle", "dri", "flo", "gru", "pla", "ste", "tri", "spo", "knu", "sha", "che",
    ];
    let mut rest = rank + 32;
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES[usize::try_from(rest % 32).unwrap()]);
        rest /= 32;
    }
    word
}

fn text(numbers: &mut Numbers, words: u64) -> String {
    (0..words).map(|_| numbers.word()).collect::<Vec<_>>().join(" ")
}

/// The decision with this number as an entry.
fn entry(numbers: &mut Numbers, seq: u64, signature: &Signature) -> Vec<u8> {
    let kinds = ["planning.permit", "planning.permit.minor", "procurement.award", "benefit.grant", "appeal.outcome"];
    let kind = kinds[usize::try_from(numbers.below(5)).unwrap()];
    let day = format!("20{:02}-{:02}-{:02}", 10 + numbers.below(16), 1 + numbers.below(12), 1 + numbers.below(28));
    let mut decision = json!({"type": "decision", "log": LOG, "issuer": format!("office-{}.example", numbers.below(200)),
        "issued": format!("{day}T09:{:02}:00Z", numbers.below(60)), "series": &day[..4], "seq": seq, "kind": kind, "decided": day,
        "subject": text(numbers, 12), "outcome": "granted", "unit": text(numbers, 2),
        "place": {"address": format!("{} {} {}", numbers.below(200), numbers.word(), numbers.word())},
        "parties": [{"role": "applicant", "name": format!("{} Ltd", text(numbers, 2))}]});
    if numbers.below(2) == 0 {
        decision["amount"] = json!({"value": format!("{}.{:02}", numbers.below(2_000_000), numbers.below(100)), "currency": "EUR"});
    }
    Draft::from_json(&decision).unwrap().with_signatures(vec![signature.clone()]).unwrap().to_bytes()
}

fn fill(store: &Store, entries: u64) {
    let key = SigningKey::from_seed(KeyName::new("office.example").unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap();
    let signature = key.sign_note("x\n").unwrap();
    let mut numbers = Numbers(1);
    let mut log = logs::register(store, LOG).unwrap();
    let mut bytes = 0;
    for first in (0..entries).step_by(256) {
        let mut bundle = Vec::new();
        for seq in first..entries.min(first + 256) {
            let entry = entry(&mut numbers, seq + 1, &signature);
            bytes += entry.len();
            encode_entry(&entry, &mut bundle).unwrap();
        }
        log.size = TreeSize::new(entries.min(first + 256));
        let key = [log.number.to_be_bytes().as_slice(), &(first / 256).to_be_bytes()].concat();
        let written = store.write(|txn| {
            txn.put(Family::Bundles, key, bundle);
            log.write(txn);
            Ok::<_, StoreError>(())
        });
        written.unwrap();
    }
    println!("{entries} decisions of {} bytes on average", bytes as f64 / entries as f64);
}

/// Kinds of questions, each with the words of one search.
fn questions(kind: &str, numbers: &mut Numbers) -> (String, Order) {
    let (any, rare) = (numbers.word(), word(WORDS / 2 + numbers.below(WORDS / 2)));
    let common = word(numbers.below(10));
    let year = 2010 + numbers.below(16);
    match kind {
        "a rare word" => (rare, Order::Relevance),
        "a common word" => (common, Order::Relevance),
        "a common word, newest first" => (common, Order::Newest),
        "two words" => (format!("{any} {common}"), Order::Relevance),
        "a phrase" => (format!("\"{common} {}\"", word(numbers.below(10))), Order::Relevance),
        "a party" => (format!("party:{any}"), Order::Newest),
        "words, kind, dates and amount" => {
            (format!("{any} kind:planning.* decided:{year} amount:>=1000000 currency:EUR"), Order::Relevance)
        }
        "an issuer's newest" => (format!("issuer:office-{}.example", numbers.below(200)), Order::Newest),
        "a year and an amount" => (format!("decided:{year} amount:500000..600000"), Order::Newest),
        _ => (String::new(), Order::Newest),
    }
}

const KINDS: [&str; 10] = [
    "a rare word",
    "a common word",
    "a common word, newest first",
    "two words",
    "a phrase",
    "a party",
    "words, kind, dates and amount",
    "an issuer's newest",
    "a year and an amount",
    "everything, newest first",
];

fn report(kind: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!("{kind:32} {:8.2} ms {:8.2} ms {:8.2} ms {:8.2} ms", at(500), at(900), at(990), at(1000));
}

#[tokio::main]
async fn main() {
    let entries = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap());
    fill(&store, entries);
    let search = Arc::new(Search::new(dir.path().join("search"), Settings::default()));
    let (stop, shutdown) = watch::channel(());
    let began = Instant::now();
    let running = tokio::spawn(search::run(store, Arc::clone(&search), shutdown));
    while search.indexed(0) != Some(entries) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed().as_secs_f64();
    println!("indexed in {took:.1} s: {:.0} entries/s", entries as f64 / took);
    println!("{:32} {:>11} {:>11} {:>11} {:>11}", "", "p50", "p90", "p99", "longest");
    let (mut numbers, mut all) = (Numbers(2), Vec::new());
    for kind in KINDS {
        let mut times = Vec::new();
        for _ in 0..SEARCHES {
            let (query, order) = questions(kind, &mut numbers);
            let query = Query::parse(&query).unwrap();
            let began = Instant::now();
            search.find(query, order, Page { offset: 0, limit: 20 }).await.unwrap();
            times.push(began.elapsed());
        }
        report(kind, &mut times);
        all.extend(times);
    }
    report("all", &mut all);
    drop(stop);
    running.await.unwrap().unwrap();
}
