//! The queue between those who submit entries and the one thread that puts them in order.
//!
//! It is bounded by entries and by bytes, so that no load makes the process grow; what does not fit is refused at once. There is no
//! timer: the sequencer takes whatever is there, and while it syncs one batch the next one gathers.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tlog::LeafIndex;
use tokio::sync::oneshot;

use crate::admission::{Checked, Refused};

/// An entry was not added, and nothing of it is kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The entry has no bytes.
    #[error("the entry is empty: send the bytes that shall be published")]
    Empty,
    /// The entry is longer than the formats allow.
    #[error("the entry has {len} bytes, the most is 65,535: publish a digest of the document instead, and keep the document beside it")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The queue is full.
    #[error("the log is busy: send the entry again a little later")]
    Overloaded,
    /// The log has just started, and does not know yet whether its witnesses have seen more of it than it has.
    #[error(
        "the log has just started and is asking its witnesses whether they have seen more of it than it has: send the entry again in a few seconds"
    )]
    AskingWitnesses,
    /// Too many entries wait for a head that enough witnesses have cosigned.
    #[error("too many entries wait for the cosignatures of the log's witnesses: send the entry again when its published head has moved on")]
    Unwitnessed,
    /// The disk is nearly full, so nothing new is taken in.
    #[error("the log's disk is nearly full and it takes nothing new: tell its operator; what is published stays readable")]
    DiskFull,
    /// The log is shutting down.
    #[error("the log is shutting down: send the entry again in a minute")]
    ShuttingDown,
    /// The log has stopped writing because something went wrong. Whether this entry was written is decided at its next start.
    #[error("the log has stopped over an error: send the entry again later; if it was written after all, you will get its index then")]
    Failed,
    /// The entry is not one that this log takes in.
    #[error(transparent)]
    Refused(#[from] Box<Refused>),
}

impl From<Refused> for AddError {
    fn from(refused: Refused) -> Self {
        AddError::Refused(Box::new(refused))
    }
}

/// The promise of an index: it resolves when the entry is durable, in the tree, and covered by a signed head, or not added.
#[derive(Debug)]
#[must_use = "the index comes out of it"]
pub struct Ticket(oneshot::Receiver<Result<LeafIndex, AddError>>);

impl Future for Ticket {
    type Output = Result<LeafIndex, AddError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A sequencer that is gone without an answer has failed.
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(AddError::Failed)))
    }
}

/// An entry that waits for its index.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The sequencer computes its leaf hash again from what it is about to store.
    pub(crate) checked: Checked,
    pub(crate) answer: oneshot::Sender<Result<LeafIndex, AddError>>,
}

