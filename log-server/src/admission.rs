//! Which entries a log takes in: any bytes, or statements that its ledger allows.
//!
//! The work is done in this order: the statement is parsed; if the log has its text already, it is answered with the index that it has;
//! then its signatures are verified; then the ledger decides. So a statement that was admitted once is answered for ever, also when the
//! key that signed it has been retired since.
//!
//! **Ahead of the sequencer**, on as many threads as there are requests, goes all that is costly and needs nobody's turn: `check` parses
//! and verifies. It reads the committed ledger, which may be some entries behind. That makes no difference: whether a signature is good
//! depends on no ledger, and whether its key was in force is asked again. **In the sequencer** goes what depends on the entries right
//! before: a `Session` decides about one batch, statement by statement, each from what the ones before it left.
//!
//! Some rules are of admission alone, because they need a clock or are a matter of taste, and are no part of the fold that others compute
//! again: how far `issued` may be ahead, which characters text may have, and how much an issuer may publish in a day.

mod quota;
mod refused;
mod rows;
mod session;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use decision::ledger::{ApplyError, LedgerError, Refusal, Rules};
use decision::statement::{Statement, VerifiedStatement};
use decision::text;
use decision::types::IssuerId;
use tlog::key::VerifierKey;
use tlog::{Hash, LeafIndex};

use self::quota::Quotas;
use crate::queue::AddError;
use crate::store::{Admits, Identity, Store, StoreError};

pub use self::quota::{OverQuota, Quota, QuotaLimits};
pub use self::refused::Refused;
pub(crate) use self::rows::{Ledger, RowCache, Stored};
pub(crate) use self::session::{Decided, Session};

/// How far a statement's `issued` may be ahead of this machine's clock.
const AHEAD: Duration = Duration::from_secs(300);

/// What of admission can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionOptions {
    /// How much an issuer may publish in a day.
    pub quota: QuotaLimits,
    /// Bytes of rows of the ledger that are kept in memory.
    pub cache_bytes: u64,
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        AdmissionOptions { quota: QuotaLimits::default(), cache_bytes: 32 << 20 }
    }
}

/// What a log asks of an entry.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Nothing.
    Open,
    /// That it is a statement, and allowed.
    Statements(Box<Statements>),
}

/// What admission of statements remembers. All of it is bounded, and none of it is needed to be right.
#[derive(Debug)]
pub(crate) struct Statements {
    rules: Rules,
    rows: RowCache,
    quotas: Quotas,
}

/// An entry of which all has been checked that can be checked ahead of its turn.
#[derive(Debug)]
pub struct Checked {
    pub(crate) entry: Bytes,
    /// Computed when the entry arrived.
    pub(crate) leaf: Hash,
    pub(crate) claim: Claim,
}

/// What an entry comes to the sequencer with.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Bytes, for a log that takes any.
    Bytes,
    /// The log has the statement already, at this index.
    Known(LeafIndex),
    /// Every signature is good.
    Verified(Box<VerifiedStatement>),
    /// The keys that have signed are not known yet, but an entry before it in the same batch may add them.
    Unverified(Box<Statement>),
}

/// What is found of an entry ahead of its turn.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may go on.
    Good(Checked),
    /// It may not, whatever comes before it.
    Refused(Refused),
    /// It may not, unless an entry that is right before it adds its issuer or key.
    UnknownSigner { entry: Bytes, statement: Box<Statement>, refusal: Refusal },
}

impl Admission {
    pub(crate) fn new(identity: &Identity, key: &VerifierKey, options: AdmissionOptions) -> Self {
        match identity.admits {
            Admits::Open => Admission::Open,
            Admits::Statements => Admission::Statements(Box::new(Statements {
                rules: Rules::new(&identity.origin, vec![key.clone()]),
                rows: RowCache::new(options.cache_bytes),
                quotas: Quotas::new(options.quota),
            })),
        }
    }

    /// What a log of this admission admits.
    pub(crate) fn admits(&self) -> Admits {
        match self {
            Admission::Open => Admits::Open,
            Admission::Statements(_) => Admits::Statements,
        }
    }

    /// The rules, where there are any.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        match self {
            Admission::Open => None,
            Admission::Statements(statements) => Some(&statements.rules),
        }
    }

    /// Checks an entry ahead of its turn.
    pub(crate) fn check<S: Store>(&self, store: &S, entry: Bytes, now: SystemTime) -> Result<Verdict, LedgerError<StoreError>> {
        let leaf = Hash::leaf(&entry);
        let claim = match self {
            Admission::Open => Ok(Claim::Bytes),
            Admission::Statements(statements) => statements.check(store, &entry, now)?,
        };
        Ok(match claim {
            Ok(claim) => Verdict::Good(Checked { entry, leaf, claim }),
            Err(Objection::Stands(refused)) => Verdict::Refused(refused),
            Err(Objection::UnknownSigner(statement, refusal)) => Verdict::UnknownSigner { entry, statement, refusal },
        })
    }
}

