//! One log's server over HTTP.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use tlog::printable::is_printable;
use tokio::sync::Semaphore;

use super::retry::{Backoff, parse_retry_after};
use super::{Options, tls};
use crate::terminal;

/// Bodies up to this size are read as many at a time as there are requests; larger ones only [`LARGE_BODIES`] at a time. So a server
/// that sends the largest bundles possible (16 MiB) makes us hold a few of them and not one for every request.
const LARGE: usize = 1 << 20;
const LARGE_BODIES: usize = 4;

/// An answer that explains an error is read up to this size.
const MAX_PROBLEM: usize = 16 << 10;

/// A log's server. Keeps its connections.
#[derive(Debug)]
pub struct Http {
    client: Client,
    base: Url,
    wait: Duration,
    large: Semaphore,
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(#[source] reqwest::Error),
    /// No answer, or one that broke off, until the time was up.
    #[error("{url} did not answer: {reason}. Does a server run there, and is the address right?", reason = root_cause(source))]
    Unreachable {
        /// What was asked.
        url: Box<Url>,
        /// The last failure.
        source: reqwest::Error,
    },
    /// Its answer broke off, or is not in the encoding that it announced, until the time was up.
    #[error("{url} sent an answer that broke off or cannot be read: {reason}. Try again later", reason = root_cause(source))]
    Garbled {
        /// What was asked.
        url: Box<Url>,
        /// The failure.
        source: reqwest::Error,
    },
    /// It is busy, and stayed so until the time was up.
    #[error("{url} is busy ({problem}){}", again(.retry_after))]
    Busy {
        /// What was asked.
        url: Box<Url>,
        /// What it said.
        problem: Problem,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It points elsewhere. That is not followed: who answers for a log is for its reader to say.
    #[error("{url} redirects to {to}; if that is the log that you want, give its address instead")]
    Redirected {
        /// What was asked.
        url: Box<Url>,
        /// Where it points, as far as it can be shown.
        to: Text,
    },
    /// There is no such thing.
    #[error("the log has no {path}; is this the address of a log, and is all of it there?")]
    NotFound {
        /// What was asked for, below the log's prefix.
        path: Box<str>,
        /// The short name of the problem, if the server gave one: there may be such a thing, and not here or not yet.
        kind: Option<Text>,
    },
    /// It refused.
    #[error("{url} refused: {problem}")]
    Refused {
        /// What was asked.
        url: Box<Url>,
        /// What it said.
        problem: Problem,
    },
    /// The answer is larger than what was asked for can be.
    #[error("{path} is larger than it can be in a log ({limit} bytes); the rest was not read")]
    TooLarge {
        /// What was asked for, below the log's prefix.
        path: Box<str>,
        /// The largest possible size.
        limit: usize,
    },
    /// A file of a local log cannot be read.
    #[error("{} cannot be read: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a server said when it refused: RFC 9457, or a bare status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The last part of the problem's `type`, such as `not-yet-published`. For programs.
    pub kind: Option<Text>,
    /// The problem's `detail` or `title`. For people.
    pub text: Option<Text>,
    /// Which field of a statement is meant.
    pub field: Option<Text>,
    /// The entry that is there already and excludes the one that was sent.
    pub index: Option<u64>,
}

/// Words of a stranger, made safe to print: no control characters, and short.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Box<str>);

/// An answer; but for [`Http::exchange`] with status 200, 201 or 202.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<Text>,
    pub(crate) body: Bytes,
}

/// A failed attempt.
enum Failed {
    /// Trying again may help.
    ForNow(FetchError, Option<Duration>),
    ForGood(FetchError),
}

impl Failed {
    fn into_error(self) -> FetchError {
        match self {
            Failed::ForNow(error, _) | Failed::ForGood(error) => error,
        }
    }
}

impl Http {
    /// Prepares to talk to the log at `base`, which ends in a slash. Nothing is sent yet.
    pub(crate) fn new(base: Url, options: &Options) -> Result<Self, FetchError> {
        let mut client = Client::builder()
            .user_agent(concat!("acta/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::config(&options.authorities))
            .redirect(redirect::Policy::none())
            .connect_timeout(options.timeout.min(Duration::from_secs(10)))
            .timeout(options.timeout)
            .read_timeout(options.idle)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(options.concurrency);
        if is_loopback(&base) {
            // A proxy cannot reach this machine's own addresses, and to compress takes longer than to send to them.
            let plain = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            client = client.no_proxy().default_headers(HeaderMap::from_iter([plain]));
        }
        let client = client.build().map_err(FetchError::Setup)?;
        Ok(Http { client, base, wait: options.wait, large: Semaphore::new(LARGE_BODIES) })
    }

    /// The log's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Reads `path`, at most `limit` bytes of it once decompressed.
    pub async fn get(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        Ok(self.request(Method::GET, path, None, Bytes::new(), limit).await?.body)
    }

    /// Posts `body`. The log answers the same entry with the same index, so asking again is harmless.
    pub(crate) async fn post(&self, path: &str, accept: Option<&str>, body: Bytes, limit: usize) -> Result<Answer, FetchError> {
        self.request(Method::POST, path, accept, body, limit).await
    }

    /// Posts `body` once, and gives whatever comes back but a redirect: for a protocol whose refusals say something.
    pub(crate) async fn exchange(&self, path: &str, body: Bytes, limit: usize) -> Result<Answer, FetchError> {
        let url = self.base.join(path).expect("our own paths are valid in a URL");
        let sent = self.client.post(url.clone()).body(body).send().await;
        let mut response = sent.map_err(|source| failed(&url, source).into_error())?;
        if response.status().is_redirection() {
            let to = Text::new(header(response.headers(), LOCATION.as_str()).unwrap_or("nowhere"));
            return Err(FetchError::Redirected { url: url.into(), to });
        }
        let content_type = header(response.headers(), CONTENT_TYPE.as_str()).map(Text::new);
        let body = self.body(&mut response, path, limit).await.map_err(Failed::into_error)?;
        Ok(Answer { status: response.status().as_u16(), content_type, body })
    }

    async fn request(&self, method: Method, path: &str, accept: Option<&str>, body: Bytes, limit: usize) -> Result<Answer, FetchError> {
        let started = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let (error, asked) = match self.attempt(method.clone(), path, accept, body.clone(), limit).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::ForNow(error, asked)) => (error, asked),
            };
            let pause = backoff.pause(asked);
            // The server chooses part of the pause, and may say any number.
            if started.elapsed().saturating_add(pause) > self.wait {
                return Err(error);
            }
            tracing::debug!(%error, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, method: Method, path: &str, accept: Option<&str>, body: Bytes, limit: usize) -> Result<Answer, Failed> {
        let url = self.base.join(path).expect("our own paths are valid in a URL");
        let mut request = self.client.request(method.clone(), url.clone());
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        if method == Method::POST {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|source| failed(&url, source))?;
        match response.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
                let body = self.body(&mut response, path, limit).await?;
                let content_type = header(response.headers(), CONTENT_TYPE.as_str()).map(Text::new);
                Ok(Answer { status: response.status().as_u16(), content_type, body })
            }
            status if status.is_redirection() => {
                let to = Text::new(header(response.headers(), LOCATION.as_str()).unwrap_or("nowhere"));
                Err(Failed::ForGood(FetchError::Redirected { url: url.into(), to }))
            }
            status => Err(self.refusal(&mut response, status, url.into(), path).await),
        }
    }

