//! What a public listener counts and times, for Prometheus: its connections, and its requests by route and status.
//!
//! The registry is handed in, never global, so that two servers in one process (as in tests) keep their numbers apart. Every instrument of
//! the hot path is resolved here once: a request only adds to atomics.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::listener::Counters;
use crate::metrics::{counter, gauge, registered};

/// The instruments of a public listener. Clones share them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpMetrics {
    /// Those of connections.
    pub connections: Counters,
    /// Requests being answered.
    pub in_flight: IntGauge,
    requests: IntCounterVec,
    seconds: HistogramVec,
    by_route: Vec<RouteMetrics>,
}

/// What a request was for, as a label with few values: paths have too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(&'static str);

/// One request, counted when this is dropped: also when its client leaves and the future that answers it is dropped.
#[derive(Debug)]
pub struct Watch<'a> {
    metrics: &'a HttpMetrics,
    route: Route,
    start: Instant,
    status: u16,
}

/// The instruments of one route, with the counters of the usual statuses at hand.
#[derive(Clone, Debug)]
struct RouteMetrics {
    route: Route,
    seconds: Histogram,
    usual: [IntCounter; USUAL.len()],
}

/// The status of a request whose client went away before there was an answer. Only metrics know it.
const CLIENT_GONE: u16 = 499;

const USUAL: [u16; 15] = [200, 202, 304, 400, 403, 404, 405, 408, 409, 413, 422, 429, CLIENT_GONE, 500, 503];

/// Seconds. What waits for a good disk takes some hundred microseconds.
const LATENCIES: [f64; 14] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl Route {
    /// Everything that is not there. Every listener has it.
    pub const OTHER: Route = Route("other");

    /// The route whose label has the value `name`.
    pub const fn new(name: &'static str) -> Self {
        Route(name)
    }
}

impl HttpMetrics {
    /// Makes the instruments and registers them. `prefix` is the program's, such as `acta_log`; `routes` are those that are there from the
    /// start, with zeros. Fails when `registry` already has some of the same names, which means that it was used for two servers.
    pub fn new(registry: &Registry, prefix: &str, routes: &[Route]) -> Result<Self, prometheus::Error> {
        let name = |what: &str| format!("{prefix}_http_{what}");
        let about = Opts::new(name("requests_total"), "Requests by route and status; 499 is a client that went away.");
        let requests = registered(registry, IntCounterVec::new(about, &["route", "status"])?)?;
        let about = HistogramOpts::new(name("request_seconds"), "From a request's headers to its answer, by route.");
        let seconds = registered(registry, HistogramVec::new(about.buckets(LATENCIES.to_vec()), &["route"])?)?;
        let by_route = routes.iter().chain([&Route::OTHER]).map(|&route| RouteMetrics {
            route,
            seconds: seconds.with_label_values(&[route.0]),
            usual: USUAL.map(|status| requests.with_label_values(&[route.0, &status.to_string()])),
        });
        let by_route = by_route.collect();
        let about = "Connections closed because their client had too many.";
        let connections = Counters {
            open: gauge(registry, &name("connections"), "Open connections.")?,
            cut: counter(registry, &name("connections_cut_total"), "Connections closed for being slow or idle.")?,
            refused: counter(registry, &name("connections_refused_total"), about)?,
        };
        let in_flight = gauge(registry, &name("in_flight_requests"), "Requests being answered.")?;
        Ok(HttpMetrics { connections, in_flight, requests, seconds, by_route })
    }

    /// Takes note of a request that begins.
    pub fn begin(&self, route: Route) -> Watch<'_> {
        self.in_flight.inc();
        Watch { metrics: self, route, start: Instant::now(), status: CLIENT_GONE }
    }

    fn observe(&self, route: Route, status: u16, took: Duration) {
        // A server has a handful of them, so that to look at each costs less than to hash one.
        let metrics = self.by_route.iter().find(|metrics| metrics.route == route);
        match metrics {
            Some(metrics) => metrics.seconds.observe(took.as_secs_f64()),
            None => self.seconds.with_label_values(&[route.0]).observe(took.as_secs_f64()),
        }
        let usual = USUAL.iter().position(|usual| *usual == status);
        match metrics.zip(usual) {
            Some((metrics, usual)) => metrics.usual[usual].inc(),
            None => self.requests.with_label_values(&[route.0, &status.to_string()]).inc(),
        }
    }
}

impl Watch<'_> {
    /// The request was answered with `status`.
    pub fn answered(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.observe(self.route, self.status, self.start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const ADD: Route = Route::new("add");

    fn text(registry: &Registry) -> String {
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn requests_are_counted_by_route_and_status_also_the_unusual() {
        let registry = Registry::new();
        let metrics = HttpMetrics::new(&registry, "acta_test", &[ADD]).unwrap();
        assert!(text(&registry).contains("acta_test_http_requests_total{route=\"other\",status=\"404\"} 0\n"), "{}", text(&registry));
        metrics.begin(ADD).answered(StatusCode::OK);
        metrics.begin(ADD).answered(StatusCode::IM_A_TEAPOT);
        metrics.begin(Route::new("new")).answered(StatusCode::OK);
        let text = text(&registry);
        assert!(text.contains("acta_test_http_requests_total{route=\"add\",status=\"200\"} 1\n"), "{text}");
        assert!(text.contains("acta_test_http_requests_total{route=\"add\",status=\"418\"} 1\n"), "{text}");
        assert!(text.contains("acta_test_http_request_seconds_count{route=\"add\"} 2\n"), "{text}");
        assert!(text.contains("acta_test_http_requests_total{route=\"new\",status=\"200\"} 1\n"), "{text}");
        assert!(text.contains("acta_test_http_request_seconds_count{route=\"new\"} 1\n"), "{text}");
    }

    #[test]
    fn a_client_that_went_away_is_counted_as_gone() {
        let registry = Registry::new();
        let metrics = HttpMetrics::new(&registry, "acta_test", &[ADD]).unwrap();
        let watch = metrics.begin(ADD);
        assert_eq!(metrics.in_flight.get(), 1);
        drop(watch);
        assert_eq!(metrics.in_flight.get(), 0);
        let text = text(&registry);
        assert!(text.contains("acta_test_http_requests_total{route=\"add\",status=\"499\"} 1\n"), "{text}");
    }

    #[test]
    fn one_registry_serves_one_server() {
        let registry = Registry::new();
        assert!(HttpMetrics::new(&registry, "acta_test", &[ADD]).is_ok());
        assert!(HttpMetrics::new(&registry, "acta_test", &[ADD]).is_err());
        assert!(HttpMetrics::new(&Registry::new(), "acta_test", &[ADD]).is_ok());
    }
}
