//! The queue between those who submit entries and the one thread that puts them in order.
//!
//! It is bounded by entries and by bytes, so that no load makes the process grow; what does not fit is refused at once. There is no
//! timer: the sequencer takes whatever is there, and while it syncs one batch the next one gathers.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

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

/// What becomes of an entry.
pub type Outcome = Result<LeafIndex, AddError>;

/// The promise of an index: it resolves when the entry is durable, in the tree, and covered by a signed head, or not added.
#[derive(Debug)]
#[must_use = "the index comes out of it"]
pub struct Ticket(oneshot::Receiver<Vec<Outcome>>);

impl Future for Ticket {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // A sequencer that is gone without an answer has failed.
        let outcome = |outcomes: Result<Vec<Outcome>, _>| outcomes.ok().and_then(|mut outcomes| outcomes.pop());
        Pin::new(&mut self.0).poll(cx).map(|outcomes| outcome(outcomes).unwrap_or(Err(AddError::Failed)))
    }
}

/// What becomes of entries that were handed in together: it resolves for all of them at once, as a [`Ticket`] does for one.
#[derive(Debug)]
#[must_use = "the indexes come out of it"]
pub struct Batch {
    len: usize,
    /// Those that are not taken in, by position.
    refused: Vec<(usize, AddError)>,
    /// For the others, if there are any.
    answer: Option<oneshot::Receiver<Vec<Outcome>>>,
}

impl Batch {
    /// Why entries were not taken in.
    pub fn refusals(&self) -> impl Iterator<Item = &AddError> {
        self.refused.iter().map(|(_, reason)| reason)
    }

    /// Why each was not taken in, without waiting for what becomes of the others.
    pub fn into_refusals(self) -> Vec<Option<AddError>> {
        let mut refusals = vec![None; self.len];
        for (position, reason) in self.refused {
            refusals[position] = Some(reason);
        }
        refusals
    }

    /// The promise of the index of the one entry, if it is one.
    pub(crate) fn into_ticket(mut self) -> Result<Ticket, AddError> {
        self.answer.map(Ticket).ok_or_else(|| self.refused.pop().map_or(AddError::Failed, |(_, reason)| reason))
    }
}

impl Future for Batch {
    type Output = Vec<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Outcome>> {
        let taken = match &mut self.answer {
            None => Vec::new(),
            Some(answer) => ready!(Pin::new(answer).poll(cx)).unwrap_or_default(),
        };
        if taken.len() == self.len {
            return Poll::Ready(taken);
        }
        let mut taken = taken.into_iter();
        let len = self.len;
        let mut refused = std::mem::take(&mut self.refused).into_iter().peekable();
        let outcomes = (0..len).map(|position| match refused.next_if(|(at, _)| *at == position) {
            Some((_, reason)) => Err(reason),
            None => taken.next().unwrap_or(Err(AddError::Failed)),
        });
        Poll::Ready(outcomes.collect())
    }
}

/// Entries that were handed in together and wait for their indexes. They leave the queue together, too.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The sequencer computes their leaf hashes again from what it is about to store.
    pub(crate) entries: Vec<Checked>,
    pub(crate) answer: oneshot::Sender<Vec<Outcome>>,
}

impl Waiting {
    fn weight(&self) -> usize {
        weight(&self.entries)
    }
}

fn weight(entries: &[Checked]) -> usize {
    entries.iter().map(Checked::weight).sum()
}

