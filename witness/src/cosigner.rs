//! The write path: a request to cosign, from its bytes to signatures that may leave.
//!
//! ```text
//! verify the log's signature       no lock, no memory of the log
//! take the log's lock
//! read what was cosigned last
//! decide (tlog::witness)           refused: let go of the lock, keep evidence if there is some
//! sign, in memory
//! hand row and lock to the committer ──► ONE synced batch for all that wait
//! signatures leave          ◄── stored ──┘ then the locks are released
//! ```
//!
//! **Invariant.** What a signature states is on stable storage before the signature leaves, and between the reading of what was cosigned
//! last and that moment nobody else decides about the same log. So no two signatures of this witness contradict each other, whatever
//! clients, tasks and the power supply do. Signing comes before the sync, so that the signatures are stored in the same batch and monitors
//! get them; a signature that nobody has seen binds nobody.
//!
//! **Clients cannot cancel.** What has begun runs in a task of its own to its end.
//!
//! **Time.** A cosignature states the clock's time, but never one before that of the log's last cosignature: where the clock was set back, the
//! old time is stated until the clock has caught up. Readers would take a decreasing time for a witness that went back. What no rule can
//! mend is a clock that was far ahead: its time stands until it has passed. A clock at zero signs nothing.
//!
//! **Strangers.** Anybody can send a genuine checkpoint again. Within the second in which it was cosigned, the stored signatures are the
//! answer, without another write; and the log's rate counts only what is about to be written.

mod failed;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tlog::checkpoint::SignedCheckpoint;
use tlog::note::Signature;
use tlog::witness::{self, Accepted, AddCheckpoint, Latest, Refusal, SignSubtree, SubtreeRefusal, Verified};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::anchor::Anchor;
use crate::committer::{Committer, Stopped};
use crate::evidence::Evidences;
use crate::keys::Keys;
use crate::locks::{Guard, Locks};
use crate::logs::{Log, Logs};
use crate::metrics::Metrics;
use crate::rate::{Dripping, Rate};
use crate::store::{OriginHash, Row, Store, StoreError};

pub use failed::{CosignError, SubtreeError};

/// What of the write path can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory for requests that have been read and are not answered yet.
    pub pending: usize,
    /// How often one log may be cosigned; also how often parts of it may.
    pub rate: Option<Rate>,
}

/// What time it is.
pub struct Clock(Box<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// A clock that gives seconds since 1970; 0 for a time that cannot be stated.
    pub fn new(seconds: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Clock(Box::new(seconds))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&(self.0)()).finish()
    }
}

/// The parts that a [`Cosigner`] is made of.
#[derive(Debug)]
pub struct Parts<S> {
    /// What was cosigned.
    pub store: Arc<S>,
    /// The keys that cosign.
    pub keys: Keys,
    /// The logs to follow.
    pub logs: Arc<Logs>,
    /// Where evidence goes.
    pub evidence: Evidences,
    /// What time it is.
    pub clock: Clock,
    /// The instruments.
    pub metrics: Arc<Metrics>,
    /// Bounds.
    pub options: Options,
}

