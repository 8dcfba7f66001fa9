//! The default store: RocksDB, embedded.
//!
//! | family | key | value |
//! |---|---|---|
//! | `meta` | name | format version, identity, tree state |
//! | `entries` | index of the first, u64 | entries that follow each other, as a bundle has them |
//! | `tiles` | level u8, tile number u64, first offset u8 | the hashes that one commit added to that tile |
//! | `leaves` | leaf hash | index, u64 |
//! | | 33 bytes 0xff, the mark | how many entries have theirs here, u64; the newest are in memory only ([`leaves`]) |
//! | `heads` | tree size u64 | each published head, with the cosignatures gathered |
//! | `ledger` | as the crate `decision` has it, and `size` | what the entries say of issuers and decisions; up to which tree size |
//!
//! All numbers are big-endian, so that keys sort as their numbers do. Except for leaf hashes, which are written apart ([`leaves`]), keys only
//! grow, so compaction mostly moves files without rewriting them.
//!
//! What matters about RocksDB here: a write is durable only with `set_sync`; recovery stops at the first damaged record of its
//! write-ahead log and so can drop even synced writes, which the anchor beside the store notices; an iterator that ends may have ended
//! on an error, so its status is always asked; ranges have explicit upper bounds.

mod entries;
mod families;
mod leaves;
mod ledger;
mod names;
mod tiles;

use std::path::Path;

use bytes::Bytes;
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, FlushOptions, Options, ReadOptions, WriteBatch,
    WriteOptions,
};
use tlog::tiles::TileId;
use tlog::{Hash, LeafIndex, TreeSize};

use self::families::Families;
use self::leaves::Recent;
use super::{Admits, Commit, Damage, Extent, FORMAT_VERSION, Identity, LogId, Store, StoreError, TileRow, TreeState};

const META: &str = "meta";
const ENTRIES: &str = "entries";
const TILES: &str = "tiles";
const LEAVES: &str = "leaves";
const HEADS: &str = "heads";
const LEDGER: &str = "ledger";

const META_FORMAT: &str = "format";
const META_ORIGIN: &str = "origin";
const META_VERIFIER_KEY: &str = "vkey";
const META_LOG_ID: &str = "log-id";
const META_TREE: &str = "tree";
const META_ADMISSION: &str = "admission";

/// The ledger's own row. No other of its keys is as short.
const LEDGER_SIZE: &[u8] = b"size";

/// How many files RocksDB keeps open. The rest of what the process may open is for connections.
pub(crate) const MAX_OPEN_FILES: u16 = 512;

/// How much memory RocksDB may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of uncompressed table blocks, filters and indexes kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of recent writes kept in memory before they are written as table files: half for leaf hashes, half for all other rows.
    pub write_buffer_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        RocksOptions { block_cache_bytes: 48 << 20, write_buffer_bytes: 96 << 20 }
    }
}

/// A log's rows in a RocksDB directory. One process at a time; [`crate::data_dir`] sees to that.
pub struct RocksStore {
    /// First, so that nothing writes into the directory any more when the database is closed and another process may open it.
    recent: Recent,
    db: DB,
    families: Families,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksStore").field(&self.db.path()).finish()
    }
}

impl RocksStore {
    /// Creates the store of a new log in `dir`, which must not hold one, and makes it durable.
    pub fn create(dir: &Path, options: RocksOptions, identity: &Identity, tree: &TreeState) -> Result<Self, StoreError> {
        let mut db_options = db_options(options);
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        db_options.set_error_if_exists(true);
        let families = Families::new(options);
        let mut descriptors = families.descriptors();
        descriptors.push(ColumnFamilyDescriptor::new(LEDGER, families.options(LEDGER)));
        let db = DB::open_cf_descriptors(&db_options, dir, descriptors)?;
        let store = RocksStore { db, families, recent: Recent::within(options.write_buffer_bytes) };
        let mut batch = WriteBatch::default();
        let meta = store.family(META);
        batch.put_cf(meta, META_FORMAT, FORMAT_VERSION.to_be_bytes());
        batch.put_cf(meta, META_ORIGIN, &identity.origin);
        batch.put_cf(meta, META_VERIFIER_KEY, &identity.verifier_key);
        batch.put_cf(meta, META_LOG_ID, identity.log_id.0);
        batch.put_cf(meta, META_ADMISSION, identity.admits.name());
        batch.put_cf(meta, META_TREE, encode_tree(tree));
        store.write(batch)?;
        store.settle()?;
        Ok(store)
    }

