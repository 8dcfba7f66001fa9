//! What requests are for, as the metrics of the public listener name it.

use prometheus::Registry;
use serving::http_metrics::{HttpMetrics, Route};

pub(super) const PAGE: Route = Route::new("page");
pub(super) const FEED: Route = Route::new("feed");
pub(super) const EVENTS: Route = Route::new("events");
pub(super) const GOSSIP: Route = Route::new("gossip");
pub(super) const EVIDENCE: Route = Route::new("evidence");
pub(super) const API: Route = Route::new("api");
pub(super) const SEARCH: Route = Route::new("search");

/// The instruments of a monitor's public listener. Fails when `registry` has them already.
pub fn metrics(registry: &Registry) -> Result<HttpMetrics, prometheus::Error> {
    HttpMetrics::new(registry, "acta_monitor", &[PAGE, FEED, EVENTS, GOSSIP, EVIDENCE, API, SEARCH])
}
