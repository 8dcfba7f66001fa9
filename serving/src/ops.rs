//! The operations listener: `/metrics`, `/healthz` and `/readyz`, for whoever runs a server and never for the public.
//!
//! *Healthy* means that the process answers. *Ready* means that it does what it is there for, which only the server itself can say.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use hyper::{Method, Request, StatusCode};
use prometheus::{IntCounter, Registry, TextEncoder};
use tokio::net::TcpListener;

use crate::listener::{self, Bounds, Clients, Counters};
use crate::metrics::{counter, gauge};
use crate::response::{Answer, plain};

/// The operations listener serves few and trusted clients.
const BOUNDS: Bounds = Bounds {
    connections: 64,
    streams: 16,
    headers: 16 << 10,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(120),
    drain_timeout: Duration::from_secs(1),
};

/// What a server tells its operators.
pub trait Operations: Send + Sync + 'static {
    /// Brings instruments up to date whose value is looked up only when somebody asks.
    fn refresh(&self);

    /// Whether the server does what it is there for; if not, why, in a line for the operator.
    fn ready(&self) -> Result<(), String>;
}

/// The listener's own instruments, and the registry of all.
#[derive(Debug)]
pub struct OpsMetrics {
    registry: Registry,
    counters: Counters,
}

impl OpsMetrics {
    /// Makes the instruments, with names that begin with `prefix`, such as `acta_log`. Fails when `registry` has the names already.
    pub fn new(prefix: &str, registry: Registry) -> Result<Self, prometheus::Error> {
        let open = gauge(&registry, &format!("{prefix}_ops_connections"), "Open connections to the operations listener.")?;
        let help = "Connections to the operations listener closed for being slow or idle.";
        let cut = counter(&registry, &format!("{prefix}_ops_connections_cut_total"), help)?;
        // Nobody is refused here, so that nobody needs to see that counter.
        let refused = IntCounter::new("refused", "Connections closed because their client had too many.")?;
        Ok(OpsMetrics { registry, counters: Counters { open, cut, refused } })
    }
}

/// Serves `/metrics`, `/healthz` and `/readyz` until `shutdown` resolves.
pub async fn serve(listener: TcpListener, operations: impl Operations, metrics: OpsMetrics, shutdown: impl Future<Output = ()>) {
    let OpsMetrics { registry, counters } = metrics;
    let shared = Arc::new((operations, registry));
    let handler = move |_: IpAddr, request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared.0, &shared.1, &request) }
    };
    listener::run(listener, None, BOUNDS, Clients::new(0, Vec::new()), counters, handler, shutdown).await;
}

fn answer(operations: &impl Operations, registry: &Registry, request: &Request<Incoming>) -> Answer {
    let get = request.method() == Method::GET || request.method() == Method::HEAD;
    let mut answer = match request.uri().path() {
        "/metrics" | "/healthz" | "/readyz" if !get => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        "/metrics" => {
            operations.refresh();
            metrics(registry)
        }
        "/healthz" => text(StatusCode::OK, "alive\n"),
        "/readyz" => match operations.ready() {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reason.trim_end())),
        },
        _ => text(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n"),
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn metrics(registry: &Registry) -> Answer {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(body) => plain(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Bytes::from(body)),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written out");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written out\n")
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    plain(status, "text/plain; charset=utf-8", body.into())
}
