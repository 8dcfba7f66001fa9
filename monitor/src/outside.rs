//! Everything that a monitor fetches from, or sends to, addresses that strangers wrote or that stand in its configuration.
//!
//! A decision may say that its document is at `http://169.254.169.254/`, and a webhook may redirect to a database beside the monitor: whoever
//! can make a monitor send requests can otherwise reach what only the monitor's machine can reach. So there is one client for all of it.
//!
//! Invariant: no connection is opened to an address that [`address`] refuses and the configuration does not allow. The names of hosts are
//! resolved here and the addresses judged are the very ones that are connected to, so a name that resolves to something else the second
//! time gains nothing. Each redirect is a request of its own and judged like the first.
//!
//! All else is bounded too: bytes, time, redirects, headers. No answer is ever decompressed: what is asked for is the bytes as they are,
//! and an answer in another encoding is an error. Proxies that the environment names are not used, since a proxy would resolve by itself.

pub mod address;
mod error;
mod guard;

use std::sync::Arc;
use std::time::Duration;

use acta_client::source::Authority;
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url, redirect};

use address::Allowed;
use guard::{Guard, Names};

pub use address::{Hosts, MalformedAllowed};
pub use error::{OutsideError, UrlError};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request with all of its answer may take, where it says nothing else.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a [`Client`] keeps to. By default it reaches the public internet alone.
///
/// Each use has its own, with its own key `allow` in the configuration: a webhook within one's own network is no reason to let strangers
/// name addresses in it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    allowed: Allowed,
    only: Hosts,
    authorities: Vec<Authority>,
}

impl Settings {
    /// The same, but these networks, such as `10.1.0.0/16`, and hosts, such as `hooks.internal.example`, may be reached too.
    pub fn allowing(entries: &[String]) -> Result<Self, MalformedAllowed> {
        Ok(Settings { allowed: Allowed::parse(entries)?, ..Settings::default() })
    }

    /// The same, but no other hosts than these are asked, also not where they redirect to.
    #[must_use]
    pub fn only(mut self, hosts: Hosts) -> Self {
        self.only = hosts;
        self
    }

    /// The same, but these certificate authorities are believed besides the web's.
    #[must_use]
    pub fn trusting(mut self, authorities: &[Authority]) -> Self {
        self.authorities.extend_from_slice(authorities);
        self
    }
}

/// A client for addresses that nobody vouches for. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    allowed: Arc<Allowed>,
    only: Hosts,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SetupError(reqwest::Error);

/// What is to be asked, and how much of an answer is acceptable.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    limit: u64,
    timeout: Duration,
    redirects: u8,
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers. A stranger's words.
    pub headers: HeaderMap,
    /// The body as it was sent; empty if it was read by [`Client::read`].
    pub body: Bytes,
    /// How many bytes were read of the body: all, if the status is that of a success.
    pub size: u64,
}

impl Request {
    /// A GET. Without more it gives an answer of at most 64 KiB and follows no redirect.
    pub fn get(url: impl Into<String>) -> Self {
        Request {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limit: 64 << 10,
            timeout: TIMEOUT,
            redirects: 0,
        }
    }

    /// A POST of `body`.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Request { method: Method::POST, body: body.into(), ..Request::get(url) }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same, but of the answer's body at most `bytes` are read; a longer one is an error.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The same, with a time for all of it.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// The same, but up to `count` redirects are followed. A POST is only repeated where the status asks for that (307, 308).
    #[must_use]
    pub fn redirects(mut self, count: u8) -> Self {
        self.redirects = count;
        self
    }
}

