//! The ledger of a followed log as it is stored: what its statements say together.

use decision::ledger::{IssuerStatus, LedgerError, LedgerRead, Rules, Status, issuer_of_row, issuer_row};
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

    /// At most `limit` issuers whose names are after `after`, in the order of their names.
    pub(crate) fn issuers(&self, after: &str, limit: usize) -> Result<Vec<IssuerStatus>, StoreError> {
        let key = |name: &str| [self.log.to_be_bytes().as_slice(), &issuer_row(name)].concat();
        let prefix = key("");
        // The first key after that of `after` is the same with a zero byte at its end.
        let from = if after.is_empty() { prefix.clone() } else { [key(after).as_slice(), b"\0"].concat() };
        let rows = self.store.scan_from(Family::Ledger, &from, limit)?;
        let of_issuers = rows.iter().take_while(|(key, _)| key.starts_with(&prefix)).filter_map(|(key, _)| issuer_of_row(&key[4..]));
        of_issuers.filter_map(|issuer| readable(Rules::new("", Vec::new()).issuer(self, &issuer)).transpose()).collect()
    }
}

impl LedgerRead for StoredLedger<'_> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(Family::Ledger, &ledger_key(self.log, key))
    }
}

/// Under what a row of a log's ledger is kept.
pub(crate) fn ledger_key(log: u32, key: &[u8]) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), key].concat()
}

/// What was read, or how the store failed.
fn readable<T>(read: Result<T, LedgerError<StoreError>>) -> Result<T, StoreError> {
    read.map_err(|error| match error {
        LedgerError::Read(error) => error,
        _ => Damage::MalformedRow.into(),
    })
}
