//! What requests are for, as the metrics of the public listener name it.

use prometheus::Registry;
use serving::http_metrics::{HttpMetrics, Route};

/// `POST /add`
pub(super) const ADD: Route = Route::new("add");
/// `POST /add-batch`
pub(super) const ADD_BATCH: Route = Route::new("add-batch");
/// `GET /checkpoint`
pub(super) const CHECKPOINT: Route = Route::new("checkpoint");
/// `GET /tile/…`
pub(super) const TILE: Route = Route::new("tile");
/// `GET /tile/entries/…`
pub(super) const BUNDLE: Route = Route::new("bundle");
/// `GET /proof/…`
pub(super) const PROOF: Route = Route::new("proof");
/// `GET /head/covering/…`
pub(super) const HEAD: Route = Route::new("head");
/// `GET /status/…`
pub(super) const STATUS: Route = Route::new("status");
/// `GET /ct/v1/…`
pub(super) const RFC6962: Route = Route::new("ct");
/// `GET /`
pub(super) const PAGE: Route = Route::new("page");

/// The instruments of a log's public listener. Fails when `registry` has them already.
pub fn metrics(registry: &Registry) -> Result<HttpMetrics, prometheus::Error> {
    HttpMetrics::new(registry, "acta_log", &[ADD, ADD_BATCH, CHECKPOINT, TILE, BUNDLE, PROOF, HEAD, STATUS, RFC6962, PAGE])
}
