//! What every store has to keep, run against each of them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::merkle::Appender;
use tlog::tiles::tiles_of;

use super::*;
use crate::fixture::{ORIGIN, empty_tree, entry, identity, key};
use crate::head::Head;
use crate::sequencer::TileRows;

/// A store that can be closed and opened again.
trait Reopen {
    type Store: Store;
    fn create() -> Self;
    fn store(&self) -> &Self::Store;
    fn reopen(self) -> Self;
}

struct InMemory(MemoryStore);

impl Reopen for InMemory {
    type Store = MemoryStore;
    fn create() -> Self {
        InMemory(MemoryStore::create(identity(), empty_tree()))
    }
    fn store(&self) -> &MemoryStore {
        &self.0
    }
    fn reopen(self) -> Self {
        InMemory(self.0.reopen())
    }
}

struct OnDisk(tempfile::TempDir, Option<RocksStore>);

impl Reopen for OnDisk {
    type Store = RocksStore;
    fn create() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = RocksStore::create(&dir.path().join("db"), RocksOptions::default(), &identity(), &empty_tree()).unwrap();
        OnDisk(dir, Some(store))
    }
    fn store(&self) -> &RocksStore {
        self.1.as_ref().unwrap()
    }
    fn reopen(mut self) -> Self {
        drop(self.1.take());
        let store = RocksStore::open(&self.0.path().join("db"), RocksOptions::default()).unwrap();
        OnDisk(self.0, Some(store))
    }
}

/// Commits entries up to `to`; returns the edge after them.
pub(super) fn commit<S: Store>(store: &S, edge: Appender, to: u64, publish: bool) -> Appender {
    commit_with(store, edge, to, publish, None)
}

/// As [`commit`], with rows of the ledger.
fn commit_with<S: Store>(store: &S, mut edge: Appender, to: u64, publish: bool, ledger: Option<LedgerRows>) -> Appender {
    let from = edge.size().as_u64();
    let entries: Vec<Bytes> = (from..to).map(entry).collect();
    let staged = store.stage(LeafIndex::new(from), &entries);
    let mut leaves = Vec::new();
    store.staged_entries(&staged, &mut |entry| leaves.push(Hash::leaf(entry)));
    assert_eq!(leaves, entries.iter().map(|entry| Hash::leaf(entry)).collect::<Vec<_>>(), "staged entries are shown as given");
    let mut rows = TileRows::default();
    for leaf in &leaves {
        edge.append(*leaf, |node, hash| rows.add(node, hash)).unwrap();
    }
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), edge.size(), edge.root());
    let tree = Head::new(SignedCheckpoint::sign(&checkpoint, &[&key()]).unwrap()).tree_state();
    store.commit(staged, &Commit { leaves, tiles: rows.rows, tree, publish, ledger }).unwrap();
    edge
}

fn a_new_store_is_empty<R: Reopen>() {
    let home = R::create();
    let store = home.store();
    assert_eq!(store.identity().unwrap(), identity());
    assert_eq!(store.tree().unwrap(), empty_tree());
    assert_eq!(store.extent().unwrap(), Extent { entries: 0, leaf_hashes: 0, published: None });
    store.visit_leaves(&mut |_, _| panic!("there are none")).unwrap();
    assert_eq!(store.find_leaves(&[Hash::leaf(b"x")]).unwrap(), [None]);
    assert!(store.entries(LeafIndex::new(0), 1).is_err());
    assert!(store.tile(TileId::new(0, 0, 1).unwrap()).is_err());
    assert!(store.count_hashes().unwrap().is_empty());
    assert_eq!(store.head_from(TreeSize::ZERO).unwrap(), None);
    assert_eq!(store.head_from(TreeSize::new(u64::MAX)).unwrap(), None);
}

fn what_was_committed_is_read_back_before_and_after_reopening<R: Reopen>() {
    let mut home = R::create();
    let mut edge = Appender::new();
    // sizes of commits that begin and end inside, at and across the borders of tiles
    for to in [1, 2, 255, 256, 257, 600, 1024, 70_000] {
        edge = commit(home.store(), edge, to, to % 2 == 0);
    }
    for _ in 0..2 {
        let store = home.store();
        let tree = store.tree().unwrap();
        assert_eq!((tree.size.as_u64(), tree.root), (70_000, edge.root()));
        assert_eq!(store.extent().unwrap(), Extent { entries: 70_000, leaf_hashes: 70_000, published: Some(70_000) });
        let mut leaves = Vec::new();
        store.visit_leaves(&mut |leaf, index| leaves.push((index.as_u64(), *leaf))).unwrap();
        leaves.sort_unstable();
        assert!(leaves == (0..70_000).map(|index| (index, Hash::leaf(&entry(index)))).collect::<Vec<_>>());
        assert_eq!(store.count_hashes().unwrap(), [70_000, 273, 1]);
        let some = [0, 1, 254, 255, 256, 599, 65_535, 65_536, 69_999];
        for index in some {
            assert_eq!(store.entries(LeafIndex::new(index), 1).unwrap(), [entry(index)]);
        }
        let leaves: Vec<Hash> = some.iter().map(|index| Hash::leaf(&entry(*index))).chain([Hash::leaf(b"no entry")]).collect();
        let found = store.find_leaves(&leaves).unwrap();
        assert_eq!(found, some.iter().map(|index| Some(LeafIndex::new(*index))).chain([None]).collect::<Vec<_>>());
        assert_eq!(crate::startup::stored_root(store, TreeSize::new(70_000)).unwrap(), edge.root());
        for tile in tiles_of(TreeSize::new(70_000)) {
            assert_eq!(store.tile(tile).unwrap().len(), usize::from(tile.width()));
        }
        assert_eq!(store.entries(LeafIndex::new(69_744), 256).unwrap().len(), 256);
        assert!(matches!(store.entries(LeafIndex::new(69_745), 256), Err(StoreError::Damaged(Damage::MissingEntry(70_000)))));
        home = home.reopen();
    }
}

