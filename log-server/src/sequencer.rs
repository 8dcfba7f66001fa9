//! The one thread that gives entries their order: it takes what waits, appends, signs, and commits.
//!
//! **Invariant.** An index leaves this module only after the entry, its hashes, and a signed checkpoint that covers it are on stable
//! storage in one atomic batch, and the anchor beside it is too. So there is no state between "accepted" and "in the tree".
//!
//! **Admission.** Where only statements are taken in, here is where the ledger decides about each, from what the ones before it left. What
//! it writes goes into the same batch. An entry that is refused uses no index, and its answer leaves with the others after the commit:
//! the reason may name an entry that becomes durable only then.
//!
//! **What is signed is what is stored.** Leaf hashes are computed again from the bytes of the encoded batch and compared with those
//! computed on arrival. The right edge, which stays in memory between commits, must still have the root that was signed last, and is extended twice.
//! A bit that flips in memory anywhere on the way stops the process before anything is signed.
//!
//! **Errors end it.** When a commit fails, its outcome is unknown until the store is opened again. Nothing is tried again here.

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use decision::ledger::LedgerError;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::SigningKey;
use tlog::merkle::Appender;
use tlog::{Hash, LeafIndex};
use tokio::sync::{mpsc, oneshot};

use crate::admission::{Admission, Checked, Decided, Session};
use crate::anchor::Anchor;
use crate::gather::OtherHistory;
use crate::head::{Head, Publisher};
use crate::metrics::Metrics;
use crate::queue::{AddError, Outcome, Queue, Waiting};
use crate::store::{Commit, LedgerRows, LogId, Order, Store, StoreError, TileRow};

/// Why the write side stopped. The process must end; its next start finds out what was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row of the ledger cannot be read.
    #[error(
        "the ledger, which says who may issue what, is damaged: stop acta-log, run `acta-log rebuild-ledger --dir DIR`, then start it again"
    )]
    Ledger,
    /// The anchor could not be written.
    #[error("the anchor could not be written: {0}. See the disk's health and free space, then start acta-log again")]
    Anchor(io::Error),
    /// The bytes of a queued entry changed after it arrived.
    #[error(
        "the bytes of a waiting entry changed in memory (leaf hash {arrived} on arrival, {staged} before storing). Nothing was signed. \
         This machine's memory or processor is faulty: test it before you start acta-log again"
    )]
    EntryChanged {
        /// The leaf hash computed on arrival.
        arrived: Hash,
        /// The leaf hash of what was about to be stored.
        staged: Hash,
    },
    /// The right edge of the tree changed in memory, or was computed wrongly.
    #[error(
        "the tree's right edge changed in memory. Nothing was signed. This machine's memory or processor is faulty: test it before you \
         start acta-log again"
    )]
    EdgeChanged,
    /// A witness has seen another history of this log than its store has.
    #[error(transparent)]
    OtherHistory(#[from] Box<OtherHistory>),
    /// The tree has no room for more leaves.
    #[error("the log is full: a tree has at most 2^63 entries")]
    Full,
    /// The key did not make a signature that its verifier key accepts.
    #[error("the log's key did not sign as it should. Nothing was stored. Look at the key, and at this machine's memory")]
    Signature,
    /// The sequencer's thread ended without saying why.
    #[error("the write side of the log ended over a defect of acta-log: please report it with the message above")]
    Panicked,
}

/// Answers of one commit. They are handed over together, because waking the server's threads once for each would cost a system call
/// for each.
pub(crate) type Answers = Vec<(oneshot::Sender<Vec<Outcome>>, Vec<Outcome>)>;

/// What becomes of the entries that go into a commit.
struct Assigned {
    /// What becomes of each entry.
    outcomes: Vec<Outcome>,
    /// The positions of those that get the next indexes.
    fresh: Vec<usize>,
    /// The rows of the ledger that they write.
    ledger: Option<LedgerRows>,
}

