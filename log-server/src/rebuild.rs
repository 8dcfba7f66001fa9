//! Drawing the ledger anew from the entries: `acta-log rebuild-ledger`.
//!
//! The old ledger is thrown away first and never looked at, so whatever was wrong with it is gone. Bundles of entries are read, hashed and
//! verified on all processors, each by one thread; one thread takes the bundles in their order and decides about their entries. Threads
//! wait for it when they are some bundles ahead, so memory does not grow with the log.
//!
//! What is decided gathers in memory, and from time to time all of it goes into the store as one sorted table file, on a thread of its own
//! (`chunks`): put into the store's own buffer row by row, most of them under random keys, it cost as much as half of a signature's verification.
//!
//! Cut short at any point, this leaves a log without a ledger, which `serve` refuses; running it again begins anew.

mod chunks;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use decision::ledger::{ApplyError, Changes, Finding, LedgerError, LedgerRead, Prepared, Rules};
use decision::statement::{Statement, VerifiedStatement};
use tlog::tiles::{BundleId, TileId, bundles_of};
use tlog::{Hash, LeafIndex};

use self::chunks::Chunks;
use crate::admission::{Ledger, RowCache, refusal};
use crate::head::Head;
use crate::startup::StartupError;
use crate::store::{Admits, Damage, RocksStore, Store, StoreError};

/// How many findings are kept: so many have one cause.
const MAX_FINDINGS: usize = 100;

/// Bytes of rows in memory.
const CACHE: u64 = 64 << 20;

/// Bytes of rows that are decided before they are written. In memory they take four times as much, and twice that while others are written.
const CHUNK: usize = 8 << 20;

/// How many bundles a thread may be ahead. An issuer that is registered in one of them is not known in the others yet, so what it has
/// signed there is verified by the deciding thread: few is better.
const AHEAD: usize = 4;

/// The ledger could not be drawn anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The log keeps none.
    #[error("this log takes any bytes and keeps no ledger: there is nothing to rebuild")]
    Open,
    /// The store failed, or an entry is missing.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry is not the one that was published.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// A row that was just written cannot be read.
    #[error("the ledger changed while it was being drawn: this machine's memory or disk is faulty")]
    Changed,
}