fn every_narrower_tile_is_a_prefix_of_the_wider<R: Reopen>() {
    let home = R::create();
    let mut edge = Appender::new();
    for to in [3, 100, 101, 256, 300] {
        edge = commit(home.store(), edge, to, true);
    }
    let full = home.store().tile(TileId::new(0, 0, 256).unwrap()).unwrap();
    for width in 1..=256 {
        assert_eq!(home.store().tile(TileId::new(0, 0, width).unwrap()).unwrap(), full[..usize::from(width)]);
    }
    assert!(home.store().tile(TileId::new(0, 1, 45).unwrap()).is_err(), "44 hashes are there");
}

fn only_published_heads_are_found_and_the_smallest_first<R: Reopen>() {
    let home = R::create();
    let mut edge = Appender::new();
    for (to, publish) in [(1, true), (2, false), (5, true), (6, false)] {
        edge = commit(home.store(), edge, to, publish);
    }
    let from = |size| {
        let (kept_under, head) = home.store().head_from(TreeSize::new(size)).unwrap()?;
        assert_eq!(SignedCheckpoint::parse(&head).unwrap().checkpoint().size(), kept_under);
        Some(kept_under.as_u64())
    };
    assert_eq!([0, 1, 2, 5, 6].map(from), [Some(1), Some(1), Some(5), Some(5), None]);
    assert_eq!(home.store().extent().unwrap().published, Some(5));
}

fn a_published_head_is_kept_under_its_size_and_gives_way_to_itself_with_more_lines<R: Reopen>() {
    let mut home = R::create();
    let edge = commit(home.store(), Appender::new(), 3, false);
    assert_eq!(home.store().extent().unwrap().published, None);
    let head = home.store().tree().unwrap().checkpoint;
    let more = Bytes::from([&head[..], "— w.test AAAAAA==\n".as_bytes()].concat());
    for bytes in [&head, &more] {
        home.store().publish(TreeSize::new(3), bytes).unwrap();
        commit(home.store(), edge.clone(), 4, false);
        home = home.reopen();
        assert_eq!(home.store().head_from(TreeSize::ZERO).unwrap(), Some((TreeSize::new(3), bytes.clone())));
        assert_eq!(home.store().extent().unwrap().published, Some(3));
    }
}

fn what_is_only_staged_leaves_no_trace<R: Reopen>() {
    let home = R::create();
    drop(home.store().stage(LeafIndex::new(0), &[entry(0)]));
    let home = home.reopen();
    assert_eq!(home.store().extent().unwrap().entries, 0);
    assert_eq!(home.store().tree().unwrap(), empty_tree());
}

fn the_ledger_is_written_with_the_entries_and_read_back_in_order<R: Reopen>() {
    let mut home = R::create();
    assert_eq!(home.store().ledger_size().unwrap(), None);
    let mut edge = Appender::new();
    let row = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    for rows in [vec![row("b1", "old"), row("a", "1")], vec![], vec![row("c", "3"), row("b1", "new")]] {
        let to = edge.size().as_u64() + 2;
        edge = commit_with(home.store(), edge, to, true, Some(rows));
    }
    for _ in 0..2 {
        let store = home.store();
        assert_eq!(store.ledger_size().unwrap(), Some(TreeSize::new(6)));
        assert_eq!(store.ledger_get(b"b1").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(store.ledger_get(b"b").unwrap(), None);
        let mut found = Vec::new();
        let mut look = |limit| {
            found.clear();
            let visit = &mut |key: &[u8], value: &[u8]| {
                found.push((key.to_vec(), value.to_vec()));
                found.len() < limit
            };
            store.ledger_scan(visit).unwrap();
            found.clone()
        };
        assert_eq!(look(9), [row("a", "1"), row("b1", "new"), row("c", "3")]);
        assert_eq!(look(1), [row("a", "1")]);
        home = home.reopen();
    }
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name::<super::InMemory>(); })*
        }
        mod on_disk {
            $(#[test] fn $name() { super::$name::<super::OnDisk>(); })*
        }
    };
}

