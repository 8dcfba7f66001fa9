//! What a witness answers over HTTP (C2SP tlog-witness section HTTP Interface). Submission prefix and monitoring prefix are the root.
//!
//! | call | answer |
//! |---|---|
//! | `POST /add-checkpoint` | the witness's signatures on a checkpoint |
//! | `POST /sign-subtree` | its ML-DSA-44 signature on a part of a log that it has cosigned |
//! | `GET /<SHA-256 of the origin, in hex>/checkpoint` | the newest checkpoint that it cosigned |
//! | `GET /` | its keys, for people |
//!
//! A refusal is a status that the specification fixes and a line that a person understands. `refused.rs` has the one match from what the rest
//! of the crate says to statuses.

mod metrics;
mod refused;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serving::http_metrics::{HttpMetrics, Route};
use serving::limits::Limiter;
use serving::listener::{self, Clients};
use serving::response::{self, Answer, plain, public};
use serving::{body, proxy};
use tlog::witness::MAX_REQUEST;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use self::refused::Refused;
use crate::config::Http;
use crate::cosigner::Cosigner;
use crate::store::{OriginHash, Store};

pub use self::metrics::metrics;

/// The type of all texts here but one.
const TEXT: &str = "text/plain; charset=utf-8";

/// Monitors want the newest head; a proxy may spare the witness the same question for a moment.
// SPEC: tlog-witness §Monitor Retrieval Mechanism: SHOULD NOT be delayed for more than an hour.
const NEWEST: HeaderValue = HeaderValue::from_static("public, max-age=5");

/// Serves a witness to the public until `shutdown` resolves, then drains. `tls` is what [`serving::tls::load`] made of the configured files.
pub async fn serve<S: Store>(
    site: Arc<Site<S>>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let config = &site.config;
    let bounds = config.bounds;
    let clients = Clients::new(config.max_connections_per_client, config.many_connections.clone());
    let counters = site.metrics.connections.clone();
    let handler = move |peer: IpAddr, request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { site.answer(peer, request).await }
    };
    listener::run(listener, tls.map(TlsAcceptor::from), bounds, clients, counters, handler, shutdown).await;
}

/// What all requests to one witness share.
#[derive(Debug)]
pub struct Site<S> {
    cosigner: Cosigner<S>,
    config: Http,
    metrics: HttpMetrics,
    limiter: Option<Limiter>,
    /// Permits for [`body::UNIT`] bytes each of bodies that are still arriving.
    body_memory: Semaphore,
    /// Requests in progress.
    requests: Semaphore,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    AddCheckpoint,
    SignSubtree,
    Checkpoint(OriginHash),
    Page,
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        match path.strip_prefix('/')? {
            "add-checkpoint" => Some(Target::AddCheckpoint),
            "sign-subtree" => Some(Target::SignSubtree),
            "" => Some(Target::Page),
            // SPEC: tlog-witness §Monitor Retrieval Mechanism: hex encoded, in lowercase.
            path => path.strip_suffix("/checkpoint").and_then(OriginHash::from_hex).map(Target::Checkpoint),
        }
    }

    fn route(self) -> Route {
        match self {
            Target::AddCheckpoint => metrics::ADD_CHECKPOINT,
            Target::SignSubtree => metrics::SIGN_SUBTREE,
            Target::Checkpoint(_) => metrics::CHECKPOINT,
            Target::Page => metrics::PAGE,
        }
    }

    /// The methods that it answers, as `Allow` lists them.
    fn methods(self) -> &'static str {
        match self {
            Target::AddCheckpoint | Target::SignSubtree => "POST",
            Target::Checkpoint(_) | Target::Page => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Target::AddCheckpoint | Target::SignSubtree => method == Method::POST,
            Target::Checkpoint(_) | Target::Page => method == Method::GET || method == Method::HEAD,
        }
    }
}

impl<S: Store> Site<S> {
    /// Puts it together.
    pub fn new(cosigner: Cosigner<S>, config: Http, metrics: HttpMetrics) -> Self {
        Site {
            limiter: config.limit.map(Limiter::new),
            body_memory: Semaphore::new((config.body_memory / body::UNIT).clamp(1, Semaphore::MAX_PERMITS)),
            requests: Semaphore::new(config.max_requests.min(Semaphore::MAX_PERMITS)),
            cosigner,
            config,
            metrics,
        }
    }

    /// Answers one request from `peer`, and counts it.
    pub async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Answer {
        let client = proxy::address(peer, request.headers(), &self.config.proxies);
        self.answer_client(client, request).await
    }

