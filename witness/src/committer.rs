//! The one thread that writes: it takes what waits, stores all of it in one synced batch, and only then lets the answers go.
//!
//! **Group commit without a timer.** While one batch is being synced the next one gathers. With no load a batch has one row; under load it
//! grows by itself, up to what may be in progress at once.
//!
//! **Invariant.** Nobody is told that a row is stored before it is on stable storage, and a log's lock is released only after that. When a
//! commit fails its outcome is unknown until the store is opened again: nobody is told anything, the locks of its logs are never released,
//! and the process has to end.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use crate::anchor::Anchor;
use crate::locks::Guard;
use crate::metrics::Metrics;
use crate::store::{OriginHash, Row, Store, StoreError};

/// Nothing is written any more: the process is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// A row that waits to be stored.
#[derive(Debug)]
struct Waiting {
    log: OriginHash,
    row: Row,
    guard: Guard,
    stored: oneshot::Sender<()>,
}

/// What one commit lets go of. It is handed over together, because waking the runtime's threads once for each would cost a system call
/// for each.
type Released = Vec<(oneshot::Sender<()>, Guard)>;

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    closed: bool,
    /// Whether the thread sleeps; only then is it worth a system call to wake it.
    idle: bool,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

/// The way to the thread. Clones lead to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    queue: Arc<Queue>,
    failure: watch::Sender<Option<Arc<StoreError>>>,
    /// How to store a row at once, where there is no thread.
    here: Option<Here>,
}

/// Stores what waits, on the thread that calls it.
#[derive(Clone)]
struct Here(Arc<Commit>);

/// Stores a batch; see [`Committer::commit`].
type Commit = dyn Fn(&Committer, Vec<Waiting>) -> Option<Released> + Send + Sync;

impl fmt::Debug for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Here")
    }
}

impl Committer {
    /// Starts the thread. Must be called in a tokio runtime. The receiver resolves when it has ended, well or not.
    /// `anchor` is what vouches for the store at the next start.
    pub(crate) fn start<S: Store>(store: Arc<S>, anchor: Option<Anchor>, metrics: Arc<Metrics>) -> (Self, oneshot::Receiver<()>) {
        let (failure, _) = watch::channel(None);
        let committer = Committer { queue: Arc::default(), failure, here: None };
        let (ended, end) = oneshot::channel();
        let (released, mut releases) = mpsc::unbounded_channel::<Released>();
        tokio::spawn(async move {
            while let Some(batch) = releases.recv().await {
                let_go(batch);
            }
        });
        let thread = committer.clone();
        let spawned = std::thread::Builder::new().name("committer".to_owned()).spawn(move || {
            thread.run(&*store, anchor, &metrics, &released);
            // Whoever waits for the end may want to open the store again.
            drop(store);
            drop(ended);
        });
        spawned.expect("a process that just started can start a thread");
        (committer, end)
    }

    /// Without a thread: each row is stored where it is handed over, by itself.
    pub(crate) fn without_thread<S: Store>(store: Arc<S>, metrics: Arc<Metrics>) -> Self {
        let (failure, _) = watch::channel(None);
        let here = Here(Arc::new(move |committer: &Committer, batch| committer.commit(batch, &*store, None, &metrics)));
        Committer { queue: Arc::default(), failure, here: Some(here) }
    }

    /// Hands a row over. The receiver resolves once it is durable; it is dropped without a word when it may not be.
    pub(crate) fn store(&self, log: OriginHash, row: Row, guard: Guard) -> Result<oneshot::Receiver<()>, Stopped> {
        let (stored, durable) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(Stopped);
        }
        let waiting = Waiting { log, row, guard, stored };
        if let Some(Here(commit)) = &self.here {
            drop(state);
            let_go(commit(self, vec![waiting]).ok_or(Stopped)?);
            return Ok(durable);
        }
        state.waiting.push(waiting);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.queue.arrived.notify_one();
        }
        Ok(durable)
    }

    /// Takes nothing in any more. What waits is still stored.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.queue.arrived.notify_one();
    }

    /// Stops everything over an error of the store, whoever ran into it.
    pub(crate) fn fail(&self, error: StoreError) -> Stopped {
        self.failure.send_modify(|failure| {
            failure.get_or_insert_with(|| Arc::new(error));
        });
        self.close();
        Stopped
    }

    /// Whether the store has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Resolves when the store has failed, with the first failure.
    pub(crate) async fn failed(&self) -> Arc<StoreError> {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await.expect("the sender is in self");
        failed.clone().expect("it was waited for")
    }

    fn run<S: Store>(&self, store: &S, mut anchor: Option<Anchor>, metrics: &Metrics, released: &mpsc::UnboundedSender<Released>) {
        while let Some(batch) = self.take() {
            let Some(release) = self.commit(batch, store, anchor.as_mut(), metrics) else { return };
            // Without a receiver the runtime is gone, and nobody waits any more.
            let _ = released.send(release);
        }
        if let Some(Err(error)) = anchor.map(|mut anchor| record(&mut anchor, store)) {
            self.fail(error);
        }
    }

    /// Stores a batch. Gives what may be let go of then; nothing after a failure.
    fn commit<S: Store>(&self, batch: Vec<Waiting>, store: &S, anchor: Option<&mut Anchor>, metrics: &Metrics) -> Option<Released> {
        let begun = Instant::now();
        let mut rows = Vec::with_capacity(batch.len());
        let mut release = Vec::with_capacity(batch.len());
        for Waiting { log, row, guard, stored } in batch {
            rows.push((log, row));
            release.push((stored, guard));
        }
        let stored = store.commit(&rows).and_then(|()| match anchor {
            Some(anchor) if anchor.is_due(Instant::now()) => record(anchor, store),
            _ => Ok(()),
        });
        if let Err(error) = stored {
            self.fail(error);
            let behind = std::mem::take(&mut self.state().waiting);
            // Whether these rows are there is unknown, so nobody may decide upon their logs again. Who waits learns that it is over.
            release.into_iter().for_each(|(_, guard)| std::mem::forget(guard));
            behind.into_iter().for_each(|waiting| std::mem::forget(waiting.guard));
            return None;
        }
        metrics.committed(rows.len(), begun.elapsed());
        Some(release)
    }

    /// Waits until there is something, then takes all of it. `None` once it is closed and empty, and after a failure.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state.idle = true;
            state = self.queue.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        Some(std::mem::take(&mut state.waiting))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock leaves the state half changed.
        self.queue.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record<S: Store>(anchor: &mut Anchor, store: &S) -> Result<(), StoreError> {
    anchor.record(store.commits()?, Instant::now()).map_err(StoreError::Anchor)
}

/// Tells those who wait that their rows are durable, and then lets go of the locks.
fn let_go(released: Released) {
    let (answers, guards): (Vec<_>, Vec<_>) = released.into_iter().unzip();
    for stored in answers {
        let _ = stored.send(()); // who does not wait any more need not know
    }
    drop(guards);
}
