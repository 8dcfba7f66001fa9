//! What a client is told when it does not get what it asked for: RFC 9457 problem details.
//!
//! Clients decide by `type`, people read `title` and `detail`. Here is the only match from our errors to HTTP. What went wrong inside goes
//! to the monitor's own messages and never into an answer.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serving::response::{self, Answer};

use crate::api::BadParameter;
use crate::store::StoreError;

/// Why a request is not answered as the client wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No such page.
    NotFound,
    /// The monitor does not follow such a log.
    UnknownLog,
    /// No head of the log was seen yet.
    NoHead,
    /// The monitor has not read so far in the log.
    UnknownEntry,
    /// There never was such a finding.
    UnknownFinding,
    /// There is no such file of evidence.
    UnknownEvidence,
    /// This monitor was built, or is configured, without search.
    NoSearch,
    /// The methods that there are.
    MethodNotAllowed(&'static str),
    /// A parameter that means nothing, or has a value that means nothing.
    Parameter(BadParameter),
    /// One client asked more than it may.
    TooManyRequests(Duration),
    /// Too much is going on.
    Busy,
    /// It took longer than it may.
    Late,
    /// Our failure.
    Internal,
}

/// What `type` begins with.
const TYPE: &str = "urn:acta:problem:";

/// An answer as RFC 9457 has it.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// Where in the parameter, in characters from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<usize>,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!("a request could not be answered: {error}");
        Problem::Internal
    }
}

impl From<BadParameter> for Problem {
    fn from(parameter: BadParameter) -> Self {
        Problem::Parameter(parameter)
    }
}

impl Problem {
    /// One of each but for parameters, which have their own.
    #[cfg(test)]
    pub(crate) const ALL: [Problem; 12] = [
        Problem::NotFound,
        Problem::UnknownLog,
        Problem::NoHead,
        Problem::UnknownEntry,
        Problem::UnknownFinding,
        Problem::UnknownEvidence,
        Problem::NoSearch,
        Problem::MethodNotAllowed("GET, HEAD"),
        Problem::TooManyRequests(Duration::ZERO),
        Problem::Busy,
        Problem::Late,
        Problem::Internal,
    ];

    /// The answer.
    pub(crate) fn answer(&self) -> Answer {
        let (status, name, title, detail) = self.description();
        let bad = if let Problem::Parameter(bad) = self { Some(bad) } else { None };
        let document = Document {
            r#type: format!("{TYPE}{name}"),
            title,
            status: status.as_u16(),
            detail: bad.map_or_else(|| detail.to_owned(), ToString::to_string),
            parameter: bad.map(|bad| bad.name()),
            at: bad.and_then(BadParameter::at),
        };
        let mut body = serde_json::to_vec(&document).expect("texts and numbers are JSON");
        body.push(b'\n');
        let mut answer = response::plain(status, "application/problem+json", Bytes::from(body));
        response::shared(&mut answer);
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after() {
            // Whole seconds, and never none.
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
        }
        if let Problem::MethodNotAllowed(methods) = self {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        answer
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Problem::TooManyRequests(wait) => Some(*wait),
            Problem::Busy => Some(Duration::ZERO),
            Problem::Late => Some(Duration::from_secs(9)),
            _ => None,
        }
    }

    fn description(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Problem::NotFound => (
                StatusCode::NOT_FOUND,
                "not-found",
                "There is nothing here",
                "The page at / says what this monitor answers, and /openapi.json describes it for programs.",
            ),
            Problem::UnknownLog => (
                StatusCode::NOT_FOUND,
                "unknown-log",
                "This monitor does not follow such a log",
                "/api/v1/logs lists the logs that it follows, with the hashes of their origins.",
            ),
            Problem::NoHead => (
                StatusCode::NOT_FOUND,
                "no-head",
                "This monitor has seen no head of the log yet",
                "It follows the log, and has not reached it so far. Ask again later.",
            ),
            Problem::UnknownEntry => (
                StatusCode::NOT_FOUND,
                "unknown-entry",
                "This monitor has not read such an entry",
                "/api/v1/logs says how many entries of each log it has read. The log itself may have more.",
            ),
            Problem::UnknownFinding => (
                StatusCode::NOT_FOUND,
                "unknown-finding",
                "This monitor never found that",
                "/api/v1/findings lists what it found, with the id of each.",
            ),
            Problem::UnknownEvidence => (
                StatusCode::NOT_FOUND,
                "unknown-evidence",
                "There is no such file of evidence",
                "The findings that rest on a file of evidence name it.",
            ),
            Problem::NoSearch => (
                StatusCode::NOT_FOUND,
                "no-search",
                "This monitor has no search",
                "It was built without it, or search.enabled is false in its configuration.",
            ),
            Problem::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This method does not fit the address",
                "The header Allow names the methods that do.",
            ),
            // The detail is that of the parameter.
            Problem::Parameter(_) => (StatusCode::BAD_REQUEST, "bad-parameter", "A parameter cannot be understood", ""),
            Problem::TooManyRequests(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Too many requests from your address",
                "Ask again after the seconds that Retry-After says.",
            ),
            Problem::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", "The monitor is busy", "Ask again after the seconds that Retry-After says.")
            }
            Problem::Late => (
                StatusCode::SERVICE_UNAVAILABLE,
                "late",
                "The answer takes too long",
                "Ask for less, or again after the seconds that Retry-After says.",
            ),
            Problem::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The monitor could not answer",
                "The fault is not yours, and the reason is in the monitor's messages. Tell whoever runs it.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn each_problem_is_json_with_the_members_of_rfc_9457() {
        for problem in Problem::ALL {
            let answer = problem.answer();
            let status = answer.status().as_u16();
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers().contains_key("retry-after"), matches!(status, 429 | 503), "{problem:?}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(body["type"].as_str().unwrap().starts_with("urn:acta:problem:"));
            assert_eq!(body["status"], status);
            assert!(body["title"].is_string() && body["detail"].as_str().unwrap().ends_with('.'));
        }
    }
}
