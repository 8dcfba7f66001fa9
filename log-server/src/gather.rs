//! Gathering cosignatures: what stands between a committed head and a published one, where the log's policy has witnesses.
//!
//! The sequencer hands over each head once it is durable and anchored. One *round* at a time is about one of them, the newest when the
//! round began: every witness is asked to cosign it, each by a task of its own (`witness`) that remembers which size that witness
//! cosigned last. As soon as the policy's quorum holds the head is written with its cosignatures, synced, and only then served; and if
//! more was committed meanwhile, the next round begins. Cosignatures that come late are added to the served head.
//!
//! A witness that is slow or dead holds up nobody: the others are not waited for once the quorum holds, and whoever is done gets the
//! newest head next, whatever it had before. While there is no quorum the last published head stays.
//!
//! **Invariant.** A head that is served meets the policy, except one that was published before the policy had witnesses: that one stays
//! until the first that does. A served head never has fewer signatures than before.
//!
//! **Starting.** All that witnesses can have seen of this log is at or below its newest committed head. So the first round is about that
//! one, and the queue takes nothing in before the round has told enough: every witness that cosigned has seen nothing that this store
//! does not have. Those that gave no conclusive answer (dead, lying, or anything between) may have seen more; once they could not form a
//! quorum without the others, no head that a client accepts can be ahead of the store, and the write side opens. A witness that *shows*
//! a head under the log's own signature that is ahead of the store, or has another root, ends the process: then or later. A number
//! alone proves nothing, so a witness that lies can be no worse than a dead one.
//!
//! Nothing here uses threads or reads a clock but tokio's and the one that it is given, so that a simulation decides the order of all that
//! happens.

mod conversation;
mod http;
mod metrics;
mod other_history;
mod partner;
mod proof;
mod transport;
mod witness;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::key::VerifierKey;
use tlog::note::Signature;
use tlog::policy::Policy;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::conversation::NotCosigned;
use self::partner::Partner;
use self::witness::{Asker, Report};
use crate::head::Head;
use crate::queue::Queue;
use crate::store::{Store, StoreError};

pub use self::http::{Http, HttpError};
pub use self::metrics::{GatherMetrics, Reason, Standing, Standings};
pub use self::other_history::OtherHistory;
pub use self::partner::{UnusablePolicy, check_addresses};
pub use self::transport::{MAX_ANSWER, Request, Response, Transport, TransportError};

/// How the witnesses are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherOptions {
    /// From one request of a witness to the next, at least.
    pub min_interval: Duration,
    /// How long a witness may take to answer, with all that is asked of it for one head.
    pub deadline: Duration,
    /// How many entries may be committed that no published head covers before nothing more is taken in.
    pub max_backlog: u64,
}

impl Default for GatherOptions {
    fn default() -> Self {
        GatherOptions { min_interval: Duration::from_millis(50), deadline: Duration::from_secs(5), max_backlog: 1_000_000 }
    }
}

/// Where the time of day comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock::new(SystemTime::now)
    }

    /// Another clock, such as a simulation's.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// What time it is.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// All that a log needs to have its heads cosigned.
#[derive(Debug)]
pub struct Gathering<T> {
    /// Whom to ask, and how many have to agree.
    pub policy: Policy,
    /// How they are asked.
    pub options: GatherOptions,
    /// How they are reached.
    pub transport: T,
    /// Times that witnesses state are compared with it.
    pub clock: Clock,
    /// Where it is counted what they answer.
    pub metrics: GatherMetrics,
    /// The directory for a file of evidence, should a witness show that this log has two histories.
    pub evidence: Option<PathBuf>,
}

/// Why gathering ended. The write side ends with it.
#[derive(Debug)]
pub(crate) enum GatherError {
    /// The store failed.
    Store(StoreError),
    /// A witness has seen another history.
    OtherHistory(Box<OtherHistory>),
    /// A task ended without saying why.
    Panicked,
}

impl From<StoreError> for GatherError {
    fn from(error: StoreError) -> Self {
        GatherError::Store(error)
    }
}

/// What all tasks of a log's gathering share.
#[derive(Debug)]
struct Shared<S, T> {
    store: Arc<S>,
    gathering: Gathering<T>,
    /// The key that the log signs with.
    log_key: VerifierKey,
    partners: Vec<Partner>,
    standings: Arc<Standings>,
    /// The newest committed head.
    committed: watch::Receiver<Arc<Head>>,
}

