//! What checking a statement ahead of the sequencer costs, next to what cannot be saved: `cargo bench -p log-server --bench admission`.
//!
//! One thread, the same statements for all, each rate the best of several rounds: other work on the machine only ever makes it worse.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "shared/statements.rs"]
mod statements;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use decision::statement::Statement;
use log_server::create::{self, Founding};
use log_server::data_dir::DataDir;
use log_server::log::{Candidate, Log, Options};
use log_server::metrics::Metrics;
use log_server::open::{Claim, claim};
use log_server::store::{Admits, LogId, RocksOptions, RocksStore};
use prometheus::Registry;
use ring::signature::{ED25519, UnparsedPublicKey};
use tlog::checkpoint::Origin;

use statements::{Issuer, ORIGIN, key, registrar};

const ISSUERS: u64 = 100;
const STATEMENTS: usize = 10_000;
const ROUNDS: u32 = 9;

/// A log with its issuers.
fn log(dir: &std::path::Path, issuers: &[Issuer]) -> Log<RocksStore> {
    let (dir, key, registrar) = (DataDir::new(dir), key(ORIGIN, 0), registrar());
    let founding = Founding {
        admits: Admits::Statements,
        registrars: Some(create::registrars(&[registrar.verifier_key().clone()], None).unwrap()),
        issued: "2026-03-01T09:30:00Z".parse().unwrap(),
    };
    let origin = Origin::for_new_log(ORIGIN).unwrap();
    create::create(&dir, &origin, &key, LogId([1; 16]), &founding, RocksOptions::default()).unwrap();
    let Claim { store, anchor, anchored, .. } = claim(&dir, RocksOptions::default()).unwrap();
    let metrics = Arc::new(Metrics::new(&Registry::new()).unwrap());
    let (log, _write_side) = Log::start(store, key, (anchor, anchored), Options::default(), metrics).unwrap();
    for ticket in log.add_batch(issuers.iter().map(|issuer| issuer.registration(&registrar).into())) {
        tokio::runtime::Handle::current().block_on(ticket.unwrap()).unwrap();
    }
    log
}

/// The best rate of several rounds, in statements a second.
fn rate(mut round: impl FnMut()) -> f64 {
    let seconds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_secs_f64()
    });
    let best = seconds.fold(f64::INFINITY, f64::min);
    f64::from(u32::try_from(STATEMENTS).unwrap()) / best
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    let issuers: Vec<Issuer> = (0..ISSUERS).map(Issuer::new).collect();
    let log = {
        let _context = runtime.enter();
        log(&home.path().join("log"), &issuers)
    };
    let entries: Vec<Bytes> = issuers.iter().cycle().zip(1..).take(STATEMENTS).map(|(issuer, seq)| issuer.decision(seq).into()).collect();
    let parsed: Vec<Statement> = entries.iter().map(|entry| Statement::parse(entry).unwrap()).collect();
    let keys = |at: usize| issuers[at % issuers.len()].key.verifier_key();

    let ring = rate(|| {
        for (at, statement) in parsed.iter().enumerate() {
            let key = UnparsedPublicKey::new(&ED25519, keys(at).public_key());
            key.verify(statement.text().as_bytes(), &statement.signatures()[0].bytes).unwrap();
        }
    });
    let ours = rate(|| {
        for (at, statement) in parsed.iter().enumerate() {
            keys(at).verify_note(statement.text(), &statement.signatures()[0].bytes).unwrap();
        }
    });
    let parse = rate(|| {
        for entry in &entries {
            black_box(Statement::parse(entry).unwrap());
        }
    });
    let check = rate(|| {
        for entry in &entries {
            let candidate = log.check(entry.clone());
            assert!(candidate.is_good());
            black_box::<Candidate>(candidate);
        }
    });
    println!("one core, statements of {} bytes, {ISSUERS} issuers", entries[0].len());
    for (what, rate) in [("ring's Ed25519 verification", ring), ("ours", ours), ("parsing", parse), ("the whole check", check)] {
        println!("{what:30} {rate:8.0}/s  {:5.1} % of ring", 100.0 * rate / ring);
    }
}
