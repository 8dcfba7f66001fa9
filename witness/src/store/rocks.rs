//! The default store: RocksDB, embedded.
//!
//! | family | key | value |
//! |---|---|---|
//! | `meta` | name | format version, the witness's verifier keys, how many commits there were |
//! | `logs` | SHA-256 of the origin | size u64 ‖ root ‖ time u64 ‖ the cosigned checkpoint |
//!
//! What matters about RocksDB here: a write is durable only with `set_sync`; the write-ahead log is synced before the rows become visible to
//! readers; an iterator that ends may have ended on an error, so its status is always asked.
//!
//! By default recovery stops at the first damaged record of the write-ahead log and goes on without the rest, synced or not. For a witness that
//! would be to go back, so here a damaged record is an error and the witness does not start. What is forgiven is a record that ends with the
//! file: that is what a power cut leaves of a write that was never answered. A disk that loses the end of what it said it had synced looks the
//! same; the anchor notices that.
//!
//! Keys are hashes, so rows of one commit lie far apart and every look-up is for something that may be anywhere: filters, and indexes in
//! small parts, keep one look-up from costing more than one read.

use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    FlushOptions, Options, WriteBatch, WriteOptions,
};

use super::{Damage, FORMAT_VERSION, OriginHash, Row, Store, StoreError};

const META: &str = "meta";
const LOGS: &str = "logs";

const META_FORMAT: &str = "format";
const META_KEYS: &str = "vkeys";
const META_COMMITS: &str = "commits";

/// How many files RocksDB keeps open. The rest of what the process may open is for connections.
pub(crate) const MAX_OPEN_FILES: u16 = 256;

/// How much memory RocksDB may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of uncompressed table blocks, filters and indexes kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of recent writes kept in memory before they are written as table files.
    pub write_buffer_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        RocksOptions { block_cache_bytes: 32 << 20, write_buffer_bytes: 32 << 20 }
    }
}

/// A witness's rows in a RocksDB directory. One process at a time; [`crate::data_dir`] sees to that.
pub struct RocksStore {
    db: DB,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksStore").field(&self.db.path()).finish()
    }
}

impl RocksStore {
    /// Creates the store of a new witness in `dir`, which must not hold one, and makes it durable. `keys` are the lines of its verifier keys.
    pub fn create(dir: &Path, options: RocksOptions, keys: &str) -> Result<Self, StoreError> {
        let mut db_options = db_options(options);
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        db_options.set_error_if_exists(true);
        let store = RocksStore { db: DB::open_cf_descriptors(&db_options, dir, families(options))? };
        let mut batch = WriteBatch::default();
        let meta = store.family(META);
        batch.put_cf(meta, META_FORMAT, FORMAT_VERSION.to_be_bytes());
        batch.put_cf(meta, META_KEYS, keys);
        batch.put_cf(meta, META_COMMITS, 0u64.to_be_bytes());
        store.write(batch)?;
        store.settle()?;
        Ok(store)
    }

    /// Opens the store of an existing witness; never creates one.
    ///
    /// It is opened for reading first: opening for writing would make what recovery could read the new state. Before it returns, all that
    /// RocksDB recovered from its write-ahead log has been written again as synced table files: after a failed sync, recovery may have read
    /// pages that never reached the disk.
    pub fn open(dir: &Path, options: RocksOptions) -> Result<Self, StoreError> {
        drop(RocksStore::open_read_only(dir, options)?);
        let store = RocksStore { db: DB::open_cf_descriptors(&db_options(options), dir, families(options))? }.of_this_format()?;
        store.settle()?;
        Ok(store)
    }

    /// Opens the store for reading and changes nothing in it.
    pub fn open_read_only(dir: &Path, options: RocksOptions) -> Result<Self, StoreError> {
        RocksStore { db: DB::open_cf_descriptors_read_only(&db_options(options), dir, families(options), false)? }.of_this_format()
    }

    /// Whether `dir` looks like a RocksDB directory at all.
    pub fn is_present(dir: &Path) -> bool {
        dir.join("CURRENT").is_file()
    }