    /// Answers one request of a client whose address is known, and counts it.
    pub(crate) async fn answer_client(&self, client: IpAddr, request: Request<Incoming>) -> Answer {
        let target = Target::parse(request.uri().path());
        let watch = self.metrics.begin(target.map_or(Route::OTHER, Target::route));
        let version = request.version();
        let (parts, mut body) = request.into_parts();
        let answer = match self.admitted(target, client, &parts, &mut body).await {
            Ok(answer) => answer,
            Err(refused) => {
                if !body.is_end_stream() && !refused.ends_connection() {
                    body::discard(&parts.headers, &mut body).await;
                }
                refused.answer(version)
            }
        };
        watch.answered(answer.status());
        if parts.method == Method::HEAD { response::without_body(answer) } else { answer }
    }

    async fn admitted(&self, target: Option<Target>, client: IpAddr, parts: &Parts, body: &mut Incoming) -> Result<Answer, Refused> {
        // Also for the body, which is in memory no longer than its request.
        let _permit = self.requests.try_acquire().map_err(|_| Refused::Busy)?;
        if let Some(limiter) = &self.limiter {
            limiter.take(client, 1, Instant::now()).map_err(|wait| Refused::TooManyRequests(wait.0))?;
        }
        let target = target.ok_or(Refused::NotFound)?;
        if !target.allows(&parts.method) {
            return Err(Refused::Method(target.methods()));
        }
        match target {
            Target::AddCheckpoint => {
                let body = self.read(parts, body).await?;
                Ok(text(self.in_time(self.cosigner.add_checkpoint(&body)).await??))
            }
            Target::SignSubtree => {
                let body = self.read(parts, body).await?;
                Ok(text(self.in_time(self.cosigner.sign_subtree(&body)).await??))
            }
            // SPEC: tlog-witness §Monitor Retrieval Mechanism: never cosigned is 404.
            Target::Checkpoint(log) => match self.cosigner.checkpoint(&log)? {
                Some(note) => Ok(public(TEXT, NEWEST, note)),
                None => Err(Refused::NeverCosigned),
            },
            Target::Page => Ok(text(self.page())),
        }
    }

    async fn read(&self, parts: &Parts, body: &mut Incoming) -> Result<Bytes, Refused> {
        let bounds = body::Bounds { most: MAX_REQUEST, deadline: self.config.body_timeout, memory: &self.body_memory };
        Ok(body::read(&parts.headers, body, bounds).await?)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Refused> {
        tokio::time::timeout(self.config.answer_timeout, answer).await.map_err(|_| Refused::Late)
    }

    fn page(&self) -> String {
        format!(
            "This is a witness of transparency logs (https://c2sp.org/tlog-witness). Its keys:\n\n{}\nIt follows {} logs. What it cosigned \
             last of one is at /<SHA-256 of the log's origin, in hex>/checkpoint\n",
            self.cosigner.keys().lines(),
            self.cosigner.logs().current().len()
        )
    }
}

fn text(body: String) -> Answer {
    plain(StatusCode::OK, TEXT, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_documented_and_every_documented_call_is_there() {
        const DOCUMENTATION: &str = include_str!("../../docs/formats.md");
        let section = DOCUMENTATION.split("\n## ").find(|section| section.starts_with("A witness over HTTP")).unwrap_or_default();
        let calls = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let log = OriginHash::of_text("example.com/log").to_string();
        let mut documented = [false; 4];
        for (call, _) in calls {
            let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
            let target = Target::parse(&path.replace("HASH", &log)).unwrap_or_else(|| panic!("there is no {path}, which is documented"));
            assert!(target.allows(&method.parse().unwrap_or_default()), "{call}");
            // A new target wants a row, and a place here.
            let place = match target {
                Target::AddCheckpoint => 0,
                Target::SignSubtree => 1,
                Target::Checkpoint(_) => 2,
                Target::Page => 3,
            };
            documented[place] = true;
        }
        assert_eq!(documented, [true; 4], "a call is missing in docs/formats.md");
    }

    #[test]
    fn each_path_has_one_meaning() {
        let log = OriginHash::of_text("example.com/log");
        assert_eq!(Target::parse(&format!("/{log}/checkpoint")), Some(Target::Checkpoint(log)));
        assert_eq!(Target::parse("/add-checkpoint"), Some(Target::AddCheckpoint));
        assert_eq!(Target::parse("/sign-subtree"), Some(Target::SignSubtree));
        assert_eq!(Target::parse("/"), Some(Target::Page));
        for path in [
            "",
            "add-checkpoint",
            "//add-checkpoint",
            "/add-checkpoint/",
            "/Add-checkpoint",
            "/add%2dcheckpoint",
            "/checkpoint",
            "//checkpoint",
            &format!("/{}/checkpoint", log.to_string().to_uppercase()),
            &format!("/{log}"),
            &format!("/{log}/"),
            &format!("/{log}/checkpoint/"),
            &format!("/{log}0/checkpoint"),
            &format!("/{}/checkpoint", &log.to_string()[1..]),
            "/metrics",
            "/healthz",
        ] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
