#![allow(clippy::unwrap_used, reason = "a test may fail")]

use prometheus::Registry;
use tlog::TreeSize;

use super::*;
use crate::anchor::{Anchored, OpenAnchorError};
use crate::fixture::{Fixture, ORIGIN, checked, empty_tree, entry, identity, key};
use crate::queue::QueueLimits;
use crate::store::MemoryStore;

/// A sequencer over an empty log, with three entries that wait and a queue that is closed behind them.
fn sequencer(fixture: &Fixture, store: &Arc<MemoryStore>) -> Sequencer<MemoryStore> {
    let head = Head::new(SignedCheckpoint::parse(&empty_tree().checkpoint).unwrap());
    let queue = Arc::new(Queue::new(QueueLimits::default()));
    let entries = (0..3).map(entry);
    drop(queue.push(entries.map(checked).map(Ok).collect()));
    queue.close(AddError::ShuttingDown);
    Sequencer {
        store: Arc::clone(store),
        queue,
        admission: Arc::new(Admission::Open),
        anchor: Anchor::open(&fixture.dir.path().join("anchor")).unwrap().0,
        edge: Appender::new(),
        signed_root: head.root(),
        log_id: identity().log_id,
        origin: Origin::for_new_log(ORIGIN).unwrap(),
        key: key(),
        publisher: Publisher::at_once(head).0,
        answers: mpsc::unbounded_channel().0,
        metrics: Arc::new(Metrics::new(&Registry::new()).unwrap()),
    }
}

#[test]
fn a_sound_edge_is_signed() {
    let (fixture, store) = Fixture::new();
    let store = Arc::new(store);
    sequencer(&fixture, &store).run().unwrap();
    assert_eq!(store.tree().unwrap().size.as_u64(), 3);
}

#[test]
fn an_edge_that_changed_in_memory_is_not_signed() {
    let (fixture, store) = Fixture::new();
    let store = Arc::new(store);
    let mut sequencer = sequencer(&fixture, &store);
    sequencer.edge = Appender::from_peaks(TreeSize::new(1), vec![Hash::leaf(b"another past")]).unwrap();
    assert!(matches!(sequencer.run(), Err(SequencerError::EdgeChanged)));
    assert_eq!(store.tree().unwrap().size, TreeSize::ZERO);
}

#[test]
fn an_anchor_that_cannot_be_written_stops_it_before_anything_leaves() {
    let (fixture, store) = Fixture::new();
    let store = Arc::new(store);
    let mut sequencer = sequencer(&fixture, &store);
    let (publisher, published) = Publisher::at_once(Head::new(SignedCheckpoint::parse(&empty_tree().checkpoint).unwrap()));
    let (answers, mut answered) = mpsc::unbounded_channel();
    (sequencer.publisher, sequencer.answers) = (publisher, answers);
    sequencer.anchor = Anchor::unwritable(&fixture.dir.path().join("anchor"));
    assert!(matches!(sequencer.run(), Err(SequencerError::Anchor(_))));
    assert_eq!(store.tree().unwrap().size.as_u64(), 3, "the store has the commit ...");
    assert_eq!(published.borrow().size(), TreeSize::ZERO, "... but nobody is shown it");
    assert!(answered.try_recv().is_err(), "and nobody gets an index");
    let anchored: Result<Anchored, OpenAnchorError> = Anchor::open(&fixture.dir.path().join("anchor")).map(|(_, anchored)| anchored);
    assert_eq!(anchored.unwrap().size, TreeSize::ZERO);
}
