//! A running log: the handle that everything else in the server uses.
//!
//! Writing goes through [`Log::add`]: it hashes the entry and verifies its signatures on the caller's thread, puts it into the queue, and
//! gives a [`Ticket`]. How a log is started, with witnesses or without, is in `start`.
//! Reading goes to the store and never beyond the published head, so that nothing is shown that the log has not signed and its policy
//! not allowed. What is assembled from rows (full tiles and bundles) is cached, bounded by bytes.

mod proofs;
mod start;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use decision::ledger::{LedgerError, Status};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tlog::checkpoint::Origin;
use tlog::key::VerifierKey;
use tlog::tiles::{BundleId, MAX_ENTRY, Resource, TileId};
use tlog::{Hash, LeafIndex, TreeSize};
use tokio::sync::watch;

use crate::admission::{self, Admission, AdmissionOptions, Stored, Verdict};
use crate::gather::{Standing, Standings};
use crate::head::Head;
use crate::metrics::Metrics;
use crate::queue::{AddError, Batch, Queue, QueueLimits, Ticket};
use crate::store::{Admits, Damage, Store, StoreError};

pub use self::start::WriteSide;

/// What of a log can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How much may wait, and how much goes into one commit.
    pub queue: QueueLimits,
    /// Bytes of assembled tiles and bundles that are kept in memory.
    pub cache_bytes: u64,
    /// How statements are admitted, if the log takes only those.
    pub admission: AdmissionOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options { queue: QueueLimits::default(), cache_bytes: 64 << 20, admission: AdmissionOptions::default() }
    }
}

/// Something could not be read. The client is not at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored hashes do not prove the entry that is stored.
    #[error("the stored hashes do not lead from the entry at index {0} to the published root: run `acta-log fsck --dir DIR`")]
    ProofFails(LeafIndex),
    /// A row of the ledger cannot be read.
    #[error("the ledger is damaged: stop acta-log, run `acta-log rebuild-ledger --dir DIR`, then start it again")]
    Ledger,
}

impl From<LedgerError<StoreError>> for ReadError {
    fn from(error: LedgerError<StoreError>) -> Self {
        match error {
            LedgerError::Read(error) => ReadError::Store(error),
            _ => ReadError::Ledger,
        }
    }
}

/// A handle on a running log; clones are the same log.
#[derive(Debug)]
pub struct Log<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Log<S> {
    fn clone(&self) -> Self {
        Log { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<S> {
    store: Arc<S>,
    queue: Arc<Queue>,
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
    published: watch::Receiver<Arc<Head>>,
    /// The newest head, published or not.
    committed: watch::Receiver<Arc<Head>>,
    /// Where heads have to be cosigned before they are published.
    witnessed: Option<Witnessed>,
    origin: Origin,
    key: VerifierKey,
    cache: Cache<Resource, Bytes, ByBytes>,
    disk_full: AtomicBool,
    draining: AtomicBool,
}

/// What is known of a log's witnesses.
#[derive(Debug)]
struct Witnessed {
    standings: Arc<Standings>,
    /// How many entries may be committed that no published head covers before nothing more is taken in.
    max_backlog: u64,
}

/// An entry that was checked ahead of its turn.
#[derive(Debug)]
pub struct Candidate(Result<Verdict, AddError>);

impl Candidate {
    /// Whether nothing is against it so far.
    pub fn is_good(&self) -> bool {
        matches!(self.0, Ok(Verdict::Good(_)))
    }
}

impl<S: Store> Log<S> {
    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The key that verifies the log's heads.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.inner.key
    }

    /// The head that the world is shown.
    pub fn published(&self) -> Arc<Head> {
        Arc::clone(&self.inner.published.borrow())
    }

    /// Follows the published head.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Head>> {
        self.inner.published.clone()
    }

    /// The first published head that covers `index`, waiting for it at most `patience`.
    pub async fn published_covering(&self, index: LeafIndex, patience: Duration) -> Option<Arc<Head>> {
        let mut published = self.subscribe();
        let covering = published.wait_for(|head| head.size().contains(index));
        let head = tokio::time::timeout(patience, covering).await.ok()?.ok()?;
        Some(Arc::clone(&head))
    }

    /// Which entries the log takes in.
    pub fn admits(&self) -> Admits {
        self.inner.admission.admits()
    }

    /// Takes an entry in, to be answered by the ticket. Where statements are asked for, this verifies one.
    pub fn add(&self, entry: Bytes) -> Result<Ticket, AddError> {
        self.add_batch([entry]).into_ticket()
    }

    /// Takes several entries in; those that are accepted keep their order. If there is no room for them, none is.
    pub fn add_batch(&self, entries: impl IntoIterator<Item = Bytes>) -> Batch {
        self.submit(entries.into_iter().map(|entry| self.check(entry)).collect())
    }

    /// Checks an entry ahead of its turn: all that is costly. May read from the disk.
    pub fn check(&self, entry: Bytes) -> Candidate {
        Candidate(self.check_entry(entry))
    }

    fn check_entry(&self, entry: Bytes) -> Result<Verdict, AddError> {
        self.admit(&entry)?;
        let verdict = self.inner.admission.check(self.store(), entry, SystemTime::now());
        self.reading(|| Ok(verdict?)).map_err(|_| AddError::Failed)
    }

    /// Takes entries in that were checked; those that are accepted keep their order. Never waits.
    pub fn submit(&self, candidates: Vec<Candidate>) -> Batch {
        let candidates = candidates.into_iter().map(|candidate| candidate.0).collect();
        self.inner.queue.push(admission::settle(candidates, |refused| self.inner.metrics.refused(refused)))
    }

    /// The store under the log.
    pub fn store(&self) -> &S {
        &self.inner.store
    }

    /// Entries and bytes that wait for a commit.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.inner.queue.depth()
    }