/// The task that leads the rounds. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Gatherer<S, T> {
    shared: Arc<Shared<S, T>>,
    queue: Arc<Queue>,
    /// What every witness is asked to cosign now.
    target: watch::Sender<Arc<Head>>,
    published: watch::Sender<Arc<Head>>,
    round: Round,
    /// Until the queue is open: which partners gave a conclusive answer.
    gate: Option<Vec<bool>>,
}

/// The head that the witnesses are asked for, with what they have answered.
#[derive(Debug)]
struct Round {
    signed: SignedCheckpoint,
    began: Instant,
    /// Whether the quorum holds, so that the head is published.
    met: bool,
    /// Whether it gives way to a newer head, if there is one: its quorum holds, or its time is up.
    over: bool,
}

impl<S: Store, T: Transport> Gatherer<S, T> {
    /// Begins with the newest committed head and the one that is served. The queue must be held; it is opened when the witnesses allow it.
    pub(crate) fn new(
        store: Arc<S>,
        queue: Arc<Queue>,
        log_key: VerifierKey,
        gathering: Gathering<T>,
        committed: watch::Receiver<Arc<Head>>,
        served: Head,
    ) -> (Self, watch::Receiver<Arc<Head>>, Arc<Standings>) {
        let partners = Partner::all(&gathering.policy);
        let standings = Arc::new(Standings::new(&partners));
        let newest = Arc::clone(&committed.borrow());
        let (target, _) = watch::channel(Arc::clone(&newest));
        let (published, receiver) = watch::channel(Arc::new(served));
        let gate = Some(vec![false; partners.len()]);
        let shared = Shared { store, gathering, log_key, partners, standings: Arc::clone(&standings), committed };
        let round = Round::begin(&newest, &published.borrow(), &shared.gathering.policy);
        (Gatherer { shared: Arc::new(shared), queue, target, published, round, gate }, receiver, standings)
    }

    /// Works until the sequencer has ended.
    pub(crate) async fn run(mut self) -> Result<(), GatherError> {
        let mut committed = self.shared.committed.clone();
        let (reports, mut reported) = mpsc::unbounded_channel();
        let mut askers = JoinSet::new();
        for number in 0..self.shared.partners.len() {
            askers.spawn(Asker::new(Arc::clone(&self.shared), number, self.target.subscribe(), reports.clone()).run());
        }
        loop {
            let time_up = self.round.began + self.shared.round_time();
            let next = self.next_round_at();
            tokio::select! {
                biased;
                Some(report) = reported.recv() => self.take(report)?,
                changed = committed.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(time_up), if !self.round.over => self.give_up_round(),
                () = sleep_until(next.unwrap_or(time_up)), if next.is_some() => self.next_round(),
                Some(_) = askers.join_next() => return Err(GatherError::Panicked),
            }
        }
    }

    /// Takes what came of asking one witness.
    fn take(&mut self, report: Report) -> Result<(), GatherError> {
        match report.outcome {
            Ok(lines) => {
                self.cosigned(report.partner, report.head.size(), &lines)?;
                self.agrees(report.partner);
                Ok(())
            }
            Err(NotCosigned::Inconclusive(_)) => Ok(()),
            Err(NotCosigned::OtherHistory(mut other)) => {
                other.keep(&self.shared.log_key, self.shared.gathering.evidence.as_deref());
                Err(GatherError::OtherHistory(other))
            }
            Err(NotCosigned::Store(error)) => Err(error.into()),
        }
    }

    /// Adds the lines to the head that they are of, if that is still of interest.
    fn cosigned(&mut self, partner: usize, size: TreeSize, lines: &[Signature]) -> Result<(), GatherError> {
        let keys = &self.shared.partners[partner].keys;
        if size == self.round.size() && !self.round.met {
            add(&mut self.round.signed, lines, keys);
            if self.shared.gathering.policy.verify(&self.round.signed).is_ok() {
                self.round.met = true;
                self.round.over = true;
                self.shared.gathering.metrics.quorum(self.shared.gathering.clock.now(), self.round.began.elapsed());
                return self.publish(self.round.signed.clone(), self.shared.gathering.clock.now());
            }
            return Ok(());
        }
        let served = Arc::clone(&self.published.borrow());
        if size == served.size() {
            let mut signed = served.checkpoint().clone();
            if add(&mut signed, lines, keys) {
                return self.publish(signed, served.at());
            }
        }
        Ok(())
    }

