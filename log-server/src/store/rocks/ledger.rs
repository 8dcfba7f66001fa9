//! Replacing the ledger as a whole.
//!
//! Its family is dropped with its files and made anew, so that not even unreadable files are in the way. The row that says how far the
//! ledger goes is written last, when all others are on the disk: cut short at any point, this leaves a store without that row.

use rocksdb::{WriteBatch, WriteOptions};
use tlog::TreeSize;

use super::{LEDGER, LEDGER_SIZE, RocksStore};
use crate::store::{LedgerRows, Store, StoreError};

impl RocksStore {
    /// Removes the ledger. From here to [`RocksStore::finish_ledger`] the store has none, however this process ends.
    pub fn clear_ledger(&mut self) -> Result<(), StoreError> {
        if self.db.cf_handle(LEDGER).is_some() {
            self.db.drop_cf(LEDGER)?;
        }
        Ok(self.db.create_cf(LEDGER, &self.families.options(LEDGER))?)
    }

    /// Writes rows of the ledger that is being made, without making them durable.
    pub fn write_ledger(&self, rows: LedgerRows) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        rows.into_iter().for_each(|(key, value)| batch.put_cf(self.family(LEDGER), key, value));
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.db.write_opt(batch, &options)?)
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
