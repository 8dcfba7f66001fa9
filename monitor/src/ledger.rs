//! The ledger of a followed log as it is stored: what its statements say together.

use decision::ledger::{LedgerError, LedgerRead, Rules, Status};
use tlog::LeafIndex;

use crate::store::{Damage, Family, Store, StoreError};

/// Reads the ledger of one log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredLedger<'s> {
    store: &'s Store,
    log: u32,
}

impl<'s> StoredLedger<'s> {
    /// That of the log with this number.
    pub(crate) fn new(store: &'s Store, log: u32) -> Self {
        StoredLedger { store, log }
    }

    /// What the ledger says of an entry; `None` if the entry is not there, is no statement, or should not have been admitted.
    pub(crate) fn status(&self, index: LeafIndex) -> Result<Option<Status>, StoreError> {
        // The name and the keys of a log are asked for when a statement is admitted, never when a row is read.
        readable(Rules::new("", Vec::new()).status(self, index))
    }
}

impl LedgerRead for StoredLedger<'_> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(Family::Ledger, &[&self.log.to_be_bytes(), key].concat())
    }
}

/// What was read, or how the store failed.
fn readable<T>(read: Result<T, LedgerError<StoreError>>) -> Result<T, StoreError> {
    read.map_err(|error| match error {
        LedgerError::Read(error) => error,
        _ => Damage::MalformedRow.into(),
    })
}
