//! Refusals, and the one match from them to statuses.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::{StatusCode, Version};
use serving::body::BodyError;
use serving::response::{Answer, plain};
use tlog::witness::{Refusal, SIZE_MEDIA_TYPE, SubtreeRefusal, print_conflict};

use super::TEXT;
use crate::cosigner::{CosignError, SubtreeError};

/// Why a request is not answered as it was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("there is nothing here; a witness has /add-checkpoint, /sign-subtree and /<SHA-256 of an origin, in hex>/checkpoint")]
    NotFound,
    #[error("this witness has never cosigned a checkpoint of a log with that hash of its origin")]
    NeverCosigned,
    #[error("this method has no meaning here; use {0}")]
    Method(&'static str),
    #[error("the body is larger than any request to a witness needs to be (132 KiB); send fewer signatures")]
    TooLarge,
    #[error("the body has a Content-Encoding; send it as it is")]
    Encoded,
    #[error("the body did not come in time; send it in one go")]
    Slow,
    #[error("the body ended early; send all of it")]
    Broken,
    #[error("this witness is busy; ask again in a moment")]
    Busy,
    #[error("this witness's disk is slow; ask again in a while: what you asked for may have been done by then")]
    Late,
    #[error("there were too many requests from your address; ask again later")]
    TooManyRequests(Duration),
    #[error(transparent)]
    Cosign(#[from] CosignError),
    #[error(transparent)]
    Subtree(#[from] SubtreeError),
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Refused::TooLarge,
            BodyError::Encoded => Refused::Encoded,
            BodyError::Slow => Refused::Slow,
            BodyError::Broken => Refused::Broken,
            BodyError::NoMemory => Refused::Busy,
        }
    }
}

impl Refused {
    /// Whether the rest of the body is not worth waiting for.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Refused::Slow | Refused::Broken)
    }

    pub(super) fn answer(&self, version: Version) -> Answer {
        // SPEC: tlog-witness §add-checkpoint: the size in decimal and a newline, and a type of its own.
        let mut answer = match self {
            Refused::Cosign(CosignError::Refused(Refusal::Conflict { latest, .. })) => {
                plain(StatusCode::CONFLICT, SIZE_MEDIA_TYPE, Bytes::from(print_conflict(*latest)))
            }
            refused => plain(refused.status(), TEXT, Bytes::from(format!("{refused}\n"))),
        };
        let headers = answer.headers_mut();
        if let Some(wait) = self.retry_after() {
            // Whole seconds, and never none.
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
        }
        if let Refused::Method(methods) = self {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.ends_connection() && version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    fn status(&self) -> StatusCode {
        match self {
            Refused::NotFound | Refused::NeverCosigned => StatusCode::NOT_FOUND,
            Refused::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refused::Slow => StatusCode::REQUEST_TIMEOUT,
            Refused::Broken => StatusCode::BAD_REQUEST,
            Refused::Busy | Refused::Late => StatusCode::SERVICE_UNAVAILABLE,
            Refused::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Refused::Cosign(error) => cosign_status(error),
            Refused::Subtree(error) => subtree_status(error),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Refused::TooManyRequests(wait)
            | Refused::Cosign(CosignError::TooOften(wait))
            | Refused::Subtree(SubtreeError::TooOften(wait)) => Some(*wait),
            Refused::Late => Some(Duration::from_secs(9)),
            Refused::Busy | Refused::Cosign(CosignError::Busy) | Refused::Subtree(SubtreeError::Busy) => Some(Duration::ZERO),
            Refused::Cosign(CosignError::Stopped) | Refused::Subtree(SubtreeError::Stopped) => Some(Duration::from_secs(59)),
            _ => None,
        }
    }
}

// SPEC: tlog-witness §add-checkpoint.
fn cosign_status(error: &CosignError) -> StatusCode {
    match error {
        CosignError::Malformed(_) => StatusCode::BAD_REQUEST,
        CosignError::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        CosignError::Busy | CosignError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        CosignError::TooLarge(_) => StatusCode::UNPROCESSABLE_ENTITY,
        CosignError::Refused(refusal) => match refusal {
            Refusal::UnknownOrigin { .. } => StatusCode::NOT_FOUND,
            Refusal::BadSignature { .. }
            | Refusal::TooManySignatures { .. }
            | Refusal::NotSigned { .. }
            | Refusal::UnsignedExtensions { .. } => StatusCode::FORBIDDEN,
            Refusal::OldBeyondCheckpoint { .. } => StatusCode::BAD_REQUEST,
            Refusal::Conflict { .. } => StatusCode::CONFLICT,
            Refusal::EmptyTreeRoot | Refusal::OtherRoot { .. } | Refusal::ProofFromEmpty | Refusal::Inconsistent(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Refusal::CannotSign(_) => StatusCode::INTERNAL_SERVER_ERROR,
            // A kind of refusal that a later version of the rule has: whatever it is, nothing was signed.
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
    }
}

// SPEC: tlog-witness §sign-subtree.
fn subtree_status(error: &SubtreeError) -> StatusCode {
    match error {
        SubtreeError::Malformed(_) => StatusCode::BAD_REQUEST,
        SubtreeError::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        // SPEC: tlog-witness §sign-subtree: it is OPTIONAL to support this API.
        SubtreeError::Unsupported => StatusCode::NOT_FOUND,
        SubtreeError::Busy | SubtreeError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        SubtreeError::CannotSign(_) => StatusCode::INTERNAL_SERVER_ERROR,
        SubtreeError::Refused(refusal) => match refusal {
            SubtreeRefusal::UnknownOrigin { .. } => StatusCode::NOT_FOUND,
            SubtreeRefusal::NotCosigned => StatusCode::FORBIDDEN,
            SubtreeRefusal::Inconsistent(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
    }
}
