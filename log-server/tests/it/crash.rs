//! SIGKILL at random moments under load: nothing acknowledged is lost, and the log stays whole.
//!
//! `ACTA_CRASHES` says how often (20 unless given), `ACTA_SEED` repeats a run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use log_server::data_dir::DataDir;
use log_server::store::{RocksOptions, RocksStore, Store};
use tlog::{Hash, LeafIndex};

use crate::process::{Connection, Server, good, init};
use crate::world::{admitted, decision, init_statements, ledger, planning, registered, signed};

const WRITERS: u64 = 8;

/// A small generator (SplitMix64), so that a printed seed repeats a run on every machine.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = match std::env::var("ACTA_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => u64::from(std::process::id()) ^ std::time::UNIX_EPOCH.elapsed().unwrap().as_secs(),
        };
        println!("ACTA_SEED={seed}");
        Random(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Every entry that was ever acknowledged, with its index.
type Acknowledged = Mutex<HashMap<Vec<u8>, u64>>;

/// Lets writers write until `count` entries are acknowledged, kills the server in the middle of it, and keeps what was acknowledged.
fn write_and_kill(server: &mut Server, count: u64, next: &AtomicU64, make: fn(u64) -> Vec<u8>, acknowledged: &Acknowledged) {
    let (done, running) = (AtomicU64::new(0), AtomicUsize::new(usize::try_from(WRITERS).unwrap()));
    let address = server.address;
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut connection = Connection::to(address).ok();
                while let Some(open) = &mut connection {
                    let entry = make(next.fetch_add(1, Ordering::Relaxed));
                    let Some(index) = open.add(&entry) else { break };
                    acknowledged.lock().unwrap().insert(entry, index);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        // the writers go on while the signal is on its way, so it arrives anywhere in a commit
        while done.load(Ordering::Relaxed) < count && running.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        server.kill();
    });
}

/// Everything acknowledged stands at its index, and `fsck` finds nothing wrong.
fn check(dir: &Path, acknowledged: &Acknowledged) {
    let report = good(&["fsck", "--dir", dir.to_str().unwrap()]);
    assert!(report.contains("the log is whole"), "{report}");
    let store = RocksStore::open(&DataDir::new(dir).db(), RocksOptions::default()).unwrap();
    for (entry, index) in acknowledged.lock().unwrap().iter() {
        let index = LeafIndex::new(*index);
        assert_eq!(store.entries(index, 1).unwrap()[0], entry, "at index {index}");
        assert_eq!(store.find_leaves(&[Hash::leaf(entry)]).unwrap(), [Some(index)], "it would be taken in again");
    }
}

#[test]
fn killing_it_at_random_moments_under_load_loses_nothing_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init(&dir);
    crash_again_and_again(&dir, 20, |number| format!("entry {number} {}", "x".repeat(200)).into_bytes());
}

#[test]
fn killing_a_log_of_statements_leaves_the_ledger_that_its_entries_give() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init_statements(&dir);
    admitted(&mut Server::start(&dir, &[]).connect(), &registered("planning.example", &planning(), &["*"]));
    crash_again_and_again(&dir, 10, |number| signed(&decision(number + 1), &[&planning()]).to_bytes());

    let kept = ledger(&dir);
    assert!(kept.len() > 1000, "{} rows", kept.len());
    good(&["rebuild-ledger", "--dir", dir.to_str().unwrap()]);
    assert!(ledger(&dir) == kept, "the ledger that was kept is the one that the entries give, byte for byte");
}

/// Runs, loads and kills the log in `dir`, `usually` so many times.
fn crash_again_and_again(dir: &Path, usually: u64, make: fn(u64) -> Vec<u8>) {
    let crashes: u64 = std::env::var("ACTA_CRASHES").map_or(usually, |count| count.parse().unwrap());
    let mut random = Random::seeded();
    let (next, acknowledged) = (AtomicU64::new(0), Mutex::new(HashMap::new()));
    // so that leaf hashes are on their way from memory into a file when it is killed
    let config = dir.with_extension("toml");
    std::fs::write(&config, "[store]\nwrite_buffer = \"64 KiB\"").unwrap();
    let (mut published, mut killed_in_recovery) = (0, 0);
    for crash in 0..crashes {
        // recovery itself is killed, several times over, before it may come to its end
        for _ in 0..2 {
            let listened = Server::start_and_kill(dir, Duration::from_micros(random.below(60_000)));
            killed_in_recovery += u64::from(!listened);
        }
        let mut server = Server::start(dir, &["--config", config.to_str().unwrap()]);
        let head = server.connect().get("/checkpoint").unwrap();
        let size: u64 = head.text().lines().nth(1).unwrap().parse().unwrap();
        let highest = acknowledged.lock().unwrap().values().max().map_or(0, |index| index + 1);
        assert!(size >= highest.max(published), "the head after crash {crash} covers all that was acknowledged");
        published = size;
        write_and_kill(&mut server, 1 + random.below(400), &next, make, &acknowledged);
    }
    check(dir, &acknowledged);
    assert!(killed_in_recovery > 0, "some kills come before it listens");
    println!(
        "{crashes} crashes under load, {killed_in_recovery} kills before it listened, {} acknowledged",
        acknowledged.lock().unwrap().len()
    );
}
