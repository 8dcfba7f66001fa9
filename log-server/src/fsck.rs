//! Checking a whole store, offline: `acta-log fsck`.
//!
//! Every entry is hashed again, every hash of every tile computed again from the entries, every published head compared with the root
//! at its size, and the index of leaf hashes compared with the entries; rows that should not be there are counted. What is wrong is
//! collected, not only the first of it; only entries that cannot be read end the walk, since nothing after them can be computed.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use tlog::checkpoint::SignedCheckpoint;
use tlog::key::VerifierKey;
use tlog::merkle::Appender;
use tlog::tiles::{BundleId, TileId, bundles_of};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::anchor::Anchored;
use crate::sequencer::TileRows;
use crate::startup::{self, StartupError};
use crate::store::{Store, StoreError, TileRow};

/// Where reporting stops: a store with so many problems has one cause.
pub const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// What a start would refuse, too.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry does not hash to its leaf hash.
    #[error("the entry at index {0} is not the one that was published")]
    EntryDiffers(LeafIndex),
    /// A tile holds another hash than its entries give.
    #[error("tile {number} of level {level} holds another hash at position {position} than its entries give")]
    TileDiffers {
        /// The tile's level.
        level: u8,
        /// The tile's number.
        number: u64,
        /// The position of the hash in the tile.
        position: usize,
    },
    /// The index of leaf hashes does not find an entry.
    #[error("the index of leaf hashes does not lead to the entry at {0}, so the same entry could be added twice")]
    LeafNotIndexed(LeafIndex),
    /// The index of leaf hashes has rows for entries that do not exist.
    #[error("the index of leaf hashes has {rows} rows for {size} entries")]
    LeafCount {
        /// Rows in the index.
        rows: u64,
        /// Entries in the log.
        size: TreeSize,
    },
    /// The entries do not give the signed root.
    #[error("the entries give another root than the signed head at size {0}")]
    RootDiffers(TreeSize),
    /// Tiles have more or fewer hashes than the tree.
    #[error("the tiles of level {level} have {found} hashes instead of {expected}")]
    HashCount {
        /// The level.
        level: usize,
        /// Hashes in the store.
        found: u64,
        /// Hashes that a tree of this size has there.
        expected: u64,
    },
    /// A published head cannot be read, does not carry the log's signature, or is of another size than it is kept under.
    #[error("the published head that is kept for size {0} cannot be read, is of another size, or does not carry the log's signature")]
    BadHead(TreeSize),
    /// A published head does not fit the entries.
    #[error("the published head of size {0} has another root than the entries give at that size")]
    HeadDiffers(TreeSize),
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many entries were hashed again.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many published heads were compared.
    pub heads: u64,
    /// How many of the entries the last published head covers. The rest waits for witnesses, or for the next start.
    pub published: u64,
    /// What is wrong; empty for a log that is whole.
    pub problems: Vec<Problem>,
}

/// Checks all of `store`. `progress` is told how many entries are done, and of how many, now and then.
pub fn check<S: Store>(store: &S, key: &VerifierKey, anchored: Option<Anchored>, progress: &mut dyn FnMut(u64, u64)) -> Report {
    let mut report = Report::default();
    let head = match startup::check_identity(store, key) {
        Ok(head) => head,
        Err(error) => {
            report.problems.push(error.into());
            return report;
        }
    };
    let first_look = [
        startup::rebuild_edge(store, &head).map(drop),
        anchored.map_or(Ok(()), |anchored| startup::check_anchor(store, &head, anchored)),
        startup::check_ledger(store, &head),
    ];
    report.problems.extend(first_look.into_iter().filter_map(Result::err).map(Problem::from));

    let mut walk = Walk { store, key, edge: Appender::new(), next_head: None, leaves: Rows::default(), report };
    walk.seek_head(TreeSize::ZERO);
    for bundle in bundles_of(head.size()) {
        if walk.report.problems.len() >= MAX_PROBLEMS {
            return walk.report;
        }
        if let Err(error) = walk.bundle(bundle) {
            walk.problem(error);
            return walk.report; // without these entries nothing after them can be computed
        }
        progress(walk.report.entries, head.size().as_u64());
    }
    if walk.edge.root() != head.root() {
        walk.problem(Problem::RootDiffers(head.size()));
    }
    walk.compare_index(head.size());
    walk.count_hashes(head.size());
    walk.report
}

/// Leaf hashes with the entries that they lead to, in whatever order they come. Two collections of the same fingerprint are the same, but for
/// one chance in 2^64: the key is drawn at random, so nobody can prepare others for it.
#[derive(Default)]
struct Rows {
    key: RandomState,
    fingerprint: u64,
    count: u64,
}

impl Rows {
    fn add(&mut self, leaf: &Hash, index: LeafIndex) {
        self.fingerprint = self.fingerprint.wrapping_add(self.key.hash_one((leaf, index)));
        self.count += 1;
    }
}

/// One walk over the log, from the first entry to the last.
struct Walk<'a, S> {
    store: &'a S,
    key: &'a VerifierKey,
    edge: Appender,
    /// The next published head that the walk comes to, with the size that it is kept under.
    next_head: Option<(TreeSize, Bytes)>,
    /// What the index should have.
    leaves: Rows,
    report: Report,
}

