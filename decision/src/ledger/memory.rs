//! Ledgers in memory, and their snapshots.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use tlog::Hash;

use super::{Changes, LedgerRead};

/// The first line of a snapshot, with the version of its format.
const HEADER: &[u8] = b"acta ledger snapshot v1\n";

/// A whole ledger in memory.
///
/// ```
/// use decision::ledger::{MemoryLedger, SnapshotError};
///
/// let ledger = MemoryLedger::default();
/// let mut snapshot = ledger.snapshot(42);
/// assert_eq!(MemoryLedger::from_snapshot(&snapshot), Ok((ledger, 42)));
/// snapshot.pop();
/// assert_eq!(MemoryLedger::from_snapshot(&snapshot), Err(SnapshotError::Damaged));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryLedger(BTreeMap<Vec<u8>, Vec<u8>>);

/// Why bytes are not a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Another format, or another version of it.
    #[error("this is not a snapshot of a ledger in format v1: make it anew from the log's entries")]
    OtherFormat,
    /// Cut short, or changed.
    #[error("the snapshot is damaged: make it anew from the log's entries")]
    Damaged,
}

impl LedgerRead for MemoryLedger {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(key).cloned())
    }
}

impl MemoryLedger {
    /// Writes the rows of an entry.
    pub fn apply(&mut self, changes: Changes) {
        self.0.extend(changes.into_rows());
    }

    /// All rows, by key.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, row)| (key.as_slice(), row.as_slice()))
    }

    /// The ledger after `size` entries as one file: a header line, the size, every row with the lengths of key and row before it (all
    /// numbers big-endian, u64 and u32), and the SHA-256 of all that.
    pub fn snapshot(&self, size: u64) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        bytes.extend(size.to_be_bytes());
        for (key, row) in &self.0 {
            for part in [key, row] {
                bytes.extend(u32::try_from(part.len()).expect("a row is smaller than an entry many times over").to_be_bytes());
                bytes.extend(part);
            }
        }
        let hash = Hash::sha256(&bytes);
        bytes.extend(hash.as_bytes());
        bytes
    }

    /// Reads a snapshot: the ledger, and after how many entries it is.
    ///
    /// Whoever wrote the file decides what is in it: take only one's own.
    pub fn from_snapshot(bytes: &[u8]) -> Result<(Self, u64), SnapshotError> {
        if !bytes.starts_with(HEADER) {
            return Err(SnapshotError::OtherFormat);
        }
        let (hashed, hash) = bytes.split_last_chunk::<32>().ok_or(SnapshotError::Damaged)?;
        if Hash::sha256(hashed).as_bytes() != hash {
            return Err(SnapshotError::Damaged);
        }
        let mut rest = hashed.get(HEADER.len()..).ok_or(SnapshotError::Damaged)?;
        let (size, rows) = rest.split_first_chunk::<8>().ok_or(SnapshotError::Damaged)?;
        rest = rows;
        let mut ledger = BTreeMap::new();
        while !rest.is_empty() {
            let (key, row) = (take(&mut rest)?.to_vec(), take(&mut rest)?.to_vec());
            ledger.insert(key, row);
        }
        Ok((MemoryLedger(ledger), u64::from_be_bytes(*size)))
    }
}

/// The next part of a snapshot.
fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    let (len, after) = rest.split_first_chunk::<4>().ok_or(SnapshotError::Damaged)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| SnapshotError::Damaged)?;
    let (part, after) = after.split_at_checked(len).ok_or(SnapshotError::Damaged)?;
    *rest = after;
    Ok(part)
}

/// A ledger with changes on top that are not in it yet.
#[derive(Debug)]
pub struct Overlay<L> {
    below: L,
    rows: HashMap<Vec<u8>, Vec<u8>>,
}

impl<L: LedgerRead> Overlay<L> {
    /// Nothing on top of `below`.
    pub fn new(below: L) -> Self {
        Overlay { below, rows: HashMap::new() }
    }

    /// Puts the rows of an entry on top.
    pub fn apply(&mut self, changes: Changes) {
        self.rows.extend(changes.into_rows());
    }

    /// All that is on top, each row once.
    pub fn into_rows(self) -> HashMap<Vec<u8>, Vec<u8>> {
        self.rows
    }
}

impl<L: LedgerRead> LedgerRead for Overlay<L> {
    type Error = L::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, L::Error> {
        match self.rows.get(key) {
            Some(row) => Ok(Some(row.clone())),
            None => self.below.get(key),
        }
    }
}
