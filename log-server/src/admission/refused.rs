//! Why a statement is not admitted.

use decision::ledger::Refusal;
use decision::statement::Malformed;
use decision::text::BadText;
use decision::types::Timestamp;
use tlog::LeafIndex;

use super::OverQuota;

/// Why a statement is not admitted. Nothing of it is kept, and it uses no index.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not a statement.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its text is not what it looks like.
    #[error("{0}")]
    Text(#[from] BadText),
    /// It says that it was issued in the future.
    #[error("`issued` is {0}, more than five minutes from now: set the clock of the machine that signs, and sign again")]
    IssuedAhead(Timestamp),
    /// A rule of the ledger is against it.
    #[error(transparent)]
    Rule(#[from] Refusal),
    /// Its issuer has published enough for a day.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
}

impl Refused {
    /// The stable short name of the reason.
    pub fn name(&self) -> &'static str {
        match self {
            Refused::Malformed(reason) => reason.name(),
            Refused::Text(bad) => bad.name(),
            Refused::IssuedAhead(_) => "issued-ahead",
            Refused::Rule(reason) => reason.name(),
            Refused::OverQuota(_) => "over-quota",
        }
    }

    /// Which field of the statement is meant, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Refused::Malformed(reason) => reason.field(),
            Refused::Text(bad) => Some(&bad.field),
            Refused::IssuedAhead(_) => Some("issued"),
            Refused::Rule(reason) => reason.field(),
            Refused::OverQuota(_) => Some("issuer"),
        }
    }

    /// The entry that is there already and excludes this one.
    pub fn existing(&self) -> Option<LeafIndex> {
        match self {
            Refused::Rule(reason) => reason.existing(),
            _ => None,
        }
    }
}
