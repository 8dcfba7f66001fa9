//! What the log tells Prometheus about itself.
//!
//! Names follow Prometheus' conventions; the registry is handed in, so that tests and embedders have their own.

use std::time::{Duration, SystemTime};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tlog::TreeSize;

use crate::admission::Refused;

/// The instruments of the write path.
#[derive(Debug)]
pub struct Metrics {
    /// Entries that were committed.
    pub entries_total: IntCounter,
    /// Entries that the log already had, and that were answered with their index.
    pub duplicates_total: IntCounter,
    /// Statements that were not admitted, by the short name of the reason.
    pub refused_total: IntCounterVec,
    /// Seconds that a commit took, from staging to the synced anchor.
    pub commit_seconds: Histogram,
    /// Entries in a commit.
    pub commit_entries: Histogram,
    /// The committed tree's size.
    pub tree_size: IntGauge,
    /// Unix time of the newest commit, in seconds.
    pub committed_timestamp_seconds: IntGauge,
}

impl Metrics {
    /// Registers the instruments. Fails if the registry has some of the same names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Metrics {
            entries_total: IntCounter::new("acta_log_entries_total", "Entries committed to the log.")?,
            duplicates_total: IntCounter::new("acta_log_duplicates_total", "Entries submitted that the log already had.")?,
            refused_total: IntCounterVec::new(
                Opts::new("acta_log_refused_total", "Statements that were not admitted, by reason."),
                &["reason"],
            )?,
            commit_seconds: Histogram::with_opts(
                HistogramOpts::new("acta_log_commit_seconds", "Duration of a commit, from staging to the synced anchor.")
                    .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 14)?),
            )?,
            commit_entries: Histogram::with_opts(
                HistogramOpts::new("acta_log_commit_entries", "Entries in a commit.")
                    .buckets(prometheus::exponential_buckets(1.0, 2.0, 15)?),
            )?,
            tree_size: IntGauge::new("acta_log_tree_size", "Entries in the committed tree.")?,
            committed_timestamp_seconds: IntGauge::new("acta_log_committed_timestamp_seconds", "Unix time of the newest commit.")?,
        };
        registry.register(Box::new(metrics.entries_total.clone()))?;
        registry.register(Box::new(metrics.duplicates_total.clone()))?;
        registry.register(Box::new(metrics.refused_total.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        registry.register(Box::new(metrics.commit_entries.clone()))?;
        registry.register(Box::new(metrics.tree_size.clone()))?;
        registry.register(Box::new(metrics.committed_timestamp_seconds.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn started(&self, size: TreeSize) {
        self.tree_size.set(i64::try_from(size.as_u64()).unwrap_or(i64::MAX));
    }

    pub(crate) fn refused(&self, refused: &Refused) {
        self.refused_total.with_label_values(&[refused.name()]).inc();
    }

    pub(crate) fn committed(&self, entries: u64, size: TreeSize, took: Duration) {
        self.entries_total.inc_by(entries);
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_entries.observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
        self.tree_size.set(i64::try_from(size.as_u64()).unwrap_or(i64::MAX));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.committed_timestamp_seconds.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    }
}