    /// Opens the store of an existing log for reading and changes nothing in it. What its write-ahead log holds is read into memory.
    ///
    /// A store is looked at in this way before it is opened for writing: opening for writing makes what recovery could read the new
    /// state, and removes the rest, which may be all that is left of acknowledged entries.
    pub fn open_read_only(dir: &Path, options: RocksOptions) -> Result<Self, StoreError> {
        let store = open_present(dir, options, |options, families| DB::open_cf_descriptors_read_only(options, dir, families, false))?;
        // Whoever only looks is to see what there is, and to find what is wrong with it.
        drop(store.recall_leaves_read_only());
        Ok(store)
    }

    /// Opens the store of an existing log; never creates one.
    ///
    /// Before it returns, all that RocksDB recovered from its write-ahead log has been written again as synced table files: after a
    /// failed sync, recovery may have read pages that never reached the disk.
    pub fn open(dir: &Path, options: RocksOptions) -> Result<Self, StoreError> {
        let store = names::open(dir, || {
            let store = open_present(dir, options, |options, families| DB::open_cf_descriptors(options, dir, families))?;
            // RocksDB opens files when they are first read, if it has many. The mark is in the one that it took in last.
            store.mark()?;
            Ok(store)
        })?;
        store.settle()?;
        store.recall_leaves()?;
        Ok(store)
    }

    fn of_this_format(self) -> Result<Self, StoreError> {
        match self.meta(META_FORMAT)?.as_slice().try_into().map(u32::from_be_bytes) {
            Ok(FORMAT_VERSION) => Ok(self),
            Ok(found) => Err(StoreError::Format { found }),
            Err(_) => Err(Damage::MalformedRow(META).into()),
        }
    }

    /// Whether `dir` looks like a RocksDB directory at all.
    pub fn is_present(dir: &Path) -> bool {
        dir.join("CURRENT").is_file()
    }

    /// Writes everything in memory to synced table files.
    pub fn settle(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        Ok(self.db.flush_cfs_opt(&self.all_families(), &options)?)
    }

    /// Copies the store as it stands into `out`, which must not exist. Files are hard links where the file system allows.
    pub fn copy_to(&self, out: &Path) -> Result<(), StoreError> {
        Ok(rocksdb::checkpoint::Checkpoint::new(&self.db)?.create_checkpoint(out)?)
    }

    /// Rewrites all table files once, so that their size on disk can be measured.
    pub fn compact(&self) {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for family in self.all_families() {
            self.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
    }

    /// Writes another format version, as another release would have.
    #[cfg(test)]
    pub(super) fn set_format(&self, version: u32) {
        self.db.put_cf(self.family(META), META_FORMAT, version.to_be_bytes()).expect("a test may fail");
    }

    /// Removes the ledger's family, as a replacement that is cut short can.
    #[cfg(test)]
    pub(super) fn lose_ledger(&mut self) {
        self.db.drop_cf(LEDGER).expect("a test may fail");
    }

    fn all_families(&self) -> Vec<&ColumnFamily> {
        [META, ENTRIES, TILES, LEAVES, HEADS, LEDGER].into_iter().filter_map(|name| self.db.cf_handle(name)).collect()
    }

    /// Not for the ledger, unless it was just made.
    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family was opened with the database")
    }

    fn meta(&self, name: &'static str) -> Result<Vec<u8>, StoreError> {
        self.db.get_cf(self.family(META), name)?.ok_or(Damage::MissingMeta(name).into())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        // A batch has its rows in the order of their keys, so the place of one is near that of the row before it.
        options.set_memtable_insert_hint_per_batch(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// RocksDB tries failed background writes again by itself; over an error of the store nothing goes on here.
    fn check_background(&self) -> Result<(), StoreError> {
        match self.db.property_int_value(rocksdb::properties::BACKGROUND_ERRORS)? {
            Some(0) | None => Ok(()),
            Some(_) => Err(StoreError::Background),
        }
    }

    /// Calls `visit` with each row whose key is in `from..to`, in order, until it says `false`.
    fn scan(
        &self,
        family: &str,
        from: Vec<u8>,
        to: Vec<u8>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family), options);
        rows.seek(from);
        while let Some((key, value)) = rows.item() {
            if !visit(key, value)? {
                return Ok(());
            }
            rows.next();
        }
        Ok(rows.status()?)
    }

