#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tlog::merkle::Appender;

use super::*;
use crate::fixture::{empty_tree, entry, identity, key};
use crate::fsck::{self, Problem};
use crate::store::RocksOptions;
use crate::store::contract::commit;

/// Room for 448 leaf hashes.
const SMALL: RocksOptions = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 96 << 10 };

fn create(dir: &Path) -> RocksStore {
    RocksStore::create(dir, SMALL, &identity(), &empty_tree()).unwrap()
}

fn open(dir: &Path) -> Result<RocksStore, StoreError> {
    RocksStore::open(dir, SMALL)
}

/// A store of so many entries, in commits of a hundred, closed.
fn closed_store(size: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir.path().join("db"));
    let mut edge = Appender::new();
    for to in (0..=size).step_by(100).skip(1) {
        edge = commit(&store, edge, to, true);
    }
    dir
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&entry(index))
}

/// Each entry is found under its index, and nothing else is.
fn check(store: &RocksStore, size: u64) {
    let leaves: Vec<Hash> = (0..size + 10).map(leaf).collect();
    let expected: Vec<Option<LeafIndex>> = (0..size + 10).map(|index| (index < size).then(|| LeafIndex::new(index))).collect();
    assert_eq!(store.look_leaves_up(&leaves).unwrap(), expected);
    let mut count = 0;
    store.visit_all_leaves(&mut |_, _| count += 1).unwrap();
    assert_eq!(count, size);
    let mark = store.mark().unwrap();
    assert!(mark <= size && size - mark <= 3 * 448 + 300, "the family has all but the newest: {mark} of {size}");
}

fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// Commits of random sizes, between which the store is closed and opened, or a copy taken of it as a crash would leave it.
#[test]
fn every_leaf_hash_is_found_wherever_it_is_and_whatever_happened_between() {
    for seed in 0..4 {
        let (home, mut random) = (tempfile::tempdir().unwrap(), seed);
        let dir = home.path().join("db");
        let mut store = create(&dir);
        let (mut edge, mut size) = (Appender::new(), 0);
        while size < 3000 {
            size += 1 + next(&mut random, 300);
            edge = commit(&store, edge, size, true);
            match next(&mut random, 8) {
                0 => {
                    drop(store);
                    store = open(&dir).unwrap();
                }
                1 => {
                    let copy = home.path().join(size.to_string());
                    store.copy_to(&copy).unwrap();
                    // what a process leaves that is killed while it writes
                    std::fs::write(copy.join(TABLE), b"half a table").unwrap();
                    let copied = open(&copy).unwrap();
                    check(&copied, size);
                    let more = commit(&copied, edge.clone(), size + 400, true);
                    commit(&copied, more, size + 800, true);
                    check(&copied, size + 800);
                }
                _ => {}
            }
            check(&store, size);
        }
        assert!(store.mark().unwrap() > 1500, "seed {seed}");
        drop(store);
        check(&RocksStore::open_read_only(&dir, SMALL).unwrap(), size);
    }
}

/// Taking a file in gives it a second name and then removes the first. What is killed in between leaves both.
#[test]
fn a_file_that_was_taken_in_and_kept_its_first_name_is_not_written_over() {
    let dir = closed_store(1000);
    let db = dir.path().join("db");
    let store = open(&db).unwrap();
    let file = taken_in(&store);
    drop(store);
    // a table that was made and not taken in
    drop(std::fs::remove_file(db.join(TABLE)));
    std::fs::hard_link(db.join(file), db.join(TABLE)).unwrap();
    let store = open(&db).unwrap();
    let mut edge = Appender::new();
    for index in 0..1000 {
        edge.append(leaf(index), |_, _| ()).unwrap();
    }
    for to in (1100..=2000).step_by(100) {
        edge = commit(&store, edge, to, true);
    }
    drop(store);
    check(&open(&db).unwrap(), 2000);
}

/// The name of a file that the family has.
fn taken_in(store: &RocksStore) -> String {
    let file = store.db.live_files().unwrap().into_iter().find(|file| file.column_family_name == LEAVES).unwrap();
    file.name.trim_start_matches('/').to_owned()
}

/// What RocksDB leaves when the sync fails with which it notes that it took a file in.
#[test]
fn a_file_that_was_noted_and_lost_its_new_name_gets_it_back() {
    let dir = closed_store(1000);
    let db = dir.path().join("db");
    let store = open(&db).unwrap();
    let (file, mark) = (taken_in(&store), store.mark().unwrap());
    drop(store);
    let aside = dir.path().join("aside");
    std::fs::rename(db.join(&file), &aside).unwrap();

    std::fs::write(db.join(TABLE), b"another file").unwrap();
    open(&db).unwrap_err();
    assert!(!db.join(&file).exists(), "no other file gets its name");

    std::fs::copy(&aside, db.join(TABLE)).unwrap();
    let store = open(&db).unwrap();
    assert_eq!(store.mark().unwrap(), mark);
    check(&store, 1000);
}

