//! What a client is told when it does not get what it asked for: RFC 9457 problem details.
//!
//! Clients decide by `type` (or by the short name, in a batch), people read `title` and `detail`. Both are promises; `docs/problems.md`
//! lists them and a test compares. Here are the only matches from our errors to HTTP. What went wrong inside goes to the server's own
//! messages and never into an answer.

mod refusal;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::{StatusCode, Version};
use serde::Serialize;
use serving::body::BodyError;
use serving::response::{self, Answer};
use tlog::LeafIndex;

use crate::admission::Refused;
use crate::log::ReadError;
use crate::queue::AddError;

/// Why a request is not answered as the client wished.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// Nothing was sent to `/add`, or an empty entry in a batch.
    EmptyEntry,
    /// More bytes than an entry can have.
    EntryTooLarge,
    /// A batch without entries.
    EmptyBatch,
    /// A batch with too many bytes or entries.
    BatchTooLarge,
    /// The lengths in a batch do not add up.
    MalformedBatch,
    /// A body with a `Content-Encoding`.
    EncodedBody,
    /// The body took longer than it may.
    SlowBody,
    /// The body ended early. The client is gone, and only metrics see this.
    BrokenBody,
    /// One client added more than it may.
    TooManyAdds(Wait),
    /// The queue, the memory for bodies or answers, or the number of requests is at its bound.
    Overloaded,
    /// The disk is nearly full.
    DiskFull,
    /// It is not known yet whether the witnesses have seen more of the log than it has.
    AskingWitnesses,
    /// Too much waits for cosignatures.
    Unwitnessed,
    /// The log is shutting down.
    ShuttingDown,
    /// The log has stopped over an error.
    WriteSideFailed,
    /// The store has not answered in time.
    SlowStore,
    /// No such page.
    NotFound,
    /// A tile or bundle that the published tree does not have.
    NotInTree,
    /// The entry may exist, and no published head covers it.
    NotYetPublished,
    /// No entry has that hash.
    UnknownLeaf,
    /// A log that takes any bytes knows nothing of their status.
    NoLedger,
    /// The resource is there, the method is not for it.
    MethodNotAllowed(&'static str),
    /// The entry is not a statement that this log takes in.
    Refused(Box<Refused>),
    /// Our failure.
    Internal,
}

/// Seconds after which it is worth to try again, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(u64);

/// What is the same for all occurrences of a problem.
pub(crate) struct Description {
    pub(crate) status: StatusCode,
    /// Last part of the `type`, and the line in the answer to a batch.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: Cow<'static, str>,
}

/// As it is sent. The members beyond RFC 9457's are there when they say something.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    /// Which field of a statement is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The entry that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

/// The first part of every `type`.
const TYPE: &str = "urn:acta:problem:";

/// The longest path of a field that is told.
const MAX_FIELD: usize = 128;

impl Wait {
    pub(crate) fn after(duration: Duration) -> Self {
        Wait(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Empty => Problem::EmptyEntry,
            AddError::TooLarge { .. } => Problem::EntryTooLarge,
            AddError::Overloaded => Problem::Overloaded,
            AddError::DiskFull => Problem::DiskFull,
            AddError::AskingWitnesses => Problem::AskingWitnesses,
            AddError::Unwitnessed => Problem::Unwitnessed,
            AddError::ShuttingDown => Problem::ShuttingDown,
            AddError::Failed => Problem::WriteSideFailed,
            AddError::Refused(refused) => refusal::problem(refused),
        }
    }
}

impl From<ReadError> for Problem {
    /// Nothing that is read from the store is the client's fault.
    fn from(error: ReadError) -> Self {
        tracing::error!(error = %Chain(&error), "a read from the store failed");
        Problem::Internal
    }
}

