//! The rows of entries.
//!
//! A commit's entries go into rows of about [`ROW`] bytes rather than into one each: RocksDB's work is by the row. A row ends with the bundle
//! that it is in, so that a bundle is rows one after the other.

use bytes::Bytes;
use rocksdb::{ReadOptions, WriteBatch, WriteBatchIteratorCf};
use tlog::tiles::{Entries, MalformedBundle, encode_entry};

use super::{ENTRIES, RocksStore, decode_u64};
use crate::store::{Damage, StoreError};

/// Entries of a full bundle.
const BUNDLE: u64 = 256;

/// Where a row ends: reading one entry reads its row, and RocksDB compresses about as much in one go.
const ROW: usize = 16 << 10;

impl RocksStore {
    /// One more than the index of the last entry.
    pub(super) fn end_of_entries(&self) -> Result<u64, StoreError> {
        let mut rows = self.db.raw_iterator_cf(self.family(ENTRIES));
        rows.seek_to_last();
        let end = match rows.item() {
            None => Ok(0),
            Some((key, row)) => {
                let count = Entries::new(row).take_while(Result::is_ok).count();
                decode_u64(key, ENTRIES).map(|first| first.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)))
            }
        };
        rows.status()?;
        end
    }

    /// Puts entries into rows, from this index on.
    pub(super) fn stage_rows(&self, first: u64, entries: &[Bytes]) -> WriteBatch {
        let bytes: usize = entries.iter().map(|entry| entry.len() + 2).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes + bytes / 256 + entries.len() * 40);
        let family = self.family(ENTRIES);
        let (mut row, mut begins) = (Vec::with_capacity(ROW.min(bytes)), first);
        for (index, entry) in (first..).zip(entries) {
            let ends = index.is_multiple_of(BUNDLE) || row.len() + entry.len() > ROW;
            if ends && !row.is_empty() {
                batch.put_cf(family, begins.to_be_bytes(), &row);
                row.clear();
                begins = index;
            }
            encode_entry(entry, &mut row).expect("whatever was admitted fits into a bundle");
        }
        if !row.is_empty() {
            batch.put_cf(family, begins.to_be_bytes(), &row);
        }
        batch
    }

    /// The entries from this index on, as a bundle has them.
    pub(super) fn read_rows(&self, first: u64, count: u16) -> Result<Vec<u8>, StoreError> {
        let end = first.checked_add(u64::from(count)).ok_or(Damage::MissingEntry(u64::MAX))?;
        let mut options = ReadOptions::default();
        // The row that has the first entry begins in the same bundle.
        options.set_iterate_lower_bound((first - first % BUNDLE).to_be_bytes());
        options.set_iterate_upper_bound(end.to_be_bytes());
        let mut rows = self.db.raw_iterator_cf_opt(self.family(ENTRIES), options);
        rows.seek_for_prev(first.to_be_bytes());
        let (mut bytes, mut next) = (Vec::new(), first);
        while let Some((key, row)) = rows.item() {
            let begins = decode_u64(key, ENTRIES)?;
            let skipped = if next == first { first.checked_sub(begins) } else { (begins == next).then_some(0) };
            let skipped = skipped.ok_or(Damage::MissingEntry(next))?;
            let mut entries = Entries::new(row);
            entries.by_ref().take(usize::try_from(skipped).unwrap_or(usize::MAX)).try_for_each(malformed)?;
            let from = row.len() - entries.rest().len();
            while next < end
                && let Some(entry) = entries.next()
            {
                malformed(entry)?;
                next += 1;
            }
            let found = &row[from..row.len() - entries.rest().len()];
            if bytes.is_empty() {
                bytes.reserve(expected(found.len(), next - first, u64::from(count)));
            }
            bytes.extend_from_slice(found);
            rows.next();
        }
        rows.status()?;
        // Also what is kept for long has its own length.
        if bytes.capacity() - bytes.len() > bytes.len() / 4 {
            bytes.shrink_to_fit();
        }
        if next == end { Ok(bytes) } else { Err(Damage::MissingEntry(next).into()) }
    }
}

/// How many bytes `count` entries probably have if the first `found` of them have so many. No more than eight rows, lest one long entry
/// among short ones stands for all.
fn expected(bytes: usize, found: u64, count: u64) -> usize {
    let found = usize::try_from(found.max(1)).unwrap_or(usize::MAX);
    let expected = bytes.div_ceil(found).saturating_mul(usize::try_from(count).unwrap_or(usize::MAX));
    expected.min(bytes.max(8 * ROW))
}

/// Shows the entries that are staged. Where a row cannot be read, it has fewer of them.
pub(super) fn visit_staged(staged: &WriteBatch, visit: &mut dyn FnMut(&[u8])) {
    staged.iterate_cf(&mut Rows(visit));
}

