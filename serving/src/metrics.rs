//! Instruments that are made and registered in one go. The registry is handed in, never global, so that two servers in one process (as in
//! tests) keep their numbers apart.

use prometheus::{IntCounter, IntGauge, Registry};

/// A gauge of whole numbers. Fails when `registry` has the name already.
pub fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    registered(registry, IntGauge::new(name, help)?)
}

/// A counter of whole numbers. Fails when `registry` has the name already.
pub fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    registered(registry, IntCounter::new(name, help)?)
}

/// The instrument, after it was registered. Fails when `registry` has the name already.
pub fn registered<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
