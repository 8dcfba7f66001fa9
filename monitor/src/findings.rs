//! Which findings are open, and the sequence of events that everything outward follows.
//!
//! Invariant: a finding is opened, and resolved, at most once in a row, and each time an [`Event`] is appended in the same batch. Whoever
//! sends alerts keeps the number of the last event that it has dealt with, so none is left out, and none is dealt with twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::Outcome;
use crate::finding::{Finding, FindingId};
use crate::store::{Damage, Family, Store, StoreError, Txn};

/// Something happened to a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the sequence, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
    /// To which finding.
    pub finding: FindingId,
}

/// What happened to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is the case now.
    Opened,
    /// It is not the case any more.
    Resolved,
}

const LAST_EVENT: &[u8] = b"last-event";

/// Writes what checks said of a log into the batch. Gives how many findings were opened.
pub fn record(txn: &mut Txn<'_>, log: &str, now: Timestamp, outcome: Outcome) -> Result<usize, StoreError> {
    let mut opened = 0;
    for (code, subject) in outcome.cleared {
        let id = FindingId::new(log, &code, &subject);
        if let Some(mut finding) = read(txn, id)?.filter(|finding| finding.resolved.is_none()) {
            finding.resolved = Some(now);
            write(txn, &finding)?;
            append(txn, now, Change::Resolved, id)?;
        }
    }
    for raised in outcome.raised {
        let finding = raised.into_finding(log, now);
        let known = read(txn, finding.id)?;
        if known.is_some_and(|known| known.resolved.is_none()) {
            continue;
        }
        write(txn, &finding)?;
        append(txn, now, Change::Opened, finding.id)?;
        opened += 1;
    }
    Ok(opened)
}

/// The finding with this id.
pub fn finding(store: &Store, id: FindingId) -> Result<Option<Finding>, StoreError> {
    store.get(Family::Findings, id.as_bytes())?.map(|row| decode(&row)).transpose()
}

/// All open findings about the log with this origin, the first found first. Reads all findings: for programs that look once.
pub fn open(store: &Store, log: &str) -> Result<Vec<Finding>, StoreError> {
    let rows = store.scan(Family::Findings, &[], usize::MAX)?;
    let mut open: Vec<Finding> = Vec::new();
    for (_, row) in rows {
        let finding: Finding = decode(&row)?;
        if finding.log == log && finding.resolved.is_none() {
            open.push(finding);
        }
    }
    open.sort_by(|one, other| {
        (one.found, &one.code, &one.indexes, &one.subject).cmp(&(other.found, &other.code, &other.indexes, &other.subject))
    });
    Ok(open)
}

/// At most `limit` events after the one with this number, in their order.
pub fn events_after(store: &Store, number: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    let rows = store.scan_from(Family::Events, &number.saturating_add(1).to_be_bytes(), limit)?;
    rows.iter().map(|(_, row)| decode(row)).collect()
}

/// The number of the newest event; 0 if there was none.
pub fn last_event(store: &Store) -> Result<u64, StoreError> {
    number(store.get(Family::Meta, LAST_EVENT)?)
}

fn read(txn: &Txn<'_>, id: FindingId) -> Result<Option<Finding>, StoreError> {
    txn.get(Family::Findings, id.as_bytes())?.map(|row| decode(&row)).transpose()
}

fn write(txn: &mut Txn<'_>, finding: &Finding) -> Result<(), StoreError> {
    txn.put(Family::Findings, finding.id.as_bytes().to_vec(), encode(finding));
    Ok(())
}

fn append(txn: &mut Txn<'_>, at: Timestamp, change: Change, finding: FindingId) -> Result<(), StoreError> {
    let number = number(txn.get(Family::Meta, LAST_EVENT)?)? + 1;
    txn.put(Family::Events, number.to_be_bytes().to_vec(), encode(&Event { number, at, change, finding }));
    txn.put(Family::Meta, LAST_EVENT.to_vec(), number.to_be_bytes().to_vec());
    // An alert that has left must not be forgotten by a power cut, or it would leave again.
    txn.sync();
    Ok(())
}

fn number(row: Option<Vec<u8>>) -> Result<u64, StoreError> {
    let Some(row) = row else { return Ok(0) };
    row.try_into().map(u64::from_be_bytes).map_err(|_| Damage::Meta("last-event").into())
}

/// Rows that people may want to read with any tool, and of which there are few, are JSON.
pub(crate) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows are plain data with texts as keys")
}

pub(crate) fn decode<T: serde::de::DeserializeOwned>(row: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(row).map_err(|_| Damage::MalformedRow.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::finding::{Code, Raised};
    use crate::store::StoreOptions;

    fn said(raised: &[&str], cleared: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        raised.iter().for_each(|subject| outcome.raise(Raised::new(Code::GAP, "issuer.example", *subject, "It is missing.")));
        cleared.iter().for_each(|subject| outcome.clear(Code::GAP, *subject));
        outcome
    }

    #[test]
    fn what_is_said_twice_is_one_finding_and_what_is_gone_can_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let record = |outcome| store.write(|txn| record(txn, "log.example", now, outcome)).unwrap();
        assert_eq!(record(said(&["2026/7", "2026/7", "2026/8"], &["2026/9"])), 2);
        assert_eq!(record(said(&["2026/7"], &[])), 0);
        assert_eq!(record(said(&[], &["2026/7"])), 0);
        assert_eq!(record(said(&["2026/7"], &[])), 1);
        let changes: Vec<_> = events_after(&store, 0, 100).unwrap().iter().map(|event| (event.number, event.change)).collect();
        assert_eq!(changes, [(1, Change::Opened), (2, Change::Opened), (3, Change::Resolved), (4, Change::Opened)]);
        assert_eq!((last_event(&store).unwrap(), events_after(&store, 3, 100).unwrap().len()), (4, 1));
        let id = FindingId::new("log.example", &Code::GAP, "2026/7");
        assert_eq!(finding(&store, id).unwrap().unwrap().resolved, None);
    }

    #[test]
    fn what_is_raised_and_cleared_in_one_batch_is_not_left_open() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let mut outcome = said(&["2026/7", "2026/8"], &["2026/7"]);
        outcome.clear(Code::GAP, "2026/9");
        outcome.raise(Raised::new(Code::GAP, "issuer.example", "2026/9", "It is missing again."));
        store.write(|txn| record(txn, "log.example", Timestamp::UNIX_EPOCH, outcome)).unwrap();
        let is_open = |subject: &str| finding(&store, FindingId::new("log.example", &Code::GAP, subject)).unwrap().is_some();
        assert_eq!(["2026/7", "2026/8", "2026/9"].map(is_open), [false, true, true]);
    }

    #[test]
    fn a_batch_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let failed = store.write(|txn| {
            record(txn, "log.example", Timestamp::UNIX_EPOCH, said(&["2026/7"], &[]))?;
            Err::<(), StoreError>(Damage::MalformedRow.into())
        });
        assert!(failed.is_err());
        assert_eq!(last_event(&store).unwrap(), 0);
    }
}
