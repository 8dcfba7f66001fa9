#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tlog::Hash;
use tlog::tiles::{BundleId, TileId, parse_bundle};

use super::*;
use crate::fixture::{Fixture, entry, fill};
use crate::log::WriteSide;
use crate::store::MemoryStore;

/// Full tiles of the log that is read.
const TILES: u64 = 40;

fn id(number: u64) -> TileId {
    TileId::new(0, number, 256).unwrap()
}

fn expected(number: u64) -> Vec<u8> {
    (number * 256..(number + 1) * 256).flat_map(|index| *Hash::leaf(&entry(index)).as_bytes()).collect()
}

fn assert_is(number: u64, read: &Result<Option<Bytes>, Problem>) {
    assert!(read.as_ref().is_ok_and(|read| read.as_ref().is_some_and(|bytes| *bytes == expected(number))), "tile {number}: {read:?}");
}

async fn read(reads: &Arc<Readers<MemoryStore>>, number: u64) -> Result<Option<Bytes>, Problem> {
    reads.read(Resource::Tile(id(number)), None).await.map(|(bytes, _)| bytes)
}

/// A log of [`TILES`] full tiles that is read by as many readers as there are permits.
async fn reads(permits: usize) -> (Fixture, WriteSide, Arc<Readers<MemoryStore>>) {
    let (fixture, store) = Fixture::new();
    fill(&fixture, store.reopen(), 0).await;
    let (log, write_side) = fixture.start(store).unwrap();
    for outcome in log.add_batch((0..TILES * 256).map(entry)).await {
        outcome.unwrap();
    }
    (fixture, write_side, Arc::new(Readers::new(log, Arc::new(Semaphore::new(permits)), 4)))
}

/// Has a request begin to wait, without giving way to others: it is polled once, and nothing else is.
macro_rules! begin {
    ($read:ident = $reads:ident[$number:expr]) => {
        let mut $read = pin!(read(&$reads, $number));
        let waits = poll_fn(|context| Poll::Ready($read.as_mut().poll(context).is_pending())).await;
        assert!(waits, "nobody reads yet");
    };
}

/// Waits until so many reads are held by the store.
async fn until_held(reads: &Readers<MemoryStore>, count: usize) {
    while reads.log.store().held_reads() < count {
        yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_at_the_same_time_gets_what_they_asked_for() {
    let (_fixture, _write_side, reads) = reads(3).await;
    let ask = |number| {
        let reads = Arc::clone(&reads);
        (number, tokio::spawn(async move { read(&reads, number).await }))
    };
    for (number, asked) in (0..10 * TILES).map(|count| ask(count * 7 % TILES)).collect::<Vec<_>>() {
        assert_is(number, &asked.await.unwrap());
    }
    assert!(read(&reads, TILES).await.is_ok_and(|read| read.is_none()), "the tree has no such tile");
    let queue = reads.queue();
    assert_eq!((queue.readers, queue.waiting.len(), queue.read.len()), (0, 0, 0));
}

#[tokio::test]
async fn a_read_that_never_ends_holds_up_nothing_but_itself() {
    let (_fixture, _write_side, reads) = reads(2).await;
    reads.log.store().hold_tile(0, 1);
    begin!(before = reads[0]);
    begin!(held = reads[1]);
    begin!(behind = reads[2]);
    // The one was read and not answered when the other did not end.
    assert_is(0, &before.await);
    assert_is(2, &behind.await);
    assert_is(3, &read(&reads, 3).await);
    until_held(&reads, 1).await;
    assert!(timeout(Duration::ZERO, &mut held).await.is_err());
    reads.log.store().release();
    assert_is(1, &held.await);
}

#[tokio::test]
async fn no_more_is_read_at_a_time_than_there_are_permits() {
    let (_fixture, _write_side, reads) = reads(2).await;
    reads.log.store().hold_tile(0, 1);
    begin!(one = reads[1]);
    begin!(other = reads[1]);
    begin!(third = reads[1]);
    let all_held = async {
        until_held(&reads, 2).await;
        assert!(timeout(4 * PATIENCE, read(&reads, 2)).await.is_err());
        assert_eq!(reads.log.store().held_reads(), 2);
        reads.log.store().release();
    };
    let (one, other, third, ()) = tokio::join!(&mut one, &mut other, &mut third, all_held);
    [one, other, third].into_iter().for_each(|read| assert_is(1, &read));
    assert_is(2, &read(&reads, 2).await);
}

#[tokio::test]
async fn of_requests_that_are_gone_no_more_is_kept_than_of_others() {
    let (_fixture, _write_side, reads) = reads(1).await;
    reads.log.store().hold_tile(0, 1);
    begin!(held = reads[1]);
    until_held(&reads, 1).await;
    for _ in 0..100 {
        begin!(_gone = reads[2]);
    }
    assert!(reads.queue().waiting.len() <= reads.many);
    reads.log.store().release();
    assert_is(1, &held.await);
    assert_is(2, &read(&reads, 2).await);
}

#[tokio::test]
async fn damage_is_an_error_and_stops_the_log() {
    let (_fixture, mut write_side, reads) = reads(2).await;
    reads.log.store().lose_tile(0, 1);
    assert_eq!(read(&reads, 1).await, Err(Problem::Internal));
    assert_is(2, &read(&reads, 2).await);
    assert!(reads.log.add_batch([entry(0)]).await.iter().all(Result::is_err));
    write_side.ended().await.unwrap();
}

#[tokio::test]
async fn a_bundle_comes_with_its_permit_which_a_client_that_leaves_gives_back() {
    let (_fixture, _write_side, reads) = reads(1).await;
    let memory = Arc::new(Semaphore::new(1));
    let permit = || Arc::clone(&memory).try_acquire_owned().unwrap();
    let bundle = Resource::Bundle(BundleId::new(3, 256).unwrap());
    let (bytes, kept) = reads.read(bundle, Some(permit())).await.unwrap();
    assert_eq!(parse_bundle(&bytes.unwrap(), 256).unwrap()[255], entry(4 * 256 - 1));
    assert_eq!(memory.available_permits(), 0);
    drop(kept);
    reads.log.store().hold_tile(0, 1);
    begin!(held = reads[1]);
    until_held(&reads, 1).await;
    {
        let mut gone = pin!(reads.read(bundle, Some(permit())));
        assert!(timeout(Duration::ZERO, &mut gone).await.is_err());
    }
    reads.log.store().release();
    assert_is(1, &held.await);
    // It is behind what was held, and nobody reads it.
    assert_is(2, &read(&reads, 2).await);
    assert_eq!(memory.available_permits(), 1);
}
