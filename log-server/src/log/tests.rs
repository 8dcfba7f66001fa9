#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use tlog::merkle::Appender;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::{Tile, bundles_of, parse_bundle, tiles_of};

use super::*;
use crate::anchor::Anchor;
use crate::fixture::{Fixture, add, entry, fill, identity, key};
use crate::sequencer::SequencerError;
use crate::store::{Fault, MemoryStore};

fn reference_root(count: u64) -> Hash {
    let mut edge = Appender::new();
    for number in 0..count {
        edge.append(Hash::leaf(&entry(number)), |_, _| {}).unwrap();
    }
    edge.root()
}

#[tokio::test]
async fn an_index_comes_with_a_signed_head_that_covers_it_and_an_anchor() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    for number in 0..3 {
        assert_eq!(add(&log, number).await.unwrap(), LeafIndex::new(number));
        let head = log.published();
        assert_eq!(head.size().as_u64(), number + 1);
        assert_eq!(head.root(), reference_root(number + 1));
        head.checkpoint().verify_log(std::slice::from_ref(log.verifier_key())).unwrap();
        assert_eq!(fixture.anchored(), head.anchored(identity().log_id));
    }
}

#[tokio::test]
async fn the_same_entry_has_one_index_however_often_and_whenever_it_comes() {
    let (fixture, store) = Fixture::new();
    store.plan(Fault::Block); // so that what follows gathers into one commit
    let (log, _write_side) = fixture.start(store).unwrap();
    let first = log.add(entry(0)).unwrap();
    let together = log.add_batch([entry(1), entry(2), entry(1), entry(1), entry(0)]);
    log.inner.store.release();
    assert_eq!(first.await.unwrap(), LeafIndex::new(0));
    let indexes: Vec<u64> = together.await.into_iter().map(|outcome| outcome.unwrap().as_u64()).collect();
    assert_eq!(indexes, [1, 2, 1, 1, 0]);
    assert_eq!(add(&log, 2).await.unwrap(), LeafIndex::new(2), "long committed");
    assert_eq!(log.published().size().as_u64(), 3);
}

#[tokio::test]
async fn a_batch_says_of_each_entry_what_became_of_it() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    let told = log.add_batch([entry(0), Bytes::new(), Bytes::from(vec![0; MAX_ENTRY + 1]), entry(1), Bytes::from(vec![0; MAX_ENTRY])]);
    let index = |index| Ok(LeafIndex::new(index));
    assert_eq!(told.await, [index(0), Err(AddError::Empty), Err(AddError::TooLarge { len: 65_536 }), index(1), index(2)]);
}

#[tokio::test]
async fn tiles_and_bundles_hash_up_to_the_root_at_every_awkward_size() {
    for size in [1, 255, 256, 257, 511, 513, 65_536, 65_537] {
        let (fixture, store) = Fixture::new();
        let (log, _write_side) = fixture.start(store).unwrap();
        // in pieces that certainly fit into the queue
        for from in (0..size).step_by(40_000) {
            for outcome in log.add_batch((from..size.min(from + 40_000)).map(entry)).await {
                outcome.unwrap();
            }
        }
        let head = log.published();
        assert_eq!((head.size().as_u64(), head.root()), (size, reference_root(size)));
        let mut number = 0;
        for bundle in bundles_of(head.size()) {
            let bytes = log.bundle(bundle).unwrap().unwrap();
            for found in parse_bundle(&bytes, bundle.width()).unwrap() {
                assert_eq!(found, entry(number));
                number += 1;
            }
        }
        let mut plan = tlog::tiles::Plan::new(head.size());
        plan.leaves(0..size).unwrap();
        let tiles: Vec<Tile> = plan.tiles().into_iter().map(|id| Tile::parse(id, &log.tile(id).unwrap().unwrap()).unwrap()).collect();
        assert_eq!(tiles.len(), tiles_of(head.size()).count());
        plan.authenticate(head.root(), tiles).unwrap();
    }
}

