//! What `interop/compare` asks of the store of a log that is not running.
//!
//! ```text
//! cargo run --release -p log-server --example store -- COMMAND DIR
//!
//! compact DIR   rewrites all table files of the log in DIR once, so that their size on disk can be measured
//! lookups DIR   what it costs to see that an entry is not in the log in DIR
//! index DIR     what commits cost without the index of leaf hashes, with it, and with looking each up as well; DIR must not exist yet
//! ```
//!
//! The costs are printed as JSON, in microseconds of processor time for each entry. There is no switch that lets a log take an entry in
//! twice, so what telling them apart costs can only be measured by itself.

#![allow(clippy::unwrap_used, reason = "a program that measures may fail")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use log_server::data_dir::DataDir;
use log_server::store::{Admits, Commit, Identity, LogId, RocksOptions, RocksStore, Store, TreeState};
use rustix::time::{ClockId, clock_gettime};
use tlog::{Hash, LeafIndex, TreeSize};

/// Entries of a commit, about as many as wait for one under 256 connections.
const COMMIT: u64 = 128;
/// Commits whose look-ups are measured.
const COMMITS: u64 = 2_000;
/// Commits that are measured as a whole: enough of them that the index goes from memory to the disk, again and again.
const WHOLE_COMMITS: u64 = 20_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [command, dir] = args.as_slice() else { return usage() };
    let dir = Path::new(dir);
    match command.as_str() {
        "compact" => compact(dir),
        "lookups" => lookups(dir),
        "index" => index(dir),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("store compact DIR | store lookups DIR | store index DIR");
    ExitCode::from(2)
}

fn compact(dir: &Path) {
    let dir = DataDir::new(dir);
    let _lock = dir.lock().unwrap();
    RocksStore::open(&dir.db(), RocksOptions::default()).unwrap().compact();
}

fn lookups(dir: &Path) {
    let dir = DataDir::new(dir);
    let _lock = dir.lock().unwrap();
    let store = RocksStore::open_read_only(&dir.db(), RocksOptions::default()).unwrap();
    let look_up = |range: std::ops::Range<u64>| {
        for commit in range {
            let absent: Vec<Hash> = numbers(commit).map(|number| Hash::leaf(&entry(number))).collect();
            assert!(store.find_leaves(&absent).unwrap().iter().all(Option::is_none));
        }
    };
    look_up(0..COMMITS / 4); // so that filters are in memory, as they are in a log that works
    let before = process_cpu();
    look_up(COMMITS / 4..COMMITS);
    println!(r#"{{"entries": {}, "cpu_us": {:.3}}}"#, store.extent().unwrap().entries, each(before, COMMITS - COMMITS / 4));
}

fn index(dir: &Path) {
    let neither = commits(&dir.join("neither"), false, false);
    let index = commits(&dir.join("index"), true, false);
    let both = commits(&dir.join("both"), true, true);
    println!(r#"{{"neither_cpu_us": {neither:.3}, "index_cpu_us": {index:.3}, "both_cpu_us": {both:.3}}}"#);
}

/// What a commit of entries costs, with RocksDB's own work, for each of them.
fn commits(dir: &Path, indexed: bool, looked_up: bool) -> f64 {
    std::fs::create_dir_all(dir).unwrap();
    let identity =
        Identity { origin: "store.example/log".to_owned(), verifier_key: String::new(), log_id: LogId([0; 16]), admits: Admits::Open };
    let tree = |size| TreeState { size: TreeSize::new(size), root: Hash::leaf(b""), checkpoint: Bytes::from_static(&[0; 200]) };
    let store = RocksStore::create(&dir.join("db"), RocksOptions::default(), &identity, &tree(0)).unwrap();
    let before = process_cpu();
    for commit in 0..WHOLE_COMMITS {
        let entries: Vec<Bytes> = numbers(commit).map(entry).collect();
        let staged = store.stage(LeafIndex::new(commit * COMMIT), &entries);
        let mut leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        assert!(!looked_up || store.find_leaves(&leaves).unwrap().iter().all(Option::is_none));
        if !indexed {
            leaves.clear();
        }
        let tree = tree((commit + 1) * COMMIT);
        store.commit(staged, &Commit { leaves, tiles: Vec::new(), tree, publish: false, ledger: None }).unwrap();
    }
    store.settle().unwrap();
    each(before, WHOLE_COMMITS)
}

fn numbers(commit: u64) -> std::ops::Range<u64> {
    commit * COMMIT..(commit + 1) * COMMIT
}

/// An entry of 256 bytes that compression gains nothing from.
fn entry(number: u64) -> Bytes {
    let parts: Vec<Hash> = (0_u8..8).map(|part| Hash::leaf(&[number.to_be_bytes().as_slice(), &[part]].concat())).collect();
    Bytes::from(parts.iter().flat_map(|part| part.as_bytes()).copied().collect::<Vec<u8>>())
}

fn each(before: Duration, commits: u64) -> f64 {
    let entries = u32::try_from(commits * COMMIT).unwrap();
    (process_cpu() - before).as_secs_f64() * 1e6 / f64::from(entries)
}

/// Processor time of all threads.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