impl Client {
    /// Prepares. Nothing is sent yet.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        Client::with_names(settings, guard::system_names())
    }

    fn with_names(settings: &Settings, names: Names) -> Result<Self, SetupError> {
        let allowed = Arc::new(settings.allowed.clone());
        let mut tls = acta_client::source::tls_config(&settings.authorities);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .user_agent(concat!("acta-monitor/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .dns_resolver(Guard::new(Arc::clone(&allowed), names))
            // HTTP/1 alone: the fewer ways a stranger's server has to keep us busy.
            .http1_only()
            .http1_max_headers(64)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            .no_zstd()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(2)
            .build()
            .map_err(SetupError)?;
        Ok(Client { http, allowed, only: settings.only.clone() })
    }

    /// Sends a request and reads the answer with its body.
    pub async fn send(&self, request: Request) -> Result<Answer, OutsideError> {
        let mut body = BytesMut::new();
        let mut answer = self.read(request, |chunk| body.extend_from_slice(chunk)).await?;
        answer.body = body.freeze();
        Ok(answer)
    }

    /// Sends a request and gives the body to `sink` piece by piece, whatever the status. After an error `sink` has seen a part.
    pub async fn read(&self, request: Request, sink: impl FnMut(&[u8])) -> Result<Answer, OutsideError> {
        tokio::time::timeout(request.timeout, self.follow(request, sink)).await.map_err(|_| OutsideError::Timeout)?
    }

    async fn follow(&self, mut request: Request, sink: impl FnMut(&[u8])) -> Result<Answer, OutsideError> {
        let mut url = self.judge(&request.url)?;
        let mut left = request.redirects;
        loop {
            let response = self.ask(&request, url.clone()).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return receive(response, request.limit, sink).await;
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = redirected(&url, response.status(), location, &request.method, left)?;
            left -= 1;
            let next = self.judge(next.as_str())?;
            if next.origin() != url.origin() {
                // They were meant for the one who was asked.
                let kept = request.headers.remove(CONTENT_TYPE);
                request.headers.clear();
                kept.and_then(|kept| request.headers.insert(CONTENT_TYPE, kept));
            }
            url = next;
        }
    }

    /// The address, if it may be asked as far as it says by itself: a host's name is judged when it is resolved.
    fn judge(&self, url: &str) -> Result<Url, OutsideError> {
        let url = error::parse_url(url)?;
        self.allowed.judge_literal(&url)?;
        if !self.only.has(url.host_str().unwrap_or_default()) {
            return Err(OutsideError::NotAsked);
        }
        Ok(url)
    }

    async fn ask(&self, request: &Request, url: Url) -> Result<Response, OutsideError> {
        let mut headers = request.headers.clone();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let asked = self.http.request(request.method.clone(), url).headers(headers);
        let asked = if request.method == Method::POST { asked.body(request.body.clone()) } else { asked };
        asked.send().await.map_err(OutsideError::from_failure)
    }
}

/// Where a redirect leads, if it may be followed as far as it can be said by itself. `left` is how many more may be.
fn redirected(from: &Url, status: StatusCode, location: Option<&str>, method: &Method, left: u8) -> Result<Url, OutsideError> {
    let to = location.and_then(|to| from.join(to).ok()).ok_or(OutsideError::Redirect)?;
    let repeats = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if left == 0 || (*method != Method::GET && !repeats) {
        return Err(OutsideError::Redirected { to: error::shown(&to) });
    }
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(OutsideError::Downgraded);
    }
    Ok(to)
}

/// Reads a body. One that explains a refusal is cut where it is longer than what was asked for could be.
async fn receive(mut response: Response, limit: u64, mut sink: impl FnMut(&[u8])) -> Result<Answer, OutsideError> {
    let encoded = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if encoded {
        return Err(OutsideError::Encoded);
    }
    let wanted = response.status().is_success();
    if wanted && response.content_length().is_some_and(|announced| announced > limit) {
        return Err(OutsideError::TooLarge { limit });
    }
    let mut size = 0_u64;
    while let Some(chunk) = response.chunk().await.map_err(OutsideError::from_failure)? {
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        match (size > limit, wanted) {
            (false, _) => sink(&chunk),
            (true, true) => return Err(OutsideError::TooLarge { limit }),
            (true, false) => break,
        }
    }
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body: Bytes::new(), size })
}

#[cfg(test)]
mod tests;