/// See the module's documentation.
pub(crate) struct Sequencer<S> {
    pub(crate) store: Arc<S>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) anchor: Anchor,
    pub(crate) edge: Appender,
    /// The root that was signed last; the edge must have it still.
    pub(crate) signed_root: Hash,
    pub(crate) log_id: LogId,
    pub(crate) origin: Origin,
    pub(crate) key: SigningKey,
    pub(crate) publisher: Publisher,
    pub(crate) answers: mpsc::UnboundedSender<Answers>,
    pub(crate) metrics: Arc<Metrics>,
}

impl From<LedgerError<StoreError>> for SequencerError {
    fn from(error: LedgerError<StoreError>) -> Self {
        match error {
            LedgerError::Read(error) => SequencerError::Store(error),
            _ => SequencerError::Ledger,
        }
    }
}

impl<S: Store> Sequencer<S> {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) -> Result<(), SequencerError> {
        while let Some(batch) = self.queue.take() {
            if let Err(error) = self.handle(batch) {
                self.queue.fail(&AddError::Failed);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does what waits, without waiting for more: how a simulation works, in which no thread may decide what happens first. Says whether
    /// there can be more.
    #[cfg(test)]
    pub(crate) fn step(&mut self) -> Result<bool, SequencerError> {
        let Some(batch) = self.queue.take_now() else { return Ok(false) };
        if !batch.is_empty()
            && let Err(error) = self.handle(batch)
        {
            self.queue.fail(&AddError::Failed);
            return Err(error);
        }
        Ok(true)
    }

    fn handle(&mut self, batch: Vec<Waiting>) -> Result<(), SequencerError> {
        let checked: Vec<&Checked> = batch.iter().flat_map(|waiting| &waiting.entries).collect();
        let Assigned { outcomes, fresh, ledger } = self.assign(&checked)?;
        if !fresh.is_empty() {
            let entries: Vec<Bytes> = fresh.iter().map(|&position| checked[position].entry.clone()).collect();
            let leaves: Vec<Hash> = fresh.iter().map(|&position| checked[position].leaf).collect();
            self.commit(&entries, &leaves, ledger)?;
        }
        let duplicates = outcomes.iter().filter(|outcome| outcome.is_ok()).count() - fresh.len();
        self.metrics.duplicates_total.inc_by(u64::try_from(duplicates).unwrap_or(u64::MAX));
        let mut outcomes = outcomes.into_iter();
        let answers = batch.into_iter().map(|waiting| (waiting.answer, outcomes.by_ref().take(waiting.entries.len()).collect())).collect();
        // Without a receiver nobody waits any more: the server is gone, and the entries are stored all the same.
        drop(self.answers.send(answers));
        Ok(())
    }

    /// What becomes of each entry. The same entry twice gets one index, whether its first copy is in the store or in this commit.
    fn assign(&self, entries: &[&Checked]) -> Result<Assigned, SequencerError> {
        let order = Order::of(entries.iter().map(|checked| checked.leaf));
        let stored = order.scatter(&self.store.find_leaves(&order.leaves())?);
        let mut session = Session::begin(&self.admission, &*self.store, SystemTime::now());
        let mut fresh = Vec::with_capacity(entries.len());
        let mut next = self.edge.size().as_u64();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(entries.len());
        for (position, ((checked, stored), copy)) in entries.iter().zip(stored).zip(order.copies()).enumerate() {
            // A copy that was refused says nothing about this one: the ledger has gone on since.
            let assigned = copy.and_then(|copy| outcomes[copy].as_ref().ok().copied());
            if let Some(index) = stored.or(assigned) {
                outcomes.push(Ok(index));
                continue;
            }
            let index = LeafIndex::new(next);
            outcomes.push(match session.decide(index, checked)? {
                Decided::Admitted => {
                    fresh.push(position);
                    next += 1;
                    Ok(index)
                }
                Decided::Known(index) => Ok(index),
                Decided::Refused(refused) => {
                    self.metrics.refused(&refused);
                    Err(refused.into())
                }
            });
        }
        Ok(Assigned { outcomes, fresh, ledger: session.into_rows() })
    }

    fn commit(&mut self, entries: &[Bytes], arrived: &[Hash], ledger: Option<LedgerRows>) -> Result<(), SequencerError> {
        let started = Instant::now();
        let first = LeafIndex::new(self.edge.size().as_u64());
        let staged = self.store.stage(first, entries);
        let leaves = self.hash_again(&staged, arrived)?;
        let (edge, tiles) = self.extend(&leaves)?;
        let head = self.sign(&edge)?;
        let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);

        let commit = Commit { leaves, tiles, tree: head.tree_state(), publish: self.publisher.publishes_at_once(), ledger };
        self.store.commit(staged, &commit)?;
        self.admission.committed(commit.ledger);
        self.anchor.record(head.anchored(self.log_id)).map_err(SequencerError::Anchor)?;
        self.edge = edge;
        self.signed_root = head.root();
        self.metrics.committed(count, head.size(), started.elapsed());
        self.publisher.committed(head);
        Ok(())
    }

    /// Hashes the entries as they will be stored, and compares.
    fn hash_again(&self, staged: &S::Staged, arrived: &[Hash]) -> Result<Vec<Hash>, SequencerError> {
        let mut leaves = Vec::with_capacity(arrived.len());
        self.store.staged_entries(staged, &mut |entry| leaves.push(Hash::leaf(entry)));
        match leaves.iter().zip(arrived).find(|(staged, arrived)| staged != arrived) {
            Some((&staged, &arrived)) => Err(SequencerError::EntryChanged { arrived, staged }),
            None if leaves.len() == arrived.len() => Ok(leaves),
            None => Err(SequencerError::EdgeChanged),
        }
    }

    /// The right edge with `leaves` appended, and the hashes that this adds to tiles.
    ///
    /// The edge has been in memory since the last commit, so it must still have the root that was signed then; and what is computed
    /// from it is computed twice.
    fn extend(&self, leaves: &[Hash]) -> Result<(Appender, Vec<TileRow>), SequencerError> {
        if self.edge.root() != self.signed_root {
            return Err(SequencerError::EdgeChanged);
        }
        let extended = || -> Result<_, SequencerError> {
            let mut edge = self.edge.clone();
            let mut rows = TileRows::default();
            for leaf in leaves {
                edge.append(*leaf, |node, hash| rows.add(node, hash)).map_err(|_| SequencerError::Full)?;
            }
            Ok((edge, rows.rows))
        };
        let first = extended()?;
        if extended()? == first { Ok(first) } else { Err(SequencerError::EdgeChanged) }
    }

    /// Signs the head and verifies the signature: a head that does not verify would be refused at every later start.
    fn sign(&self, edge: &Appender) -> Result<Head, SequencerError> {
        let checkpoint = Checkpoint::new(self.origin.clone(), edge.size(), edge.root());
        let signed = SignedCheckpoint::sign(&checkpoint, &[&self.key]).map_err(|_| SequencerError::Signature)?;
        signed.verify_log(std::slice::from_ref(self.key.verifier_key())).map_err(|_| SequencerError::Signature)?;
        Ok(Head::new(signed))
    }
}

/// Gathers the hashes of tiles into rows: one for each tile that a commit adds to.
#[derive(Debug, Default)]
pub(crate) struct TileRows {
    pub(crate) rows: Vec<TileRow>,
    /// For each level the position in `rows` of its last row.
    last: [Option<usize>; 8],
}

impl TileRows {
    /// Takes the hash of a complete subtree, if it is one that a tile holds.
    pub(crate) fn add(&mut self, node: tlog::merkle::Node, hash: Hash) {
        if !node.height.is_multiple_of(tlog::tiles::TILE_HEIGHT) {
            return;
        }
        let level = node.height / tlog::tiles::TILE_HEIGHT;
        let (number, [.., offset]) = (node.index >> 8, node.index.to_be_bytes());
        let last = &mut self.last[usize::from(level)];
        match last.map(|position| &mut self.rows[position]).filter(|row| row.number == number) {
            Some(row) => row.hashes.push(hash),
            None => {
                *last = Some(self.rows.len());
                self.rows.push(TileRow { level, number, offset, hashes: vec![hash] });
            }
        }
    }
}

#[cfg(test)]
mod tests;