/// A handle on the write path; clones are the same one.
#[derive(Debug)]
pub struct Cosigner<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Cosigner<S> {
    fn clone(&self) -> Self {
        Cosigner { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<S> {
    parts: Parts<S>,
    locks: Locks,
    committer: Committer,
    /// For each KiB of [`Options::pending`] a permit.
    room: Arc<Semaphore>,
    /// For work that takes a processor for long: as many at once as there are processors, so that requests can still be read.
    slow: Semaphore,
    rate: Option<Dripping>,
}

/// The write side, from outside.
#[derive(Debug)]
pub struct WriteSide {
    committer: Committer,
    end: oneshot::Receiver<()>,
}

impl WriteSide {
    /// Resolves when the store has failed. The process must then end.
    pub async fn failed(&self) -> Arc<StoreError> {
        self.committer.failed().await
    }

    /// Takes nothing in any more, and resolves when all that waits has been stored.
    pub async fn close(mut self) -> Result<(), Arc<StoreError>> {
        self.committer.close();
        let _ = (&mut self.end).await; // it ends by being dropped
        if self.committer.has_failed() { Err(self.committer.failed().await) } else { Ok(()) }
    }
}

/// KiB that a request takes besides its own bytes: the row with its signatures, and what it is parsed into.
const OVERHEAD: usize = 10;

/// So many signature lines of a log are verified where requests are served; more are work for other threads.
const FEW_LINES: usize = 2;

impl<S: Store> Cosigner<S> {
    /// Starts the write path. Must be called in a tokio runtime.
    pub fn start(parts: Parts<S>) -> (Self, WriteSide) {
        Cosigner::start_with(parts, None)
    }

    /// As [`Cosigner::start`], with the anchor that vouches for the store at the next start.
    pub fn start_anchored(parts: Parts<S>, anchor: Anchor) -> (Self, WriteSide) {
        Cosigner::start_with(parts, Some(anchor))
    }

    fn start_with(parts: Parts<S>, anchor: Option<Anchor>) -> (Self, WriteSide) {
        let (committer, end) = Committer::start(Arc::clone(&parts.store), anchor, Arc::clone(&parts.metrics));
        (Cosigner::assemble(parts, committer.clone()), WriteSide { committer, end })
    }

    /// A write path without a thread of its own: each checkpoint is stored where it was decided upon, by itself. For simulations, in which
    /// nothing may depend on how threads happen to run. With Ed25519 keys only, no other thread takes part either.
    pub fn start_without_thread(parts: Parts<S>) -> Self {
        let committer = Committer::without_thread(Arc::clone(&parts.store), Arc::clone(&parts.metrics));
        Cosigner::assemble(parts, committer)
    }

    fn assemble(parts: Parts<S>, committer: Committer) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            locks: Locks::new(),
            committer,
            room: Arc::new(Semaphore::new((parts.options.pending / 1024).min(Semaphore::MAX_PERMITS))),
            slow: Semaphore::new(processors),
            rate: parts.options.rate.map(Dripping::new),
            parts,
        };
        Cosigner { inner: Arc::new(inner) }
    }

    /// The keys that cosign.
    pub fn keys(&self) -> &Keys {
        &self.inner.parts.keys
    }

    /// The logs that are followed.
    pub fn logs(&self) -> &Logs {
        &self.inner.parts.logs
    }

    /// Answers `add-checkpoint`: the lines of this witness's signatures, once they may leave.
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<String, CosignError> {
        let permit = self.enter(body.len()).ok_or(CosignError::Busy)?;
        let request = AddCheckpoint::parse(body)?;
        let inner = Arc::clone(&self.inner);
        let answer = tokio::spawn(async move {
            let answer = Box::pin(inner.add_checkpoint(request)).await;
            drop(permit);
            answer
        });
        let answer = answer.await.unwrap_or(Err(CosignError::Stopped));
        answer.inspect_err(|error| self.inner.parts.metrics.refused_total.with_label_values(&[error.name()]).inc())
    }

    /// Answers `sign-subtree`: the lines of this witness's signatures on the part of the log.
    pub async fn sign_subtree(&self, body: &[u8]) -> Result<String, SubtreeError> {
        let _permit = self.enter(body.len()).ok_or(SubtreeError::Busy)?;
        if self.keys().of_subtrees().is_empty() {
            return Err(SubtreeError::Unsupported);
        }
        let request = SignSubtree::parse(body)?;
        let answer = self.inner.clone().sign_subtree(request).await;
        answer.inspect_err(|error| self.inner.parts.metrics.refused_total.with_label_values(&[error.name()]).inc())
    }

    /// The newest cosigned checkpoint of a log, as a note with the log's signature and this witness's. `None` if there is none.
    pub fn checkpoint(&self, log: &OriginHash) -> Result<Option<Bytes>, CosignError> {
        let row = self.inner.row(log)?;
        // After a failed commit nobody knows whether what can be read now will be there after a restart.
        if self.inner.committer.has_failed() {
            return Err(CosignError::Stopped);
        }
        Ok(row.map(|row| row.note))
    }

    fn enter(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // What is parsed is about as long as the body, once for the request and once for what is kept of it.
        let kib = u32::try_from(bytes.div_ceil(1024) * 3 + OVERHEAD).ok()?;
        Arc::clone(&self.inner.room).try_acquire_many_owned(kib).ok()
    }
}

impl<S: Store> Inner<S> {
    async fn add_checkpoint(self: Arc<Self>, request: AddCheckpoint) -> Result<String, CosignError> {
        let origin = request.checkpoint().checkpoint().origin();
        let hash = OriginHash::of(origin);
        let Some(log) = self.parts.logs.get(&hash) else {
            return Err(Refusal::UnknownOrigin { origin: origin.clone() }.into());
        };
        let verified = self.verify(request, &log).await?;
        let guard = self.locks.lock(&hash).await;
        let row = self.row(&hash)?;
        let latest = row.as_ref().map_or(Latest::NEVER, |row| row.latest);
        let at = self.time(row.as_ref());
        let accepted = match verified.decide(&latest, &self.parts.keys.signing(), at) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                drop(guard);
                if let Some(row) = row {
                    self.keep_evidence(hash, &row, &log, &verified, &refusal).await;
                }
                return Err(refusal.into());
            }
        };
        if let Some(row) = row
            && let Some(lines) = self.signed_just_now(&row, &accepted)?
        {
            self.parts.metrics.repeated_total.inc();
            return Ok(lines);
        }
        if let Some(rate) = &self.rate {
            rate.take(&log.cosigned, Instant::now()).map_err(CosignError::TooOften)?;
        }
        let (lines, row) = Arc::clone(&self).cosign(accepted).await?;
        self.store(hash, row, guard).await?;
        Ok(lines)
    }

    /// Verifies the log's own signature. Where there are many lines of it, that takes too long for the threads that serve requests.
    async fn verify(&self, request: AddCheckpoint, log: &Arc<Log>) -> Result<Verified, CosignError> {
        let origin = log.origin();
        let of_log = request.checkpoint().note().signatures().iter().filter(|line| line.name.as_str() == origin).count();
        if of_log <= FEW_LINES {
            return Ok(witness::verify(&request, log.keys())?);
        }
        let log = Arc::clone(log);
        Ok(self.slowly(move || witness::verify(&request, log.keys())).await??)
    }

    /// What the cosignatures are to state: the clock's time, but nothing before the last.
    fn time(&self, row: Option<&Row>) -> u64 {
        let clock = (self.parts.clock.0)();
        let last = row.map_or(0, |row| row.at.get());
        let behind = last.saturating_sub(clock);
        self.parts.metrics.clock_behind_seconds.set(i64::try_from(behind).unwrap_or(i64::MAX));
        clock.max(last)
    }

    /// The signatures that were made for this very checkpoint at this very time, if they were.
    fn signed_just_now(&self, row: &Row, accepted: &Accepted) -> Result<Option<String>, CosignError> {
        if row.latest != accepted.latest() || row.at.get() != accepted.at().get() || self.committer.has_failed() {
            return Ok(None);
        }
        let stored = row.signed().map_err(|damage| self.committer.fail(damage.into()))?;
        let own = |line: &&Signature| self.parts.keys.verifier().iter().any(|key| line.is_of(key));
        let lines: Vec<Signature> = stored.note().signatures().iter().filter(own).cloned().collect();
        // Not where the log signs other extension lines now: those are part of what is signed.
        let same = stored.checkpoint() == accepted.checkpoint() && lines.len() == self.parts.keys.verifier().len();
        Ok(same.then(|| witness::print_cosignatures(&lines)))
    }

    /// Signs; gives the lines, and the row to store before they leave.
    async fn cosign(self: Arc<Self>, accepted: Accepted) -> Result<(String, Row), CosignError> {
        if !self.parts.keys.are_slow() {
            return self.cosign_now(&accepted);
        }
        let this = Arc::clone(&self);
        self.slowly(move || this.cosign_now(&accepted)).await?
    }

    fn cosign_now(&self, accepted: &Accepted) -> Result<(String, Row), CosignError> {
        let lines = accepted.cosign(&self.parts.keys.signing()).map_err(Refusal::CannotSign)?;
        let mut signed: SignedCheckpoint = accepted.signed().clone();
        for line in &lines {
            signed.add_signature(line.clone()).map_err(CosignError::TooLarge)?;
        }
        let row = Row { latest: accepted.latest(), at: accepted.at(), note: signed.to_bytes().into() };
        Ok((witness::print_cosignatures(&lines), row))
    }

    async fn store(&self, log: OriginHash, row: Row, guard: Guard) -> Result<(), Stopped> {
        let stored = self.committer.store(log, row, guard)?;
        stored.await.map_err(|_| Stopped)
    }

    /// Keeps what a refused request convicts its log of, if it does.
    async fn keep_evidence(&self, hash: OriginHash, row: &Row, log: &Log, refused: &Verified, refusal: &Refusal) {
        if !matches!(refusal, Refusal::OtherRoot { .. } | Refusal::Conflict { evidence: Some(_), .. } | Refusal::Inconsistent(_)) {
            return;
        }
        match row.signed() {
            Ok(known) => self.parts.evidence.keep(hash, log, &known, refused, &self.parts.metrics).await,
            Err(damage) => drop(self.committer.fail(damage.into())),
        }
    }

    async fn sign_subtree(self: Arc<Self>, request: SignSubtree) -> Result<String, SubtreeError> {
        let origin = request.checkpoint().checkpoint().origin();
        let Some(log) = self.parts.logs.get(&OriginHash::of(origin)) else {
            return Err(SubtreeRefusal::UnknownOrigin { origin: origin.clone() }.into());
        };
        let this = Arc::clone(&self);
        let signed = self.slowly(move || {
            let keys = &this.parts.keys;
            let accepted = witness::decide_subtree(&request, keys.verifier(), |_| true)?;
            if let Some(rate) = &this.rate {
                rate.take(&log.subtrees, Instant::now()).map_err(SubtreeError::TooOften)?;
            }
            let lines = accepted.cosign(&keys.of_subtrees()).map_err(SubtreeError::CannotSign)?;
            this.parts.metrics.subtrees_total.inc();
            Ok(witness::print_cosignatures(&lines))
        });
        signed.await.map_err(|Stopped| SubtreeError::Stopped)?
    }

    fn row(&self, log: &OriginHash) -> Result<Option<Row>, Stopped> {
        self.parts.store.row(log).map_err(|error| self.committer.fail(error))
    }

    /// Does something that takes a processor for long, beside the threads that serve requests.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
        let _permit = self.slow.acquire().await.map_err(|_| Stopped)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Stopped)
    }
}

#[cfg(test)]
mod tests;
