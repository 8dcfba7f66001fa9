//! Why a statement is not admitted: each rule its own variant, in words for the clerk who sent it.

use tlog::LeafIndex;
use tlog::printable::Printable;

use crate::statement::UnverifiedSignature;
use crate::types::{IssuerId, Kind, Number, Relation, Vkey};

/// A well-formed statement breaks a rule. It changes nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// For another log.
    #[error("the statement is for the log \"{}\", not for this one: write this log's name into `log` and sign again", Printable(.0))]
    OtherLog(Box<str>),
    /// The same text again.
    #[error("this statement is in the log already, at index {0}")]
    AlreadyPublished(LeafIndex),
    /// A charter that is not the first entry.
    #[error("a charter is the first entry of a log and is written when the log is created: there cannot be another one")]
    CharterNotFirst,
    /// There is no charter.
    #[error("this log has no charter, so it is not known who may register issuers: create a log with `acta-log init --registrar …`")]
    NoCharter,
    /// A charter of other rules.
    #[error("the charter is for version {0} of the rules, and this program knows version 1: use a newer release")]
    CharterVersion(u64),
    /// A signature line that is not good, or not known.
    #[error(transparent)]
    Signature(#[from] UnverifiedSignature),
    /// A good signature that is not needed.
    #[error("{} has signed, whose signature this statement does not need: take that line away", Printable(.0.name()))]
    SuperfluousSignature(Vkey),
    /// Nobody has signed who may.
    #[error("the signature of the issuer is missing: sign with one of its keys")]
    NotSignedByIssuer,
    /// Too few registrars.
    #[error("{have} of the registrars have signed and {need} must: collect the other signatures, then send it again")]
    TooFewRegistrars {
        /// How many have signed.
        have: u16,
        /// How many must.
        need: u16,
    },
    /// A key that is added has not signed.
    #[error("the key {} must sign the statement that adds it, which shows that somebody holds its secret half", Printable(.0.name_and_id()))]
    NoProofOfPossession(Vkey),
    /// Nobody of that name.
    #[error("the issuer {0} is not registered in this log: its registrars can do that, by `acta issuer register`")]
    UnregisteredIssuer(IssuerId),
    /// The issuer has ended.
    #[error("the issuer {issuer} was retired by entry {by}: nothing can be issued in its name any more")]
    RetiredIssuer {
        /// Who.
        issuer: IssuerId,
        /// The entry.
        by: LeafIndex,
    },
    /// The key has ended.
    #[error("the key {} was retired by entry {by}: sign with a key that is in force", Printable(.key.name_and_id()))]
    RetiredKey {
        /// Which key.
        key: Vkey,
        /// The entry.
        by: LeafIndex,
    },
    /// The issuer may not issue that.
    #[error("{issuer} may not issue decisions of the kind {kind}: its registration does not list it; the registrars can change that")]
    KindNotAllowed {
        /// Who.
        issuer: IssuerId,
        /// What.
        kind: Kind,
    },
    /// The number is used.
    #[error("the number {number} of {issuer} is used already, by entry {by}: take the next free number")]
    NumberUsed {
        /// Who.
        issuer: IssuerId,
        /// Which number.
        number: Number,
        /// The entry that has it.
        by: LeafIndex,
    },
    /// The number is too far away.
    #[error("the number {number} is more than 10,000 above {contiguous}, up to which the series has no gap: fill the gap first")]
    NumberTooHigh {
        /// Which number.
        number: Number,
        /// Up to which the series has no gap.
        contiguous: u64,
    },
    /// The series has ended before.
    #[error("the series {} was closed at number {last}, and {} is above that: use another series", number.series, number.seq)]
    SeriesClosed {
        /// Which number.
        number: Number,
        /// The last one.
        last: u64,
    },
    /// The series has come further already.
    #[error("the series {} cannot be closed at {}: {highest} is used already", number.series, number.seq)]
    ClosedTooLow {
        /// Which number.
        number: Number,
        /// The highest that is used.
        highest: u64,
    },
    /// The key is named for somebody else.
    #[error("the key {} must be named {issuer}, or {issuer}/ and something more, to be a key of that issuer", Printable(.key.name()))]
    KeyOfAnotherName {
        /// Which key.
        key: Vkey,
        /// Whose it is to be.
        issuer: IssuerId,
    },
    /// The issuer has or had that key.
    #[error("the key {} of the issuer is known already, in force or retired: make a new one", Printable(.0.name_and_id()))]
    KnownKey(Vkey),
    /// The issuer never had that key.
    #[error("the issuer has no key {} that could be retired", Printable(.0.name_and_id()))]
    NoSuchKey(Vkey),
    /// More keys than an issuer can have.
    #[error("an issuer can have at most 256 keys over all its time")]
    TooManyKeys,
    /// A key retires another.
    #[error("a key can retire only itself: {} must sign, or the registrars", Printable(.0.name_and_id()))]
    RetiresAnotherKey(Vkey),
    /// Doubt that is not the registrars'.
    #[error("`doubt_from` is for the registrars to say: leave it out, or let them retire the key")]
    DoubtByIssuer,
    /// Doubt about the future.
    #[error("`doubt_from` must be the index of an earlier entry, below {0}")]
    DoubtNotEarlier(LeafIndex),
    /// A relation to nothing.
    #[error("`relates` names entry {index}, which is not an earlier statement of this log")]
    NoSuchEntry {
        /// The index in the statement.
        index: u64,
    },
    /// A relation to another entry than meant.
    #[error("`relates` names entry {index} with another leaf hash than that entry has: take both from the same receipt")]
    OtherEntry {
        /// The index in the statement.
        index: LeafIndex,
    },
    /// Only decisions have successors.
    #[error("entry {index} is not a decision, so nothing can take its place")]
    NotADecision {
        /// The index in the statement.
        index: LeafIndex,
    },
    /// An annotation that would change a decision.
    #[error("an annotation can refer to or appeal a decision; to correct, supersede or revoke it takes a decision")]
    AnnotationDecides,
    /// Another's decision.
    #[error("entry {index} is a decision of {of}, which {issuer} may not overrule: its registration has no such entry in `may_overrule`")]
    NotOverruled {
        /// The index of the other's decision.
        index: LeafIndex,
        /// Whose it is.
        of: IssuerId,
        /// Who would overrule it.
        issuer: IssuerId,
    },
    /// There is a successor already.
    #[error("entry {index} was {} by entry {by} already: relate to that one instead", past(*.rel))]
    HasSuccessor {
        /// The earlier decision.
        index: LeafIndex,
        /// How the other one relates to it.
        rel: Relation,
        /// The other one.
        by: LeafIndex,
    },
    /// It has ended.
    #[error("entry {index} was revoked by entry {by}: nothing can follow a revoked decision; issue a new one")]
    Revoked {
        /// The earlier decision.
        index: LeafIndex,
        /// What revoked it.
        by: LeafIndex,
    },
}

