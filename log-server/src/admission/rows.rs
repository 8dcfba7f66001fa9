//! Reading the ledger through a cache of rows.
//!
//! Nearly every statement needs the same few rows: the registrars', its issuer's, its series'. They are kept in memory, up to a number of
//! bytes. Rows that are not there are not kept: asking for them is answered by the store's filter.
//!
//! Invariant: but for a moment in each commit, which the sequencer does not see, a row in the cache is the row in the store. Only the sequencer puts rows in: when
//! it reads them, and when it has committed new ones. A reader on another thread that did so could put back an old row after the commit
//! that replaced it.

use bytes::Bytes;
use decision::ledger::LedgerRead;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::store::{Store, StoreError};

/// What a row takes beside its bytes.
const OVERHEAD: usize = 96;

/// Rows in memory.
#[derive(Debug)]
pub(crate) struct RowCache(Cache<Box<[u8]>, Bytes, ByBytes>);

impl RowCache {
    pub(crate) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / 256).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        RowCache(Cache::with_weighter(items, bytes, ByBytes))
    }

    /// Keeps a row. Whoever calls this reads a newer one elsewhere until this one is committed.
    pub(crate) fn keep(&self, key: &[u8], row: &[u8]) {
        self.0.insert(key.into(), Bytes::copy_from_slice(row));
    }

    /// Takes over rows that have been committed, where older ones are kept.
    pub(crate) fn committed<'a>(&self, rows: impl IntoIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) {
        for (key, row) in rows {
            // A row that is not here is none that is asked for often, and nobody else puts it in meanwhile.
            if self.0.contains_key(key.as_slice()) {
                let _ = self.0.replace(key.as_slice().into(), Bytes::copy_from_slice(row), true);
            }
        }
    }
}

/// The committed ledger.
#[derive(Debug)]
pub(crate) struct Ledger<'a, S> {
    store: &'a S,
    rows: &'a RowCache,
    fills: bool,
}

impl<'a, S> Ledger<'a, S> {
    /// For everybody.
    pub(crate) fn reading(store: &'a S, rows: &'a RowCache) -> Self {
        Ledger { store, rows, fills: false }
    }

    /// For the one thread that also commits.
    pub(crate) fn keeping(store: &'a S, rows: &'a RowCache) -> Self {
        Ledger { store, rows, fills: true }
    }
}

impl<S: Store> LedgerRead for Ledger<'_, S> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(row) = self.rows.0.get(key) {
            return Ok(Some(row.into()));
        }
        let row = self.store.ledger_get(key)?;
        if let Some(row) = row.as_ref().filter(|_| self.fills) {
            self.rows.0.insert(key.into(), Bytes::copy_from_slice(row));
        }
        Ok(row)
    }
}

/// The committed ledger, as it is in the store at the moment of each read.
#[derive(Debug)]
pub(crate) struct Stored<'a, S>(pub(crate) &'a S);

impl<S: Store> LedgerRead for Stored<'_, S> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.ledger_get(key)
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Box<[u8]>, Bytes> for ByBytes {
    fn weight(&self, key: &Box<[u8]>, row: &Bytes) -> u64 {
        u64::try_from(key.len() + row.len() + OVERHEAD).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::fixture::statements_store;

    #[test]
    fn only_the_thread_that_commits_puts_rows_in() {
        let (store, rows) = (statements_store(), RowCache::new(1 << 20));
        store.set_ledger_row(b"k", Some(b"old"));
        assert_eq!(Ledger::reading(&store, &rows).get(b"k").unwrap().as_deref(), Some(&b"old"[..]));
        assert!(rows.0.get(&b"k"[..]).is_none(), "a reader leaves nothing behind");
        rows.committed([(&b"k".to_vec(), &b"new".to_vec())]);
        assert!(rows.0.get(&b"k"[..]).is_none(), "nor does a commit of what nobody asked for");

        Ledger::keeping(&store, &rows).get(b"k").unwrap();
        rows.committed([(&b"k".to_vec(), &b"new".to_vec())]);
        assert_eq!(Ledger::reading(&store, &rows).get(b"k").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(Stored(&store).get(b"k").unwrap().as_deref(), Some(&b"old"[..]), "the store itself");
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let (store, rows) = (statements_store(), RowCache::new(100_000));
        for number in 0..1000_u32 {
            store.set_ledger_row(&number.to_be_bytes(), Some(&[7; 1000]));
            Ledger::keeping(&store, &rows).get(&number.to_be_bytes()).unwrap();
        }
        assert!(rows.0.weight() <= 100_000, "{}", rows.0.weight());
        assert!(!rows.0.is_empty());
    }
}
