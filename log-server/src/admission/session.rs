//! Deciding about one batch of entries, in their order.

use std::time::SystemTime;

use decision::ledger::{ApplyError, Changes, LedgerError, Overlay, Refusal};
use decision::statement::{Statement, VerifiedStatement};
use tlog::{Hash, LeafIndex};

use super::{Admission, Checked, Claim, Ledger, Refused, Statements, refusal};
use crate::store::{LedgerRows, Store, StoreError};

/// What becomes of an entry.
#[derive(Debug, PartialEq)]
pub(crate) enum Decided {
    /// It gets the index that it was offered.
    Admitted,
    /// The log has it already, in the store or in this batch.
    Known(LeafIndex),
    /// It is not taken in, and uses no index.
    Refused(Refused),
}

/// The decisions about one batch. What they change is on top of the ledger, and goes into it with the batch.
#[derive(Debug)]
pub(crate) enum Session<'a, S> {
    Open,
    Statements { statements: &'a Statements, ledger: Overlay<Ledger<'a, S>>, now: SystemTime },
}

impl<'a, S: Store> Session<'a, S> {
    pub(crate) fn begin(admission: &'a Admission, store: &'a S, now: SystemTime) -> Self {
        match admission {
            Admission::Open => Session::Open,
            Admission::Statements(statements) => {
                let ledger = Overlay::new(Ledger::keeping(store, &statements.rows));
                Session::Statements { statements, ledger, now }
            }
        }
    }

    /// Decides about an entry whose bytes the log does not have, and offers it `index`. An error is one of the ledger.
    pub(crate) fn decide(&mut self, index: LeafIndex, entry: &Checked) -> Result<Decided, LedgerError<StoreError>> {
        let Session::Statements { statements, ledger, now } = self else { return Ok(Decided::Admitted) };
        let (leaf, bytes) = (entry.leaf, entry.entry.len());
        let decided = match &entry.claim {
            // Made by the check of a log that is open, which this one is not.
            Claim::Bytes => return Err(LedgerError::Damaged),
            Claim::Known(index) => return Ok(Decided::Known(*index)),
            Claim::Verified(statement) => statements.decide(ledger, index, leaf, bytes, statement, *now),
            Claim::Unverified(statement) => {
                statements.verify_now(ledger, statement).and_then(|verified| statements.decide(ledger, index, leaf, bytes, &verified, *now))
            }
        };
        match decided {
            Ok(changes) => {
                ledger.apply(changes);
                Ok(Decided::Admitted)
            }
            Err(NotAdmitted::Refused(Refused::Rule(Refusal::AlreadyPublished(index)))) => Ok(Decided::Known(index)),
            Err(NotAdmitted::Refused(refused)) => Ok(Decided::Refused(refused)),
            Err(NotAdmitted::Ledger(error)) => Err(error),
        }
    }

    /// The rows of the ledger that go into the commit, where a ledger is kept.
    pub(crate) fn into_rows(self) -> Option<LedgerRows> {
        match self {
            Session::Open => None,
            Session::Statements { ledger, .. } => Some(ledger.into_rows().into_iter().collect()),
        }
    }
}

enum NotAdmitted {
    Refused(Refused),
    Ledger(LedgerError<StoreError>),
}

impl From<ApplyError<StoreError>> for NotAdmitted {
    fn from(error: ApplyError<StoreError>) -> Self {
        match refusal(error) {
            Ok(refusal) => NotAdmitted::Refused(refusal.into()),
            Err(error) => NotAdmitted::Ledger(error),
        }
    }
}

impl Statements {
    fn decide<S: Store>(
        &self,
        ledger: &Overlay<Ledger<'_, S>>,
        index: LeafIndex,
        leaf: Hash,
        bytes: usize,
        statement: &VerifiedStatement,
        now: SystemTime,
    ) -> Result<Changes, NotAdmitted> {
        let changes = self.rules.apply(ledger, index, leaf, statement)?;
        // Last, since it counts what is admitted.
        if let Some(issuer) = statement.issuer().filter(|_| statement.number().is_some()) {
            self.quotas.take(issuer, bytes, now).map_err(|over| NotAdmitted::Refused(over.into()))?;
        }
        Ok(changes)
    }

    fn verify_now<S: Store>(&self, ledger: &Overlay<Ledger<'_, S>>, statement: &Statement) -> Result<VerifiedStatement, NotAdmitted> {
        let keys = self.rules.candidates(ledger, statement)?;
        statement.clone().verify(&keys).map_err(|(_, error)| NotAdmitted::Refused(Refusal::from(error).into()))
    }
}

impl Admission {
    /// Takes note of what a commit has written into the ledger.
    pub(crate) fn committed(&self, rows: Option<LedgerRows>) {
        if let (Admission::Statements(statements), Some(rows)) = (self, rows) {
            statements.rows.committed(rows.iter().map(|(key, row)| (key, row)));
        }
    }
}
