//! Checking a whole store, offline: `acta-log fsck`.
//!
//! Every entry is hashed again, every hash of every tile computed again from the entries, every published head compared with the root
//! at its size, and every entry looked up in the index of leaf hashes. What is wrong is collected, not only the first of it.

use tlog::checkpoint::SignedCheckpoint;
use tlog::key::VerifierKey;
use tlog::merkle::{Appender, Node};
use tlog::tiles::{BundleId, TileId, bundles_of};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::anchor::Anchored;
use crate::sequencer::TileRows;
use crate::startup::{self, StartupError};
use crate::store::{Store, StoreError};

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
    /// A published head cannot be read or does not carry the log's signature.
    #[error("the published head that covers index {0} cannot be read or does not carry the log's signature")]
    BadHead(LeafIndex),
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
    let first_look =
        [startup::rebuild_edge(store, &head).map(drop), anchored.map_or(Ok(()), |anchored| startup::check_anchor(store, &head, anchored))];
    report.problems.extend(first_look.into_iter().filter_map(Result::err).map(Problem::from));

    let mut pass = Pass { store, key, edge: Appender::new(), heads_from: 0, report };
    for bundle in bundles_of(head.size()) {
        if pass.report.problems.len() >= MAX_PROBLEMS {
            return pass.report;
        }
        if let Err(error) = pass.bundle(bundle) {
            pass.report.problems.push(error.into());
            return pass.report; // without these entries nothing after them can be computed
        }
        progress(pass.report.entries, head.size().as_u64());
    }
    if pass.edge.root() != head.root() {
        pass.report.problems.push(Problem::RootDiffers(head.size()));
    }
    match store.count_leaves() {
        Ok(rows) if rows == head.size().as_u64() => {}
        Ok(rows) => pass.report.problems.push(Problem::LeafCount { rows, size: head.size() }),
        Err(error) => pass.report.problems.push(error.into()),
    }
    pass.report
}

/// One walk over the log, from the first entry to the last.
struct Pass<'a, S> {
    store: &'a S,
    key: &'a VerifierKey,
    edge: Appender,
    /// Published heads below this size have been compared.
    heads_from: u64,
    report: Report,
}

impl<S: Store> Pass<'_, S> {
    fn bundle(&mut self, bundle: BundleId) -> Result<(), StoreError> {
        let entries = self.store.entries(bundle.first_index(), bundle.width())?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        self.report.entries += u64::from(bundle.width());
        self.report.bytes += entries.iter().map(|entry| u64::try_from(entry.len()).unwrap_or(0)).sum::<u64>();
        self.check_index(bundle.first_index(), &leaves)?;
        let mut rows = TileRows::default();
        for leaf in leaves {
            let mut add = |node: Node, hash| rows.add(node, hash);
            if self.edge.append(leaf, &mut add).is_err() {
                break; // no store has 2^63 entries
            }
            self.check_heads()?;
        }
        self.check_tiles(rows)
    }

    fn check_index(&mut self, first: LeafIndex, leaves: &[Hash]) -> Result<(), StoreError> {
        let found = self.store.find_leaves(leaves)?;
        for (index, found) in (first.as_u64()..).map(LeafIndex::new).zip(found) {
            if found != Some(index) {
                self.report.problems.push(Problem::LeafNotIndexed(index));
            }
        }
        Ok(())
    }

    /// Compares the hashes that this bundle adds to tiles with those stored.
    fn check_tiles(&mut self, rows: TileRows) -> Result<(), StoreError> {
        for row in rows.rows {
            let end = usize::from(row.offset) + row.hashes.len();
            let Some(id) = u16::try_from(end).ok().and_then(|width| TileId::new(row.level, row.number, width)) else { continue };
            let stored = self.store.tile(id)?;
            let differing = stored[usize::from(row.offset)..].iter().zip(&row.hashes).position(|(stored, computed)| stored != computed);
            if let Some(at) = differing {
                let position = usize::from(row.offset) + at;
                self.report.problems.push(match row.level {
                    0 => Problem::EntryDiffers(LeafIndex::new(row.number * 256 + u64::try_from(position).unwrap_or(0))),
                    level => Problem::TileDiffers { level, number: row.number, position },
                });
            }
        }
        Ok(())
    }

    /// Compares the published head of the size that the walk has come to, if there is one.
    fn check_heads(&mut self) -> Result<(), StoreError> {
        let size = self.edge.size();
        if size.as_u64() < self.heads_from {
            return Ok(());
        }
        let index = LeafIndex::new(size.as_u64() - 1);
        let Some(bytes) = self.store.head_covering(index)? else {
            self.heads_from = u64::MAX;
            return Ok(());
        };
        let signed = SignedCheckpoint::parse(&bytes).ok();
        let Some(signed) = signed.filter(|signed| signed.verify_log(std::slice::from_ref(self.key)).is_ok()) else {
            self.report.problems.push(Problem::BadHead(index));
            self.heads_from = size.as_u64() + 1;
            return Ok(());
        };
        self.heads_from = signed.checkpoint().size().as_u64();
        if signed.checkpoint().size() == size {
            self.report.heads += 1;
            self.heads_from += 1;
            if *signed.checkpoint().root() != self.edge.root() {
                self.report.problems.push(Problem::HeadDiffers(size));
            }
        }
        Ok(())
    }
}
