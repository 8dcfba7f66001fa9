//! What checking a statement ahead of the sequencer costs, next to what cannot be saved: `cargo bench -p log-server --bench admission`.
//!
//! One thread, the same statements for all, each rate the best of several rounds: other work on the machine only ever makes it worse. Then a
//! real `acta-log`, on one processor, is given statements by `POST /add-batch` from the other one: what they cost from end to end, with
//! HTTP, sequencing, two syncs a commit and the store's own work. Rates are for each second of processor time, which other programs
//! disturb less; the same by the clock is printed beside it. `ACTA_STATEMENTS` is how many go in (200,000), `ACTA_CORE` the server's processor (0).

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "shared/server.rs"]
mod server;
#[path = "shared/statements.rs"]
mod statements;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

use server::{BATCH, Connection, Server, batch, init, load};
use statements::{Issuer, ORIGIN, key, registrar};

const ISSUERS: u64 = 100;
const STATEMENTS: usize = 10_000;
const ROUNDS: u32 = 9;
/// So that a batch is on its way while another is decided about.
const CONNECTIONS: usize = 4;

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
    let registrations = log.add_batch(issuers.iter().map(|issuer| issuer.registration(&registrar).into()));
    for outcome in tokio::runtime::Handle::current().block_on(registrations) {
        outcome.unwrap();
    }
    log
}

/// The best rate of several rounds, in statements for each second of this thread's processor time.
fn rate(mut round: impl FnMut()) -> f64 {
    let seconds = (0..ROUNDS).map(|_| {
        let start = thread_cpu();
        round();
        (thread_cpu() - start).as_secs_f64()
    });
    let best = seconds.fold(f64::INFINITY, f64::min);
    f64::from(u32::try_from(STATEMENTS).unwrap()) / best
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Statements that a server on one processor takes in, for each second of its processor time, and of the clock.
fn end_to_end(dir: &Path, issuers: &[Issuer]) -> (f64, f64) {
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    init(dir);
    let server = Server::start(dir, Some(number("ACTA_CORE", 0)));
    let registrar = registrar();
    Connection::to(server.address).publish(issuers.iter().map(|issuer| issuer.registration(&registrar)));
    // Signed before the clock starts: the generator then only copies.
    let per_issuer = number("ACTA_STATEMENTS", 200_000) / issuers.len();
    let mut entries =
        (1..).flat_map(|seq| issuers.iter().map(move |issuer| issuer.decision(seq))).take(per_issuer * issuers.len()).peekable();
    let mut bodies = Vec::new();
    while entries.peek().is_some() {
        bodies.push(batch(entries.by_ref().take(BATCH)));
    }
    let (next, cpu, start) = (std::sync::atomic::AtomicUsize::new(0), server.cpu(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::to(server.address);
                while let Some(body) = bodies.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    connection.publish_batch(body);
                }
            });
        }
    });
    let (took, cpu) = (start.elapsed(), server.cpu() - cpu);
    println!("most memory of the server: {} MB", server.most_memory() / 1_000_000);
    server.stop();
    let statements = f64::from(u32::try_from(per_issuer * issuers.len()).unwrap());
    (statements / cpu.as_secs_f64(), statements / took.as_secs_f64())
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
    drop(log);
    let (end_to_end, by_clock) = end_to_end(&home.path().join("served"), &issuers);
    println!("statements of {} bytes, {ISSUERS} issuers; for each second of processor time", entries[0].len());
    let rates = [
        ("ring's Ed25519 verification", ring),
        ("ours", ours),
        ("parsing", parse),
        ("the whole check", check),
        ("end to end by /add-batch", end_to_end),
    ];
    for (what, rate) in rates {
        println!("{what:30} {rate:8.0}/s  {:5.1} % of ring", 100.0 * rate / ring);
    }
    println!(
        "end to end by the clock, server on one processor: {by_clock:.0}/s, {:.1} % of ring; load average {}",
        100.0 * by_clock / ring,
        load()
    );
}
