//! Where a log keeps its entries, hashes and heads, and what it may rely on.
//!
//! The store is trusted for nothing but durability. Whoever holds its disk can stop the log; to make it sign another history they
//! would have to get past the checks of [`crate::startup`] and the anchor, which lives outside of it.
//!
//! Only three things are ever written: the rows that create a log, commits, and published heads. A commit adds rows and replaces the tree
//! state and rows of the ledger; a published head is added where witnesses have to agree first, and replaced by itself with more
//! cosignatures. No other row is changed or removed, so a reader needs no lock and no snapshot: what it reads below a size that was
//! committed stays.
//!
//! The index of leaf hashes, which finds an entry that the log has already, follows from the tiles. A store may keep it beside the commits, as
//! long as it finds every committed entry at any moment.
//!
//! The ledger is a conclusion from the entries: who may issue what, and which decisions stand. It is written with the entries that it is
//! drawn from, and it alone may be thrown away and drawn again.

mod memory;
mod order;
mod rocks;

#[cfg(test)]
mod contract;

pub use memory::{Fault, MemoryStore};
pub(crate) use order::Order;
pub(crate) use rocks::MAX_OPEN_FILES;
pub use rocks::{RocksOptions, RocksStore};

use bytes::Bytes;
use tlog::tiles::{TileId, parse_bundle};
use tlog::{Hash, LeafIndex, TreeSize};

/// The version of the store's format; a store of another version is refused, never guessed at.
pub const FORMAT_VERSION: u32 = 4;

/// Drawn at random when a log is created: two logs that share a name and key by mistake still differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

/// What ties a store to one log: it is written once, when the log is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The log's name, the first line of its checkpoints.
    pub origin: String,
    /// The log's verifier key, in its text form.
    pub verifier_key: String,
    /// What tells this log from every other.
    pub log_id: LogId,
    /// Which entries it takes in.
    pub admits: Admits,
}

/// Which entries a log takes in, fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Any bytes. No ledger is kept.
    Open,
    /// Statements that the ledger allows.
    Statements,
}

impl Admits {
    /// The word for it, in the store, on the command line and in charters.
    pub const fn name(self) -> &'static str {
        match self {
            Admits::Open => "open",
            Admits::Statements => "statements",
        }
    }

    /// What that word means.
    pub fn named(name: &str) -> Option<Self> {
        [Admits::Open, Admits::Statements].into_iter().find(|admits| admits.name() == name)
    }
}

/// Rows of the ledger by key. What they mean is the business of the crate `decision`.
pub type LedgerRows = Vec<(Vec<u8>, Vec<u8>)>;

/// The newest committed tree and the log's signature on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeState {
    /// How many entries the log has.
    pub size: TreeSize,
    /// The root hash at that size.
    pub root: Hash,
    /// The signed checkpoint for exactly that size and root, as bytes of a note.
    pub checkpoint: Bytes,
}

/// The hashes that one commit adds to one tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileRow {
    /// The tile's level, 0 to 63.
    pub level: u8,
    /// The tile's number in its level.
    pub number: u64,
    /// The position in the tile of the first of the hashes.
    pub offset: u8,
    /// The hashes, 1 to 256 − `offset` of them.
    pub hashes: Vec<Hash>,
}

/// All that a commit writes beside the entries, which are staged before it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The leaf hashes of the staged entries, in their order.
    pub leaves: Vec<Hash>,
    /// The hashes that the entries add to tiles of all levels.
    pub tiles: Vec<TileRow>,
    /// The tree with the entries in it.
    pub tree: TreeState,
    /// Whether the head is published by this very commit, as it is where no witnesses have to agree.
    pub publish: bool,
    /// The ledger's rows that the entries add or replace, where a ledger is kept; it then stands at the size of `tree`.
    pub ledger: Option<LedgerRows>,
}

/// How far each kind of row reaches; in a store that is whole they all end where the tree does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// One more than the highest index that has an entry.
    pub entries: u64,
    /// One more than the highest index that has a leaf hash in a tile.
    pub leaf_hashes: u64,
    /// The largest published size.
    pub published: Option<u64>,
}

/// The store could not do what was asked of it. Every variant stops the process: nothing goes on over an error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// RocksDB reported an error.
    #[error("the store reported an error: {0}. See the disk's health and free space")]
    Database(#[from] rocksdb::Error),
    /// A row that must be there is missing, or has another length than its key implies.
    #[error(
        "the store is damaged: {0}. `acta-log fsck --dir DIR` reports all of it; read \"After a loss\" in SECURITY.md before you restore a backup"
    )]
    Damaged(#[from] Damage),
    /// The store was written by another version of this program.
    #[error("the store has format {found}, this program reads format {FORMAT_VERSION}: use the version of acta-log that wrote it")]
    Format {
        /// The version that stands in the store.
        found: u32,
    },
    /// RocksDB could not write in the background.
    #[error("the store could not write its files in the background. See the disk's health and free space, then start acta-log again")]
    Background,
    /// The index of leaf hashes could not be written.
    #[error(
        "the index of leaf hashes could not be written: {0}. See the disk's health and the rights in DIR/db, then start acta-log again"
    )]
    Index(std::io::Error),
    /// A fault that a test asked for.
    #[error("a fault was injected")]
    Injected,
}

