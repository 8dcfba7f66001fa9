//! Why a request to cosign came to nothing. Which status that is, [`crate::http`] says.

use std::time::Duration;

use tlog::key::SignError;
use tlog::note::NoteError;
use tlog::witness::{Refusal, RequestError, SubtreeRefusal};

use crate::committer::Stopped;

/// Why no checkpoint was cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The request is malformed.
    #[error(transparent)]
    Malformed(#[from] RequestError),
    /// The rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log is cosigned more often than its rate allows.
    #[error("this log was cosigned too often lately; send its next checkpoint a little later")]
    TooOften(Duration),
    /// Too many requests at once.
    #[error("this witness is busy; ask again in a moment")]
    Busy,
    /// The checkpoint leaves no room for signatures.
    #[error("the checkpoint has no room for this witness's signatures: {0}")]
    TooLarge(NoteError),
    /// The witness is shutting down, or its store failed.
    #[error("this witness has stopped; ask again in a minute. If it goes on, its operator must look into this")]
    Stopped,
}

impl From<Stopped> for CosignError {
    fn from(Stopped: Stopped) -> Self {
        CosignError::Stopped
    }
}

impl CosignError {
    /// A short name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            CosignError::Malformed(_) => "malformed",
            CosignError::TooOften(_) => "too-often",
            CosignError::Busy => "busy",
            CosignError::TooLarge(_) => "too-large",
            CosignError::Stopped => "stopped",
            CosignError::Refused(refusal) => match refusal {
                Refusal::UnknownOrigin { .. } => "unknown-origin",
                Refusal::BadSignature { .. } => "bad-signature",
                Refusal::TooManySignatures { .. } => "too-many-signatures",
                Refusal::NotSigned { .. } => "not-signed",
                Refusal::UnsignedExtensions { .. } => "unsigned-extensions",
                Refusal::OldBeyondCheckpoint { .. } => "old-beyond-checkpoint",
                Refusal::Conflict { .. } => "conflict",
                Refusal::EmptyTreeRoot => "empty-tree-root",
                Refusal::OtherRoot { .. } => "other-root",
                Refusal::ProofFromEmpty => "proof-from-empty",
                Refusal::Inconsistent(_) => "inconsistent",
                Refusal::CannotSign(_) => "cannot-sign",
                _ => "other",
            },
        }
    }
}

/// Why no part of a log was cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubtreeError {
    /// The request is malformed.
    #[error(transparent)]
    Malformed(#[from] RequestError),
    /// The rule says no.
    #[error(transparent)]
    Refused(#[from] SubtreeRefusal),
    /// Parts of the log are cosigned more often than its rate allows.
    #[error("parts of this log were cosigned too often lately; ask again a little later")]
    TooOften(Duration),
    /// None of the keys can.
    #[error("this witness has no ML-DSA-44 key, so it cannot cosign parts of a log; ask it for whole checkpoints")]
    Unsupported,
    /// Too many requests at once.
    #[error("this witness is busy; ask again in a moment")]
    Busy,
    /// A key could not sign.
    #[error("this witness cannot sign: {0}; its operator must look into this")]
    CannotSign(SignError),
    /// The witness is shutting down.
    #[error("this witness has stopped; ask again in a minute")]
    Stopped,
}

impl SubtreeError {
    /// A short name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            SubtreeError::Malformed(_) => "malformed",
            SubtreeError::TooOften(_) => "too-often",
            SubtreeError::Unsupported => "unsupported",
            SubtreeError::Busy => "busy",
            SubtreeError::CannotSign(_) => "cannot-sign",
            SubtreeError::Stopped => "stopped",
            SubtreeError::Refused(refusal) => match refusal {
                SubtreeRefusal::UnknownOrigin { .. } => "unknown-origin",
                SubtreeRefusal::NotCosigned => "not-cosigned",
                SubtreeRefusal::Inconsistent(_) => "inconsistent",
                _ => "other",
            },
        }
    }
}