    /// Writes a head with its cosignatures, and then shows it.
    fn publish(&self, signed: SignedCheckpoint, at: SystemTime) -> Result<(), GatherError> {
        let head = Head::made_at(signed, at);
        on_disk(|| self.shared.store.publish(head.size(), &head.bytes()))?;
        self.published.send_replace(Arc::new(head));
        Ok(())
    }

    /// Opens the queue once those witnesses that have not agreed could not form a quorum without the others.
    fn agrees(&mut self, partner: usize) {
        // Nothing is committed before the queue is open, so whatever a witness cosigns until then is the newest committed head.
        let Some(gate) = &mut self.gate else { return };
        gate[partner] = true;
        let silent = |name| self.shared.partners.iter().zip(&*gate).all(|(partner, agreed)| !agreed || !partner.members.contains(name));
        let witnesses = self.shared.gathering.policy.witnesses();
        let inconclusive = witnesses.iter().map(|witness| witness.name()).filter(|name| silent(name));
        if !self.shared.gathering.policy.quorum_met(inconclusive) {
            self.gate = None;
            self.queue.open();
            tracing::info!("the witnesses have seen nothing that this log does not have: entries are taken in");
        }
    }

    fn give_up_round(&mut self) {
        self.round.over = true;
        self.shared.gathering.metrics.no_quorum();
        tracing::warn!(size = %self.round.size(), "too few witnesses have cosigned the newest head in time, so the last published one stays");
    }

    /// When the next round begins, if there is something for it: not before the witnesses may be asked again, so that it is about what is
    /// the newest head then.
    fn next_round_at(&self) -> Option<Instant> {
        let something_new = self.shared.committed.borrow().size() > self.round.size();
        (self.round.over && something_new).then(|| self.round.began + self.shared.gathering.options.min_interval)
    }

    fn next_round(&mut self) {
        let newest = Arc::clone(&self.shared.committed.borrow());
        self.round = Round::begin(&newest, &self.published.borrow(), &self.shared.gathering.policy);
        self.target.send_replace(newest);
    }
}

impl Round {
    fn begin(newest: &Head, served: &Head, policy: &Policy) -> Self {
        // What was served before keeps its cosignatures.
        let same = newest.size() == served.size();
        let signed = if same { served.checkpoint() } else { newest.checkpoint() }.clone();
        let met = same && policy.verify(&signed).is_ok();
        Round { signed, began: Instant::now(), met, over: met }
    }

    fn size(&self) -> TreeSize {
        self.signed.checkpoint().size()
    }
}

impl<S, T> Shared<S, T> {
    /// How long a round waits for its quorum before it gives way to a newer head. A witness may still be busy with the head before, and
    /// may then have to be left alone for a while: a shorter round could end before it was asked at all.
    fn round_time(&self) -> Duration {
        let GatherOptions { min_interval, deadline, .. } = self.gathering.options;
        min_interval + deadline + deadline
    }
}

/// Adds those of the lines whose key has not cosigned yet: when a head was first witnessed is worth more than when it was last. Says
/// whether there were any.
fn add(signed: &mut SignedCheckpoint, lines: &[Signature], keys: &[VerifierKey]) -> bool {
    let missing = |key: &&VerifierKey| !signed.note().signatures().iter().any(|line| line.is_of(key));
    let keys: Vec<VerifierKey> = keys.iter().filter(missing).cloned().collect();
    match signed.add_cosignatures(lines, &keys) {
        Ok(added) => added > 0,
        // A note holds more than 32 signatures of the longest kind.
        Err(error) => {
            tracing::warn!(%error, "a cosignature was left out");
            false
        }
    }
}

/// Does what may wait for the disk. Where there are several threads the others take over meanwhile; where there is one, as in a
/// simulation, all waits, and nothing depends on how threads happen to run.
fn on_disk<R>(work: impl FnOnce() -> R) -> R {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests;
