//! Answers and the headers that all of them have.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

/// Every answer is small enough to be in memory.
pub type Answer = Response<Full<Bytes>>;

/// A year: what a path names never changes.
pub const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// An answer that no other site's scripts may read, of a type that no browser may guess differently.
pub fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Public data, for scripts of every site.
pub fn public(content_type: &'static str, cache: HeaderValue, body: Bytes) -> Answer {
    let mut answer = plain(StatusCode::OK, content_type, body);
    answer.headers_mut().insert(CACHE_CONTROL, cache);
    shared(&mut answer);
    answer
}

/// Lets scripts of every site read an answer.
pub fn shared(answer: &mut Answer) {
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// The answer to HEAD: what GET would have said, and how long it would have been, without it.
pub fn without_body(answer: Answer) -> Answer {
    use hyper::body::Body;

    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|_| parts.status != StatusCode::NOT_MODIFIED) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Full::default())
}
