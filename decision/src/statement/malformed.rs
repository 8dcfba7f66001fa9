//! Why bytes are not a statement.

use std::fmt;

use tlog::key::KeyName;
use tlog::note::NoteError;
use tlog::printable::Printable;

use crate::canonical::NotCanonical;

/// Why some bytes are not a statement. Everybody who looks finds the same, whatever the log holds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// More bytes than an entry can have.
    #[error("the statement has more than 65,535 bytes: publish the digests of documents, and keep the documents beside it")]
    TooLarge,
    /// Not a signed note.
    #[error("this is not a signed statement: {0}")]
    Note(#[from] NoteError),
    /// The text is not one line.
    #[error("a statement is one line of JSON, followed by one empty line and the signatures")]
    NotOneLine,
    /// Not canonical JSON.
    #[error("{0}")]
    NotCanonical(#[from] NotCanonical),
    /// No `type`, or none that is known.
    #[error("the type of the statement is missing or unknown: known are charter, registrar, issuer, key, decision and annotation")]
    UnknownType,
    /// A field is missing, or holds what it cannot hold.
    #[error("{0}")]
    Field(FieldError),
    /// Registrars that could never decide anything, or whose threshold one of them could reach alone by being listed twice.
    #[error("`threshold` must be at least 1 and at most the number of `registrars`, of whom none may be listed twice")]
    BadThreshold,
    /// A key occurs twice in the list of those that are added.
    #[error("`keys` lists the same key twice")]
    RepeatedKey,
    /// A relation of succession names the same entry twice.
    #[error("`relates` names the entry {0} twice")]
    RelatedTwice(u64),
    /// A key that is added cannot be in doubt.
    #[error("`doubt_from` is for a key that is retired, not for one that is added")]
    DoubtWithoutRetirement,
    /// The lines are not in their order.
    #[error("the signature lines must be sorted by the name and then the id of their key")]
    UnsortedSignatures,
    /// Two lines of one key.
    #[error("there are two signature lines of the key {}: one key signs once", Printable(name))]
    SignedTwice {
        /// Which key.
        name: KeyName,
    },
    /// More lines than anybody needs.
    #[error("there are more signature lines than any statement needs")]
    TooManySignatures,
}

/// A field that is missing, or that holds what it cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub(super) path: Box<str>,
    pub(super) reason: Box<str>,
}

impl FieldError {
    /// Which field, such as `parties[0].role`; `.` for the whole statement.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is quoted comes from outside.
        if &*self.path == "." {
            return write!(f, "{}", Printable(&*self.reason));
        }
        write!(f, "`{}`: {}", Printable(&*self.path), Printable(&*self.reason))
    }
}

impl Malformed {
    /// All short names but those of [`NotCanonical::NAMES`].
    pub const NAMES: &[&str] = &[
        "entry-too-large",
        "not-a-statement",
        "not-one-line",
        "unknown-type",
        "bad-field",
        "bad-threshold",
        "repeated-key",
        "related-twice",
        "doubt-without-retirement",
        "unsorted-signatures",
        "signed-twice",
        "too-many-signatures",
    ];

    /// A stable short name, one of [`Malformed::NAMES`] or [`NotCanonical::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Malformed::TooLarge => "entry-too-large",
            Malformed::Note(_) => "not-a-statement",
            Malformed::NotOneLine => "not-one-line",
            Malformed::NotCanonical(reason) => reason.name(),
            Malformed::UnknownType => "unknown-type",
            Malformed::Field(_) => "bad-field",
            Malformed::BadThreshold => "bad-threshold",
            Malformed::RepeatedKey => "repeated-key",
            Malformed::RelatedTwice(_) => "related-twice",
            Malformed::DoubtWithoutRetirement => "doubt-without-retirement",
            Malformed::UnsortedSignatures => "unsorted-signatures",
            Malformed::SignedTwice { .. } => "signed-twice",
            Malformed::TooManySignatures => "too-many-signatures",
        }
    }

    /// Which field is meant, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Malformed::Field(error) => Some(error.path()),
            Malformed::UnknownType => Some("type"),
            Malformed::BadThreshold => Some("threshold"),
            Malformed::RepeatedKey => Some("keys"),
            Malformed::RelatedTwice(_) => Some("relates"),
            Malformed::DoubtWithoutRetirement => Some("doubt_from"),
            _ => None,
        }
    }
}
