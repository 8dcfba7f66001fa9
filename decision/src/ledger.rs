//! What follows from all statements of a log in their order: a fold, and the state that it leaves.
//!
//! **Invariant.** The state depends on the entries and on nothing else: no clock, no server, no order but theirs. [`Rules::apply`] decides
//! about one statement from what the entries before it left, and a statement that is refused changes nothing. So effects begin after the
//! entry's own index and never reach back, and whoever has the entries can compute who was entitled to what at each of them.
//!
//! A ledger is read through [`LedgerRead`]: a map of bytes to bytes. The log keeps it in its store, monitors in memory.

mod fold;
mod memory;
mod refusal;
mod rows;
mod rules;
mod status;

use std::convert::Infallible;

pub use fold::{Finding, FindingReason, Fold, Prepared};
pub use memory::{MemoryLedger, Overlay, SnapshotError};
pub use refusal::Refusal;
pub use rows::{issuer_of_row, issuer_row};
pub use rules::Rules;
pub use status::{EntryType, IssuerStatus, KeyStatus, Numbered, Standing, Status};

/// Reads the rows of a ledger. There may be rows of others between them; they are never asked for.
pub trait LedgerRead {
    /// Why a row could not be read.
    type Error;

    /// The row with this key, if there is one.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<L: LedgerRead> LedgerRead for &L {
    type Error = L::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, L::Error> {
        (**self).get(key)
    }
}

/// The rows that a statement writes: each replaces the one that was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<(Vec<u8>, Vec<u8>)>);

impl Changes {
    /// The keys and rows.
    pub fn into_rows(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0
    }

    /// The keys and rows.
    pub fn rows(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.0
    }

    /// Those that [`Rules::candidates`] reads: registrars, and issuers with their keys. Whoever verifies ahead should see them soon.
    pub fn signing_rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let all = self.0.iter().map(|(key, row)| (key.as_slice(), row.as_slice()));
        all.filter(|(key, _)| rows::is_of_signers(key))
    }

    fn put(&mut self, key: Vec<u8>, row: &impl rows::Row) {
        self.0.push((key, rows::encode(row)));
    }
}

/// The ledger could not be read. Nothing is known of the statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError<E> {
    /// The reader failed.
    #[error("{0}")]
    Read(E),
    /// A row is not one of ours.
    #[error("a row of the ledger is damaged: build the ledger anew from the entries")]
    Damaged,
}

/// A statement was not applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError<E> {
    /// A rule is against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ledger could not be read.
    #[error("{0}")]
    Ledger(LedgerError<E>),
}

impl<E> From<LedgerError<E>> for ApplyError<E> {
    fn from(error: LedgerError<E>) -> Self {
        ApplyError::Ledger(error)
    }
}

impl LedgerError<Infallible> {
    /// A ledger in memory can be read, but may have been filled with anything.
    pub fn is_damage(&self) -> bool {
        matches!(self, LedgerError::Damaged)
    }
}

/// Reads a row of a known form.
fn read<R: rows::Row, L: LedgerRead>(ledger: &L, key: &[u8]) -> Result<Option<R>, LedgerError<L::Error>> {
    match ledger.get(key).map_err(LedgerError::Read)? {
        None => Ok(None),
        Some(bytes) => rows::decode(&bytes).map(Some).ok_or(LedgerError::Damaged),
    }
}
