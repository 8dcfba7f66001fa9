//! A store in memory, for tests: it keeps the promises of [`Store`] until a test tells it to break one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tlog::tiles::{TileId, encode_entry};
use tlog::{Hash, LeafIndex, TreeSize};

use super::{Commit, Damage, Extent, Identity, Store, StoreError, TreeState};

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written and the commit fails, as with a full disk.
    Fail,
    /// All is written and the commit reports failure all the same.
    FailAfterWriting,
    /// A bit of the first staged entry flips before it is looked at.
    FlipStagedBit,
    /// The commit waits until [`MemoryStore::release`].
    Block,
}

/// Rows in memory. A clone of the rows of a [`MemoryStore`] stands for what a restart would find.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    faults: Mutex<Faults>,
    /// How many heads may still be published before that fails, if a test wants it to.
    publishable: Mutex<Option<usize>>,
    released: Condvar,
}

#[derive(Clone, Debug)]
struct Rows {
    identity: Identity,
    tree: TreeState,
    entries: BTreeMap<u64, Bytes>,
    tiles: BTreeMap<(u8, u64, u8), Vec<Hash>>,
    leaves: HashMap<Hash, u64>,
    heads: BTreeMap<u64, Bytes>,
    ledger: BTreeMap<Vec<u8>, Vec<u8>>,
    ledger_size: Option<TreeSize>,
}

#[derive(Debug, Default)]
struct Faults {
    planned: VecDeque<Fault>,
    /// The level and number of the tile whose reads wait, and how many do.
    held: Option<(u8, u64)>,
    waiting: usize,
    released: bool,
}

impl MemoryStore {
    /// The store of a new log.
    pub fn create(identity: Identity, tree: TreeState) -> Self {
        MemoryStore::holding(Rows {
            identity,
            tree,
            entries: BTreeMap::new(),
            tiles: BTreeMap::new(),
            leaves: HashMap::new(),
            heads: BTreeMap::new(),
            ledger: BTreeMap::new(),
            ledger_size: None,
        })
    }

    /// What a restart finds: the rows that were written, and no faults.
    pub fn reopen(&self) -> Self {
        MemoryStore::holding(self.rows().clone())
    }

    /// Lets the next commit run into `fault`; faults queue up.
    pub fn plan(&self, fault: Fault) {
        self.faults().planned.push_back(fault);
    }

    /// Lets publishing a head fail, with nothing written, once `count` more heads were published.
    pub fn fail_publishing_after(&self, count: usize) {
        *self.publishable.lock().unwrap_or_else(PoisonError::into_inner) = Some(count);
    }

    /// Lets reads of a tile wait until [`MemoryStore::release`], as on a disk that does not answer.
    pub fn hold_tile(&self, level: u8, number: u64) {
        self.faults().held = Some((level, number));
    }

    /// How many reads wait for that.
    pub fn held_reads(&self) -> usize {
        self.faults().waiting
    }

    /// Lets commits and reads that wait, and all later ones, go on.
    pub fn release(&self) {
        self.faults().released = true;
        self.released.notify_all();
    }

    /// Removes the entry at `index`, as damage would.
    pub fn lose_entry(&self, index: u64) {
        self.rows().entries.remove(&index);
    }

    /// Replaces the entry at `index` behind the log's back.
    pub fn overwrite_entry(&self, index: u64, entry: Bytes) {
        self.rows().entries.insert(index, entry);
    }

    /// Removes all hashes of a tile.
    pub fn lose_tile(&self, level: u8, number: u64) {
        self.rows().tiles.retain(|key, _| (key.0, key.1) != (level, number));
    }

    /// Replaces one hash of a tile.
    pub fn overwrite_hash(&self, level: u8, number: u64, position: usize, hash: Hash) {
        let mut rows = self.rows();
        for (&(row_level, row_number, offset), hashes) in &mut rows.tiles {
            let at = position.wrapping_sub(usize::from(offset));
            if (row_level, row_number) == (level, number) && at < hashes.len() {
                hashes[at] = hash;
            }
        }
    }