impl From<LedgerError<StoreError>> for RebuildError {
    fn from(error: LedgerError<StoreError>) -> Self {
        match error {
            LedgerError::Read(error) => RebuildError::Store(error),
            _ => RebuildError::Changed,
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// How many entries the ledger is drawn from.
    pub entries: u64,
    /// How many of them should not have been admitted.
    pub refused: u64,
    /// The first of those.
    pub findings: Vec<Finding>,
}

/// An entry of which all that is costly has been done.
enum Ready {
    /// Nearly every entry: its keys were known, and remembered from before.
    Verified(Hash, Box<VerifiedStatement>),
    /// An entry that needs another look when it is its turn.
    Other(Prepared),
}

/// The entries of a bundle, or why they cannot be had.
type ReadyBundle = Result<Vec<Ready>, RebuildError>;

/// Replaces the ledger of the log in `store`, whose head is `head`. `progress` is told how many entries are done, and of how many.
pub fn rebuild(store: &mut RocksStore, head: &Head, progress: &mut dyn FnMut(u64, u64)) -> Result<Rebuilt, RebuildError> {
    rebuild_by_chunks(store, head, CHUNK, progress)
}

/// The same, with rows written whenever there are `chunk` bytes of them.
pub fn rebuild_by_chunks(
    store: &mut RocksStore,
    head: &Head,
    chunk: usize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    let identity = store.identity()?;
    if identity.admits == Admits::Open {
        return Err(RebuildError::Open);
    }
    let key = identity.verifier_key.parse().map_err(|_| StoreError::from(Damage::MissingMeta("vkey")))?;
    let rules = Rules::new(&identity.origin, vec![key]);
    store.clear_ledger()?;
    let work = Work { store, rules, chunk, rows: RowCache::new(CACHE), bundles: bundles_of(head.size()).collect() };
    let rebuilt = work.run(head.size().as_u64(), progress)?;
    store.finish_ledger(head.size())?;
    Ok(rebuilt)
}

struct Work<'a> {
    store: &'a RocksStore,
    rules: Rules,
    chunk: usize,
    /// Rows are put in by the deciding thread only.
    rows: RowCache,
    bundles: Vec<BundleId>,
}

impl Work<'_> {
    fn run(&self, size: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<Rebuilt, RebuildError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            // The bundle with number n is the business of thread n modulo their number, so that nobody gets ahead of the others by more
            // than its channel holds.
            let start = |first: usize| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || self.prepare(first, threads, &sender));
                receiver
            };
            let prepared: Vec<Receiver<ReadyBundle>> = (0..threads).map(start).collect();
            let (chunks, writer) = chunks::channels();
            scope.spawn(move || writer.write_all(self.store));
            // Where this returns early, the channels go first, and then the threads, which find nobody to send to or to hear from.
            self.decide(&prepared, chunks, size, progress)
        })
    }

    fn prepare(&self, first: usize, step: usize, sender: &SyncSender<ReadyBundle>) {
        for bundle in self.bundles.iter().skip(first).step_by(step) {
            let prepared = self.prepare_bundle(*bundle);
            let failed = prepared.is_err();
            if sender.send(prepared).is_err() || failed {
                return;
            }
        }
    }

    fn prepare_bundle(&self, bundle: BundleId) -> ReadyBundle {
        let ledger = Ledger::reading(self.store, &self.rows);
        let first = bundle.first_index();
        let tile = TileId::new(0, bundle.number(), bundle.width()).ok_or(StoreError::from(Damage::MissingEntry(first.as_u64())))?;
        let leaves = self.store.tile(tile)?;
        let entries = self.store.entries(first, bundle.width())?;
        let one = |((index, entry), leaf): ((u64, &bytes::Bytes), &Hash)| {
            if Hash::leaf(entry) != *leaf {
                return Err(RebuildError::from(StartupError::EntryDiffers { index: LeafIndex::new(index) }));
            }
            match self.verified(&ledger, entry)? {
                Some(verified) => Ok(Ready::Verified(*leaf, verified)),
                None => Ok(Ready::Other(self.rules.prepare(&ledger, entry)?)),
            }
        };
        (first.as_u64()..).zip(&entries).zip(&leaves).map(one).collect()
    }

    /// The statement in an entry, if it is one, with signatures of keys that are known.
    fn verified(&self, ledger: &impl LedgerRead<Error = StoreError>, entry: &[u8]) -> Result<Option<Box<VerifiedStatement>>, RebuildError> {
        let Ok(statement) = Statement::parse(entry) else { return Ok(None) };
        match self.rules.candidates(ledger, &statement) {
            Ok(keys) => Ok(statement.verify(&keys).ok().map(Box::new)),
            Err(ApplyError::Ledger(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// What an entry changes, or why it should not be there.
    fn decide_one(
        &self,
        ledger: &impl LedgerRead<Error = StoreError>,
        index: LeafIndex,
        ready: Ready,
    ) -> Result<Result<Changes, Finding>, LedgerError<StoreError>> {
        match ready {
            Ready::Other(prepared) => self.rules.decide(ledger, index, &prepared),
            Ready::Verified(leaf, statement) => match self.rules.apply(ledger, index, leaf, &statement) {
                Ok(changes) => Ok(Ok(changes)),
                Err(error) => Ok(Err(Finding { index, reason: refusal(error)?.into() })),
            },
        }
    }

    fn decide(
        &self,
        prepared: &[Receiver<ReadyBundle>],
        mut chunks: Chunks,
        size: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Rebuilt, RebuildError> {
        let mut rebuilt = Rebuilt::default();
        let (mut ledger, mut bytes) = (chunks.over(Ledger::keeping(self.store, &self.rows)), 0);
        for receiver in prepared.iter().cycle().take(self.bundles.len()) {
            // A thread that is gone without an answer has panicked, and the scope passes that on.
            let bundle = receiver.recv().map_err(|_| RebuildError::Changed)??;
            for one in bundle {
                match self.decide_one(&ledger, LeafIndex::new(rebuilt.entries), one)? {
                    Ok(changes) => {
                        bytes += changes.rows().iter().map(|(key, row)| key.len() + row.len()).sum::<usize>();
                        // For the threads that verify, which read no further than this cache and the store.
                        changes.signing_rows().for_each(|(key, row)| self.rows.keep(key, row));
                        ledger.apply(changes);
                    }
                    Err(finding) => {
                        rebuilt.refused += 1;
                        if rebuilt.findings.len() < MAX_FINDINGS {
                            rebuilt.findings.push(finding);
                        }
                    }
                }
                rebuilt.entries += 1;
            }
            if bytes >= self.chunk {
                chunks.write(ledger.into_rows(), &self.rows)?;
                (ledger, bytes) = (chunks.over(Ledger::keeping(self.store, &self.rows)), 0);
            }
            progress(rebuilt.entries, size);
        }
        chunks.write(ledger.into_rows(), &self.rows)?;
        chunks.finish()?;
        Ok(rebuilt)
    }
}