#[tokio::test]
async fn nothing_is_shown_beyond_the_published_head() {
    let (fixture, store) = Fixture::new();
    fill(&fixture, store.reopen(), 0).await;
    let (log, _write_side) = fixture.start(store).unwrap();
    add(&log, 0).await.unwrap();
    assert!(log.tile(TileId::new(0, 0, 1).unwrap()).unwrap().is_some());
    assert!(log.tile(TileId::new(0, 0, 2).unwrap()).unwrap().is_none());
    assert!(log.bundle(BundleId::new(0, 2).unwrap()).unwrap().is_none());
    assert!(log.receipt(LeafIndex::new(1)).unwrap().is_none());
    assert!(log.receipt(LeafIndex::new(u64::MAX)).unwrap().is_none());
}

#[tokio::test]
async fn a_receipt_verifies_offline_and_a_damaged_store_gives_none() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    for outcome in log.add_batch((0..300).map(entry)).await {
        outcome.unwrap();
    }
    let policy = Policy::without_witnesses(key().verifier_key().clone(), None).unwrap();
    for index in [0, 1, 255, 256, 299] {
        let receipt = log.receipt(LeafIndex::new(index)).unwrap().unwrap();
        let read = Proof::parse(&receipt.to_bytes()).unwrap();
        read.verify_receipt(&policy, Some(&entry(index))).unwrap();
        assert!(read.verify_receipt(&policy, Some(&entry(index + 1))).is_err());
    }
    log.inner.store.overwrite_entry(7, entry(8));
    assert!(matches!(log.receipt(LeafIndex::new(7)), Err(ReadError::ProofFails(index)) if index.as_u64() == 7));
    log.inner.store.lose_entry(9);
    assert!(matches!(log.receipt(LeafIndex::new(9)), Err(ReadError::Store(StoreError::Damaged(Damage::MissingEntry(9))))));
}

#[tokio::test]
async fn a_bit_that_flips_before_storing_stops_the_log_and_nothing_is_signed() {
    let (fixture, store) = Fixture::new();
    store.plan(Fault::FlipStagedBit);
    let (log, mut write_side) = fixture.start(store).unwrap();
    assert_eq!(add(&log, 0).await, Err(AddError::Failed));
    assert!(matches!(write_side.ended().await, Err(SequencerError::EntryChanged { .. })));
    assert_eq!(log.published().size(), TreeSize::ZERO);
    assert_eq!(log.inner.store.tree().unwrap().size, TreeSize::ZERO);
    assert_eq!(add(&log, 1).await, Err(AddError::Failed), "nothing goes on over an error");
}

