//! How far each log was followed, and its entries.
//!
//! | family | key | row |
//! |---|---|---|
//! | `logs` | number of the log u32 | a [`LogState`] |
//! | `bundles` | number of the log u32, number of the bundle u64 | the bundle's bytes as tlog-tiles serves them |
//!
//! Invariant: the entries below [`LogState::size`] are all there, and hash up to [`LogState::peaks`]; so to the root of every head that was
//! followed. The last bundle may have fewer than 256 entries, and is written anew as it grows. A log keeps its number for ever, also when it
//! is not followed any more.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::checkpoint::SignedCheckpoint;
use tlog::merkle::Appender;
use tlog::tiles::{Entries, TILE_WIDTH};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::findings::{decode, encode};
use crate::store::{Damage, Family, Store, StoreError, Txn};

/// How far a log was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// What its rows are kept under.
    pub number: u32,
    /// Its origin.
    pub origin: String,
    /// How many entries were taken in: the cursor.
    pub size: TreeSize,
    /// The right edge of the tree of these entries: see [`Appender::peaks`].
    pub peaks: Vec<Hash>,
    /// The newest head that was verified and continues what was seen before. It may have more entries than were taken in yet.
    pub head: Option<SignedCheckpoint>,
    /// When that head was first seen.
    pub head_seen: Option<Timestamp>,
    /// When the log answered last, as far as it is written down.
    pub answered: Option<Timestamp>,
    /// Since when witnesses whose signature the policy would count are missing, by the policy's names for them.
    pub missing: BTreeMap<String, Timestamp>,
    /// How many of the entries are no statements, though the log takes in such.
    pub not_understood: u64,
    /// How many of the entries the log should have refused.
    pub refused: u64,
}

/// A log's row.
#[derive(Serialize, Deserialize)]
struct LogRow {
    origin: String,
    size: u64,
    peaks: Vec<String>,
    head: Option<String>,
    head_seen: Option<Timestamp>,
    answered: Option<Timestamp>,
    missing: BTreeMap<String, Timestamp>,
    not_understood: u64,
    refused: u64,
}

/// All logs that were ever followed, in the order of their numbers.
pub fn all(store: &Store) -> Result<Vec<LogState>, StoreError> {
    store.scan(Family::Logs, &[], usize::MAX)?.iter().map(|(key, row)| LogState::decode(key, row)).collect()
}

/// The log with this origin, if it was ever followed.
pub fn by_origin(store: &Store, origin: &str) -> Result<Option<LogState>, StoreError> {
    Ok(all(store)?.into_iter().find(|log| log.origin == origin))
}

/// The log with this number.
pub fn by_number(store: &Store, number: u32) -> Result<Option<LogState>, StoreError> {
    let key = number.to_be_bytes();
    store.get(Family::Logs, &key)?.map(|row| LogState::decode(&key, &row)).transpose()
}

/// The log with this origin; a new one gets the next number.
pub fn register(store: &Store, origin: &str) -> Result<LogState, StoreError> {
    store.write(|txn| {
        let mut number = 0;
        for (key, row) in txn.scan(Family::Logs, &[], usize::MAX)? {
            let log = LogState::decode(&key, &row)?;
            if log.origin == origin {
                return Ok(log);
            }
            number = log.number + 1;
        }
        let log = LogState::new(number, origin);
        log.write(txn);
        Ok(log)
    })
}

