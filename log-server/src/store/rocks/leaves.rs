//! The index of leaf hashes: which entry has which. It is what finds an entry that the log has already.
//!
//! It says nothing that the tiles do not say, and its keys come in no order, which is dear: written with each commit it would cost more than
//! all the rest of it. So it is kept beside the commits. The family has the leaf hashes of all entries below a *mark*, which is a row of the
//! family; those from the mark on are in memory. When these are many, a thread sorts them into a table file, which ends with the mark behind
//! them, and the store takes the file in.
//!
//! **Invariant.** The leaf hash of every committed entry is in the family or in memory, at any moment and after any crash. Memory forgets
//! only what the family has. The family gets rows and their mark as one file, whole or not at all, and no file has a leaf hash of an entry
//! that is not committed. And opening the store reads back into memory, from the tiles, all from the mark on; an index that is far behind,
//! or gone, so is made again by a start, in the same memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use rocksdb::{IngestExternalFileOptions, Options, SstFileWriter};
use tlog::{Hash, LeafIndex};

use super::{LEAVES, RocksStore, TILES, decode_tile_key, decode_u64, encode_tile_key};
use crate::store::order;
use crate::store::{Damage, Store, StoreError};

/// The mark's key. It is longer than a hash, and behind all of them.
const MARK: [u8; Hash::LEN + 1] = [0xff; Hash::LEN + 1];

/// The table file that is being made.
pub(super) const TABLE: &str = "leaves.table";

/// Leaf hashes with their indexes. The hasher is seeded at random, so that nobody can choose entries that all fall into one place.
type Leaves = HashMap<Hash, u64, foldhash::fast::RandomState>;

/// The newest leaf hashes, which the family does not have yet.
pub(super) struct Recent {
    leaves: RwLock<InMemory>,
    /// How many of them are kept before they are written.
    limit: usize,
}

#[derive(Default)]
struct InMemory {
    newest: Leaves,
    /// Those that are on their way into the family.
    leaving: Arc<Leaves>,
    writing: Option<Writing>,
}

/// The thread that writes a table file.
struct Writing(Option<JoinHandle<Result<(), StoreError>>>);

impl Writing {
    fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn result(mut self) -> Result<(), StoreError> {
        match self.0.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => Err(StoreError::Background),
        }
    }
}

impl Drop for Writing {
    /// Whoever opens the store next may write a file of the same name.
    fn drop(&mut self) {
        drop(self.0.take().map(JoinHandle::join));
    }
}

impl Recent {
    /// None yet, and room for as many as take half of so many bytes, with those that are on their way into the family.
    pub(super) fn within(bytes: usize) -> Self {
        // A map has a power of two of slots, of which it fills seven eighths, and a byte beside each.
        let slots = (bytes / 4 / (size_of::<(Hash, u64)>() + 1)).max(16);
        Recent { leaves: RwLock::default(), limit: (1 << slots.ilog2()) / 8 * 7 }
    }

    fn read(&self) -> RwLockReadGuard<'_, InMemory> {
        self.leaves.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, InMemory> {
        self.leaves.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the leaf hashes of entries that were committed, from this index on.
    pub(super) fn keep(&self, first: u64, leaves: &[Hash]) {
        let mut recent = self.write();
        if recent.newest.is_empty() {
            recent.newest.reserve(self.limit.max(leaves.len()));
        }
        recent.newest.extend(leaves.iter().copied().zip(first..));
    }
}

impl RocksStore {
    /// Sees to it that memory has room for leaf hashes of so many entries more, the first of them with this index. Nothing of them may be
    /// committed yet.
    pub(super) fn make_room(&self, first: u64, count: usize) -> Result<(), StoreError> {
        let recent = self.recent.read();
        let full = !recent.newest.is_empty() && recent.newest.len() + count > self.recent.limit;
        let written = recent.writing.as_ref().is_some_and(Writing::is_finished);
        drop(recent);
        if full || written {
            self.take_in_written()?;
        }
        if full { self.start_writing(first) } else { Ok(()) }
    }

    /// Waits for the table file that is being made, if one is, and takes it in.
    fn take_in_written(&self) -> Result<(), StoreError> {
        let mut recent = self.recent.write();
        let Some(writing) = recent.writing.take() else {
            // Where this failed before, some are on their way for ever. A mark beyond them would be a lie.
            return if recent.leaving.is_empty() { Ok(()) } else { Err(StoreError::Background) };
        };
        drop(recent);
        writing.result()?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.db.ingest_external_file_cf_opts(self.family(LEAVES), &options, vec![self.table()])?;
        // Only now, so that whoever looks into memory first and into the family then finds each of them.
        self.recent.write().leaving = Arc::default();
        Ok(())
    }

    /// Starts to write all that is in memory, which is what the family does not have of the entries below `mark`.
    fn start_writing(&self, mark: u64) -> Result<(), StoreError> {
        let mut recent = self.recent.write();
        recent.leaving = Arc::new(std::mem::take(&mut recent.newest));
        let (leaves, options, path) = (Arc::clone(&recent.leaving), self.families.options(LEAVES), self.table());
        let thread = std::thread::Builder::new().name("leaf hashes".into()).spawn(move || write_table(&leaves, mark, &options, &path));
        recent.writing = Some(Writing(Some(thread.map_err(StoreError::Index)?)));
        Ok(())
    }

    fn table(&self) -> PathBuf {
        // Within the store's directory, so that taking it in moves it. RocksDB leaves files alone whose names are not its own; what
        // a crash leaves is removed the next time.
        self.db.path().join(TABLE)
    }

