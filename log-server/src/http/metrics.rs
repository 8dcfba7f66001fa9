//! What the public listener counts and times, for Prometheus.
//!
//! The registry is handed in, never global, so that two logs in one process (as in tests) keep their numbers apart. Every instrument of
//! the hot path is resolved here once: a request only adds to atomics.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use serving::metrics::{counter, gauge, registered};

/// The instruments of the public listener. Clones share them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpMetrics {
    /// Open connections.
    pub connections: IntGauge,
    /// Connections that were closed for being slow or idle.
    pub connections_cut: IntCounter,
    /// Connections that were closed because their client had too many.
    pub connections_refused: IntCounter,
    /// Requests being answered.
    pub in_flight: IntGauge,
    requests: IntCounterVec,
    by_route: [RouteMetrics; Route::ALL.len()],
}

/// The instruments of one route, with the counters of the usual statuses at hand.
#[derive(Clone, Debug)]
struct RouteMetrics {
    seconds: Histogram,
    usual: [IntCounter; USUAL.len()],
}

/// What a request was for, as a label with few values: paths have too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// `POST /add`
    Add,
    /// `POST /add-batch`
    AddBatch,
    /// `GET /checkpoint`
    Checkpoint,
    /// `GET /tile/…`
    Tile,
    /// `GET /tile/entries/…`
    Bundle,
    /// `GET /proof/…`
    Proof,
    /// `GET /head/covering/…`
    Head,
    /// `GET /status/…`
    Status,
    /// `GET /`
    Page,
    /// Everything that is not there.
    Other,
}

/// The status of a request whose client went away before there was an answer. Only metrics know it.
pub(crate) const CLIENT_GONE: u16 = 499;

const USUAL: [u16; 15] = [200, 202, 304, 400, 403, 404, 405, 408, 409, 413, 422, 429, CLIENT_GONE, 500, 503];

/// Seconds. An add takes some hundred microseconds on a good disk.
const LATENCIES: [f64; 14] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl Route {
    /// Every route.
    pub const ALL: [Route; 10] = [
        Route::Add,
        Route::AddBatch,
        Route::Checkpoint,
        Route::Tile,
        Route::Bundle,
        Route::Proof,
        Route::Head,
        Route::Status,
        Route::Page,
        Route::Other,
    ];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Route::Add => "add",
            Route::AddBatch => "add-batch",
            Route::Checkpoint => "checkpoint",
            Route::Tile => "tile",
            Route::Bundle => "bundle",
            Route::Proof => "proof",
            Route::Head => "head",
            Route::Status => "status",
            Route::Page => "page",
            Route::Other => "other",
        }
    }

    const fn position(self) -> usize {
        match self {
            Route::Add => 0,
            Route::AddBatch => 1,
            Route::Checkpoint => 2,
            Route::Tile => 3,
            Route::Bundle => 4,
            Route::Proof => 5,
            Route::Head => 6,
            Route::Status => 7,
            Route::Page => 8,
            Route::Other => 9,
        }
    }
}

impl HttpMetrics {
    /// Makes the instruments and registers them. Fails when `registry` already has some of the same names, which means that it was used
    /// for two logs.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = registered(
            registry,
            IntCounterVec::new(
                Opts::new("acta_log_http_requests_total", "Requests by route and status; 499 is a client that went away."),
                &["route", "status"],
            )?,
        )?;
        let seconds = registered(
            registry,
            HistogramVec::new(
                HistogramOpts::new("acta_log_http_request_seconds", "From a request's headers to its answer, by route.")
                    .buckets(LATENCIES.to_vec()),
                &["route"],
            )?,
        )?;
        let by_route = Route::ALL.map(|route| RouteMetrics {
            seconds: seconds.with_label_values(&[route.name()]),
            usual: USUAL.map(|status| requests.with_label_values(&[route.name(), &status.to_string()])),
        });
        Ok(HttpMetrics {
            connections: gauge(registry, "acta_log_http_connections", "Open connections.")?,
            connections_cut: counter(registry, "acta_log_http_connections_cut_total", "Connections closed for being slow or idle.")?,
            connections_refused: counter(
                registry,
                "acta_log_http_connections_refused_total",
                "Connections closed because their client had too many.",
            )?,
            in_flight: gauge(registry, "acta_log_http_in_flight_requests", "Requests being answered.")?,
            requests,
            by_route,
        })
    }

    /// Counts one request.
    pub(crate) fn observe(&self, route: Route, status: u16, took: Duration) {
        let metrics = &self.by_route[route.position()];
        metrics.seconds.observe(took.as_secs_f64());
        match USUAL.iter().position(|usual| *usual == status) {
            Some(usual) => metrics.usual[usual].inc(),
            None => self.requests.with_label_values(&[route.name(), &status.to_string()]).inc(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_route_has_its_own_place() {
        for (position, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route.position(), position);
        }
    }

    #[test]
    fn requests_are_counted_by_route_and_status_also_the_unusual() {
        let registry = Registry::new();
        let metrics = HttpMetrics::new(&registry).unwrap();
        metrics.observe(Route::Add, 200, Duration::from_millis(1));
        metrics.observe(Route::Add, 418, Duration::from_millis(1));
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains("acta_log_http_requests_total{route=\"add\",status=\"200\"} 1\n"), "{text}");
        assert!(text.contains("acta_log_http_requests_total{route=\"add\",status=\"418\"} 1\n"));
        assert!(text.contains("acta_log_http_request_seconds_count{route=\"add\"} 2\n"));
    }

    #[test]
    fn one_registry_serves_one_log() {
        let registry = Registry::new();
        assert!(HttpMetrics::new(&registry).is_ok());
        assert!(HttpMetrics::new(&registry).is_err());
        assert!(HttpMetrics::new(&Registry::new()).is_ok());
    }
}