/// How much may wait, and how much of it goes into one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Entries that may wait.
    pub entries: usize,
    /// Bytes of memory that entries may take while they wait.
    pub bytes: usize,
    /// The most entries of one commit.
    pub commit_entries: usize,
    /// The most bytes of entries of one commit; a commit has at least one entry.
    pub commit_bytes: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        QueueLimits { entries: 65_536, bytes: 64 << 20, commit_entries: 16_384, commit_bytes: 16 << 20 }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Set once; what arrives afterwards gets this answer.
    closed: Option<AddError>,
    /// Set before the log starts, until it may write; what arrives meanwhile gets this answer.
    held: Option<AddError>,
    /// Whether the sequencer sleeps; only then is it worth a system call to wake it.
    idle: bool,
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Queue { limits, state: Mutex::default(), arrived: Condvar::new() }
    }

    /// Entries and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len(), state.bytes)
    }

    /// Why nothing is taken in, now or any more, if so.
    pub(crate) fn closed(&self) -> Option<AddError> {
        let state = self.state();
        state.closed.clone().or_else(|| state.held.clone())
    }

    /// Takes nothing in until [`Queue::open`]. As long as nothing comes in, the sequencer signs nothing.
    pub(crate) fn hold(&self, reason: AddError) {
        self.state().held = Some(reason);
    }

    /// Takes entries in from now on.
    pub(crate) fn open(&self) {
        self.state().held = None;
    }

    /// Puts entries in, in their order. Those that do not fit are refused, each by itself.
    pub(crate) fn push(&self, entries: impl IntoIterator<Item = Checked>, mut each: impl FnMut(Result<Ticket, AddError>)) {
        let mut state = self.state();
        for checked in entries {
            let weight = checked.weight();
            let full = state.waiting.len() >= self.limits.entries || state.bytes + weight > self.limits.bytes;
            let refusal = state.closed.clone().or_else(|| state.held.clone()).or(full.then_some(AddError::Overloaded));
            if let Some(refusal) = refusal {
                each(Err(refusal));
                continue;
            }
            let (answer, ticket) = oneshot::channel();
            state.bytes += weight;
            state.waiting.push_back(Waiting { checked, answer });
            each(Ok(Ticket(ticket)));
        }
        if state.idle && !state.waiting.is_empty() {
            state.idle = false;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until there is something, then takes all of it that one commit may have. `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed.is_some() {
                return None;
            }
            state.idle = true;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        Some(self.drain(&mut state))
    }

    /// Takes what one commit may have of what is there, without waiting for more. `None` once the queue is closed and empty.
    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        if state.waiting.is_empty() && state.closed.is_some() { None } else { Some(self.drain(&mut state)) }
    }

    fn drain(&self, state: &mut State) -> Vec<Waiting> {
        let whole = state.waiting.len() <= self.limits.commit_entries && state.bytes <= self.limits.commit_bytes;
        let count = if whole { state.waiting.len() } else { self.commit_count(state) };
        let batch: Vec<Waiting> = state.waiting.drain(..count).collect();
        state.bytes -= batch.iter().map(|waiting| waiting.checked.weight()).sum::<usize>();
        batch
    }

    /// Takes nothing in any more; what waits is still taken out.
    pub(crate) fn close(&self, reason: AddError) {
        let mut state = self.state();
        let _ = state.closed.get_or_insert(reason);
        drop(state);
        self.arrived.notify_all();
    }

    /// Takes nothing in any more and answers all that wait with `reason`.
    pub(crate) fn fail(&self, reason: &AddError) {
        let mut state = self.state();
        state.closed = Some(reason.clone());
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for Waiting { answer, .. } in waiting {
            let _ = answer.send(Err(reason.clone())); // a client that left needs no answer
        }
        self.arrived.notify_all();
    }

    fn commit_count(&self, state: &State) -> usize {
        let mut bytes = 0;
        let fitting = state.waiting.iter().take(self.limits.commit_entries).take_while(|waiting| {
            bytes += waiting.checked.entry.len();
            bytes <= self.limits.commit_bytes
        });
        fitting.count().max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock leaves the state half changed, so a poisoned lock is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::fixture::checked;

    fn push(queue: &Queue, bytes: usize) -> Result<Ticket, AddError> {
        let mut result = None;
        queue.push([checked(vec![7; bytes].into())], |each| result = Some(each));
        result.unwrap()
    }

    fn limits(entries: usize, bytes: usize, commit_entries: usize, commit_bytes: usize) -> Queue {
        Queue::new(QueueLimits { entries, bytes, commit_entries, commit_bytes })
    }

    #[test]
    fn what_does_not_fit_is_refused_and_fits_again_after_a_commit() {
        let queue = limits(2, 100, 10, 100);
        let _first = push(&queue, 10).unwrap();
        let _second = push(&queue, 10).unwrap();
        assert_eq!(push(&queue, 10).unwrap_err(), AddError::Overloaded, "by count");
        assert_eq!(queue.take().unwrap().len(), 2);
        let _third = push(&queue, 60).unwrap();
        assert_eq!(push(&queue, 60).unwrap_err(), AddError::Overloaded, "by bytes");
        assert_eq!(queue.take().unwrap().len(), 1);
        assert_eq!(queue.depth(), (0, 0));
    }

    #[test]
    fn a_commit_is_bounded_and_never_empty() {
        let queue = limits(100, 1000, 2, 50);
        let _tickets: Vec<_> = [10, 10, 10, 45, 60].into_iter().map(|bytes| push(&queue, bytes).unwrap()).collect();
        let sizes: Vec<usize> = (0..4).map(|_| queue.take().unwrap().len()).collect();
        assert_eq!(sizes, [2, 1, 1, 1], "two by count, 10 before 45 by bytes, 45 alone, and 60 although it is over the bound");
        assert_eq!(queue.depth(), (0, 0));
    }

    #[test]
    fn a_closed_queue_gives_out_what_it_has_and_takes_nothing() {
        let queue = limits(10, 100, 10, 100);
        let _ticket = push(&queue, 1).unwrap();
        queue.close(AddError::ShuttingDown);
        assert_eq!(push(&queue, 1).unwrap_err(), AddError::ShuttingDown);
        assert_eq!(queue.take().unwrap().len(), 1);
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_held_queue_takes_nothing_until_it_is_opened() {
        let queue = limits(10, 100, 10, 100);
        queue.hold(AddError::AskingWitnesses);
        assert_eq!(push(&queue, 1).unwrap_err(), AddError::AskingWitnesses);
        assert_eq!((queue.closed(), queue.depth()), (Some(AddError::AskingWitnesses), (0, 0)));
        queue.open();
        let _ticket = push(&queue, 1).unwrap();
        queue.close(AddError::ShuttingDown);
        assert_eq!(queue.closed(), Some(AddError::ShuttingDown));
    }

    #[tokio::test]
    async fn a_failed_queue_answers_everybody() {
        let queue = limits(10, 100, 10, 100);
        let ticket = push(&queue, 1).unwrap();
        queue.fail(&AddError::Failed);
        assert_eq!(ticket.await, Err(AddError::Failed));
        assert!(queue.take().is_none());
        assert_eq!(push(&queue, 1).unwrap_err(), AddError::Failed);
    }
}