/// The entry at `index`, if it was taken in.
pub fn entry(store: &Store, log: u32, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError> {
    let (number, place) = (index.as_u64() / u64::from(TILE_WIDTH), index.as_u64() % u64::from(TILE_WIDTH));
    let Some(bundle) = bundle(store, log, number)? else { return Ok(None) };
    let place = usize::try_from(place).expect("less than 256");
    match Entries::new(&bundle).nth(place) {
        None => Ok(None),
        Some(entry) => Ok(Some(entry.map_err(|_| Damage::MalformedRow)?.to_vec())),
    }
}

/// The entries of `range` that were taken in, in their order, with their indexes. Reads a bundle at a time; `visit` ends it by `false`.
pub fn entries(store: &Store, log: u32, range: Range<u64>, mut visit: impl FnMut(LeafIndex, &[u8]) -> bool) -> Result<(), StoreError> {
    let width = u64::from(TILE_WIDTH);
    for number in range.start / width..range.end.div_ceil(width) {
        let Some(bundle) = bundle(store, log, number)? else { return Ok(()) };
        for (index, entry) in (number * width..).zip(Entries::new(&bundle)) {
            let entry = entry.map_err(|_| Damage::MalformedRow)?;
            if range.contains(&index) && !visit(LeafIndex::new(index), entry) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The bytes of a bundle as tlog-tiles serves it, as far as it was taken in.
pub fn bundle(store: &Store, log: u32, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
    store.get(Family::Bundles, &bundle_key(log, number))
}

/// Under what a bundle is kept.
pub(crate) fn bundle_key(log: u32, number: u64) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), &number.to_be_bytes()].concat()
}

impl LogState {
    fn new(number: u32, origin: &str) -> Self {
        LogState {
            number,
            origin: origin.to_owned(),
            size: TreeSize::ZERO,
            peaks: Vec::new(),
            head: None,
            head_seen: None,
            answered: None,
            missing: BTreeMap::new(),
            not_understood: 0,
            refused: 0,
        }
    }

    /// The tree of the entries that were taken in.
    pub fn tree(&self) -> Result<Appender, StoreError> {
        Appender::from_peaks(self.size, self.peaks.clone()).map_err(|_| Damage::MalformedRow.into())
    }

    /// Writes it into a batch.
    pub fn write(&self, txn: &mut Txn<'_>) {
        let row = LogRow {
            origin: self.origin.clone(),
            size: self.size.as_u64(),
            peaks: self.peaks.iter().map(Hash::to_hex).collect(),
            head: self.head.as_ref().map(ToString::to_string),
            head_seen: self.head_seen,
            answered: self.answered,
            missing: self.missing.clone(),
            not_understood: self.not_understood,
            refused: self.refused,
        };
        txn.put(Family::Logs, self.number.to_be_bytes().to_vec(), encode(&row));
    }

    fn decode(key: &[u8], row: &[u8]) -> Result<Self, StoreError> {
        let number = key.try_into().map(u32::from_be_bytes).map_err(|_| Damage::MalformedRow)?;
        let row: LogRow = decode(row)?;
        let peaks = row.peaks.iter().map(|peak| Hash::from_hex(peak)).collect::<Result<_, _>>().map_err(|_| Damage::MalformedRow)?;
        let head = row.head.map(|head| SignedCheckpoint::parse(head.as_bytes())).transpose().map_err(|_| Damage::MalformedRow)?;
        Ok(LogState {
            number,
            origin: row.origin,
            size: TreeSize::new(row.size),
            peaks,
            head,
            head_seen: row.head_seen,
            answered: row.answered,
            missing: row.missing,
            not_understood: row.not_understood,
            refused: row.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use tlog::tiles::encode_entry;

    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn a_log_keeps_its_number_and_its_entries_are_found_by_index() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        assert_eq!(register(&store, "a.example").unwrap().number, 0);
        let log = register(&store, "b.example").unwrap();
        assert_eq!((log.number, register(&store, "b.example").unwrap()), (1, log.clone()));
        assert_eq!(by_origin(&store, "b.example").unwrap(), by_number(&store, 1).unwrap());
        let mut bundles = [Vec::new(), Vec::new()];
        (0..300_usize).for_each(|index| encode_entry(format!("entry {index}").as_bytes(), &mut bundles[index / 256]).unwrap());
        store
            .write(|txn| {
                (0..).zip(&bundles).for_each(|(number, bundle)| txn.put(Family::Bundles, bundle_key(1, number), bundle.clone()));
                Ok::<_, StoreError>(())
            })
            .unwrap();
        assert_eq!(entry(&store, 1, LeafIndex::new(256)).unwrap(), Some(b"entry 256".to_vec()));
        assert_eq!((entry(&store, 1, LeafIndex::new(300)).unwrap(), entry(&store, 0, LeafIndex::new(0)).unwrap()), (None, None));
        let mut seen = Vec::new();
        entries(&store, 1, 250..1000, |index, _| {
            seen.push(index.as_u64());
            index.as_u64() < 298
        })
        .unwrap();
        assert_eq!(seen, (250..=298).collect::<Vec<_>>());
    }
}
