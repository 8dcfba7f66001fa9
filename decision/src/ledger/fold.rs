//! Folding a log's entries, one after the other, whoever wrote them.

use std::convert::Infallible;

use tlog::{Hash, LeafIndex, TreeSize};

use super::{ApplyError, Changes, LedgerError, LedgerRead, MemoryLedger, Refusal, Rules};
use crate::statement::{Malformed, Statement, VerifiedStatement};

/// An entry of which all that depends on it alone has been checked: the costly part, which can be done for many entries at a time.
#[derive(Debug)]
pub struct Prepared {
    leaf: Hash,
    state: State,
}

#[derive(Debug)]
enum State {
    Malformed(Malformed),
    Statement {
        statement: Box<Statement>,
        /// Not with the keys that were known, if this is `None`; an entry just before may have added the right ones.
        verified: Option<Box<VerifiedStatement>>,
    },
}

impl Prepared {
    /// Its leaf hash.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// What it says, if it is a well-formed statement. Whether it counts is for [`Rules::decide`] to say.
    pub fn statement(&self) -> Option<&Statement> {
        match &self.state {
            State::Malformed(_) => None,
            State::Statement { statement, .. } => Some(statement),
        }
    }
}

/// An entry that a log of statements should not have taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {index}: {reason}")]
pub struct Finding {
    /// Which entry.
    pub index: LeafIndex,
    /// Why.
    pub reason: FindingReason,
}

/// Why an entry should not have been taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FindingReason {
    /// It is not a statement.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A rule is against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl FindingReason {
    /// The stable short name of the reason.
    pub fn name(&self) -> &'static str {
        match self {
            FindingReason::Malformed(reason) => reason.name(),
            FindingReason::Refused(reason) => reason.name(),
        }
    }
}

impl Rules {
    /// Parses an entry and verifies its signatures by the keys of `ledger`, which may be some entries behind.
    ///
    /// A signature is good or not whatever the ledger says; [`Rules::decide`] asks whether its key was in force. So an older ledger
    /// makes the work of `decide` greater, and never its answer another.
    pub fn prepare<L: LedgerRead>(&self, ledger: &L, entry: &[u8]) -> Result<Prepared, LedgerError<L::Error>> {
        let leaf = Hash::leaf(entry);
        let statement = match Statement::parse(entry) {
            Ok(statement) => statement,
            Err(malformed) => return Ok(Prepared { leaf, state: State::Malformed(malformed) }),
        };
        let verified = match self.verify(ledger, &statement) {
            Ok(verified) => Some(verified),
            Err(Unverified::Refused(_)) => None,
            Err(Unverified::Ledger(error)) => return Err(error),
        };
        Ok(Prepared { leaf, state: State::Statement { statement: Box::new(statement), verified } })
    }

    /// What an entry at `index` changes in `ledger`, which is that of all entries before it, or why it should not be there.
    pub fn decide<L: LedgerRead>(
        &self,
        ledger: &L,
        index: LeafIndex,
        prepared: &Prepared,
    ) -> Result<Result<Changes, Finding>, LedgerError<L::Error>> {
        let found = |reason: FindingReason| Ok(Err(Finding { index, reason }));
        let verified_now;
        let verified = match &prepared.state {
            State::Malformed(malformed) => return found(malformed.clone().into()),
            State::Statement { verified: Some(verified), .. } => verified,
            State::Statement { statement, verified: None } => match self.verify_now(ledger, statement)? {
                Ok(verified) => {
                    verified_now = verified;
                    &verified_now
                }
                Err(refusal) => return found(refusal.into()),
            },
        };
        match self.apply(ledger, index, prepared.leaf, verified) {
            Ok(changes) => Ok(Ok(changes)),
            Err(ApplyError::Refused(refusal)) => found(refusal.into()),
            Err(ApplyError::Ledger(error)) => Err(error),
        }
    }

    /// In the order of admission: who the log is, whether the text is there already, and only then signatures.
    fn verify_now<L: LedgerRead>(
        &self,
        ledger: &L,
        statement: &Statement,
    ) -> Result<Result<Box<VerifiedStatement>, Refusal>, LedgerError<L::Error>> {
        if let Some(index) = self.find(ledger, &statement.id())? {
            return Ok(Err(Refusal::AlreadyPublished(index)));
        }
        match self.verify(ledger, statement) {
            Ok(verified) => Ok(Ok(verified)),
            Err(Unverified::Refused(refusal)) => Ok(Err(refusal)),
            Err(Unverified::Ledger(error)) => Err(error),
        }
    }

    fn verify<L: LedgerRead>(&self, ledger: &L, statement: &Statement) -> Result<Box<VerifiedStatement>, Unverified<L::Error>> {
        if statement.log() != self.log() {
            return Err(Unverified::Refused(Refusal::OtherLog(statement.log().into())));
        }
        let keys = match self.candidates(ledger, statement) {
            Ok(keys) => keys,
            Err(ApplyError::Refused(refusal)) => return Err(Unverified::Refused(refusal)),
            Err(ApplyError::Ledger(error)) => return Err(Unverified::Ledger(error)),
        };
        statement.verify_kept(&keys).map(Box::new).map_err(|error| Unverified::Refused(error.into()))
    }
}

enum Unverified<E> {
    Refused(Refusal),
    Ledger(LedgerError<E>),
}

/// The fold over a log's entries, with the ledger in memory.
#[derive(Clone, Debug)]
pub struct Fold {
    rules: Rules,
    ledger: MemoryLedger,
    size: u64,
}

impl Fold {
    /// Before the first entry.
    pub fn new(rules: Rules) -> Self {
        Fold { rules, ledger: MemoryLedger::default(), size: 0 }
    }

    /// After `size` entries, which left `ledger`.
    pub fn resume(rules: Rules, ledger: MemoryLedger, size: TreeSize) -> Self {
        Fold { rules, ledger, size: size.as_u64() }
    }

    /// Takes the next entry. It counts whatever is in it; what should not be there is a finding, and changes nothing.
    pub fn push(&mut self, entry: &[u8]) -> Result<Option<Finding>, LedgerError<Infallible>> {
        let prepared = self.prepare(entry)?;
        self.push_prepared(&prepared)
    }

    /// Does the costly part for an entry that is to come; for several threads at a time.
    pub fn prepare(&self, entry: &[u8]) -> Result<Prepared, LedgerError<Infallible>> {
        self.rules.prepare(&self.ledger, entry)
    }

    /// Takes the next entry, prepared before.
    pub fn push_prepared(&mut self, prepared: &Prepared) -> Result<Option<Finding>, LedgerError<Infallible>> {
        let decided = self.rules.decide(&self.ledger, LeafIndex::new(self.size), prepared)?;
        self.size += 1;
        match decided {
            Ok(changes) => {
                self.ledger.apply(changes);
                Ok(None)
            }
            Err(finding) => Ok(Some(finding)),
        }
    }

    /// How many entries were taken.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.size)
    }

    /// The ledger after them.
    pub fn ledger(&self) -> &MemoryLedger {
        &self.ledger
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}