#[test]
fn memory_forgets_what_the_family_has_and_is_filled_again_with_what_it_does_not() {
    let dir = closed_store(1000);
    let in_memory = |store: &RocksStore| store.recent.read().newest.len() + store.recent.read().leaving.len();
    let store = open(&dir.path().join("db")).unwrap();
    let mark = store.mark().unwrap();
    assert!((400..1000).contains(&mark), "{mark}");
    assert_eq!(u64::try_from(in_memory(&store)).unwrap(), 1000 - mark);
    check(&store, 1000);
}

#[test]
fn an_index_that_is_far_behind_catches_up_at_a_start_within_the_same_memory() {
    let dir = closed_store(5000);
    let db = dir.path().join("db");
    let store = open(&db).unwrap();
    store.db.put_cf(store.family(LEAVES), MARK, 100_u64.to_be_bytes()).unwrap();
    drop(store);
    let store = open(&db).unwrap();
    let recent = store.recent.read();
    assert!(recent.newest.len() <= 448 && recent.leaving.len() <= 448, "{} and {}", recent.newest.len(), recent.leaving.len());
    drop(recent);
    let leaves: Vec<Hash> = (0..5000).map(leaf).collect();
    assert!(store.look_leaves_up(&leaves).unwrap().into_iter().eq((0..5000).map(|index| Some(LeafIndex::new(index)))));
    assert!(store.mark().unwrap() > 3500, "the family has all but the newest");
}

#[test]
fn a_mark_that_says_too_much_is_noticed() {
    let marked = |choose: &dyn Fn(u64) -> u64| {
        let dir = closed_store(1000);
        let db = dir.path().join("db");
        let store = open(&db).unwrap();
        let mark = store.mark().unwrap();
        store.db.put_cf(store.family(LEAVES), MARK, choose(mark).to_be_bytes()).unwrap();
        (dir, db, mark)
    };
    let (_dir, db, _) = marked(&|_| 1001);
    let refusal = open(&db).unwrap_err();
    assert!(matches!(refusal, StoreError::Damaged(Damage::IndexBeyond { mark: 1001, .. })), "{refusal}");

    // These leaf hashes are nowhere now: the entries would be taken in again, and fsck says so.
    let (_dir, db, mark) = marked(&|mark| mark + 10);
    let problems = fsck::check(&RocksStore::open_read_only(&db, SMALL).unwrap(), key().verifier_key(), None, &mut |_, _| ()).problems;
    let lost = (mark..mark + 10).map(|index| Problem::LeafNotIndexed(LeafIndex::new(index)).to_string());
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(told, lost.chain(["the index of leaf hashes has 990 rows for 1000 entries".to_owned()]).collect::<Vec<_>>());
}

#[test]
fn a_tile_that_is_missing_above_the_mark_keeps_the_store_closed_and_can_be_looked_at() {
    let dir = closed_store(1000);
    let db = dir.path().join("db");
    let store = open(&db).unwrap();
    store.db.delete_cf(store.family(TILES), encode_tile_key(0, 3, 32)).unwrap();
    drop(store);
    let refusal = open(&db).unwrap_err();
    assert!(matches!(refusal, StoreError::Damaged(Damage::BrokenTile { level: 0, number: 3, position: 32 })), "{refusal}");
    let found = RocksStore::open_read_only(&db, SMALL).unwrap().look_leaves_up(&[leaf(799), leaf(800), leaf(900)]).unwrap();
    assert_eq!(found, [Some(LeafIndex::new(799)), None, Some(LeafIndex::new(900))]);
}

#[test]
fn a_table_that_cannot_be_written_ends_it_before_anything_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let store = create(&db);
    std::fs::create_dir(db.join(TABLE)).unwrap();
    let mut edge = commit(&store, Appender::new(), 400, true);
    edge = commit(&store, edge, 800, true);
    let fails = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| commit(&store, edge.clone(), 1200, true))).is_err();
    assert!(fails(), "the commit that needs the room");
    std::fs::remove_dir(db.join(TABLE)).unwrap();
    assert!(fails(), "and each after it, whose mark would be beyond what was never written");
    assert_eq!(store.tree().unwrap().size.as_u64(), 800);
    drop(store);
    check(&open(&db).unwrap(), 800);
}

/// Whoever reads while a table is taken in finds each leaf hash in memory or in the family.
#[test]
fn a_reader_misses_none_while_they_go_from_memory_into_the_family() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir.path().join("db"));
    let mut edge = commit(&store, Appender::new(), 100, true);
    let size = AtomicU64::new(100);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut to, mut random) = (100, 7);
            while to < 9000 {
                let index = to - 1 - next(&mut random, to.min(1000));
                assert_eq!(store.look_leaves_up(&[leaf(index)]).unwrap(), [Some(LeafIndex::new(index))], "of {to}");
                to = size.load(Ordering::Acquire);
            }
        });
        for to in (200..=9000).step_by(100) {
            edge = commit(&store, edge, to, true);
            size.store(to, Ordering::Release);
        }
    });
}