/// How much may wait, and how much of it goes into one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Entries that may wait.
    pub entries: usize,
    /// Bytes of memory that entries may take while they wait.
    pub bytes: usize,
    /// The most entries of one commit. Entries that were handed in together are never divided: they may be more.
    pub commit_entries: usize,
    /// The most bytes of entries of one commit, likewise.
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
    /// Entries of all that wait.
    entries: usize,
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
        (state.entries, state.bytes)
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

    /// Puts entries in that were handed in together, in their order: all that nothing is against so far, or, if there is no room for them,
    /// none.
    pub(crate) fn push(&self, entries: Vec<Result<Checked, AddError>>) -> Batch {
        let len = entries.len();
        let (mut taken, mut refused) = (Vec::with_capacity(len), Vec::new());
        for (position, entry) in entries.into_iter().enumerate() {
            match entry {
                Ok(checked) => taken.push(checked),
                Err(reason) => refused.push((position, reason)),
            }
        }
        if taken.is_empty() {
            return Batch { len, refused, answer: None };
        }
        let bytes = weight(&taken);
        let mut state = self.state();
        // What is too much for the limits themselves has its turn when nothing else waits, or it could be sent again for ever.
        let over = state.entries + taken.len() > self.limits.entries || state.bytes + bytes > self.limits.bytes;
        let full = over && !state.waiting.is_empty();
        if let Some(reason) = state.closed.clone().or_else(|| state.held.clone()).or(full.then_some(AddError::Overloaded)) {
            let mut before = refused.into_iter().peekable();
            let refused = (0..len).map(|position| before.next_if(|(at, _)| *at == position).unwrap_or((position, reason.clone())));
            return Batch { len, refused: refused.collect(), answer: None };
        }
        let (answer, receiver) = oneshot::channel();
        state.entries += taken.len();
        state.bytes += bytes;
        state.waiting.push_back(Waiting { entries: taken, answer });
        if state.idle && !state.waiting.is_empty() {
            state.idle = false;
            drop(state);
            self.arrived.notify_one();
        }
        Batch { len, refused, answer: Some(receiver) }
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
        let whole = state.entries <= self.limits.commit_entries && state.bytes <= self.limits.commit_bytes;
        let count = if whole { state.waiting.len() } else { self.commit_count(state) };
        let batch: Vec<Waiting> = state.waiting.drain(..count).collect();
        state.entries -= batch.iter().map(|waiting| waiting.entries.len()).sum::<usize>();
        state.bytes -= batch.iter().map(Waiting::weight).sum::<usize>();
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
        (state.entries, state.bytes) = (0, 0);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for Waiting { answer, entries } in waiting {
            let _ = answer.send(vec![Err(reason.clone()); entries.len()]); // a client that left needs no answer
        }
        self.arrived.notify_all();
    }

    /// How many of those that wait go into one commit: as many as it may have, and one at least.
    fn commit_count(&self, state: &State) -> usize {
        let (mut entries, mut bytes) = (0, 0);
        let fitting = state.waiting.iter().take_while(|waiting| {
            entries += waiting.entries.len();
            bytes += waiting.entries.iter().map(|checked| checked.entry.len()).sum::<usize>();
            entries <= self.limits.commit_entries && bytes <= self.limits.commit_bytes
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
        queue.push(vec![Ok(checked(vec![7; bytes].into()))]).into_ticket()
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

    #[tokio::test]
    async fn entries_that_come_together_go_together_or_not_at_all() {
        let queue = limits(5, 100, 4, 100);
        let batch = |entries: usize| {
            let mut batch: Vec<_> = (0..entries).map(|n| Ok(checked(vec![u8::try_from(n).unwrap(); 10].into()))).collect();
            batch.insert(1, Err(AddError::Empty));
            queue.push(batch)
        };
        let (first, second) = (batch(3), batch(2));
        assert_eq!(queue.depth(), (5, 50));
        let full = Err(AddError::Overloaded);
        assert_eq!(batch(2).await, [full.clone(), Err(AddError::Empty), full], "there is room for none of them");
        assert_eq!(
            queue.take().unwrap().iter().map(|waiting| waiting.entries.len()).collect::<Vec<_>>(),
            [3],
            "five are too many for a commit"
        );
        let waiting = queue.take().unwrap().pop().unwrap();
        let _too_many = batch(6);
        assert_eq!(queue.take().unwrap().len(), 1, "more than ever fit get in when nothing else waits");
        assert_eq!((waiting.entries.len(), queue.depth()), (2, (0, 0)));
        waiting.answer.send(vec![Ok(LeafIndex::new(7)), Ok(LeafIndex::new(8))]).unwrap();
        assert_eq!(second.await, [Ok(LeafIndex::new(7)), Err(AddError::Empty), Ok(LeafIndex::new(8))]);
        assert_eq!(batch(1).into_refusals(), [None, Some(AddError::Empty)]);
        let failed = Err(AddError::Failed);
        assert_eq!(first.await, [failed.clone(), Err(AddError::Empty), failed.clone(), failed], "whoever had them is gone");
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
