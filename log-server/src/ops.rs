//! The operations listener: `/metrics`, `/healthz` and `/readyz`, for whoever runs the log and never for the public.
//!
//! *Healthy* means that the process answers. *Ready* means that it does what it is there for: entries are taken in, and what is durable
//! is also published, or has not been waiting for long.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use hyper::{Method, Request, StatusCode};
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};
use tlog::TreeSize;
use tokio::net::TcpListener;

use crate::config::Ops;
use crate::http::{Answer, gauge, plain, registered};
use crate::log::Log;
use crate::server::{self, Bounds, Clients, Counters};
use crate::store::Store;

/// The operations listener serves few and trusted clients.
const BOUNDS: Bounds = Bounds {
    connections: 64,
    streams: 16,
    headers: 16 << 10,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(120),
    drain_timeout: Duration::from_secs(1),
};

/// Instruments whose value is looked up when somebody asks, and not while entries are written.
#[derive(Debug)]
struct Gauges {
    queue_entries: IntGauge,
    queue_bytes: IntGauge,
    published_size: IntGauge,
    head_age: IntGauge,
    accepting: IntGauge,
    connections: IntGauge,
    connections_cut: IntCounter,
}

#[derive(Debug)]
struct Operations<S> {
    log: Log<S>,
    config: Ops,
    registry: Registry,
    gauges: Gauges,
    /// The size of the newest committed tree, as the write side counts it.
    committed: IntGauge,
    /// Since when the published head does not cover what is committed. Under a lock of its own, held for a comparison.
    behind: Mutex<Option<Behind>>,
}

/// A published head that does not cover all that is committed.
#[derive(Clone, Copy, Debug)]
struct Behind {
    published: TreeSize,
    since: Instant,
}

/// Why the log is not ready.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum NotReady {
    #[error("not ready: {0}")]
    Closed(crate::queue::AddError),
    #[error("not ready: entries are stored that no published head covers, for too long; look at the witnesses\n")]
    Stale,
}

/// Serves `/metrics`, `/healthz` and `/readyz` until `shutdown` resolves. `committed` is the gauge of the newest committed size. Fails at
/// once, and only, when `registry` has the names of the gauges already.
pub async fn serve<S: Store>(
    log: Log<S>,
    listener: TcpListener,
    config: Ops,
    registry: Registry,
    committed: IntGauge,
    shutdown: impl Future<Output = ()>,
) -> Result<(), prometheus::Error> {
    let gauges = Gauges::new(&registry)?;
    // Nobody is refused here, so that nobody needs to see that counter.
    let refused = IntCounter::new("refused", "Connections closed because their client had too many.")?;
    let counters = Counters { open: gauges.connections.clone(), cut: gauges.connections_cut.clone(), refused };
    let clients = Clients::new(0, Vec::new());
    let operations = Arc::new(Operations { log, config, registry, gauges, committed, behind: Mutex::default() });
    let handler = move |_: IpAddr, request: Request<Incoming>| {
        let operations = Arc::clone(&operations);
        async move { operations.answer(&request) }
    };
    server::run(listener, None, BOUNDS, clients, counters, handler, shutdown).await;
    Ok(())
}

impl<S: Store> Operations<S> {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
        let get = request.method() == Method::GET || request.method() == Method::HEAD;
        let mut answer = match request.uri().path() {
            "/metrics" | "/healthz" | "/readyz" if !get => {
                let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                answer
            }
            "/metrics" => self.metrics(),
            "/healthz" => text(StatusCode::OK, "alive\n"),
            "/readyz" => match self.ready(Instant::now()) {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
            },
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n"),
        };
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    fn metrics(&self) -> Answer {
        let head = self.log.published();
        let (entries, bytes) = self.log.queue_depth();
        self.gauges.queue_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.gauges.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.gauges.published_size.set(i64::try_from(head.size().as_u64()).unwrap_or(i64::MAX));
        let age = head.at().elapsed().unwrap_or_default();
        self.gauges.head_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.gauges.accepting.set(i64::from(self.log.accepting().is_ok()));
        match TextEncoder::new().encode_to_string(&self.registry.gather()) {
            Ok(body) => plain(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Bytes::from(body)),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written out");
                text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written out\n")
            }
        }
    }

    fn ready(&self, now: Instant) -> Result<(), NotReady> {
        self.log.accepting().map_err(NotReady::Closed)?;
        let committed = TreeSize::new(u64::try_from(self.committed.get()).unwrap_or(0));
        let published = self.log.published().size();
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        *behind = Behind::look(*behind, committed, published, now);
        let stale = behind.is_some_and(|behind| now.duration_since(behind.since) >= self.config.max_head_age);
        if stale { Err(NotReady::Stale) } else { Ok(()) }
    }
}

impl Behind {
    /// Goes on counting from the first look at a published head that stays where it is while the log is ahead of it.
    fn look(before: Option<Behind>, committed: TreeSize, published: TreeSize, now: Instant) -> Option<Behind> {
        if committed <= published {
            return None;
        }
        Some(before.filter(|before| before.published == published).unwrap_or(Behind { published, since: now }))
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cut =
            IntCounter::new("acta_log_ops_connections_cut_total", "Connections to the operations listener closed for being slow or idle.")?;
        Ok(Gauges {
            queue_entries: gauge(registry, "acta_log_queue_entries", "Entries that wait to be written.")?,
            queue_bytes: gauge(registry, "acta_log_queue_bytes", "Bytes of the entries that wait to be written.")?,
            published_size: gauge(registry, "acta_log_published_size", "Entries of the published tree.")?,
            head_age: gauge(registry, "acta_log_head_age_seconds", "Seconds since the published head was made or loaded.")?,
            accepting: gauge(registry, "acta_log_accepting", "Whether the log takes entries: 1 or 0.")?,
            connections: gauge(registry, "acta_log_ops_connections", "Open connections to the operations listener.")?,
            connections_cut: registered(registry, cut)?,
        })
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    plain(status, "text/plain; charset=utf-8", body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_behind_from_the_first_look_until_it_moves() {
        let (zero, one, two) = (TreeSize::ZERO, TreeSize::new(1), TreeSize::new(2));
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let since = |behind: Option<Behind>| behind.map(|behind| behind.since);
        assert_eq!(since(Behind::look(None, one, one, start)), None);
        let behind = Behind::look(None, one, zero, start);
        assert_eq!(since(behind), Some(start));
        assert_eq!(since(Behind::look(behind, two, zero, later)), Some(start), "more entries do not make it younger");
        assert_eq!(since(Behind::look(behind, two, one, later)), Some(later), "a new head does, although it is behind again");
        assert_eq!(since(Behind::look(behind, two, two, later)), None);
    }
}
