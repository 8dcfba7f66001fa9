//! Answers, and the headers that say how long they hold.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::{Response, StatusCode};
use serving::response;
use tlog::Hash;

use crate::stream::EVENT_STREAM;

/// An answer whose body may go on, as that of `/events` does.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Always asked again, and not sent again if it is the same: what a monitor knows is never old.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// An answer that is there as a whole.
pub(super) fn whole(answer: response::Answer) -> Answer {
    answer.map(BodyExt::boxed_unsync)
}

/// An answer that goes on. Nobody between us and the client may keep or collect it.
pub(super) fn stream(body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = response::public(EVENT_STREAM, HeaderValue::from_static("no-store"), Bytes::new()).map(|_| body);
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// Public data with a tag for this version of it, or the word that the client has it already.
pub(super) fn tagged(headers: &HeaderMap, content_type: &'static str, body: Vec<u8>) -> response::Answer {
    let tag = format!("\"{}\"", &Hash::sha256(&body).to_hex()[..32]);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    // The comparison is weak, as RFC 9110 section 13.1.2 has it.
    let is_known = known.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    let mut answer = response::public(content_type, ASK_AGAIN, if is_known { Bytes::new() } else { Bytes::from(body) });
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    answer.headers_mut().insert(ETAG, HeaderValue::try_from(tag).expect("ASCII"));
    answer
}

/// A file of evidence, which never changes, to be kept and not to be shown. `name` is that of a file of ours.
pub(super) fn file(name: &str, bytes: Vec<u8>) -> response::Answer {
    let content_type = if name.ends_with(".json") { JSON } else { "application/octet-stream" };
    let mut answer = response::public(content_type, response::IMMUTABLE, Bytes::from(bytes));
    let attachment = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).unwrap_or(HeaderValue::from_static("attachment"));
    answer.headers_mut().insert(CONTENT_DISPOSITION, attachment);
    answer
}

/// The answer to HEAD: what GET would have said, and how long it would have been, without it.
pub(super) fn without_body(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|_| parts.status != StatusCode::NOT_MODIFIED) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, http_body_util::Empty::new().boxed_unsync())
}