    async fn refusal(&self, response: &mut Response, status: StatusCode, url: Box<Url>, path: &str) -> Failed {
        let retry_after = header(response.headers(), RETRY_AFTER.as_str()).and_then(|text| parse_retry_after(text, Timestamp::now()));
        // What cannot be read explains nothing; the status alone will do.
        let body = self.body(response, path, MAX_PROBLEM).await.unwrap_or_default();
        let problem = Problem::parse(status.as_u16(), &body);
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Failed::ForNow(FetchError::Busy { url, problem, retry_after }, retry_after)
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Failed::ForGood(FetchError::NotFound { path: path.into(), kind: problem.kind }),
            _ => Failed::ForGood(FetchError::Refused { url, problem }),
        }
    }

    /// The body, decompressed, of at most `limit` bytes: also a few kilobytes that decompress to gigabytes are cut off there.
    async fn body(&self, response: &mut Response, path: &str, limit: usize) -> Result<Bytes, Failed> {
        let announced = response.content_length().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let mut body = BytesMut::with_capacity(announced.min(limit).min(LARGE));
        let mut permit = None;
        while let Some(chunk) = response.chunk().await.map_err(|source| failed(response.url(), source))? {
            if body.len() + chunk.len() > limit {
                return Err(Failed::ForGood(FetchError::TooLarge { path: path.into(), limit }));
            }
            if body.len() + chunk.len() > LARGE && permit.is_none() {
                permit = Some(self.large.acquire().await.expect("the semaphore is never closed"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

impl Problem {
    /// Whether the log will not take what was sent, however often: it says by a problem of its own that the content is against a rule.
    pub fn is_refusal_of_content(&self) -> bool {
        self.kind.is_some() && matches!(self.status, 400 | 403 | 409 | 413 | 422)
    }

    fn parse(status: u16, body: &[u8]) -> Self {
        // SPEC: RFC 9457 §3.1
        #[derive(serde::Deserialize)]
        struct Shape {
            r#type: Option<String>,
            title: Option<String>,
            detail: Option<String>,
            field: Option<String>,
            index: Option<u64>,
        }
        let nothing = Shape { r#type: None, title: None, detail: None, field: None, index: None };
        let shape = serde_json::from_slice(body).unwrap_or(nothing);
        let kind = shape.r#type.map(|kind| Text::new(kind.rsplit(['/', ':', '#']).next().unwrap_or_default()));
        let text = match (shape.title, shape.detail) {
            // The title of a refused statement names the rule, and the detail the case.
            (Some(title), Some(detail)) if shape.field.is_some() || shape.index.is_some() => Some(format!("{title}: {detail}")),
            (title, detail) => detail.or(title),
        };
        Problem { status, kind, text: text.as_deref().map(Text::new), field: shape.field.as_deref().map(Text::new), index: shape.index }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.text.as_ref().or(self.kind.as_ref()) {
            write!(f, "{text}, ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "field `{field}`, ")?;
        }
        if let Some(index) = self.index {
            write!(f, "see entry {index}, ")?;
        }
        write!(f, "HTTP status {}", self.status)
    }
}

impl Text {
    /// The first 600 characters; what a terminal would act on is replaced.
    pub(crate) fn new(text: &str) -> Self {
        Text(text.chars().take(600).map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn failed(url: &Url, source: reqwest::Error) -> Failed {
    let url = Box::new(url.clone());
    if source.is_builder() {
        Failed::ForGood(FetchError::Garbled { url, source })
    } else if source.is_decode() {
        // Also a connection that was cut in the middle of a body ends here.
        Failed::ForNow(FetchError::Garbled { url, source }, None)
    } else {
        Failed::ForNow(FetchError::Unreachable { url, source }, None)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The innermost reason, such as "connection refused"; what is around it repeats the address.
fn root_cause(error: &reqwest::Error) -> Text {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Text::new(&cause.to_string())
}

fn again(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(after) => format!("; it asks to be tried again in {} s", after.as_secs()),
        None => "; try again later".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_cannot_command_the_terminal() {
        let problem = Problem::parse(400, br#"{"type":"https://acta.example/problems/too-large","detail":"\u001b[2Jgone"}"#);
        assert_eq!(problem.to_string(), "\u{fffd}[2Jgone, HTTP status 400");
        assert_eq!(problem.kind, Some(Text::new("too-large")));
        assert_eq!(Problem::parse(500, b"<html>").to_string(), "HTTP status 500");
        let used = br#"{"type":"urn:acta:problem:number-used","title":"Used","detail":"taken","field":"se\u009bq","index":7}"#;
        assert_eq!(Problem::parse(409, used).to_string(), "Used: taken, field `se\u{fffd}q`, see entry 7, HTTP status 409");
        assert_eq!(Text::new("\u{9b}2J\u{202e}").as_str(), "\u{fffd}2J\u{fffd}");
        assert_eq!(Text::new(&"x".repeat(1000)).as_str().len(), 600);
    }

    #[test]
    fn loopback_addresses_are_known() {
        for (url, loopback) in [("http://127.0.0.1:1/", true), ("http://[::1]/", true), ("http://localhost/", true), ("http://a.b/", false)]
        {
            assert_eq!(Url::parse(url).map(|url| is_loopback(&url)), Ok(loopback), "{url}");
        }
    }
}
