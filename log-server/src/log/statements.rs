//! Statements in the sequencer, with a store that fails when it is told to.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use decision::ledger::{Fold, Refusal, Rules};

use super::*;
use crate::admission::Refused;
use crate::fixture::{Fixture, ORIGIN, charter, decision, key, registration, statements_store};
use crate::sequencer::SequencerError;
use crate::store::{Fault, MemoryStore};

async fn add(log: &Log<MemoryStore>, entry: Bytes) -> Result<u64, AddError> {
    Ok(log.add(entry)?.await?.as_u64())
}

/// A log with charter and issuer.
async fn log(fixture: &Fixture) -> (Log<MemoryStore>, WriteSide) {
    let (log, write_side) = fixture.start(statements_store()).unwrap();
    assert_eq!(add(&log, charter()).await, Ok(0));
    assert_eq!(add(&log, registration()).await, Ok(1));
    (log, write_side)
}

fn rows(store: &MemoryStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let visit = &mut |key: &[u8], row: &[u8]| {
        rows.push((key.to_vec(), row.to_vec()));
        true
    };
    store.ledger_scan(visit).unwrap();
    rows
}

/// The ledger is the one that a stranger draws from the entries.
fn is_in_order(store: &MemoryStore) {
    let size = store.tree().unwrap().size;
    assert_eq!(store.ledger_size().unwrap(), Some(size));
    let mut fold = Fold::new(Rules::new(ORIGIN, vec![key().verifier_key().clone()]));
    for entry in store.entries(LeafIndex::new(0), u16::try_from(size.as_u64()).unwrap()).unwrap() {
        assert_eq!(fold.push(&entry).unwrap(), None);
    }
    let drawn: Vec<_> = fold.ledger().rows().map(|(key, row)| (key.to_vec(), row.to_vec())).collect();
    assert_eq!(rows(store), drawn);
}

#[tokio::test]
async fn the_ledger_is_the_one_that_the_entries_give() {
    let (fixture, _) = Fixture::new();
    let (log, _write_side) = log(&fixture).await;
    for seq in [1, 2, 5] {
        add(&log, decision(seq, "a")).await.unwrap();
    }
    assert!(matches!(add(&log, decision(5, "b")).await, Err(AddError::Refused(_))));
    is_in_order(log.store());
    assert_eq!(log.published().size().as_u64(), 5);
}

#[tokio::test]
async fn of_two_in_one_commit_that_exclude_each_other_the_second_is_refused_by_the_first_ones_index() {
    let (fixture, _) = Fixture::new();
    let (log, _write_side) = log(&fixture).await;
    log.store().plan(Fault::Block);
    let first = log.add(decision(1, "holds up the sequencer")).unwrap();
    let gathered = log.add_batch([decision(2, "a"), decision(2, "b"), decision(2, "a")]);
    log.store().release();
    assert_eq!(first.await.unwrap().as_u64(), 2);
    let [admitted, refused, duplicate] = gathered.await.try_into().unwrap();
    let index = admitted.unwrap();
    let Err(AddError::Refused(refused)) = refused else { panic!("the number is used") };
    assert!(matches!(*refused, Refused::Rule(Refusal::NumberUsed { by, .. }) if by == index), "{refused}");
    assert_eq!(refused.existing(), Some(index));
    assert_eq!(duplicate.unwrap(), index);
    is_in_order(log.store());
}

#[tokio::test]
async fn a_commit_that_fails_tells_nobody_what_it_would_have_decided() {
    for fault in [Fault::Fail, Fault::FailAfterWriting] {
        let (fixture, _) = Fixture::new();
        let (log, mut write_side) = log(&fixture).await;
        log.store().plan(fault);
        let outcomes = log.add_batch([decision(1, "a"), decision(1, "b"), decision(1, "a")]).await;
        assert_eq!(outcomes, vec![Err(AddError::Failed); 3]);
        assert!(write_side.ended().await.is_err());
        let store = log.store().reopen();
        is_in_order(&store);
        let (log, _write_side) = fixture.start(store).unwrap();
        assert_eq!(add(&log, decision(1, "a")).await, Ok(2), "sent again it is there once");
        is_in_order(log.store());
    }
}

#[tokio::test]
async fn rows_that_a_commit_replaced_are_not_read_from_memory() {
    let (fixture, _) = Fixture::new();
    let (log, _write_side) = log(&fixture).await;
    for seq in 1..50 {
        assert_eq!(add(&log, decision(seq, "a")).await, Ok(seq + 1));
        assert!(matches!(add(&log, decision(seq, "b")).await, Err(AddError::Refused(_))), "number {seq} is used by now");
    }
    is_in_order(log.store());
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_stops_the_log_and_refuses_nothing() {
    let (fixture, _) = Fixture::new();
    let (log, mut write_side) = log(&fixture).await;
    log.store().set_ledger_row(b"sissuer.test\x002026", Some(&[0xff; 20]));
    assert_eq!(add(&log, decision(1, "a")).await, Err(AddError::Failed));
    assert!(matches!(write_side.ended().await, Err(SequencerError::Ledger)));
    assert_eq!(log.published().size().as_u64(), 2);
}

#[tokio::test]
async fn an_open_log_asks_nothing_and_keeps_no_ledger() {
    let (fixture, store) = Fixture::new();
    let (log, _write_side) = fixture.start(store).unwrap();
    assert_eq!(add(&log, decision(1, "a")).await, Ok(0));
    assert_eq!(add(&log, decision(1, "b")).await, Ok(1));
    assert_eq!(log.store().ledger_size().unwrap(), None);
    assert_eq!(log.status(LeafIndex::new(0)).unwrap(), None);
}