/// Why a statement may not go on as it is.
enum Objection {
    Stands(Refused),
    UnknownSigner(Box<Statement>, Refusal),
}

impl<R: Into<Refused>> From<R> for Objection {
    fn from(refused: R) -> Self {
        Objection::Stands(refused.into())
    }
}

impl Statements {
    fn check<S: Store>(&self, store: &S, entry: &[u8], now: SystemTime) -> Result<Result<Claim, Objection>, LedgerError<StoreError>> {
        let ledger = Ledger::reading(store, &self.rows);
        let statement = match Statement::parse(entry) {
            Ok(statement) => statement,
            Err(malformed) => return Ok(Err(malformed.into())),
        };
        if statement.log() != self.rules.log() {
            return Ok(Err(Refusal::OtherLog(statement.log().into()).into()));
        }
        if let Some(index) = self.rules.find(&ledger, &statement.id())? {
            return Ok(Ok(Claim::Known(index)));
        }
        if let Err(refused) = self.check_taste(&statement, entry.len(), now) {
            return Ok(Err(refused.into()));
        }
        let keys = match self.rules.candidates(&ledger, &statement) {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(objection(Box::new(statement), refusal(error)?))),
        };
        Ok(match statement.verify(&keys) {
            Ok(verified) => Ok(Claim::Verified(Box::new(verified))),
            Err((statement, error)) => Err(objection(statement, error.into())),
        })
    }

    /// What is asked at admission only.
    fn check_taste(&self, statement: &Statement, bytes: usize, now: SystemTime) -> Result<(), Refused> {
        text::check(statement.line())?;
        let limit = unix(now + AHEAD);
        if statement.issued().as_unix() > limit {
            return Err(Refused::IssuedAhead(statement.issued()));
        }
        if let Some(issuer) = statement.issuer().filter(|_| statement.number().is_some()) {
            self.quotas.check(issuer, bytes, now)?;
        }
        Ok(())
    }
}

/// The rule that is against a statement, or that the ledger could not be asked.
pub(crate) fn refusal(error: ApplyError<StoreError>) -> Result<Refusal, LedgerError<StoreError>> {
    match error {
        ApplyError::Refused(refusal) => Ok(refusal),
        ApplyError::Ledger(error) => Err(error),
        // Whatever else there may be one day, nothing is known of the statement then.
        _ => Err(LedgerError::Damaged),
    }
}

/// What is said of keys that are not known may be another thing one entry later.
fn objection(statement: Box<Statement>, refusal: Refusal) -> Objection {
    use decision::statement::UnverifiedSignature::UnknownSigner;
    match refusal {
        Refusal::UnregisteredIssuer(_) | Refusal::NoCharter | Refusal::Signature(UnknownSigner(_)) => {
            Objection::UnknownSigner(statement, refusal)
        }
        refusal => refusal.into(),
    }
}

/// Goes through the entries of a batch in their order: a statement whose signer is not known may go on if one before it in the batch
/// registers its issuer, adds a key, or changes the registrars. The sequencer then verifies it when it is its turn.
///
/// `refused` is told of each that is refused here.
pub(crate) fn settle(verdicts: Vec<Result<Verdict, AddError>>, refused: impl Fn(&Refused)) -> Vec<Result<Checked, AddError>> {
    let refuse = |reason: Refused| {
        refused(&reason);
        Err(reason.into())
    };
    let mut changed: HashSet<Option<IssuerId>> = HashSet::new();
    let settled = verdicts.into_iter().map(|verdict| {
        let checked = match verdict? {
            Verdict::Good(checked) => checked,
            Verdict::Refused(reason) => return refuse(reason),
            Verdict::UnknownSigner { entry, statement, refusal } => {
                if !changed.contains(&None) && !changed.contains(&statement.issuer().cloned()) {
                    return refuse(refusal.into());
                }
                let leaf = Hash::leaf(&entry);
                Checked { entry, leaf, claim: Claim::Unverified(statement) }
            }
        };
        let issuer = match &checked.claim {
            Claim::Verified(statement) if statement.number().is_none() => Some(statement.issuer()),
            Claim::Unverified(statement) if statement.number().is_none() => Some(statement.issuer()),
            _ => None,
        };
        // No issuer stands for the registrars, who are everybody's.
        changed.extend(issuer.map(Option::<&IssuerId>::cloned));
        Ok(checked)
    });
    settled.collect()
}

impl Checked {
    /// Bytes of memory that it takes while it waits. A verified statement is a part of what its text says; one that is not verified yet is
    /// text, what it says, and signatures.
    pub(crate) fn weight(&self) -> usize {
        let entry = self.entry.len();
        match &self.claim {
            Claim::Bytes | Claim::Known(_) => entry,
            Claim::Verified(_) => 2 * entry + 256,
            Claim::Unverified(_) => 4 * entry + 256,
        }
    }
}

/// Seconds since 1970.
fn unix(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