contract!(
    a_new_store_is_empty,
    what_was_committed_is_read_back_before_and_after_reopening,
    every_narrower_tile_is_a_prefix_of_the_wider,
    only_published_heads_are_found_and_the_smallest_first,
    a_published_head_is_kept_under_its_size_and_gives_way_to_itself_with_more_lines,
    what_is_only_staged_leaves_no_trace,
    the_ledger_is_written_with_the_entries_and_read_back_in_order,
);

#[test]
fn a_ledger_that_is_being_replaced_is_none_until_it_is_finished() {
    let mut home = OnDisk::create();
    let rows = vec![(b"a".to_vec(), b"old".to_vec()), (b"gone".to_vec(), b"x".to_vec())];
    commit_with(home.store(), Appender::new(), 3, true, Some(rows));
    home = home.reopen();

    home.1.as_mut().unwrap().clear_ledger().unwrap();
    home.store().write_ledger(&[(b"a", b"new")]).unwrap();
    home = home.reopen();
    assert_eq!(home.store().ledger_size().unwrap(), None, "cut short, it is no ledger");

    home.1.as_mut().unwrap().clear_ledger().unwrap();
    home.store().write_ledger(&[(b"a", b"new")]).unwrap();
    home.store().finish_ledger(TreeSize::new(3)).unwrap();
    home = home.reopen();
    assert_eq!(home.store().ledger_size().unwrap(), Some(TreeSize::new(3)));
    assert_eq!(home.store().ledger_get(b"a").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(home.store().ledger_get(b"gone").unwrap(), None);
    assert_eq!(home.store().tree().unwrap().size.as_u64(), 3, "the log itself is untouched");
}

#[test]
fn a_store_whose_ledger_is_gone_still_opens_and_takes_no_statements() {
    let mut home = OnDisk::create();
    let edge = commit_with(home.store(), Appender::new(), 3, true, Some(vec![(b"a".to_vec(), b"1".to_vec())]));
    home.1.as_mut().unwrap().lose_ledger();
    home = home.reopen();
    assert_eq!(home.store().ledger_size().unwrap(), None);
    assert_eq!(home.store().ledger_get(b"a").unwrap(), None);
    home.store().ledger_scan(&mut |_, _| panic!("there are no rows")).unwrap();
    let rows = Commit { leaves: vec![], tiles: vec![], tree: home.store().tree().unwrap(), publish: false, ledger: Some(vec![]) };
    let staged = home.store().stage(LeafIndex::new(edge.size().as_u64()), &[]);
    assert!(matches!(home.store().commit(staged, &rows), Err(StoreError::Damaged(Damage::MissingLedger))));
}

#[test]
fn a_store_of_another_format_is_refused() {
    let home = OnDisk::create();
    home.store().set_format(FORMAT_VERSION + 1);
    let OnDisk(dir, store) = home;
    drop(store);
    let refusal = RocksStore::open(&dir.path().join("db"), RocksOptions::default()).unwrap_err();
    assert!(matches!(refusal, StoreError::Format { found } if found == FORMAT_VERSION + 1));
}

#[test]
fn opening_never_creates() {
    let dir = tempfile::tempdir().unwrap();
    assert!(RocksStore::open(&dir.path().join("db"), RocksOptions::default()).is_err());
    let _store = RocksStore::create(&dir.path().join("db"), RocksOptions::default(), &identity(), &empty_tree()).unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    assert!(RocksStore::open(&other, RocksOptions::default()).is_err());
    assert!(RocksStore::create(&dir.path().join("db"), RocksOptions::default(), &identity(), &empty_tree()).is_err());
}

#[test]
fn opening_for_reading_changes_nothing_and_reads_what_the_write_ahead_log_has() {
    let OnDisk(dir, store) = OnDisk::create();
    let store = store.unwrap();
    let db = dir.path().join("db");
    commit(&store, Appender::new(), 300, true);
    // the store is still open, so all of this is in its write-ahead log only
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&db).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "sst" || ending == "log"));
        files.sort();
        files.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = files();
    let looked = RocksStore::open_read_only(&db, RocksOptions::default()).unwrap();
    assert_eq!(looked.tree().unwrap().size.as_u64(), 300);
    assert_eq!(looked.entries(LeafIndex::new(299), 1).unwrap(), [entry(299)]);
    let staged = looked.stage(LeafIndex::new(300), &[entry(300)]);
    let rows = Commit { leaves: vec![Hash::leaf(&entry(300))], tiles: vec![], tree: looked.tree().unwrap(), publish: false, ledger: None };
    assert!(looked.commit(staged, &rows).is_err());
    drop(looked);
    assert!(files() == before, "no byte of the data has changed");
}
