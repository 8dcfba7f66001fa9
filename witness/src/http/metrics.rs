//! What the public listener counts and times, for Prometheus. Every instrument of the hot path is resolved here once.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use serving::listener::Counters;
use serving::metrics::{counter, gauge, registered};

/// The instruments of the public listener. Clones share them.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Those of connections.
    pub connections: Counters,
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
pub(crate) enum Route {
    AddCheckpoint,
    SignSubtree,
    Checkpoint,
    Page,
    Other,
}

/// The status of a request whose client went away before there was an answer. Only metrics know it.
pub(crate) const CLIENT_GONE: u16 = 499;

const USUAL: [u16; 13] = [200, 400, 403, 404, 405, 408, 409, 413, 422, 429, CLIENT_GONE, 500, 503];

/// Seconds. To cosign takes a millisecond on a good disk.
const LATENCIES: [f64; 13] = [0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl Route {
    const ALL: [Route; 5] = [Route::AddCheckpoint, Route::SignSubtree, Route::Checkpoint, Route::Page, Route::Other];

    const fn name(self) -> &'static str {
        match self {
            Route::AddCheckpoint => "add-checkpoint",
            Route::SignSubtree => "sign-subtree",
            Route::Checkpoint => "checkpoint",
            Route::Page => "page",
            Route::Other => "other",
        }
    }

    const fn position(self) -> usize {
        match self {
            Route::AddCheckpoint => 0,
            Route::SignSubtree => 1,
            Route::Checkpoint => 2,
            Route::Page => 3,
            Route::Other => 4,
        }
    }
}

impl HttpMetrics {
    /// Makes the instruments and registers them. Fails when `registry` already has some of the same names.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let about = "Requests by route and status; 499 is a client that went away.";
        let requests = IntCounterVec::new(Opts::new("acta_witness_http_requests_total", about), &["route", "status"])?;
        let requests = registered(registry, requests)?;
        let about = HistogramOpts::new("acta_witness_http_request_seconds", "From a request's headers to its answer, by route.");
        let seconds = registered(registry, HistogramVec::new(about.buckets(LATENCIES.to_vec()), &["route"])?)?;
        let by_route = Route::ALL.map(|route| RouteMetrics {
            seconds: seconds.with_label_values(&[route.name()]),
            usual: USUAL.map(|status| requests.with_label_values(&[route.name(), &status.to_string()])),
        });
        let connections = Counters {
            open: gauge(registry, "acta_witness_http_connections", "Open connections.")?,
            cut: counter(registry, "acta_witness_http_connections_cut_total", "Connections closed for being slow or idle.")?,
            refused: counter(
                registry,
                "acta_witness_http_connections_refused_total",
                "Connections closed because their client had too many.",
            )?,
        };
        let in_flight = gauge(registry, "acta_witness_http_in_flight_requests", "Requests being answered.")?;
        Ok(HttpMetrics { connections, in_flight, requests, by_route })
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
    use super::*;

    #[test]
    fn each_route_has_its_own_place() {
        for (position, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route.position(), position);
        }
    }
}
