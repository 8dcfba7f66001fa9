//! What requests are for, as the metrics of the public listener name it.

use prometheus::Registry;
use serving::http_metrics::{HttpMetrics, Route};

pub(super) const ADD_CHECKPOINT: Route = Route::new("add-checkpoint");
pub(super) const SIGN_SUBTREE: Route = Route::new("sign-subtree");
pub(super) const CHECKPOINT: Route = Route::new("checkpoint");
pub(super) const PAGE: Route = Route::new("page");

/// The instruments of a witness's public listener. Fails when `registry` has them already.
pub fn metrics(registry: &Registry) -> Result<HttpMetrics, prometheus::Error> {
    HttpMetrics::new(registry, "acta_witness", &[ADD_CHECKPOINT, SIGN_SUBTREE, CHECKPOINT, PAGE])
}
