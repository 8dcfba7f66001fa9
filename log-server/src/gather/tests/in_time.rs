//! What depends on time, in a time that passes only when nothing else happens.

use tlog::checkpoint::{Checkpoint, Origin};
use tokio::task::JoinHandle;

use super::*;
use crate::queue::QueueLimits;
use crate::startup::stored_root;

/// Gathering alone, with a test in the place of the sequencer.
struct Rounds {
    store: Arc<MemoryStore>,
    queue: Arc<Queue>,
    committed: watch::Sender<Arc<Head>>,
    published: watch::Receiver<Arc<Head>>,
    metrics: GatherMetrics,
    task: JoinHandle<Result<(), GatherError>>,
}

impl Rounds {
    /// A store with a hundred entries, of which one is committed. Time stands still from here on.
    async fn start(world: &World, store: MemoryStore) -> Self {
        let kept = store.reopen();
        let (log, mut write_side) = world.fixture.start(store).unwrap();
        for outcome in log.add_batch((0..100).map(entry)).await {
            outcome.unwrap();
        }
        log.close();
        write_side.ended().await.unwrap();
        kept.become_copy_of(log.store());
        tokio::time::pause();

        let store = Arc::new(kept);
        let queue = Arc::new(Queue::new(QueueLimits::default()));
        queue.hold(AddError::AskingWitnesses);
        let (committed, receiver) = watch::channel(Arc::new(head_of(&store, 1)));
        let gathering = world.gathering();
        let metrics = gathering.metrics.clone();
        let log_key = key().verifier_key().clone();
        let (gatherer, published, _) =
            Gatherer::new(Arc::clone(&store), Arc::clone(&queue), log_key, gathering, receiver, head_of(&store, 0));
        Rounds { store, queue, committed, published, metrics, task: tokio::spawn(gatherer.run()) }
    }

    fn commit(&self, size: u64) {
        self.committed.send_replace(Arc::new(head_of(&self.store, size)));
    }

    async fn published(&mut self, size: u64) {
        self.published.wait_for(|head| head.size().as_u64() >= size).await.unwrap();
    }
}

fn head_of(store: &MemoryStore, size: u64) -> Head {
    let root = stored_root(store, TreeSize::new(size)).unwrap();
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), root);
    Head::new(SignedCheckpoint::sign(&checkpoint, &[&key()]).unwrap())
}

#[tokio::test]
async fn a_witness_that_is_slow_by_a_minute_holds_up_nobody_and_gets_the_newest_head_when_it_is_done() {
    let (mut world, store) = World::new();
    world.options.deadline = Duration::from_secs(90);
    world.witnesses[2].behave(Manner::Slow(Duration::from_secs(60)));
    let mut rounds = Rounds::start(&world, store).await;
    let begin = Instant::now();
    for size in 1..=20 {
        rounds.commit(size);
        rounds.published(size).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(rounds.queue.closed(), None, "two of three have said enough");
    rounds.published.wait_for(|head| world.signers(head).len() == 6).await.unwrap();
    assert_eq!(world.witnesses[2].asked(), [1, 20]);
    assert!(begin.elapsed() < Duration::from_secs(121), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_witness_that_does_not_answer_by_its_deadline_is_given_up_and_asked_again() {
    let (world, store) = World::new();
    world.witnesses[2].behave(Manner::Slow(Duration::from_secs(60)));
    let mut rounds = Rounds::start(&world, store).await;
    rounds.published(1).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    // A deadline of five seconds and pauses from a quarter of one up to five.
    assert_eq!(rounds.metrics.failures("w3-ed", Reason::TimedOut), 5);
    world.witnesses[2].behave(Manner::Honest);
    rounds.published.wait_for(|head| world.signers(head).len() == 6).await.unwrap();
}

#[tokio::test]
async fn a_round_without_a_quorum_gives_way_to_a_newer_head() {
    let (world, store) = World::new();
    let mut rounds = Rounds::start(&world, store).await;
    rounds.published(1).await;
    world.behave([Manner::Honest, Manner::Dead, Manner::Dead]);
    rounds.commit(2);
    until(|| world.witnesses[0].size() == 2).await;
    rounds.commit(3);
    let begin = Instant::now();
    until(|| world.witnesses[0].size() == 3).await;
    assert!(begin.elapsed() > Duration::from_secs(9), "the round had its time: {:?}", begin.elapsed());
    world.behave(HONEST);
    rounds.published(3).await;
    assert_eq!(rounds.published.borrow().size().as_u64(), 3);
}

#[tokio::test]
async fn a_witness_is_left_alone_for_the_interval_however_much_is_committed() {
    let (mut world, store) = World::new();
    world.options.min_interval = Duration::from_secs(1);
    let mut rounds = Rounds::start(&world, store).await;
    for size in 1..=100 {
        rounds.commit(size);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    rounds.published(100).await;
    for witness in &world.witnesses {
        assert!((10..=12).contains(&witness.asked().len()), "{:?}", witness.asked());
    }
}

#[tokio::test]
async fn a_witness_is_left_alone_for_as_long_as_it_asks_and_no_longer_than_a_minute() {
    for (wish, pause) in [(20, 20), (86_400, 60)] {
        let (world, store) = World::new();
        world.behave([Manner::Honest, Manner::Honest, Manner::Busy(wish)]);
        let mut rounds = Rounds::start(&world, store).await;
        rounds.published(1).await;
        until(|| rounds.metrics.failures("w3-ed", Reason::TooOften) == 1).await;
        tokio::time::sleep(Duration::from_secs(pause * 10 + pause / 2)).await;
        assert_eq!(rounds.metrics.failures("w3-ed", Reason::TooOften), 11);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn gathering_ends_when_the_sequencer_has() {
    let (world, store) = World::new();
    let mut rounds = Rounds::start(&world, store).await;
    rounds.published(1).await;
    drop(rounds.committed);
    rounds.task.await.unwrap().unwrap();
}