/// In a sentence about the earlier decision.
fn past(rel: Relation) -> &'static str {
    match rel {
        Relation::Corrects => "corrected",
        Relation::Supersedes => "superseded",
        Relation::Revokes => "revoked",
        Relation::Appeals => "appealed",
        Relation::Refers => "referred to",
    }
}

impl Refusal {
    /// All short names, for documentation and tests.
    pub const NAMES: &[&str] = &[
        "other-log",
        "already-published",
        "charter-not-first",
        "no-charter",
        "charter-version",
        "unknown-signer",
        "bad-signature",
        "superfluous-signature",
        "not-signed-by-issuer",
        "too-few-registrars",
        "no-proof-of-possession",
        "unregistered-issuer",
        "retired-issuer",
        "retired-key",
        "kind-not-allowed",
        "number-used",
        "number-too-high",
        "series-closed",
        "closed-too-low",
        "key-of-another-name",
        "known-key",
        "no-such-key",
        "too-many-keys",
        "retires-another-key",
        "doubt-by-issuer",
        "doubt-not-earlier",
        "no-such-entry",
        "other-entry",
        "not-a-decision",
        "annotation-decides",
        "not-overruled",
        "has-successor",
        "revoked",
    ];

    /// A stable short name, one of [`Refusal::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::OtherLog(_) => "other-log",
            Refusal::AlreadyPublished(_) => "already-published",
            Refusal::CharterNotFirst => "charter-not-first",
            Refusal::NoCharter => "no-charter",
            Refusal::CharterVersion(_) => "charter-version",
            Refusal::Signature(UnverifiedSignature::UnknownSigner(_)) => "unknown-signer",
            Refusal::Signature(UnverifiedSignature::BadSignature(_)) => "bad-signature",
            Refusal::SuperfluousSignature(_) => "superfluous-signature",
            Refusal::NotSignedByIssuer => "not-signed-by-issuer",
            Refusal::TooFewRegistrars { .. } => "too-few-registrars",
            Refusal::NoProofOfPossession(_) => "no-proof-of-possession",
            Refusal::UnregisteredIssuer(_) => "unregistered-issuer",
            Refusal::RetiredIssuer { .. } => "retired-issuer",
            Refusal::RetiredKey { .. } => "retired-key",
            Refusal::KindNotAllowed { .. } => "kind-not-allowed",
            Refusal::NumberUsed { .. } => "number-used",
            Refusal::NumberTooHigh { .. } => "number-too-high",
            Refusal::SeriesClosed { .. } => "series-closed",
            Refusal::ClosedTooLow { .. } => "closed-too-low",
            Refusal::KeyOfAnotherName { .. } => "key-of-another-name",
            Refusal::KnownKey(_) => "known-key",
            Refusal::NoSuchKey(_) => "no-such-key",
            Refusal::TooManyKeys => "too-many-keys",
            Refusal::RetiresAnotherKey(_) => "retires-another-key",
            Refusal::DoubtByIssuer => "doubt-by-issuer",
            Refusal::DoubtNotEarlier(_) => "doubt-not-earlier",
            Refusal::NoSuchEntry { .. } => "no-such-entry",
            Refusal::OtherEntry { .. } => "other-entry",
            Refusal::NotADecision { .. } => "not-a-decision",
            Refusal::AnnotationDecides => "annotation-decides",
            Refusal::NotOverruled { .. } => "not-overruled",
            Refusal::HasSuccessor { .. } => "has-successor",
            Refusal::Revoked { .. } => "revoked",
        }
    }

    /// Which field of the statement is meant; `None` if it is about its signatures or the whole.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Refusal::OtherLog(_) => Some("log"),
            Refusal::CharterNotFirst => Some("type"),
            Refusal::CharterVersion(_) => Some("version"),
            Refusal::UnregisteredIssuer(_) | Refusal::RetiredIssuer { .. } => Some("issuer"),
            Refusal::KindNotAllowed { .. } => Some("kind"),
            Refusal::NumberUsed { .. } | Refusal::NumberTooHigh { .. } | Refusal::ClosedTooLow { .. } => Some("seq"),
            Refusal::SeriesClosed { .. } => Some("series"),
            Refusal::KeyOfAnotherName { .. } | Refusal::KnownKey(_) | Refusal::NoSuchKey(_) | Refusal::RetiresAnotherKey(_) => Some("key"),
            Refusal::TooManyKeys => Some("keys"),
            Refusal::DoubtByIssuer | Refusal::DoubtNotEarlier(_) => Some("doubt_from"),
            Refusal::NoSuchEntry { .. }
            | Refusal::OtherEntry { .. }
            | Refusal::NotADecision { .. }
            | Refusal::AnnotationDecides
            | Refusal::NotOverruled { .. }
            | Refusal::HasSuccessor { .. }
            | Refusal::Revoked { .. } => Some("relates"),
            _ => None,
        }
    }

    /// The entry that is there already and excludes this one: with the same text, the same number, or the same predecessor.
    pub fn existing(&self) -> Option<LeafIndex> {
        match self {
            Refusal::AlreadyPublished(index) => Some(*index),
            Refusal::NumberUsed { by, .. } | Refusal::HasSuccessor { by, .. } | Refusal::Revoked { by, .. } => Some(*by),
            _ => None,
        }
    }
}
