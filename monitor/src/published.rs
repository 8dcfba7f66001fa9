//! When entries were published, kept so that it can be asked later.
//!
//! Checks are told when an entry was first covered by a published head ([`Published`]); nobody but the one here keeps it. Entries that came
//! under one head share a row.
//!
//! | key | row |
//! |---|---|
//! | 2⁶⁴ − 1 − index of the first entry | earliest and latest time in seconds, i64 each; no earliest time is the least number |
//!
//! Keys run backwards, so that a look from an entry's own key on finds the row that holds for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tlog::LeafIndex;

use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::store::{Damage, Family, Store, StoreError};

/// Its rows.
const NAME: &str = "published";

/// Keeps when entries were published. It finds nothing.
#[derive(Debug, Default)]
pub struct Record {
    /// Of each log, which entry comes next and what was kept last. Entries that come otherwise, as after a batch that failed, get a row.
    last: Mutex<HashMap<Box<str>, (LeafIndex, Published)>>,
}

impl Check for Record {
    fn name(&self) -> &'static str {
        NAME
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, _out: &mut Outcome) -> Result<(), StoreError> {
        // A panic leaves at worst a row too many.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (LeafIndex::new(entry.index.as_u64().saturating_add(1)), entry.published);
        let expected = (entry.index, entry.published);
        match last.get_mut(entry.log) {
            Some(known) if *known == expected => *known = next,
            known => {
                rows.put(&key(entry.index), encode(entry.published));
                match known {
                    Some(known) => *known = next,
                    None => drop(last.insert(entry.log.into(), next)),
                }
            }
        }
        Ok(())
    }
}

/// When an entry of the log with this number was published; `None` if that was not kept.
pub fn at(store: &Store, log: u32, index: LeafIndex) -> Result<Option<Published>, StoreError> {
    let prefix = prefix(log);
    let rows = store.scan_from(Family::Checks, &[prefix.as_slice(), &key(index)].concat(), 1)?;
    let row = rows.first().filter(|(key, _)| key.starts_with(&prefix));
    row.map(|(_, row)| decode(row).ok_or(Damage::MalformedRow.into())).transpose()
}

/// Looks up the times of entries that come one after the other, reading a row for each but not searching for it.
#[derive(Debug)]
pub(crate) struct Lookup<'s> {
    store: &'s Store,
    log: u32,
    /// The entry that was asked for last, and what holds for it.
    last: Option<(u64, Option<Published>)>,
}

impl<'s> Lookup<'s> {
    pub(crate) fn new(store: &'s Store, log: u32) -> Self {
        Lookup { store, log, last: None }
    }

    /// When the entry was published.
    pub(crate) fn at(&mut self, index: LeafIndex) -> Result<Option<Published>, StoreError> {
        let published = match self.last {
            Some((last, published)) if index.as_u64().checked_sub(1) == Some(last) => {
                let own = self.store.get(Family::Checks, &[prefix(self.log).as_slice(), &key(index)].concat())?;
                own.map_or(Ok(published), |row| decode(&row).map(Some).ok_or(StoreError::from(Damage::MalformedRow)))?
            }
            _ => at(self.store, self.log, index)?,
        };
        self.last = Some((index.as_u64(), published));
        Ok(published)
    }
}

fn prefix(log: u32) -> Vec<u8> {
    [&log.to_be_bytes(), NAME.as_bytes(), b"\0"].concat()
}

fn key(index: LeafIndex) -> [u8; 8] {
    (u64::MAX - index.as_u64()).to_be_bytes()
}

fn encode(published: Published) -> Vec<u8> {
    let earliest = published.earliest.map_or(i64::MIN, Timestamp::as_second);
    [earliest.to_be_bytes(), published.latest.as_second().to_be_bytes()].concat()
}

fn decode(row: &[u8]) -> Option<Published> {
    let (earliest, latest) = row.split_first_chunk::<8>()?;
    let second = |bytes: [u8; 8]| Timestamp::from_second(i64::from_be_bytes(bytes)).ok();
    Some(Published { earliest: second(*earliest), latest: second(latest.try_into().ok()?)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use tlog::Hash;

    use super::*;
    use crate::stored_log;

    #[test]
    fn each_entry_has_the_time_of_its_head_and_a_head_has_one_row() {
        let (_dir, store) = stored_log::store();
        let record = Record::default();
        let time = |second| Timestamp::from_second(second).unwrap();
        let published = |latest, earliest| Published { earliest, latest: time(latest) };
        let see = |log: u32, index, published| {
            let (origin, index) = (if log == 7 { "a.example" } else { "b.example" }, LeafIndex::new(index));
            let entry =
                Judged { log: origin, index, leaf: Hash::leaf(b""), bytes: b"", statement: None, refusal: None, related: &[], published };
            let seen = store.write(|txn| record.entry(&mut Rows::new(txn, log, record.name()), &entry, &mut Outcome::default()));
            seen.unwrap();
        };
        assert_eq!(at(&store, 7, LeafIndex::new(0)).unwrap(), None);
        (0..5).for_each(|index| see(7, index, published(100, None)));
        (5..9).for_each(|index| see(7, index, published(200, Some(time(150)))));
        see(8, 0, published(300, None));
        // As after a batch that failed.
        (3..5).for_each(|index| see(7, index, published(100, None)));
        (5..9).for_each(|index| see(7, index, published(200, Some(time(150)))));
        let kept = |log, index| at(&store, log, LeafIndex::new(index)).unwrap();
        assert_eq!((kept(7, 0), kept(7, 4)), (Some(published(100, None)), Some(published(100, None))));
        assert_eq!((kept(7, 5), kept(7, 8)), (Some(published(200, Some(time(150)))), Some(published(200, Some(time(150))))));
        let mut lookup = Lookup::new(&store, 7);
        for index in [0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 3, 8] {
            assert_eq!(lookup.at(LeafIndex::new(index)).unwrap(), kept(7, index), "{index}");
        }
        assert_eq!((kept(8, 0), kept(6, 0)), (Some(published(300, None)), None));
        assert_eq!(store.scan(Family::Checks, &7_u32.to_be_bytes(), 100).unwrap().len(), 3, "0, 5 and 3 again");
    }
}
