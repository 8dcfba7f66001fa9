//! Whole runs against servers within the process.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::null_server::Reply;
use super::*;

fn plan(mode: Mode) -> Plan {
    Plan { mode, connections: NonZeroU16::new(8).unwrap(), duration: Duration::from_millis(300), seed: 42, ..Plan::default() }
}

/// Runs against a server as if it were a log, so that its answers are checked.
fn run_on(server: &NullServer, plan: &Plan) -> Report {
    let log = format!("http://{}/", server.address()).parse().unwrap();
    let plan = Plan { log: Some(log), ..plan.clone() };
    run(&plan, |_| {}).unwrap()
}

fn requests_of(server: &NullServer) -> u64 {
    server.seen().requests.load(Ordering::Relaxed)
}

/// A log with a head and with this answer to additions.
fn log(add: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> NullServer {
    let root = "A".repeat(43) + "=";
    let checkpoint = format!("log.example\n0\n{root}\n\n\u{2014} log.example AAAAAAAA\n");
    NullServer::answering(move |path, body| if path == "/checkpoint" { Reply::ok(checkpoint.clone()) } else { add(body) }).unwrap()
}

/// The answers of a log that deduplicates: the index of each entry's first copy.
fn honest() -> impl Fn(&[u8]) -> Reply + Send + Sync + 'static {
    let entries = Mutex::new(HashMap::new());
    move |body| {
        let mut entries = entries.lock().unwrap();
        let next = entries.len();
        let index = *entries.entry(body.to_vec()).or_insert(next);
        Reply::ok(format!("{index}\n"))
    }
}

#[test]
fn the_report_counts_exactly_what_the_null_server_saw() {
    for (mode, threads) in [(Mode::Add, 1), (Mode::Add, 2), (Mode::AddBatch, 1), (Mode::Tile, 1), (Mode::Proof, 1), (Mode::Checkpoint, 2)] {
        let null = NullServer::start().unwrap();
        let plan = Plan { threads: NonZeroU16::new(threads).unwrap(), ..plan(mode) };
        let report = run_against(&plan, null.address(), "host".to_owned(), String::new(), Some(&null), |_| {}).unwrap();
        assert!(report.good > 0 && report.errors.is_empty(), "{report}");
        assert_eq!((report.requests, report.good), (requests_of(&null), requests_of(&null)), "{report}");
        let (each, bytes) = match mode {
            Mode::Add => (1, 256),
            Mode::AddBatch => (256, 256 * 258),
            _ => (1, 0),
        };
        assert_eq!(report.entries, each * report.good);
        assert_eq!(null.seen().body_bytes.load(Ordering::Relaxed), bytes * report.good);
        assert!(report.generator.cpu_seconds > 0.0);
    }
}

#[test]
fn the_warm_up_is_sent_and_not_counted() {
    let null = NullServer::start().unwrap();
    let plan = Plan { warm_up: Duration::from_millis(200), ..plan(Mode::Add) };
    let report = run_against(&plan, null.address(), "host".to_owned(), String::new(), Some(&null), |_| {}).unwrap();
    assert!(report.good > 0 && report.good < requests_of(&null), "{report}");
}

#[test]
fn the_open_loop_sends_exactly_what_is_due() {
    for threads in [1, 2] {
        let null = NullServer::start().unwrap();
        let rate = NonZeroU32::new(1000);
        let plan = Plan { rate, threads: NonZeroU16::new(threads).unwrap(), ..plan(Mode::Add) };
        let report = run_against(&plan, null.address(), "host".to_owned(), String::new(), Some(&null), |_| {}).unwrap();
        let open = report.open_loop.unwrap();
        assert_eq!((report.requests + open.unsent, report.good), (300, requests_of(&null)), "{report}");
    }
}

#[test]
fn a_server_that_stands_still_makes_all_that_were_due_meanwhile_slow() {
    let pause = Duration::from_millis(150);
    let stood = Mutex::new(false);
    let server = log(move |_| {
        if !std::mem::replace(&mut *stood.lock().unwrap(), true) {
            std::thread::sleep(pause);
        }
        Reply::ok("1\n")
    });
    // One connection: a closed loop would see one slow request. Here some 150 of 300 were due while the server slept.
    let plan = Plan { rate: NonZeroU32::new(1000), connections: NonZeroU16::MIN, ..plan(Mode::Add) };
    let report = run_on(&server, &plan);
    assert!(report.latency.max_us >= 149_000.0, "{report}");
    assert!(report.open_loop.unwrap().late >= 100 && !report.open_loop.unwrap().kept_up, "{report}");
}