    /// Reads the leaf hashes that the family does not have back into memory, and goes on as if they were committed now: where they are more
    /// than memory has room for, the first of them go into the family.
    pub(super) fn recall_leaves(&self) -> Result<(), StoreError> {
        let (size, mark) = (self.tree()?.size, self.mark()?);
        if mark > size.as_u64() {
            return Err(Damage::IndexBeyond { mark, size }.into());
        }
        let mut next = mark;
        self.scan_leaf_hashes(mark, |first, hashes| {
            // No mark is ever beyond a gap.
            let known = next.checked_sub(first).ok_or(broken_at(next))?;
            let new = hashes.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
            self.make_room(next, new.len())?;
            self.recent.keep(next, new);
            next += u64::try_from(new.len()).unwrap_or(u64::MAX);
            Ok(next < size.as_u64())
        })?;
        if next == size.as_u64() { Ok(()) } else { Err(broken_at(next).into()) }
    }

    /// The same for whoever only reads: nothing is written, and what is behind a gap is read, too.
    pub(super) fn recall_leaves_read_only(&self) -> Result<(), StoreError> {
        let (size, mark) = (self.tree()?.size.as_u64(), self.mark()?);
        let mut leaves = Leaves::default();
        let read = self.scan_leaf_hashes(mark, |first, hashes| {
            for (leaf, index) in hashes.iter().zip(first..).filter(|(_, index)| (mark..size).contains(index)) {
                leaves.entry(*leaf).or_insert(index);
            }
            Ok(first < size)
        });
        self.recent.write().newest = leaves;
        read
    }

    /// Shows the rows of tiles of level 0, with the index of the first hash of each, from the tile on that has this index.
    fn scan_leaf_hashes(&self, from: u64, mut visit: impl FnMut(u64, &[Hash]) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        self.scan(TILES, encode_tile_key(0, from / 256, 0).to_vec(), vec![1], |key, row| {
            // A tree has at most 2^63 entries.
            let first = decode_tile_key(key).and_then(|(_, number, offset)| (number < 1 << 55).then(|| number * 256 + u64::from(offset)));
            let hashes: Option<Vec<Hash>> = row.chunks(Hash::LEN).map(|hash| Hash::try_from(hash).ok()).collect();
            match (first, hashes) {
                (Some(first), Some(hashes)) if hashes.len() <= 256 => visit(first, &hashes),
                _ => Err(Damage::MalformedRow(TILES).into()),
            }
        })
    }

    /// Up to which entry the family has leaf hashes.
    pub(super) fn mark(&self) -> Result<u64, StoreError> {
        self.db.get_cf(self.family(LEAVES), MARK)?.map_or(Ok(0), |mark| decode_u64(&mark, LEAVES))
    }

    pub(super) fn look_leaves_up(&self, leaves: &[Hash]) -> Result<Vec<Option<LeafIndex>>, StoreError> {
        let mut found = vec![None; leaves.len()];
        let mut elsewhere: Vec<(&Hash, usize)> = Vec::with_capacity(leaves.len());
        let recent = self.recent.read();
        for (leaf, position) in leaves.iter().zip(0..) {
            match recent.newest.get(leaf).or_else(|| recent.leaving.get(leaf)) {
                Some(index) => found[position] = Some(LeafIndex::new(*index)),
                None => elsewhere.push((leaf, position)),
            }
        }
        drop(recent);
        elsewhere.sort_unstable_by(|(one, _), (other, _)| order::compare(one, other));
        let rows = self.db.batched_multi_get_cf(self.family(LEAVES), elsewhere.iter().map(|(leaf, _)| leaf.as_bytes()), true);
        for (row, (_, position)) in rows.into_iter().zip(elsewhere) {
            if let Some(index) = row? {
                found[position] = Some(LeafIndex::new(decode_u64(&index, LEAVES)?));
            }
        }
        Ok(found)
    }

    pub(super) fn visit_all_leaves(&self, visit: &mut dyn FnMut(&Hash, LeafIndex)) -> Result<(), StoreError> {
        let recent = self.recent.read();
        recent.newest.iter().chain(recent.leaving.iter()).for_each(|(leaf, index)| visit(leaf, LeafIndex::new(*index)));
        drop(recent);
        self.scan(LEAVES, Vec::new(), MARK.to_vec(), |leaf, index| {
            let leaf = Hash::try_from(leaf).map_err(|_| Damage::MalformedRow(LEAVES))?;
            visit(&leaf, LeafIndex::new(decode_u64(index, LEAVES)?));
            Ok(true)
        })
    }
}

/// A table file of these leaf hashes and the mark, synced.
fn write_table(leaves: &Leaves, mark: u64, options: &Options, path: &Path) -> Result<(), StoreError> {
    // What is there may be the store's own by now: taking a file in gives it a second name and then removes this one, and a crash in
    // between leaves it both. Written over, it would be lost under its other name.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::Index(error)),
        _ => {}
    }
    // By their first bytes, which are at hand, before the hashes, which are anywhere in the map.
    let mut sorted: Vec<(u64, &Hash, u64)> = leaves.iter().map(|(leaf, index)| (order::first(leaf), leaf, *index)).collect();
    sorted.sort_unstable();
    let mut table = SstFileWriter::create(options);
    table.open(path)?;
    sorted.iter().try_for_each(|(_, leaf, index)| table.put(leaf.as_bytes(), index.to_be_bytes()))?;
    table.put(MARK, mark.to_be_bytes())?;
    table.finish()?;
    // The writer of table files asks the system to forget what it writes; but this is read soon. No harm is done where this fails.
    if let Ok(file) = File::open(path) {
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::WillNeed);
    }
    Ok(())
}

/// The tile of level 0 that has no leaf hash at this index.
fn broken_at(index: u64) -> Damage {
    Damage::BrokenTile { level: 0, number: index / 256, position: u16::try_from(index % 256).unwrap_or(u16::MAX) }
}

#[cfg(test)]
mod tests;