    /// Adds a row of hashes to a tile.
    pub fn insert_hashes(&self, level: u8, number: u64, offset: u8, hashes: Vec<Hash>) {
        self.rows().tiles.insert((level, number, offset), hashes);
    }

    /// Puts a published head under a size, whatever it says of itself; without one, removes what is there.
    pub fn set_head(&self, size: u64, head: Option<Bytes>) {
        match head {
            Some(head) => self.rows().heads.insert(size, head),
            None => self.rows().heads.remove(&size),
        };
    }

    /// Points a leaf hash at an index; without one, removes it.
    pub fn set_leaf(&self, leaf: Hash, index: Option<u64>) {
        match index {
            Some(index) => self.rows().leaves.insert(leaf, index),
            None => self.rows().leaves.remove(&leaf),
        };
    }

    /// Replaces the tree state.
    pub fn set_tree(&self, tree: TreeState) {
        self.rows().tree = tree;
    }

    /// Puts a row into the ledger, whatever it says; without a value, removes what is there.
    pub fn set_ledger_row(&self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.rows().ledger.insert(key.to_vec(), value.to_vec()),
            None => self.rows().ledger.remove(key),
        };
    }

    /// Says up to which size the ledger was drawn, whatever it was.
    pub fn set_ledger_size(&self, size: Option<TreeSize>) {
        self.rows().ledger_size = size;
    }

    /// Takes over the rows of another store.
    pub fn become_copy_of(&self, other: &MemoryStore) {
        let rows = other.rows().clone();
        *self.rows() = rows;
    }

    fn holding(rows: Rows) -> Self {
        MemoryStore { rows: Mutex::new(rows), faults: Mutex::default(), publishable: Mutex::default(), released: Condvar::new() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_if_held(&self, level: u8, number: u64) {
        let mut faults = self.faults();
        if faults.held == Some((level, number)) {
            faults.waiting += 1;
            while !faults.released {
                faults = self.released.wait(faults).unwrap_or_else(PoisonError::into_inner);
            }
            faults.waiting -= 1;
        }
    }

    /// The planned fault that is due at the commit, if one is.
    fn due(&self) -> Option<Fault> {
        let mut faults = self.faults();
        let fault = faults.planned.pop_front()?;
        while fault == Fault::Block && !faults.released {
            faults = self.released.wait(faults).unwrap_or_else(PoisonError::into_inner);
        }
        Some(fault)
    }
}

impl Store for MemoryStore {
    type Staged = (u64, Vec<Bytes>);

    fn identity(&self) -> Result<Identity, StoreError> {
        Ok(self.rows().identity.clone())
    }

    fn tree(&self) -> Result<TreeState, StoreError> {
        Ok(self.rows().tree.clone())
    }

    fn stage(&self, first: LeafIndex, entries: &[Bytes]) -> Self::Staged {
        let mut staged = entries.to_vec();
        let mut faults = self.faults();
        if faults.planned.front() == Some(&Fault::FlipStagedBit) {
            faults.planned.pop_front();
            if let Some(entry) = staged.first_mut() {
                let mut flipped = entry.to_vec();
                flipped[0] ^= 1;
                *entry = flipped.into();
            }
        }
        (first.as_u64(), staged)
    }

    fn staged_entries(&self, staged: &Self::Staged, visit: &mut dyn FnMut(&[u8])) {
        staged.1.iter().for_each(|entry| visit(entry));
    }

    fn commit(&self, (first, entries): Self::Staged, commit: &Commit) -> Result<(), StoreError> {
        let fault = self.due();
        if fault == Some(Fault::Fail) {
            return Err(StoreError::Injected);
        }
        let mut rows = self.rows();
        for ((index, entry), leaf) in (first..).zip(entries).zip(&commit.leaves) {
            rows.entries.insert(index, entry);
            rows.leaves.insert(*leaf, index);
        }
        for row in &commit.tiles {
            rows.tiles.insert((row.level, row.number, row.offset), row.hashes.clone());
        }
        rows.tree = commit.tree.clone();
        if commit.publish {
            rows.heads.insert(commit.tree.size.as_u64(), commit.tree.checkpoint.clone());
        }
        if let Some(ledger) = &commit.ledger {
            rows.ledger.extend(ledger.iter().cloned());
            rows.ledger_size = Some(commit.tree.size);
        }
        if fault == Some(Fault::FailAfterWriting) { Err(StoreError::Injected) } else { Ok(()) }
    }

    fn publish(&self, size: TreeSize, head: &Bytes) -> Result<(), StoreError> {
        if let Some(left) = &mut *self.publishable.lock().unwrap_or_else(PoisonError::into_inner) {
            *left = left.checked_sub(1).ok_or(StoreError::Injected)?;
        }
        self.rows().heads.insert(size.as_u64(), head.clone());
        Ok(())
    }

    fn find_leaves(&self, leaves: &[Hash]) -> Result<Vec<Option<LeafIndex>>, StoreError> {
        let rows = self.rows();
        Ok(leaves.iter().map(|leaf| rows.leaves.get(leaf).copied().map(LeafIndex::new)).collect())
    }

    fn bundle(&self, first: LeafIndex, count: u16) -> Result<Vec<u8>, StoreError> {
        let rows = self.rows();
        let first = first.as_u64();
        let end = first.checked_add(u64::from(count)).ok_or(Damage::MissingEntry(u64::MAX))?;
        let mut bytes = Vec::new();
        for index in first..end {
            let entry = rows.entries.get(&index).ok_or(Damage::MissingEntry(index))?;
            encode_entry(entry, &mut bytes).map_err(|_| Damage::MalformedRow("entries"))?;
        }
        Ok(bytes)
    }

    fn tile_bytes(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let (level, number) = (id.level(), id.number());
        self.wait_if_held(level, number);
        let rows = self.rows();
        let mut hashes: Vec<Hash> = Vec::new();
        for (&(_, _, offset), row) in rows.tiles.range((level, number, 0)..=(level, number, u8::MAX)) {
            if usize::from(offset) != hashes.len() {
                break;
            }
            hashes.extend(row);
        }
        if hashes.len() < usize::from(id.width()) {
            let position = u16::try_from(hashes.len()).unwrap_or(u16::MAX);
            return Err(Damage::BrokenTile { level, number, position }.into());
        }
        hashes.truncate(usize::from(id.width()));
        Ok(hashes.iter().flat_map(Hash::as_bytes).copied().collect())
    }

    fn head_from(&self, size: TreeSize) -> Result<Option<(TreeSize, Bytes)>, StoreError> {
        Ok(self.rows().heads.range(size.as_u64()..).next().map(|(size, head)| (TreeSize::new(*size), head.clone())))
    }

    fn extent(&self) -> Result<Extent, StoreError> {
        let rows = self.rows();
        let leaf_hashes =
            rows.tiles.range(..(1, 0, 0)).next_back().map_or(0, |(&(_, number, offset), hashes)| {
                number * 256 + u64::from(offset) + u64::try_from(hashes.len()).unwrap_or(u64::MAX)
            });
        Ok(Extent {
            entries: rows.entries.last_key_value().map_or(0, |(index, _)| index + 1),
            leaf_hashes,
            published: rows.heads.last_key_value().map(|(size, _)| *size),
        })
    }

    fn visit_leaves(&self, visit: &mut dyn FnMut(&Hash, LeafIndex)) -> Result<(), StoreError> {
        self.rows().leaves.iter().for_each(|(leaf, index)| visit(leaf, LeafIndex::new(*index)));
        Ok(())
    }

    fn count_hashes(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::new();
        for (&(level, ..), hashes) in &self.rows().tiles {
            super::count_at(&mut counts, level, hashes.len());
        }
        Ok(counts)
    }

    fn ledger_size(&self) -> Result<Option<TreeSize>, StoreError> {
        Ok(self.rows().ledger_size)
    }

    fn ledger_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows().ledger.get(key).cloned())
    }

    fn ledger_scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let rows = self.rows().ledger.clone(); // the visitor may ask the store for more
        let _ = rows.iter().all(|(key, value)| visit(key, value));
        Ok(())
    }
}