#[test]
fn a_rate_beyond_the_server_leaves_requests_unsent_and_says_so() {
    let server = log(|_| {
        std::thread::sleep(Duration::from_millis(5));
        Reply::ok("1\n")
    });
    let plan = Plan { rate: NonZeroU32::new(10_000), ..plan(Mode::Add) };
    let report = run_on(&server, &plan);
    let open = report.open_loop.unwrap();
    assert_eq!(report.requests + open.unsent, 3000);
    assert!(open.unsent > 1000 && !open.kept_up, "{report}");
    assert!(report.latency.p50_us > 50_000.0, "what was never sent counts as having waited: {report}");
}

#[test]
fn an_honest_log_gets_the_share_of_duplicates_and_no_remarks() {
    let bodies = std::sync::Arc::new(Mutex::new((0_u64, HashSet::new())));
    let (answer, shared) = (honest(), std::sync::Arc::clone(&bodies));
    let server = log(move |body| {
        let mut bodies = shared.lock().unwrap();
        bodies.0 += 1;
        bodies.1.insert(body.to_vec());
        answer(body)
    });
    let report = run_on(&server, &Plan { duplicates_percent: 30, ..plan(Mode::Add) });
    let bodies = bodies.lock().unwrap();
    let (all, distinct) = (bodies.0, u64::try_from(bodies.1.len()).unwrap());
    assert_eq!(report.good, all);
    let percent = 100 * (all - distinct) / all;
    assert!((25..=35).contains(&percent), "{percent} % of {all}");
    let honesty = report.honesty.unwrap();
    assert!(honesty.compared > 0 && honesty.shared_indexes == 0 && honesty.split_entries == 0, "{report}");
    assert!(!report.is_contradictory());
}

#[test]
fn a_server_that_acknowledges_without_adding_is_noticed() {
    let report = run_on(&log(|_| Reply::ok("0\n")), &plan(Mode::Add));
    assert!(report.is_contradictory() && report.to_string().contains("more than one entry"), "{report}");
}

#[test]
fn a_log_that_does_not_recognize_duplicates_is_noticed() {
    let next = AtomicU64::new(0);
    let server = log(move |_| Reply::ok(format!("{}\n", next.fetch_add(1, Ordering::Relaxed))));
    let report = run_on(&server, &Plan { duplicates_percent: 50, ..plan(Mode::Add) });
    assert!(report.honesty.unwrap().split_entries > 0 && !report.is_contradictory(), "{report}");
}

#[test]
fn failures_are_counted_by_kind_and_connections_opened_again() {
    let next = AtomicU64::new(0);
    let server = log(move |_| match next.fetch_add(1, Ordering::Relaxed) {
        n if n % 5 == 1 => Reply { status: 503, body: "".into(), close: false },
        n if n % 5 == 2 => Reply { status: 400, body: "".into(), close: false },
        n if n % 5 == 3 => Reply { close: true, ..Reply::ok("yes\n") },
        n => Reply::ok(format!("{n}\n")),
    });
    let report = run_on(&server, &plan(Mode::Add));
    let errors: Vec<&str> = report.errors.keys().map(String::as_str).collect();
    assert_eq!(errors, ["not what was asked for", "status 400"], "{report}");
    assert!(report.overloaded > 0 && report.good > 0 && report.reconnects > 0);
    let failed: u64 = report.errors.values().sum();
    assert_eq!(report.requests, report.good + report.overloaded + failed);
}

#[test]
fn what_cannot_be_measured_is_said_before_it_begins() {
    let null = NullServer::start().unwrap();
    let error = |plan: &Plan| run(plan, |_| {}).unwrap_err();
    let of = |url: &str| Some(url.parse().unwrap());
    let not_a_log = format!("http://{}/", null.address());
    assert!(matches!(error(&Plan { log: of("https://log.example/"), ..plan(Mode::Add) }), BenchError::Scheme));
    assert!(matches!(error(&Plan { log: of(&not_a_log), ..plan(Mode::Add) }), BenchError::Checkpoint));
    assert!(matches!(error(&Plan { entry_bytes: 7, ..plan(Mode::Add) }), BenchError::EntryTooShort));
    let batch = NonZeroU16::new(4096).unwrap();
    assert!(matches!(error(&Plan { entry_bytes: 4096, batch, ..plan(Mode::AddBatch) }), BenchError::BatchTooLarge));
    assert!(matches!(error(&Plan { server_pid: Some(u32::MAX), ..plan(Mode::Add) }), BenchError::NoSuchProcess(_)));
    let address = null.address();
    drop(null);
    assert!(matches!(error(&Plan { log: of(&format!("http://{address}/")), ..plan(Mode::Add) }), BenchError::Connect(_)));
}

#[test]
fn an_empty_log_has_nothing_to_read() {
    let server = log(|_| Reply::ok("0\n"));
    for mode in [Mode::Tile, Mode::Bundle, Mode::Proof] {
        let plan = Plan { log: Some(format!("http://{}", server.address()).parse().unwrap()), ..plan(mode) };
        assert!(matches!(run(&plan, |_| {}), Err(BenchError::LogTooSmall)));
    }
}