#[tokio::test]
async fn a_failed_commit_acknowledges_nothing_and_the_reopened_store_decides() {
    for (fault, written) in [(Fault::Fail, 0), (Fault::FailAfterWriting, 1)] {
        let (fixture, store) = Fixture::new();
        store.plan(fault);
        let (log, mut write_side) = fixture.start(store).unwrap();
        assert_eq!(add(&log, 0).await, Err(AddError::Failed));
        assert!(matches!(write_side.ended().await, Err(SequencerError::Store(StoreError::Injected))));
        assert_eq!(log.published().size(), TreeSize::ZERO, "what may not be stored is not shown");

        let (log, _write_side) = fixture.start(log.inner.store.reopen()).unwrap();
        assert_eq!(log.published().size().as_u64(), written);
        assert_eq!(add(&log, 0).await.unwrap(), LeafIndex::new(0), "sent again it is there once");
        assert_eq!(log.published().size().as_u64(), 1);
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_the_log_was() {
    let (fixture, store) = Fixture::new();
    let (log, mut write_side) = fixture.start(store).unwrap();
    let mut store = None;
    for number in 0..600 {
        assert_eq!(add(&log, number).await.unwrap().as_u64(), number);
    }
    log.close();
    write_side.ended().await.unwrap();
    store.replace(log.inner.store.reopen());
    let (log, _write_side) = fixture.start(store.unwrap()).unwrap();
    assert_eq!(log.published().root(), reference_root(600));
    assert_eq!(add(&log, 600).await.unwrap().as_u64(), 600);
    assert_eq!(log.published().root(), reference_root(601));
}

#[tokio::test]
async fn closing_commits_what_waits_and_takes_nothing_more() {
    let (fixture, store) = Fixture::new();
    store.plan(Fault::Block);
    let (log, mut write_side) = fixture.start(store).unwrap();
    let waiting = [log.add(entry(0)).unwrap(), log.add(entry(1)).unwrap()];
    log.close();
    assert_eq!(add(&log, 2).await, Err(AddError::ShuttingDown));
    log.inner.store.release();
    for (ticket, index) in waiting.into_iter().zip(0..) {
        assert_eq!(ticket.await.unwrap().as_u64(), index);
    }
    write_side.ended().await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_and_stores_nothing_of_what_it_refused() {
    let (fixture, store) = Fixture::new();
    store.plan(Fault::Block);
    let anchor = Anchor::open(&fixture.dir.path().join("anchor")).unwrap();
    let limits = QueueLimits { entries: 2, ..QueueLimits::default() };
    let options = Options { queue: limits, ..Options::default() };
    let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
    let (log, _write_side) = Log::start(store, key(), anchor, options, metrics).unwrap();
    let first = log.add(entry(0)).unwrap();
    while log.queue_depth().0 > 0 {
        std::thread::yield_now(); // until the sequencer has taken it and waits for the store
    }
    let more: Vec<_> = (1..5).map(|number| log.add(entry(number))).collect();
    assert_eq!(
        more.iter().map(|each| each.as_ref().err()).collect::<Vec<_>>(),
        [None, None, Some(&AddError::Overloaded), Some(&AddError::Overloaded)]
    );
    assert_eq!(log.add_batch((5..7).map(entry)).await, vec![Err(AddError::Overloaded); 2]);
    log.inner.store.release();
    first.await.unwrap();
    let mut accepted = 1;
    for ticket in more.into_iter().flatten() {
        ticket.await.unwrap();
        accepted += 1;
    }
    assert_eq!((accepted, log.published().size().as_u64()), (3, 3));
}

#[tokio::test]
async fn a_full_disk_refuses_entries_and_still_serves() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    add(&log, 0).await.unwrap();
    log.set_disk_full(true);
    assert_eq!(add(&log, 1).await, Err(AddError::DiskFull));
    assert!(log.receipt(LeafIndex::new(0)).unwrap().is_some());
    log.set_disk_full(false);
    assert_eq!(add(&log, 1).await.unwrap().as_u64(), 1);
}

#[tokio::test]
async fn the_covering_head_is_the_first_that_covered() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    for number in 0..5 {
        add(&log, number).await.unwrap();
    }
    let head = log.head_covering(LeafIndex::new(2)).unwrap().unwrap();
    let head = tlog::checkpoint::SignedCheckpoint::parse(&head).unwrap();
    assert_eq!(head.checkpoint().size().as_u64(), 3);
    assert!(log.head_covering(LeafIndex::new(5)).unwrap().is_none());
    assert!(log.published_covering(LeafIndex::new(5), Duration::ZERO).await.is_none());
}

#[tokio::test]
async fn many_at_once_with_the_same_entry_get_one_index() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start::<MemoryStore>(store).unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn({
                let log = log.clone();
                async move { add(&log, 1).await.unwrap() }
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), LeafIndex::new(0));
    }
    assert_eq!(log.published().size().as_u64(), 1);
}

#[tokio::test]
async fn a_commit_that_the_anchor_does_not_have_is_not_shown_by_any_call() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    add(&log, 0).await.unwrap();
    // as between a commit's two syncs: the store has more than was published
    log.store().set_leaf(Hash::leaf(&entry(1)), Some(1));
    log.store().set_head(2, Some(Bytes::from_static(b"unpublished")));
    assert_eq!(log.find(&Hash::leaf(&entry(0))).unwrap(), Some(LeafIndex::new(0)));
    assert_eq!(log.find(&Hash::leaf(&entry(1))).unwrap(), None);
    assert_eq!(log.head_covering(LeafIndex::new(1)).unwrap(), None);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_stops_the_write_side() {
    let (fixture, store) = Fixture::new();
    let (log, mut write_side) = fixture.start(store).unwrap();
    add(&log, 0).await.unwrap();
    log.store().lose_entry(0);
    assert!(log.bundle(BundleId::new(0, 1).unwrap()).is_err());
    assert_eq!(add(&log, 1).await, Err(AddError::Failed));
    write_side.ended().await.unwrap();
}

#[tokio::test]
async fn a_draining_log_says_so_and_still_adds_what_has_begun() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    assert_eq!(log.accepting(), Ok(()));
    log.drain();
    assert_eq!(log.accepting(), Err(AddError::ShuttingDown));
    assert_eq!(add(&log, 0).await.unwrap().as_u64(), 0);
}