    /// How many committed entries no published head covers.
    pub fn backlog(&self) -> u64 {
        let published = self.inner.published.borrow().size().as_u64();
        self.inner.committed.borrow().size().as_u64().saturating_sub(published)
    }

    /// How it stands with the witnesses, in the policy's order; none where the policy asks for none.
    pub fn witnesses(&self) -> Vec<Standing> {
        self.inner.witnessed.as_ref().map(|witnessed| witnessed.standings.all()).unwrap_or_default()
    }

    /// Whether so much waits for witnesses that nothing more is taken in.
    fn is_unwitnessed(&self) -> bool {
        self.inner.witnessed.as_ref().is_some_and(|witnessed| self.backlog() >= witnessed.max_backlog)
    }

    /// Whether entries are taken in; if not, why.
    pub fn accepting(&self) -> Result<(), AddError> {
        match self.inner.queue.closed() {
            Some(reason) => Err(reason),
            None if self.inner.draining.load(Ordering::Relaxed) => Err(AddError::ShuttingDown),
            None if self.inner.disk_full.load(Ordering::Relaxed) => Err(AddError::DiskFull),
            None if self.is_unwitnessed() => Err(AddError::Unwitnessed),
            None => Ok(()),
        }
    }

    /// Says whether the disk is too full to take entries in; gives what was said before.
    pub fn set_disk_full(&self, full: bool) -> bool {
        self.inner.disk_full.swap(full, Ordering::Relaxed)
    }

    /// Says that the log is about to be closed: whoever asks is told so, while requests that have begun may still add.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Takes nothing in any more; what waits is still committed, then the write side ends.
    pub fn close(&self) {
        self.inner.queue.close(AddError::ShuttingDown);
    }

    /// A resource that is in memory. Never waits for a disk.
    pub fn cached(&self, resource: Resource) -> Option<Bytes> {
        self.inner.cache.get(&resource)
    }

    /// A tile's bytes; `None` if the published tree does not have it. May read from the disk.
    pub fn tile(&self, id: TileId) -> Result<Option<Bytes>, ReadError> {
        if !id.is_within(self.published().size()) {
            return Ok(None);
        }
        self.reading(|| self.read_tile(id)).map(Some)
    }

