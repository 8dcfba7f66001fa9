//! What a monitor answers over HTTP: findings, alerts and search for programs, a page and a feed for people, heads for other monitors.
//!
//! | call | answer |
//! |---|---|
//! | `GET /` | what is followed and what is wrong, for people |
//! | `GET /api/v1/…` | the same and all else, as JSON; `/openapi.json` describes it |
//! | `GET /feed.atom`, `GET /events` | alerts, for feed readers and as they come |
//! | `GET /gossip/<SHA-256 of the origin, in hex>/checkpoint` | the newest head that was seen of a log |
//! | `GET /evidence/<file>` | what convicts a log |
//!
//! Everything here only reads. What strangers wrote is passed on as data: JSON that no browser takes for anything else, and escaped text in
//! a page that may run nothing.

mod metrics;
#[allow(dead_code, reason = "the resources that need the others come next")]
mod problem;
mod section;

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts as RequestParts;
use hyper::{Method, Request, Response};
use serving::http_metrics::{HttpMetrics, Route};
use serving::limits::Limiter;
use serving::listener::{self, Clients};
use serving::{body, proxy, response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::search::Search;
use crate::store::Store;

pub(crate) use self::problem::Problem;

pub use self::metrics::metrics;
pub use self::section::{Section, Settings};

/// An answer whose body may go on, as that of `/events` does.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, std::convert::Infallible>>;

/// The methods of everything here, as `Allow` lists them.
const METHODS: &str = "GET, HEAD";

/// What a monitor's public listener needs.
#[derive(Debug)]
pub struct Parts {
    /// What is known.
    pub store: Arc<Store>,
    /// What finds it.
    pub search: Arc<Search>,
    /// The directory of files of evidence.
    pub evidence: PathBuf,
    /// Addresses and bounds.
    pub settings: Settings,
    /// What is counted; see [`metrics()`].
    pub metrics: HttpMetrics,
    /// Closes when the monitor shall stop, so that answers that go on come to an end.
    pub shutdown: watch::Receiver<()>,
}

/// What all requests to one monitor share.
#[derive(Debug)]
pub struct Site {
    parts: Parts,
    limiter: Option<Limiter>,
    /// Requests in progress.
    requests: Semaphore,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Page,
}

/// Serves a monitor to the public until `shutdown` resolves, then drains. `tls` is what [`serving::tls::load`] made of the configured files.
pub async fn serve(site: Arc<Site>, listener: TcpListener, tls: Option<Arc<ServerConfig>>, shutdown: impl Future<Output = ()>) {
    let settings = &site.parts.settings;
    let bounds = settings.bounds;
    let clients = Clients::new(settings.max_connections_per_client, settings.many_connections.clone());
    let counters = site.parts.metrics.connections.clone();
    let handler = move |peer: IpAddr, request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { site.answer(peer, request).await }
    };
    listener::run(listener, tls.map(TlsAcceptor::from), bounds, clients, counters, handler, shutdown).await;
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        match path.strip_prefix('/')? {
            "" => Some(Target::Page),
            _ => None,
        }
    }

    fn route(&self) -> Route {
        match self {
            Target::Page => metrics::PAGE,
        }
    }
}

impl Site {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        Site {
            limiter: parts.settings.limit.map(Limiter::new),
            requests: Semaphore::new(parts.settings.max_requests.min(Semaphore::MAX_PERMITS)),
            parts,
        }
    }

    /// Answers one request from `peer`, and counts it.
    async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Answer {
        let target = Target::parse(request.uri().path());
        let watch = self.parts.metrics.begin(target.as_ref().map_or(Route::OTHER, Target::route));
        let (parts, mut sent) = request.into_parts();
        let client = proxy::address(peer, &parts.headers, &self.parts.settings.proxies);
        let answer = match self.admitted(target, client, &parts).await {
            Ok(answer) => answer,
            Err(problem) => {
                body::discard(&parts.headers, &mut sent).await;
                whole(problem.answer())
            }
        };
        watch.answered(answer.status());
        answer
    }

    async fn admitted(&self, target: Option<Target>, client: IpAddr, parts: &RequestParts) -> Result<Answer, Problem> {
        let _permit = self.requests.try_acquire().map_err(|_| Problem::Busy)?;
        if let Some(limiter) = &self.limiter {
            limiter.take(client, 1, Instant::now()).map_err(|wait| Problem::TooManyRequests(wait.0))?;
        }
        let target = target.ok_or(Problem::NotFound)?;
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(Problem::MethodNotAllowed(METHODS));
        }
        match target {
            Target::Page => Ok(whole(response::public("text/plain; charset=utf-8", HeaderValue::from_static("no-cache"), Bytes::new()))),
        }
    }
}

/// An answer that is there as a whole.
fn whole(answer: response::Answer) -> Answer {
    answer.map(BodyExt::boxed_unsync)
}