impl<S: Store> Walk<'_, S> {
    fn problem(&mut self, problem: impl Into<Problem>) {
        self.report.problems.push(problem.into());
    }

    /// Fails only if the entries cannot be read.
    fn bundle(&mut self, bundle: BundleId) -> Result<(), StoreError> {
        let entries = self.store.entries(bundle.first_index(), bundle.width())?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        self.report.entries += u64::from(bundle.width());
        self.report.bytes += entries.iter().map(|entry| u64::try_from(entry.len()).unwrap_or(0)).sum::<u64>();
        leaves.iter().zip(bundle.first_index().as_u64()..).for_each(|(leaf, index)| self.leaves.add(leaf, LeafIndex::new(index)));
        let mut rows = TileRows::default();
        for leaf in leaves {
            if self.edge.append(leaf, |node, hash| rows.add(node, hash)).is_err() {
                break; // no store has 2^63 entries
            }
            self.check_head();
        }
        rows.rows.iter().for_each(|row| self.check_tile(row));
        Ok(())
    }

    /// Compares the index with the entries. Reading it from one end to the other takes a fraction of looking each entry up, which is
    /// done only to say what is wrong with it.
    fn compare_index(&mut self, size: TreeSize) {
        let mut kept = Rows { key: self.leaves.key.clone(), ..Rows::default() };
        if let Err(error) = self.store.visit_leaves(&mut |leaf, index| kept.add(leaf, index)) {
            return self.problem(error);
        }
        if kept.count == self.leaves.count && kept.fingerprint == self.leaves.fingerprint {
            return;
        }
        for bundle in bundles_of(size) {
            if self.report.problems.len() >= MAX_PROBLEMS {
                return;
            }
            if let Err(error) = self.look_up(bundle) {
                return self.problem(error);
            }
        }
        if kept.count != size.as_u64() {
            self.problem(Problem::LeafCount { rows: kept.count, size });
        }
    }

    /// Looks for each entry of a bundle in the index.
    fn look_up(&mut self, bundle: BundleId) -> Result<(), StoreError> {
        let entries = self.store.entries(bundle.first_index(), bundle.width())?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        let indexes = (bundle.first_index().as_u64()..).map(LeafIndex::new);
        let lost = indexes.zip(self.store.find_leaves(&leaves)?).filter(|(index, found)| *found != Some(*index));
        self.report.problems.extend(lost.map(|(index, _)| Problem::LeafNotIndexed(index)));
        Ok(())
    }

    /// Compares the hashes that a bundle adds to a tile with those stored.
    fn check_tile(&mut self, row: &TileRow) {
        let first = usize::from(row.offset);
        let width = u16::try_from(first + row.hashes.len()).ok();
        let Some(id) = width.and_then(|width| TileId::new(row.level, row.number, width)) else { return };
        let stored = match self.store.tile(id) {
            Ok(stored) => stored,
            Err(error) => return self.problem(error),
        };
        if let Some(at) = stored.iter().skip(first).zip(&row.hashes).position(|(stored, computed)| stored != computed) {
            let position = first + at;
            self.problem(match row.level {
                0 => Problem::EntryDiffers(LeafIndex::new(row.number * 256 + u64::try_from(position).unwrap_or(0))),
                level => Problem::TileDiffers { level, number: row.number, position },
            });
        }
    }

    /// Finds the next published head of at least this size.
    fn seek_head(&mut self, from: TreeSize) {
        match self.store.head_from(from) {
            Ok(head) => self.next_head = head,
            Err(error) => {
                self.next_head = None;
                self.problem(error);
            }
        }
    }

    /// Compares the published head of the size that the walk has come to, if there is one.
    fn check_head(&mut self) {
        let size = self.edge.size();
        let Some((kept_under, bytes)) = self.next_head.take_if(|(kept_under, _)| *kept_under == size) else { return };
        let signed = SignedCheckpoint::parse(&bytes)
            .ok()
            .filter(|signed| signed.checkpoint().size() == kept_under && signed.verify_log(std::slice::from_ref(self.key)).is_ok());
        match signed {
            None => self.problem(Problem::BadHead(kept_under)),
            Some(signed) if *signed.checkpoint().root() != self.edge.root() => self.problem(Problem::HeadDiffers(size)),
            Some(_) => self.report.heads += 1,
        }
        self.seek_head(TreeSize::new(size.as_u64() + 1));
    }

    /// Rows of tiles that the walk did not ask for are found by counting.
    fn count_hashes(&mut self, size: TreeSize) {
        match self.store.count_hashes() {
            Ok(counts) => {
                for level in 0..counts.len().max(8) {
                    let found = counts.get(level).copied().unwrap_or(0);
                    let shift = u32::try_from(level * 8).unwrap_or(u32::MAX);
                    let expected = size.as_u64().checked_shr(shift).unwrap_or(0);
                    if found != expected {
                        self.problem(Problem::HashCount { level, found, expected });
                    }
                }
            }
            Err(error) => self.problem(error),
        }
        // One that is published beyond the newest head was found by the first look.
        self.report.published = self.store.extent().ok().and_then(|extent| extent.published).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