/// An error with its causes, on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl Problem {
    /// What is wrong with a body; `too_large` is what more bytes than there may be are.
    pub(crate) fn of_body(error: BodyError, too_large: Problem) -> Self {
        match error {
            BodyError::TooLarge => too_large,
            BodyError::Encoded => Problem::EncodedBody,
            BodyError::Slow => Problem::SlowBody,
            BodyError::Broken => Problem::BrokenBody,
            BodyError::NoMemory => Problem::Overloaded,
        }
    }

    /// One of each, for the test of the documentation.
    #[cfg(test)]
    const ALL: [Problem; 23] = [
        Problem::EmptyEntry,
        Problem::EntryTooLarge,
        Problem::EmptyBatch,
        Problem::BatchTooLarge,
        Problem::MalformedBatch,
        Problem::EncodedBody,
        Problem::SlowBody,
        Problem::BrokenBody,
        Problem::TooManyAdds(Wait(1)),
        Problem::Overloaded,
        Problem::DiskFull,
        Problem::AskingWitnesses,
        Problem::Unwitnessed,
        Problem::ShuttingDown,
        Problem::WriteSideFailed,
        Problem::SlowStore,
        Problem::NotFound,
        Problem::NotInTree,
        Problem::NotYetPublished,
        Problem::UnknownLeaf,
        Problem::NoLedger,
        Problem::MethodNotAllowed("GET, HEAD"),
        Problem::Internal,
    ];

    /// The short names of all problems.
    #[cfg(test)]
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Problem::names_and_statuses().map(|(name, _)| name)
    }

    /// The same, with the status of each.
    #[cfg(test)]
    pub(crate) fn names_and_statuses() -> impl Iterator<Item = (&'static str, StatusCode)> {
        let own = Problem::ALL.iter().map(Problem::description).map(|description| (description.name, description.status));
        own.chain(refusal::REASONS.iter().map(|reason| (reason.name, reason.status)))
    }

    /// The short name: the last part of the `type`.
    pub(crate) fn name(&self) -> &'static str {
        self.description().name
    }

    /// Whether the body broke off, so that nothing more can be read after it.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Problem::SlowBody | Problem::BrokenBody)
    }

    /// The answer to a request over this version of HTTP.
    pub(crate) fn answer(&self, version: Version) -> Answer {
        let Description { status, name, title, detail } = self.description();
        let refused = if let Problem::Refused(refused) = self { Some(refused) } else { None };
        let document = Document {
            r#type: format!("{TYPE}{name}"),
            title,
            status: status.as_u16(),
            detail: &detail,
            field: refused.and_then(|refused| refused.field()).filter(|field| field.len() <= MAX_FIELD),
            index: refused.and_then(|refused| refused.existing()).map(LeafIndex::as_u64),
        };
        let mut body = serde_json::to_vec(&document).expect("texts and numbers are JSON");
        body.push(b'\n');
        let mut answer = response::plain(status, "application/problem+json", Bytes::from(body));
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(Wait(seconds)) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Problem::MethodNotAllowed(allowed) = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        // The rest of the body is not waited for. HTTP/2 resets the stream by itself and has no such header.
        if self.ends_connection() && version <= Version::HTTP_11 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    fn retry_after(&self) -> Option<Wait> {
        match self {
            Problem::TooManyAdds(wait) => Some(*wait),
            Problem::Refused(refused) => refusal::retry_after(refused),
            Problem::Overloaded | Problem::NotYetPublished | Problem::SlowStore => Some(Wait(1)),
            Problem::AskingWitnesses => Some(Wait(5)),
            Problem::ShuttingDown | Problem::Unwitnessed => Some(Wait(10)),
            Problem::DiskFull | Problem::WriteSideFailed => Some(Wait(60)),
            _ => None,
        }
    }

    fn description(&self) -> Description {
        let (status, name, title, detail) = match self {
            Problem::EmptyEntry => (
                StatusCode::BAD_REQUEST,
                "empty-entry",
                "The entry is empty",
                "Send the bytes that shall be published as the body of the request.",
            ),
            Problem::EntryTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "entry-too-large",
                "The entry is too large",
                "An entry has at most 65,535 bytes. Publish a digest of the document instead, and keep the document beside it.",
            ),
            Problem::EmptyBatch => (
                StatusCode::BAD_REQUEST,
                "empty-batch",
                "The batch has no entries",
                "Send each entry with its length before it: two bytes, the higher one first.",
            ),
            Problem::BatchTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "batch-too-large",
                "The batch is too large",
                "A batch has at most 4,096 entries and 8 MiB. Nothing of this one was added; send it in parts.",
            ),
            Problem::MalformedBatch => (
                StatusCode::BAD_REQUEST,
                "malformed-batch",
                "The batch ends in the middle of an entry",
                "Before each entry goes its length in two bytes, the higher one first. Nothing of this batch was added.",
            ),
            Problem::EncodedBody => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoded-body",
                "The body is compressed or encoded",
                "Send the entry as it is, without a Content-Encoding: exactly these bytes will be published.",
            ),
            Problem::SlowBody => (
                StatusCode::REQUEST_TIMEOUT,
                "slow-body",
                "The body took too long",
                "Nothing was added. Send the request again over a faster connection, or a batch in smaller parts.",
            ),
            Problem::BrokenBody => {
                (StatusCode::BAD_REQUEST, "broken-body", "The body ended early", "Nothing was added. Send the request again.")
            }
            Problem::TooManyAdds(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-adds",
                "Too many entries from your address",
                "Nothing of this request was added. Send it again after the seconds that Retry-After says.",
            ),
            Problem::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "The log is busy",
                "Nothing was added. Send the request again after the seconds that Retry-After says.",
            ),
            Problem::DiskFull => (
                StatusCode::SERVICE_UNAVAILABLE,
                "disk-full",
                "The log has no room for new entries",
                "Nothing was added, and what is published stays readable. Tell the operator of the log.",
            ),
            Problem::AskingWitnesses => (
                StatusCode::SERVICE_UNAVAILABLE,
                "asking-witnesses",
                "The log is asking its witnesses first",
                "Nothing was added. It has just started, and adds nothing before its witnesses have said that they have not seen more of it.",
            ),
            Problem::Unwitnessed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unwitnessed",
                "Too much waits for the log's witnesses",
                "Nothing was added. Too few witnesses answer, and what is published stays readable. Send the request again later.",
            ),
            Problem::ShuttingDown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting-down",
                "The log is shutting down",
                "Nothing was added. Send the request again when the log is back.",
            ),
            Problem::WriteSideFailed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "write-failed",
                "The log has stopped taking entries",
                "It is not known whether the entry was added. Send it again later: if it was, you get its index then.",
            ),
            Problem::SlowStore => (
                StatusCode::SERVICE_UNAVAILABLE,
                "slow-store",
                "Storing the entry takes too long",
                "The entry may be added yet. Send it again later: if it was, you get its index then.",
            ),
            Problem::NotFound => (
                StatusCode::NOT_FOUND,
                "not-found",
                "There is nothing here",
                "The page at / says what this log answers. Numbers are written without signs and leading zeros.",
            ),
            Problem::NotInTree => (
                StatusCode::NOT_FOUND,
                "not-in-tree",
                "The published tree has no such part",
                "Get /checkpoint for the size of the tree; a part beyond it appears when the tree has grown that far.",
            ),
            Problem::NotYetPublished => (
                StatusCode::NOT_FOUND,
                "not-yet-published",
                "No published head covers this entry",
                "If you were given this index, try again after the seconds that Retry-After says. /checkpoint has the size of the tree.",
            ),
            Problem::UnknownLeaf => (
                StatusCode::NOT_FOUND,
                "unknown-leaf",
                "No entry has this hash",
                "The hash is SHA-256 of a zero byte and the entry, in lower-case hexadecimal. The entry may have been changed, or never added.",
            ),
            Problem::NoLedger => (
                StatusCode::NOT_FOUND,
                "no-ledger",
                "This log does not know what stands",
                "It takes any bytes, so it keeps no ledger of issuers and decisions. What its entries say is for their readers to judge.",
            ),
            Problem::Refused(refused) => return refusal::description(refused),
            Problem::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This method does not fit the address",
                "The header Allow names the methods that do.",
            ),
            Problem::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The log could not answer",
                "The fault is not yours, and the reason is in the messages of the server. Tell the operator of the log.",
            ),
        };
        Description { status, name, title, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use http_body_util::BodyExt;

    use super::*;

    const DOCUMENTATION: &str = include_str!("../../../docs/problems.md");

    #[test]
    fn the_documentation_lists_each_problem_with_its_status_and_nothing_else() {
        let rows: Vec<&str> = DOCUMENTATION.lines().filter(|line| line.starts_with("| `")).collect();
        for problem in Problem::ALL {
            let Description { status, name, title, .. } = problem.description();
            let row = format!("| `{name}` | {} | {title} |", status.as_u16());
            assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/problems.md lacks: {row}");
        }
        for reason in refusal::REASONS {
            let row = format!("| `{}` | {} | {} |", reason.name, reason.status.as_u16(), reason.title);
            assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/problems.md lacks: {row}");
        }
        assert_eq!(rows.len(), Problem::ALL.len() + refusal::REASONS.len());
    }

    #[tokio::test]
    async fn each_problem_is_json_with_the_members_of_rfc_9457() {
        for problem in Problem::ALL {
            let answer = problem.answer(Version::HTTP_11);
            let status = answer.status().as_u16();
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["type"], format!("urn:acta:problem:{}", problem.name()));
            assert_eq!(body["status"], status);
            assert!(body["title"].is_string() && body["detail"].as_str().unwrap().ends_with('.'));
        }
    }

    #[test]
    fn a_wait_is_whole_seconds_and_never_too_short() {
        assert_eq!(Wait::after(Duration::from_millis(1)), Wait(1));
        assert_eq!(Wait::after(Duration::from_secs(2)), Wait(2));
        assert_eq!(Wait::after(Duration::from_millis(2001)), Wait(3));
    }
}
