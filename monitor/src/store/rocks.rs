//! The store on RocksDB.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, IteratorMode, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use super::{Damage, FORMAT_VERSION, Family, Row, StoreError};

const META_FORMAT: &[u8] = b"format";

/// How many files RocksDB keeps open. The rest of what the process may open is for connections.
pub(crate) const MAX_OPEN_FILES: u16 = 256;

/// How much memory RocksDB may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes of uncompressed table blocks, filters and indexes kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of recent writes kept in memory before they are written as table files.
    pub write_buffer_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions { block_cache_bytes: 64 << 20, write_buffer_bytes: 64 << 20 }
    }
}

#[cfg(test)]
thread_local! {
    /// Rows of the database that searches of this thread's batches came by, also those that the batch removes: so that a bound on work is
    /// tested by counting and not by the clock.
    pub(crate) static PASSED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The database.
pub(super) struct Db {
    db: DB,
}

/// A batch that is being put together. Only [`Store::write`](super::Store::write) makes one.
pub struct Txn<'s> {
    db: &'s Db,
    /// What the batch writes; `None` removes. Ordered, so that a scan can see it, and by family, so that a look at a key needs no copy of it.
    changes: BTreeMap<Family, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Rows that are removed before these changes.
    removed: Vec<(Family, Range<Vec<u8>>)>,
    sync: bool,
}

impl Family {
    const ALL: [Family; 10] = [
        Family::Meta,
        Family::Logs,
        Family::Heads,
        Family::Bundles,
        Family::Nodes,
        Family::Ledger,
        Family::Checks,
        Family::Findings,
        Family::Events,
        Family::Alerts,
    ];

    fn name(self) -> &'static str {
        match self {
            Family::Meta => "meta",
            Family::Logs => "logs",
            Family::Heads => "heads",
            Family::Bundles => "bundles",
            Family::Nodes => "nodes",
            Family::Ledger => "ledger",
            Family::Checks => "checks",
            Family::Findings => "findings",
            Family::Events => "events",
            Family::Alerts => "alerts",
        }
    }
}

impl Db {
    pub(super) fn create(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let mut made = db_options(options);
        made.create_if_missing(true);
        made.create_missing_column_families(true);
        made.set_error_if_exists(true);
        let db = Db { db: DB::open_cf_descriptors(&made, dir, families(options))? };
        let mut batch = WriteBatch::default();
        batch.put_cf(db.family(Family::Meta), META_FORMAT, FORMAT_VERSION.to_be_bytes());
        db.write(batch, true)?;
        Ok(db)
    }

    /// Looked at for reading first, since opening for writing changes files.
    pub(super) fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        drop(Db::open_to_read(dir, options)?);
        Ok(Db { db: DB::open_cf_descriptors(&db_options(options), dir, families(options))? })
    }

    /// All files are opened at once and stay open, since the process that writes may remove them.
    pub(super) fn open_to_read(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let mut made = db_options(options);
        made.set_max_open_files(-1);
        let db = Db { db: DB::open_cf_descriptors_read_only(&made, dir, families(options), false)? };
        db.of_this_format()?;
        Ok(db)
    }

    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get_cf(self.family(family), key)?)
    }

    /// At most `limit` rows whose keys begin with `prefix`, from the key `from` on.
    pub(super) fn scan(&self, family: Family, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.visit(family, prefix, from, |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            rows.len() < limit
        })?;
        rows.truncate(limit);
        Ok(rows)
    }

    /// Calls `visit` with rows in their order until it says no.
    fn visit(&self, family: Family, prefix: &[u8], from: &[u8], mut visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        if let Some(end) = after(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mode = IteratorMode::From(from, rocksdb::Direction::Forward);
        // The iterator gives its own status as a last item, so an error is not taken for the end.
        for row in self.db.iterator_cf_opt(self.family(family), options, mode) {
            let (key, row) = row?;
            if !visit(&key, &row) {
                break;
            }
        }
        Ok(())
    }

    fn of_this_format(&self) -> Result<(), StoreError> {
        let found = self.get(Family::Meta, META_FORMAT)?.ok_or(Damage::Meta("format"))?;
        match found.try_into().map(u32::from_be_bytes) {
            Ok(FORMAT_VERSION) => Ok(()),
            Ok(found) => Err(StoreError::Format { found }),
            Err(_) => Err(Damage::Meta("format").into()),
        }
    }

    /// Writes another format version, as another release would have.
    #[cfg(test)]
    pub(super) fn set_format(&self, version: u32) {
        self.db.put_cf(self.family(Family::Meta), META_FORMAT, version.to_be_bytes()).expect("a test may fail");
    }

    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.db.write_opt(batch, &options)?)
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("every family was opened with the database")
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.db.path()).finish()
    }
}