    /// The last key of a family whose keys are numbers.
    fn last_number(&self, family: &'static str) -> Result<Option<u64>, StoreError> {
        let mut rows = self.db.raw_iterator_cf(self.family(family));
        rows.seek_to_last();
        let last = rows.key().map(|key| decode_u64(key, family)).transpose();
        rows.status()?;
        last
    }

    /// The last row of level 0, which does not stand last in its family.
    fn last_leaf_hash(&self) -> Result<u64, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(vec![1]);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(TILES), options);
        rows.seek_to_last();
        let end = match rows.item() {
            None => Ok(0),
            Some((key, value)) => decode_tile_key(key)
                .and_then(|(_, number, offset)| {
                    let count = u64::try_from(value.len() / Hash::LEN).ok()?;
                    number.checked_mul(256)?.checked_add(u64::from(offset))?.checked_add(count)
                })
                .ok_or(StoreError::from(Damage::MalformedRow(TILES))),
        };
        rows.status()?;
        end
    }
}

impl Store for RocksStore {
    type Staged = WriteBatch;

    fn identity(&self) -> Result<Identity, StoreError> {
        let text = |name| String::from_utf8(self.meta(name)?).map_err(|_| StoreError::from(Damage::MalformedRow(META)));
        Ok(Identity {
            origin: text(META_ORIGIN)?,
            verifier_key: text(META_VERIFIER_KEY)?,
            log_id: LogId(self.meta(META_LOG_ID)?.try_into().map_err(|_| Damage::MalformedRow(META))?),
            admits: Admits::named(&text(META_ADMISSION)?).ok_or(Damage::MalformedRow(META))?,
        })
    }

    fn tree(&self) -> Result<TreeState, StoreError> {
        decode_tree(&self.meta(META_TREE)?)
    }

    fn stage(&self, first: LeafIndex, entries: &[Bytes]) -> WriteBatch {
        self.stage_rows(first.as_u64(), entries)
    }

    fn staged_entries(&self, staged: &WriteBatch, visit: &mut dyn FnMut(&[u8])) {
        entries::visit_staged(staged, visit);
    }

    fn commit(&self, mut batch: WriteBatch, commit: &Commit) -> Result<(), StoreError> {
        let first = commit.tree.size.as_u64() - u64::try_from(commit.leaves.len()).expect("a batch is far smaller than 2^64");
        self.make_room(first, commit.leaves.len())?;
        let tiles = self.family(TILES);
        for row in &commit.tiles {
            batch.put_cf(tiles, encode_tile_key(row.level, row.number, row.offset), encode_hashes(row));
        }
        batch.put_cf(self.family(META), META_TREE, encode_tree(&commit.tree));
        if commit.publish {
            batch.put_cf(self.family(HEADS), commit.tree.size.as_u64().to_be_bytes(), &commit.tree.checkpoint);
        }
        if let Some(rows) = &commit.ledger {
            let ledger = self.db.cf_handle(LEDGER).ok_or(Damage::MissingLedger)?;
            rows.iter().for_each(|(key, value)| batch.put_cf(ledger, key, value));
            batch.put_cf(ledger, LEDGER_SIZE, commit.tree.size.as_u64().to_be_bytes());
        }
        self.write(batch)?;
        self.check_background()?;
        self.recent.keep(first, &commit.leaves);
        Ok(())
    }