    /// An entry bundle's bytes; `None` if the published tree does not have it. May read from the disk.
    pub fn bundle(&self, id: BundleId) -> Result<Option<Bytes>, ReadError> {
        if !id.is_within(self.published().size()) {
            return Ok(None);
        }
        self.reading(|| self.read_bundle(id)).map(Some)
    }

    /// The index of the entry with this leaf hash; `None` if the published head does not cover one.
    pub fn find(&self, leaf: &Hash) -> Result<Option<LeafIndex>, ReadError> {
        let size = self.published().size();
        self.reading(|| Ok(self.inner.store.find_leaves(&[*leaf])?.pop().flatten().filter(|index| size.contains(*index))))
    }

    /// The smallest published head that covers an entry, as a note; `None` if none does yet.
    pub fn head_covering(&self, index: LeafIndex) -> Result<Option<Bytes>, ReadError> {
        if !self.published().size().contains(index) {
            return Ok(None);
        }
        let size = TreeSize::new(index.as_u64().saturating_add(1));
        self.reading(|| Ok(self.inner.store.head_from(size)?.map(|(_, head)| head)))
    }

    /// What the ledger says of an entry, and after how many entries it says so, which may be more than are published; `None` if the log
    /// keeps no ledger, or has no such entry.
    pub fn status(&self, index: LeafIndex) -> Result<Option<(TreeSize, Status)>, ReadError> {
        let Some(rules) = self.inner.admission.rules() else { return Ok(None) };
        self.reading(|| {
            // A commit between two reads would show a part of it. A read takes microseconds and a commit far longer.
            loop {
                let before = self.store().ledger_size()?.ok_or(StoreError::from(Damage::MissingLedger))?;
                let status = rules.status(&Stored(self.store()), index)?;
                if self.store().ledger_size()? == Some(before) {
                    // Every entry of a log that takes only statements has a row.
                    return if before.contains(index) { Ok(Some((before, status.ok_or(ReadError::Ledger)?))) } else { Ok(None) };
                }
            }
        })
    }

    /// Reads, and stops the write side if that fails: over an error of the store nothing goes on.
    fn reading<T>(&self, read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
        read().inspect_err(|error| {
            tracing::error!("{error}");
            self.inner.queue.fail(&AddError::Failed);
        })
    }

    /// What can be said of an entry without looking into it.
    fn admit(&self, entry: &Bytes) -> Result<(), AddError> {
        if entry.is_empty() {
            return Err(AddError::Empty);
        }
        if entry.len() > MAX_ENTRY {
            return Err(AddError::TooLarge { len: entry.len() });
        }
        if self.inner.disk_full.load(Ordering::Relaxed) {
            return Err(AddError::DiskFull);
        }
        if self.is_unwitnessed() {
            return Err(AddError::Unwitnessed);
        }
        Ok(())
    }

    fn read_tile(&self, id: TileId) -> Result<Bytes, ReadError> {
        self.assembled(Resource::Tile(id), id.is_full(), || self.inner.store.tile_bytes(id))
    }

    fn read_bundle(&self, id: BundleId) -> Result<Bytes, ReadError> {
        self.assembled(Resource::Bundle(id), id.is_full(), || self.inner.store.bundle(id.first_index(), id.width()))
    }

    fn assembled(
        &self,
        resource: Resource,
        cache: bool,
        assemble: impl FnOnce() -> Result<Vec<u8>, StoreError>,
    ) -> Result<Bytes, ReadError> {
        if let Some(bytes) = self.cached(resource) {
            return Ok(bytes);
        }
        let bytes = Bytes::from(assemble()?);
        if cache {
            self.inner.cache.insert(resource, bytes.clone());
        }
        Ok(bytes)
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Resource, Bytes> for ByBytes {
    fn weight(&self, _: &Resource, bytes: &Bytes) -> u64 {
        u64::try_from(bytes.len()).unwrap_or(u64::MAX)
    }
}

/// Full tiles have 8 KiB, and bundles seldom less.
fn cache_items(bytes: u64) -> usize {
    usize::try_from(bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}

#[cfg(test)]
mod statements;
#[cfg(test)]
mod tests;
