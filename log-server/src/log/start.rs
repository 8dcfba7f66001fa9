//! Starting a log: the checks of [`crate::startup`], the sequencer's thread, and where there are witnesses the gathering of their
//! cosignatures.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use tlog::key::SigningKey;
use tlog::merkle::Appender;
use tlog::{Hash, TreeSize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{ByBytes, Inner, Log, Options, Witnessed, cache_items};
use crate::admission::Admission;
use crate::anchor::{Anchor, Anchored};
use crate::gather::{GatherError, Gatherer, Gathering, Transport};
use crate::head::{Head, Publisher};
use crate::metrics::Metrics;
use crate::queue::{AddError, Queue};
use crate::sequencer::{Answers, Sequencer, SequencerError};
use crate::startup::{self, StartupError};
use crate::store::Store;

/// The sequencer's thread, and what can stop it, from outside.
#[derive(Debug)]
pub struct WriteSide {
    sequencer: Ending,
    /// Why it was stopped, if not by itself.
    stopped: Stopped,
}

/// Resolves when a sequencer has ended.
pub(crate) type Ending = oneshot::Receiver<Result<(), SequencerError>>;

/// Why something else than the sequencer stopped the write side: set once, before the queue is closed.
type Stopped = Arc<Mutex<Option<SequencerError>>>;

/// What the checks of a start found, and what a log is made of afterwards.
struct Checked<S> {
    store: Arc<S>,
    key: SigningKey,
    anchor: Anchor,
    anchored: Anchored,
    /// The newest committed head, and the edge of its tree.
    head: Head,
    edge: Appender,
    /// The head that the world was shown last, if any was.
    published: Option<Head>,
    queue: Arc<Queue>,
    options: Options,
    metrics: Arc<Metrics>,
}

impl WriteSide {
    /// Resolves when the write side has ended: well after [`Log::close`], or with the error that it ended over. The process must then end.
    pub async fn ended(&mut self) -> Result<(), SequencerError> {
        (&mut self.sequencer).await.unwrap_or(Err(SequencerError::Panicked))?;
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

impl<S: Store> Log<S> {
    /// Checks that the log may be started (steps 2 to 4 of [`crate::startup`]) and starts it; each commit publishes its head. Must be
    /// called in a tokio runtime. `anchored` is what `anchor` says; it is brought up to the store's head, which may be one commit ahead,
    /// before anything leaves.
    pub fn start(
        store: S,
        key: SigningKey,
        anchor: (Anchor, Anchored),
        options: Options,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, WriteSide), StartupError> {
        let checked = Checked::check(store, key, anchor, options, metrics)?;
        // Under a policy that had witnesses they may never have cosigned the newest head. This policy has none.
        if checked.published.as_ref().map_or(TreeSize::ZERO, Head::size) < checked.head.size() {
            checked.store.publish(checked.head.size(), &checked.head.bytes())?;
        }
        let (publisher, published) = Publisher::at_once(checked.head.clone());
        checked.assemble(publisher, published.clone(), published, None, Stopped::default(), spawn)
    }

    /// As [`Log::start`], for a policy with witnesses: heads are published once its quorum has cosigned them. Until the witnesses have said
    /// enough of what they have seen (step 6 of [`crate::startup`]) the log is read only. If they have seen another history the write side
    /// ends.
    pub fn start_with_witnesses<T: Transport>(
        store: S,
        key: SigningKey,
        anchor: (Anchor, Anchored),
        options: Options,
        metrics: Arc<Metrics>,
        gathering: Gathering<T>,
    ) -> Result<(Self, WriteSide), StartupError> {
        Log::start_written_by(spawn, store, key, anchor, options, metrics, gathering)
    }

    /// As [`Log::start_with_witnesses`], where `write` sees to it that the sequencer works.
    pub(crate) fn start_written_by<T: Transport>(
        write: impl FnOnce(Sequencer<S>) -> Ending,
        store: S,
        key: SigningKey,
        anchor: (Anchor, Anchored),
        options: Options,
        metrics: Arc<Metrics>,
        gathering: Gathering<T>,
    ) -> Result<(Self, WriteSide), StartupError> {
        let checked = Checked::check(store, key, anchor, options, metrics)?;
        checked.queue.hold(AddError::AskingWitnesses);
        // What was published before the policy had witnesses stays until they have cosigned something; and before anything was published at
        // all, the log was empty.
        let served = match &checked.published {
            Some(published) => published.clone(),
            None => Head::of_empty_log(checked.head.checkpoint().checkpoint().origin(), &checked.key)
                .map_err(|_| StartupError::HeadNotSigned)?,
        };
        let max_backlog = gathering.options.max_backlog;
        let (publisher, committed) = Publisher::after_witnesses(checked.head.clone());
        let (store, queue, key) = (Arc::clone(&checked.store), Arc::clone(&checked.queue), checked.key.verifier_key().clone());
        let (gatherer, published, standings) = Gatherer::new(store, queue, key, gathering, committed.clone(), served);
        let (queue, stopped) = (Arc::clone(&checked.queue), Stopped::default());
        let guard = StopsAll { queue, stopped: Arc::clone(&stopped), ended_well: false };
        let started = checked.assemble(publisher, committed, published, Some(Witnessed { standings, max_backlog }), stopped, write)?;
        tokio::spawn(guard.watch(gatherer));
        Ok(started)
    }
}

impl<S: Store> Checked<S> {
    fn check(
        store: S,
        key: SigningKey,
        (mut anchor, anchored): (Anchor, Anchored),
        options: Options,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartupError> {
        let head = startup::check_identity(&store, key.verifier_key())?;
        let edge = startup::rebuild_edge(&store, &head)?;
        let published = startup::last_published(&store, key.verifier_key(), &head)?;
        startup::check_anchor(&store, &head, anchored)?;
        startup::check_ledger(&store, &head)?;
        anchor.record(head.anchored(anchored.log_id)).map_err(StartupError::Anchor)?;
        metrics.started(head.size());
        let queue = Arc::new(Queue::new(options.queue));
        Ok(Checked { store: Arc::new(store), key, anchor, anchored, head, edge, published, queue, options, metrics })
    }

    fn assemble(
        self,
        publisher: Publisher,
        committed: watch::Receiver<Arc<Head>>,
        published: watch::Receiver<Arc<Head>>,
        witnessed: Option<Witnessed>,
        stopped: Stopped,
        write: impl FnOnce(Sequencer<S>) -> Ending,
    ) -> Result<(Log<S>, WriteSide), StartupError> {
        let Checked { store, key, anchor, anchored, head, edge, queue, options, metrics, .. } = self;
        let verifier_key = key.verifier_key().clone();
        let origin = head.checkpoint().checkpoint().origin().clone();
        let admission = Arc::new(Admission::new(&store.identity()?, &verifier_key, options.admission));
        let (answers, answered) = mpsc::unbounded_channel();
        let signed_root: Hash = head.root();
        let sequencer = Sequencer {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            admission: Arc::clone(&admission),
            anchor,
            edge,
            signed_root,
            log_id: anchored.log_id,
            origin: origin.clone(),
            key,
            publisher,
            answers,
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(hand_out(answered));
        let write_side = WriteSide { sequencer: write(sequencer), stopped };
        let cache = Cache::with_weighter(cache_items(options.cache_bytes), options.cache_bytes, ByBytes);
        let (disk_full, draining) = (AtomicBool::new(false), AtomicBool::new(false));
        let key = verifier_key;
        let inner = Inner { store, queue, admission, metrics, published, committed, witnessed, origin, key, cache, disk_full, draining };
        Ok((Log { inner: Arc::new(inner) }, write_side))
    }
}

/// Stops the write side, however gathering ends but well.
struct StopsAll {
    queue: Arc<Queue>,
    stopped: Stopped,
    ended_well: bool,
}

impl StopsAll {
    async fn watch<S: Store, T: Transport>(mut self, gatherer: Gatherer<S, T>) {
        let error = match gatherer.run().await {
            Ok(()) => {
                self.ended_well = true;
                return;
            }
            Err(GatherError::Store(error)) => SequencerError::Store(error),
            Err(GatherError::OtherHistory(other)) => SequencerError::OtherHistory(other),
            Err(GatherError::Panicked) => SequencerError::Panicked,
        };
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

impl Drop for StopsAll {
    fn drop(&mut self) {
        if !self.ended_well {
            let _ = self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(SequencerError::Panicked);
            self.queue.fail(&AddError::Failed);
        }
    }
}

/// Gives each adder its index. One task for all, so that the sequencer wakes the runtime once a commit.
async fn hand_out(mut answered: mpsc::UnboundedReceiver<Answers>) {
    while let Some(answers) = answered.recv().await {
        for (answer, outcome) in answers {
            let _ = answer.send(outcome); // a client that left needs no answer
        }
    }
}

fn spawn<S: Store>(sequencer: Sequencer<S>) -> Ending {
    /// However the thread ends, nobody waits for it any more.
    struct Ended(Arc<Queue>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.fail(&self.0.closed().unwrap_or(AddError::Failed));
        }
    }
    let (done, ended) = oneshot::channel();
    let guard = Ended(Arc::clone(&sequencer.queue));
    std::thread::Builder::new()
        .name("sequencer".into())
        .spawn(move || {
            let _guard = guard;
            drop(done.send(sequencer.run())); // nobody asks any more once the server has returned
        })
        .expect("a thread can be started when the process starts");
    ended
}