    /// The lines of the verifier keys that the store was made for.
    pub fn keys(&self) -> Result<String, StoreError> {
        String::from_utf8(self.meta(META_KEYS)?).map_err(|_| Damage::Meta(META_KEYS).into())
    }

    /// Writes everything in memory to synced table files.
    pub fn settle(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        Ok(self.db.flush_cfs_opt(&[self.family(META), self.family(LOGS)], &options)?)
    }

    fn of_this_format(self) -> Result<Self, StoreError> {
        match self.meta(META_FORMAT)?.as_slice().try_into().map(u32::from_be_bytes) {
            Ok(FORMAT_VERSION) => Ok(self),
            Ok(found) => Err(StoreError::Format { found }),
            Err(_) => Err(Damage::Meta(META_FORMAT).into()),
        }
    }

    /// Writes another format version, as another release would have.
    #[cfg(test)]
    pub(super) fn set_format(&self, version: u32) {
        self.db.put_cf(self.family(META), META_FORMAT, version.to_be_bytes()).expect("a test may fail");
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family was opened with the database")
    }

    fn meta(&self, name: &'static str) -> Result<Vec<u8>, StoreError> {
        self.db.get_cf(self.family(META), name)?.ok_or(Damage::Meta(name).into())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }
}

impl Store for RocksStore {
    fn row(&self, log: &OriginHash) -> Result<Option<Row>, StoreError> {
        let row = self.db.get_pinned_cf(self.family(LOGS), log.as_bytes())?;
        Ok(row.map(|row| Row::decode(&row)).transpose()?)
    }

    fn commit(&self, rows: &[(OriginHash, Row)]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let bytes: usize = rows.iter().map(|(_, row)| row.note.len() + 96).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        let logs = self.family(LOGS);
        for (log, row) in rows {
            batch.put_cf(logs, log.as_bytes(), row.encode());
        }
        // Commits come from one thread, so nobody else counts meanwhile.
        batch.put_cf(self.family(META), META_COMMITS, (self.commits()? + 1).to_be_bytes());
        self.write(batch)?;
        // RocksDB tries failed background writes again by itself; over an error of the store nothing goes on here.
        match self.db.property_int_value(rocksdb::properties::BACKGROUND_ERRORS)? {
            Some(0) | None => Ok(()),
            Some(_) => Err(StoreError::Background),
        }
    }

    fn commits(&self) -> Result<u64, StoreError> {
        let commits = self.meta(META_COMMITS)?;
        commits.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| Damage::Meta(META_COMMITS).into())
    }

    fn scan(&self, visit: &mut dyn FnMut(OriginHash, Row)) -> Result<(), StoreError> {
        let mut rows = self.db.raw_iterator_cf(self.family(LOGS));
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let hash = tlog::Hash::try_from(key).map_err(|_| Damage::MalformedRow)?;
            visit(OriginHash(hash), Row::decode(value)?);
            rows.next();
        }
        Ok(rows.status()?)
    }
}

fn db_options(options: RocksOptions) -> Options {
    let mut db = serving::rocks::options(options.write_buffer_bytes, MAX_OPEN_FILES);
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A write-ahead log that was synced and then went missing or got shorter is an error at the next start, not a shorter history.
    db.set_track_and_verify_wals_in_manifest(true);
    db
}

fn families(options: RocksOptions) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    table.set_block_size(4 << 10); // rows are read one by one and far apart
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4 << 10);
    table.set_pin_top_level_index_and_filter(true);
    let mut logs = Options::default();
    logs.set_write_buffer_size((options.write_buffer_bytes / 2).max(1 << 20));
    // Signatures are random bytes in base64: a quarter is to be gained, and a row is read and rewritten more often than it is kept.
    logs.set_compression_type(DBCompressionType::Lz4);
    logs.set_block_based_table_factory(&table);
    vec![
        ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, Options::default()),
        ColumnFamilyDescriptor::new(META, Options::default()),
        ColumnFamilyDescriptor::new(LOGS, logs),
    ]
}