impl<'s> Txn<'s> {
    pub(super) fn new(db: &'s Db) -> Self {
        Txn { db, changes: BTreeMap::new(), removed: Vec::new(), sync: false }
    }

    /// The row with this key, as this batch will leave it.
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(&family).and_then(|changes| changes.get(key)) {
            Some(row) => Ok(row.clone()),
            None => self.db.get(family, key),
        }
    }

    /// Writes a row.
    pub fn put(&mut self, family: Family, key: Vec<u8>, row: Vec<u8>) {
        self.changes.entry(family).or_default().insert(key, Some(row));
    }

    /// Removes a row.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.changes.entry(family).or_default().insert(key, None);
    }

    /// At most `limit` rows whose keys begin with `prefix`, in the order of their keys, as this batch will leave them.
    pub fn scan(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.scan_from(family, prefix, prefix, limit)
    }

    /// The same from the key `from` on, which begins with `prefix`.
    pub fn scan_from(&self, family: Family, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let changes = self.changes.get(&family);
        let ours = changes.into_iter().flat_map(|changes| changes.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)));
        let mut ours = ours.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let mut rows: Vec<Row> = Vec::new();
        let mut before = |rows: &mut Vec<Row>, until: Option<&[u8]>| {
            while let Some((key, row)) = ours.next_if(|(key, _)| until.is_none_or(|until| key.as_slice() < until)) {
                rows.extend(row.as_ref().map(|row| (key.clone(), row.clone())));
            }
        };
        self.db.visit(family, prefix, from, |key, row| {
            #[cfg(test)]
            PASSED.set(PASSED.get() + 1);
            before(&mut rows, Some(key));
            if !changes.is_some_and(|changes| changes.contains_key(key)) {
                rows.push((key.to_vec(), row.to_vec()));
            }
            rows.len() < limit
        })?;
        if rows.len() < limit {
            before(&mut rows, None);
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Removes all rows from the key `from` on up to, not including, `to`. This batch itself still sees them; what it writes stays.
    pub fn delete_range(&mut self, family: Family, from: Vec<u8>, to: Vec<u8>) {
        self.removed.push((family, from..to));
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.removed.is_empty()
    }

    /// The batch must survive a power cut.
    pub fn sync(&mut self) {
        self.sync = true;
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (family, range) in self.removed {
            batch.delete_range_cf(self.db.family(family), range.start, range.end);
        }
        for (family, changes) in self.changes {
            let family = self.db.family(family);
            for (key, row) in changes {
                match row {
                    Some(row) => batch.put_cf(family, key, row),
                    None => batch.delete_cf(family, key),
                }
            }
        }
        self.db.write(batch, self.sync)
    }
}

impl fmt::Debug for Txn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: usize = self.changes.values().map(BTreeMap::len).sum();
        f.debug_struct("Txn").field("changes", &changes).field("sync", &self.sync).finish_non_exhaustive()
    }
}

/// The first key that does not begin with `prefix`; `None` if there is no such key.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn db_options(options: StoreOptions) -> Options {
    let mut db = serving::rocks::options(options.write_buffer_bytes, MAX_OPEN_FILES);
    // What is lost at the end of a damaged write-ahead log is read again from the logs: the cursor is lost with it.
    db.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    db
}

fn families(options: StoreOptions) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let default = ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, Options::default());
    let ours = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(family, &cache, options)));
    std::iter::once(default).chain(ours).collect()
}

fn family_options(family: Family, cache: &Cache, options: StoreOptions) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    let mut made = Options::default();
    made.set_write_buffer_size((options.write_buffer_bytes / 2).max(1 << 20));
    made.set_compression_type(DBCompressionType::Lz4);
    match family {
        // A row is a whole bundle; each is written once or twice and read rarely.
        Family::Bundles => made.set_bottommost_compression_type(DBCompressionType::Zstd),
        Family::Ledger | Family::Checks | Family::Findings => {
            table.set_block_size(4 << 10); // rows are read one by one and far apart
            table.set_bloom_filter(10.0, false);
            table.set_whole_key_filtering(true);
            // Most rows that are asked for are not there: it is seen that nobody has this number, text or document yet.
            made.set_memtable_whole_key_filtering(true);
            made.set_memtable_prefix_bloom_ratio(0.1);
        }
        _ => {}
    }
    made.set_block_based_table_factory(&table);
    made
}
