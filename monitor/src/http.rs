//! What a monitor answers over HTTP: findings, alerts and search for programs, a page and a feed for people, heads for other monitors.
//!
//! | call | answer |
//! |---|---|
//! | `GET /` | what is followed and what is wrong, for people |
//! | `GET /api/v1/…` | the same and all else, as JSON; `/openapi.json` describes it |
//! | `GET /feed.atom`, `GET /events` | alerts, for feed readers and as they come |
//! | `GET /gossip/<SHA-256 of the origin, in hex>/checkpoint` | the newest head that was seen of a log |
//! | `GET /evidence/<file>` | what convicts a log |
//! | `GET /robots.txt` | what crawlers are asked to leave alone |
//!
//! Everything here only reads. What strangers wrote is passed on as data: JSON that no browser takes for anything else, and escaped text in
//! a page that may run nothing.

mod answer;
mod metrics;
mod page;
mod problem;
mod section;

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts as RequestParts;
use hyper::{Method, Request};
use reqwest::Url;
use serving::http_metrics::{HttpMetrics, Route};
use serving::limits::Limiter;
use serving::listener::{self, Clients};
use serving::{body, proxy};
use tlog::Hash;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use self::answer::{Answer, JSON, TEXT, stream, tagged, whole, without_body};
use crate::alert::Mutes;
use crate::api::{Api, Resource, hash_of};
use crate::clock::Clock;
use crate::search::Search;
use crate::store::Store;
use crate::stream::Streams;
use crate::{evidence, feed, views};

pub(crate) use self::problem::Problem;

pub use self::metrics::metrics;
pub use self::section::{Section, Settings};

/// The methods of everything here, as `Allow` lists them.
const METHODS: &str = "GET, HEAD";

/// What describes `/api/v1/`.
const OPENAPI: &str = include_str!("../openapi.json");

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
    /// What is not sent, and not in the feed.
    pub mutes: Mutes,
    /// Events as they come.
    pub streams: Streams,
    /// Where others reach this monitor, for links in the feed.
    pub url: Option<Url>,
    /// What time it is.
    pub clock: Clock,
    /// What is counted; see [`metrics()`].
    pub metrics: HttpMetrics,
}

/// What all requests to one monitor share.
#[derive(Debug)]
pub struct Site {
    parts: Parts,
    api: Api,
    limiter: Option<Limiter>,
    /// Requests in progress.
    requests: Semaphore,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Page,
    Robots,
    OpenApi,
    Api(Resource),
    Feed,
    Events,
    /// The newest head of the log whose origin has this hash.
    Gossip(Hash),
    /// A file by its name, which may be any text.
    Evidence(String),
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
            "robots.txt" => Some(Target::Robots),
            "openapi.json" => Some(Target::OpenApi),
            "feed.atom" => Some(Target::Feed),
            "events" => Some(Target::Events),
            path => {
                if let Some(resource) = path.strip_prefix("api/v1/") {
                    Resource::parse(resource).map(Target::Api)
                } else if let Some(log) = path.strip_prefix("gossip/") {
                    log.strip_suffix("/checkpoint").and_then(hash_of).map(Target::Gossip)
                } else {
                    path.strip_prefix("evidence/").map(|file| Target::Evidence(file.to_owned()))
                }
            }
        }
    }

    fn route(&self) -> Route {
        match self {
            Target::Page | Target::Robots | Target::OpenApi => metrics::PAGE,
            Target::Api(Resource::Search) => metrics::SEARCH,
            Target::Api(_) => metrics::API,
            Target::Feed => metrics::FEED,
            Target::Events => metrics::EVENTS,
            Target::Gossip(_) => metrics::GOSSIP,
            Target::Evidence(_) => metrics::EVIDENCE,
        }
    }
}

impl Site {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        Site {
            api: Api::new(Arc::clone(&parts.store), Arc::clone(&parts.search), parts.mutes.clone(), parts.clock.clone()),
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
        if parts.method == Method::HEAD { without_body(answer) } else { answer }
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
        timeout(self.parts.settings.answer_timeout, self.route(target, client, parts)).await.unwrap_or(Err(Problem::Late))
    }

    async fn route(&self, target: Target, client: IpAddr, parts: &RequestParts) -> Result<Answer, Problem> {
        let (headers, query) = (&parts.headers, parts.uri.query());
        match target {
            Target::Page => Ok(whole(page::answer(headers, self.api.read(page::page).await?))),
            Target::Robots => Ok(whole(page::robots())),
            Target::OpenApi => Ok(whole(tagged(headers, JSON, OPENAPI.as_bytes().to_vec()))),
            Target::Api(resource) => Ok(whole(tagged(headers, JSON, self.api.answer(resource, query).await?))),
            Target::Feed => Ok(whole(tagged(headers, feed::ATOM, self.feed().await?))),
            Target::Events => self.events(client, parts),
            Target::Gossip(log) => Ok(whole(tagged(headers, TEXT, self.gossip(log).await?))),
            Target::Evidence(file) => Ok(whole(self.evidence(file).await?)),
        }
    }

    async fn feed(&self) -> Result<Vec<u8>, Problem> {
        let (mutes, url, now) = (self.parts.mutes.clone(), self.parts.url.clone(), self.parts.clock.now());
        self.api.read(move |api| Ok(feed::atom(&api.store, &mutes, url.as_ref(), now)?)).await
    }

    fn events(&self, client: IpAddr, parts: &RequestParts) -> Result<Answer, Problem> {
        if parts.method == Method::HEAD {
            return Ok(stream(StreamBody::new(futures_util::stream::empty()).boxed_unsync()));
        }
        let had = parts.headers.get("last-event-id").map(HeaderValue::as_bytes);
        let events = self.parts.streams.open(client, had).map_err(|_| Problem::Busy)?;
        Ok(stream(events?.boxed_unsync()))
    }

    async fn gossip(&self, log: Hash) -> Result<Vec<u8>, Problem> {
        let head = self.api.read(move |api| {
            let log = api.log_of(&log)?;
            Ok(views::gossip(&api.store, log.number)?)
        });
        head.await?.ok_or(Problem::NoHead)
    }

    async fn evidence(&self, file: String) -> Result<serving::response::Answer, Problem> {
        let dir = self.parts.evidence.clone();
        let read = self.api.read(move |_| {
            let bytes = evidence::read(&dir, &file).map_err(|error| {
                tracing::error!("{error}");
                Problem::Internal
            })?;
            Ok((bytes.ok_or(Problem::UnknownEvidence)?, file))
        });
        let (bytes, file) = read.await?;
        Ok(answer::file(&file, bytes))
    }
}

#[cfg(all(test, feature = "search"))]
mod tests;
