//! How requests get to witnesses: over HTTP, or through a simulated network.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tlog::note::MAX_NOTE;

/// The most bytes of an answer that are read: no answer of a witness is larger than a note.
pub const MAX_ANSWER: usize = MAX_NOTE;

/// A request to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The address: a witness's prefix, and what is asked of it.
    pub url: String,
    /// What is posted; `None` for a GET.
    pub body: Option<Bytes>,
}

/// What came back, whatever its status; redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if there is one.
    pub content_type: Option<String>,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// At most [`MAX_ANSWER`] bytes.
    pub body: Bytes,
}

/// Nothing useful came back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("no answer: {0}")]
    Unreachable(Box<dyn std::error::Error + Send + Sync>),
    /// More than [`MAX_ANSWER`] bytes; the rest was not read.
    #[error("the answer has more than {MAX_ANSWER} bytes")]
    TooLarge,
}

/// A way to reach witnesses. There is no deadline in it: whoever sends drops the future when it takes too long.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and reads the answer to its end.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, TransportError>> + Send;
}