/// What is wrong with a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// An entry is missing.
    #[error("the entry at index {0} is missing")]
    MissingEntry(u64),
    /// Hashes of a tile are missing, or are there twice.
    #[error("tile {number} of level {level} has a gap or an overlap at position {position}")]
    BrokenTile {
        /// The tile's level.
        level: u8,
        /// The tile's number.
        number: u64,
        /// Where the rows stop to fit.
        position: u16,
    },
    /// A row of the named family has a key or a value of an impossible form.
    #[error("a row in `{0}` is malformed")]
    MalformedRow(&'static str),
    /// A row that describes the log itself is missing.
    #[error("the row `{0}` that describes the log is missing")]
    MissingMeta(&'static str),
    /// The index of leaf hashes is of a longer tree.
    #[error("the index of leaf hashes reaches to {mark} entries, the tree to {size}")]
    IndexBeyond {
        /// How many entries the index knows.
        mark: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// The ledger is gone, because replacing it was cut short.
    #[error("the ledger, which says who may issue what, is missing; `acta-log rebuild-ledger --dir DIR` makes it again")]
    MissingLedger,
    /// The tiles do not prove that the tree of one size begins with that of another.
    #[error("the stored hashes do not lead from the tree of size {old} to that of size {new}")]
    Inconsistent {
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
    },
}

/// A durable home for one log.
///
/// **Durability.** When [`Store::commit`] returns `Ok`, all its rows survive a power cut. When it returns an error, either all or none
/// of them do, and only reopening the store tells which; the caller must not use the store for writing again.
///
/// **Atomicity.** After any crash, a commit's rows are there all together or not at all.
///
/// **Visibility.** Once `commit` has returned, every reader on every thread sees its rows. While it runs, readers may see them or not,
/// but no reader needs them before the tree state names their size.
///
/// **Concurrency.** Reads may come from any number of threads at any time; `stage` and `commit` come from one thread, and `publish` from
/// one, which may be another.
pub trait Store: Send + Sync + 'static {
    /// Entries encoded for writing, exactly as the commit will write them.
    type Staged: Send;

    /// Who this store belongs to.
    fn identity(&self) -> Result<Identity, StoreError>;

    /// The newest committed tree.
    fn tree(&self) -> Result<TreeState, StoreError>;

    /// Encodes entries for the indexes from `first` on. Writes nothing.
    fn stage(&self, first: LeafIndex, entries: &[Bytes]) -> Self::Staged;

    /// Shows the staged entries as they will be written, so that what is signed is computed from what is stored.
    fn staged_entries(&self, staged: &Self::Staged, visit: &mut dyn FnMut(&[u8]));

    /// Writes the staged entries and the rest of the commit in one atomic, synced batch.
    fn commit(&self, staged: Self::Staged, commit: &Commit) -> Result<(), StoreError>;

    /// Writes a published head, a note, synced: it is durable when this returns `Ok`. One that is kept for that size is replaced. An error
    /// leaves the one or the other.
    fn publish(&self, size: TreeSize, head: &Bytes) -> Result<(), StoreError>;

    /// The index of each leaf hash that the log has, in the order asked.
    fn find_leaves(&self, leaves: &[Hash]) -> Result<Vec<Option<LeafIndex>>, StoreError>;

    /// Exactly `count` entries from `first` on, as a bundle has them; a missing one is damage.
    fn bundle(&self, first: LeafIndex, count: u16) -> Result<Vec<u8>, StoreError>;

    /// The same, one by one. They share their memory.
    fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Bytes>, StoreError> {
        let bundle = Bytes::from(self.bundle(first, count)?);
        let entries = parse_bundle(&bundle, count).map_err(|_| Damage::MalformedRow("entries"))?;
        Ok(entries.into_iter().map(|entry| bundle.slice_ref(entry)).collect())
    }

    /// The bytes of exactly the first [`TileId::width`] hashes of a tile; a gap or overlap is damage.
    fn tile_bytes(&self, id: TileId) -> Result<Vec<u8>, StoreError>;

    /// The same hashes, one by one.
    fn tile(&self, id: TileId) -> Result<Vec<Hash>, StoreError> {
        let bytes = self.tile_bytes(id)?;
        let (hashes, _) = bytes.as_chunks();
        Ok(hashes.iter().copied().map(Hash::new).collect())
    }

    /// The published head of the smallest size that is not below `size`, if there is one, with the size it is kept under.
    fn head_from(&self, size: TreeSize) -> Result<Option<(TreeSize, Bytes)>, StoreError>;

    /// How far the rows reach.
    fn extent(&self) -> Result<Extent, StoreError>;

    /// Calls `visit` with each leaf hash of the index and the entry that it leads to, in no order; for `fsck`.
    fn visit_leaves(&self, visit: &mut dyn FnMut(&Hash, LeafIndex)) -> Result<(), StoreError>;

    /// Counts the hashes that tiles of each level have, from level 0, by reading all of them; for `fsck`.
    fn count_hashes(&self) -> Result<Vec<u64>, StoreError>;

    /// The size of the tree that the ledger was drawn from; `None` where there is none, or an unfinished one.
    fn ledger_size(&self) -> Result<Option<TreeSize>, StoreError>;

    /// A row of the ledger.
    fn ledger_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Calls `visit` with each row of the ledger, in the order of keys, until it says `false`.
    fn ledger_scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;
}

/// Adds `hashes` to the count of a level.
fn count_at(counts: &mut Vec<u64>, level: u8, hashes: usize) {
    let level = usize::from(level);
    if counts.len() <= level {
        counts.resize(level + 1, 0);
    }
    counts[level] += u64::try_from(hashes).unwrap_or(u64::MAX);
}
