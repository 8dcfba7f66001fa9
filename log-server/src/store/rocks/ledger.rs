//! Replacing the ledger as a whole.
//!
//! Its family is dropped with its files and made anew, so that not even unreadable files are in the way. The row that says how far the
//! ledger goes is written last, when all others are on the disk: cut short at any point, this leaves a store without that row.

use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch};
use tlog::TreeSize;

use super::{LEDGER, LEDGER_SIZE, RocksStore};
use crate::store::{Store, StoreError};

/// The table file that is being made.
pub(super) const TABLE: &str = "ledger-rebuild.table";

impl RocksStore {
    /// Removes the ledger. From here to [`RocksStore::finish_ledger`] the store has none, however this process ends.
    pub fn clear_ledger(&mut self) -> Result<(), StoreError> {
        if self.db.cf_handle(LEDGER).is_some() {
            self.db.drop_cf(LEDGER)?;
        }
        Ok(self.db.create_cf(LEDGER, &self.families.options(LEDGER))?)
    }

    /// Writes rows of the ledger that is being made: each key once, and sorted by their keys.
    ///
    /// They become a table file that the store takes in as it is, beside those that it has. RocksDB syncs it; nothing says yet that
    /// it is a part of a ledger.
    pub fn write_ledger(&self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // Within the store's directory, so that taking it in moves it. RocksDB leaves files alone whose names are not its own; what
        // a crash leaves is written over the next time.
        let path = self.db.path().join(TABLE);
        let options = self.families.options(LEDGER);
        let mut table = SstFileWriter::create(&options);
        table.open(&path)?;
        rows.iter().try_for_each(|(key, row)| table.put(key, row))?;
        table.finish()?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        Ok(self.db.ingest_external_file_cf_opts(self.family(LEDGER), &options, vec![path])?)
    }

    /// Makes the new ledger durable, and the store's ledger, drawn from a tree of `size`.
    pub fn finish_ledger(&self, size: TreeSize) -> Result<(), StoreError> {
        self.settle()?;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(LEDGER), LEDGER_SIZE, size.as_u64().to_be_bytes());
        self.write(batch)?;
        self.settle()
    }

    pub(super) fn read_ledger_size(&self) -> Result<Option<TreeSize>, StoreError> {
        let Some(size) = self.ledger_get(LEDGER_SIZE)? else { return Ok(None) };
        Ok(Some(TreeSize::new(super::decode_u64(&size, LEDGER)?)))
    }
}