/// Passes the entries of each row on.
struct Rows<'a>(&'a mut dyn FnMut(&[u8]));

impl WriteBatchIteratorCf for Rows<'_> {
    fn put_cf(&mut self, _family: u32, _key: &[u8], row: &[u8]) {
        Entries::new(row).map_while(Result::ok).for_each(&mut *self.0);
    }
    fn delete_cf(&mut self, _family: u32, _key: &[u8]) {}
    fn merge_cf(&mut self, _family: u32, _key: &[u8], _value: &[u8]) {}
}

fn malformed(entry: Result<&[u8], MalformedBundle>) -> Result<(), StoreError> {
    entry.map(drop).map_err(|_| Damage::MalformedRow(ENTRIES).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tlog::tiles::parse_bundle;

    use super::*;
    use crate::fixture::{empty_tree, identity};
    use crate::store::RocksOptions;

    /// An entry of another length for each index, some of them longer than a row is meant to be.
    fn entry(index: u64) -> Bytes {
        let length = if index.is_multiple_of(90) { ROW + 1 } else { usize::try_from(index * 37 % 700).unwrap() };
        Bytes::from([index.to_be_bytes().as_slice(), &vec![7; length]].concat())
    }

    /// 600 entries that came in commits of 1, 2, 3 … entries.
    fn store() -> (tempfile::TempDir, RocksStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = RocksStore::create(&dir.path().join("db"), RocksOptions::default(), &identity(), &empty_tree()).unwrap();
        let mut first = 0;
        for length in 1.. {
            let end = 600.min(first + length);
            store.write(store.stage_rows(first, &(first..end).map(entry).collect::<Vec<_>>())).unwrap();
            first = end;
            if first == 600 {
                break;
            }
        }
        (dir, store)
    }

    fn keys(store: &RocksStore) -> Vec<u64> {
        let mut rows = store.db.raw_iterator_cf(store.family(ENTRIES));
        rows.seek_to_first();
        let mut keys = Vec::new();
        while let Some(key) = rows.key() {
            keys.push(decode_u64(key, ENTRIES).unwrap());
            rows.next();
        }
        keys
    }

    #[test]
    fn whatever_rows_entries_are_in_any_of_them_are_read_as_they_came() {
        let (_dir, store) = store();
        assert_eq!(store.end_of_entries().unwrap(), 600);
        let keys = keys(&store);
        assert!(
            keys.len() < 200 && keys.contains(&256) && keys.contains(&512),
            "{} rows, one of which begins with each bundle",
            keys.len()
        );
        for first in (0..600).step_by(7) {
            for count in [1, 2, 60, 256] {
                let read = store.read_rows(first, count);
                if first + u64::from(count) > 600 {
                    assert!(matches!(read, Err(StoreError::Damaged(Damage::MissingEntry(600)))), "{first} and {count} more");
                    continue;
                }
                let expected: Vec<Bytes> = (first..first + u64::from(count)).map(entry).collect();
                assert_eq!(parse_bundle(&read.unwrap(), count).unwrap(), expected, "{first} and {count} more");
            }
        }
        assert!(matches!(store.read_rows(u64::MAX, 1), Err(StoreError::Damaged(Damage::MissingEntry(u64::MAX)))));
    }

    #[test]
    fn a_row_that_is_missing_cut_or_there_twice_is_damage_and_what_lies_elsewhere_is_read() {
        let damaged = |change: &dyn Fn(&RocksStore, u64)| {
            let (_dir, store) = store();
            let keys = keys(&store);
            let at = keys.iter().position(|key| *key > 300).unwrap();
            change(&store, keys[at]);
            assert!(store.read_rows(0, 256).is_ok() && store.read_rows(keys[at + 2], 1).is_ok());
            let first = store.read_rows(256, 256).unwrap_err();
            let StoreError::Damaged(damage) = first else { panic!("{first}") };
            (damage, keys[at])
        };
        let (damage, row) = damaged(&|store, row| store.db.delete_cf(store.family(ENTRIES), row.to_be_bytes()).unwrap());
        assert_eq!(damage, Damage::MissingEntry(row));
        let (damage, _) = damaged(&|store, row| {
            let value = store.db.get_cf(store.family(ENTRIES), row.to_be_bytes()).unwrap().unwrap();
            store.db.put_cf(store.family(ENTRIES), row.to_be_bytes(), &value[..value.len() - 1]).unwrap();
        });
        assert_eq!(damage, Damage::MalformedRow(ENTRIES));
        let (damage, row) = damaged(&|store, row| {
            let value = store.db.get_cf(store.family(ENTRIES), row.to_be_bytes()).unwrap().unwrap();
            store.db.put_cf(store.family(ENTRIES), row.to_be_bytes(), [&value[..], &value].concat()).unwrap();
        });
        assert!(matches!(damage, Damage::MissingEntry(next) if next > row), "{damage}");
    }
}