    fn publish(&self, size: TreeSize, head: &Bytes) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(HEADS), size.as_u64().to_be_bytes(), head);
        self.write(batch)?;
        self.check_background()
    }

    fn find_leaves(&self, leaves: &[Hash]) -> Result<Vec<Option<LeafIndex>>, StoreError> {
        self.look_leaves_up(leaves)
    }

    fn bundle(&self, first: LeafIndex, count: u16) -> Result<Vec<u8>, StoreError> {
        self.read_rows(first.as_u64(), count)
    }

    fn tile_bytes(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        self.read_tile(id)
    }

    fn head_from(&self, size: TreeSize) -> Result<Option<(TreeSize, Bytes)>, StoreError> {
        let mut rows = self.db.raw_iterator_cf(self.family(HEADS));
        rows.seek(size.as_u64().to_be_bytes());
        let head = match rows.item() {
            None => None,
            Some((size, head)) => Some((TreeSize::new(decode_u64(size, HEADS)?), Bytes::copy_from_slice(head))),
        };
        rows.status()?;
        Ok(head)
    }

    fn extent(&self) -> Result<Extent, StoreError> {
        Ok(Extent { entries: self.end_of_entries()?, leaf_hashes: self.last_leaf_hash()?, published: self.last_number(HEADS)? })
    }

    fn visit_leaves(&self, visit: &mut dyn FnMut(&Hash, LeafIndex)) -> Result<(), StoreError> {
        self.visit_all_leaves(visit)
    }

    fn count_hashes(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::new();
        self.scan(TILES, Vec::new(), vec![0xff; 11], |key, value| {
            let (level, ..) = decode_tile_key(key).filter(|_| value.len().is_multiple_of(Hash::LEN)).ok_or(Damage::MalformedRow(TILES))?;
            super::count_at(&mut counts, level, value.len() / Hash::LEN);
            Ok(true)
        })?;
        Ok(counts)
    }

    fn ledger_size(&self) -> Result<Option<TreeSize>, StoreError> {
        self.read_ledger_size()
    }

    fn ledger_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.db.cf_handle(LEDGER) {
            Some(ledger) => Ok(self.db.get_cf(ledger, key)?),
            None => Ok(None),
        }
    }

    fn ledger_scan(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let Some(ledger) = self.db.cf_handle(LEDGER) else { return Ok(()) };
        let mut rows = self.db.raw_iterator_cf(ledger);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            if key != LEDGER_SIZE && !visit(key, value) {
                return Ok(());
            }
            rows.next();
        }
        Ok(rows.status()?)
    }
}

/// Opens the families that the store in `dir` has. Replacing the ledger can be cut short when the old one is gone and the new one not there.
fn open_present(
    dir: &Path,
    options: RocksOptions,
    open: impl FnOnce(&Options, Vec<ColumnFamilyDescriptor>) -> Result<DB, rocksdb::Error>,
) -> Result<RocksStore, StoreError> {
    let families = Families::new(options);
    let has_ledger = DB::list_cf(&Options::default(), dir)?.iter().any(|name| name == LEDGER);
    let mut descriptors = families.descriptors();
    if has_ledger {
        descriptors.push(ColumnFamilyDescriptor::new(LEDGER, families.options(LEDGER)));
    }
    let db = open(&db_options(options), descriptors)?;
    RocksStore { recent: Recent::within(options.write_buffer_bytes), db, families }.of_this_format()
}

fn db_options(options: RocksOptions) -> Options {
    let mut db = serving::rocks::options(options.write_buffer_bytes / 2, MAX_OPEN_FILES);
    // A write-ahead log that was synced and then went missing or got shorter is an error at the next start, not a shorter history.
    db.set_track_and_verify_wals_in_manifest(true);
    // Two merges at a time where files gather, else one: of a large index of leaf hashes one takes minutes, in which entries go on.
    db.set_max_background_jobs(3);
    db
}

fn encode_tile_key(level: u8, number: u64, offset: u8) -> [u8; 10] {
    let mut key = [0; 10];
    key[0] = level;
    key[1..9].copy_from_slice(&number.to_be_bytes());
    key[9] = offset;
    key
}

fn decode_tile_key(key: &[u8]) -> Option<(u8, u64, u8)> {
    let key: [u8; 10] = key.try_into().ok()?;
    let [level, number @ .., offset] = key;
    Some((level, u64::from_be_bytes(number), offset))
}

fn encode_hashes(row: &TileRow) -> Vec<u8> {
    row.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn decode_u64(bytes: &[u8], family: &'static str) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| Damage::MalformedRow(family).into())
}

/// size u64 ‖ root 32 bytes ‖ the signed checkpoint.
fn encode_tree(tree: &TreeState) -> Vec<u8> {
    [tree.size.as_u64().to_be_bytes().as_slice(), tree.root.as_bytes(), &tree.checkpoint].concat()
}

fn decode_tree(bytes: &[u8]) -> Result<TreeState, StoreError> {
    let malformed = StoreError::from(Damage::MalformedRow(META));
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return Err(malformed) };
    let Some((root, checkpoint)) = rest.split_first_chunk::<32>() else { return Err(malformed) };
    Ok(TreeState { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::new(*root), checkpoint: Bytes::copy_from_slice(checkpoint) })
}
