//! What the witness tells Prometheus about itself.
//!
//! Names follow Prometheus' conventions; the registry is handed in, so that tests and embedders have their own.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The instruments of the write path.
#[derive(Debug)]
pub struct Metrics {
    /// Checkpoints that were cosigned and stored.
    pub cosigned_total: IntCounter,
    /// Checkpoints asked for again in the second in which they were cosigned, and answered from the store.
    pub repeated_total: IntCounter,
    /// Parts of logs that were cosigned.
    pub subtrees_total: IntCounter,
    /// Requests that were refused, by reason.
    pub refused_total: IntCounterVec,
    /// Files of evidence written: each convicts a log.
    pub evidence_total: IntCounter,
    /// Contradictions for which the log's directory of evidence had no room, or could not be written.
    pub evidence_dropped_total: IntCounter,
    /// Proofs that did not verify. They convict nobody.
    pub unproven_total: IntCounter,
    /// How far the clock is behind the newest cosignature that was made by it.
    pub clock_behind_seconds: IntGauge,
    /// Logs that are followed.
    pub logs: IntGauge,
    /// Reloads of the policy files that kept the old logs, because something was wrong.
    pub reload_failures_total: IntCounter,
    /// Seconds that a commit took.
    pub commit_seconds: Histogram,
    /// Checkpoints in a commit.
    pub commit_checkpoints: Histogram,
}

impl Metrics {
    /// Registers the instruments. Fails if the registry has some of the same names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| -> Result<Histogram, prometheus::Error> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let refused_total =
            IntCounterVec::new(Opts::new("acta_witness_refused_total", "Requests to cosign that were refused, by reason."), &["reason"])?;
        registry.register(Box::new(refused_total.clone()))?;
        let durations = prometheus::exponential_buckets(0.000_25, 2.0, 14)?;
        Ok(Metrics {
            cosigned_total: counter("acta_witness_cosigned_total", "Checkpoints cosigned and stored.")?,
            repeated_total: counter("acta_witness_repeated_total", "Checkpoints cosigned in the same second before.")?,
            subtrees_total: counter("acta_witness_subtrees_total", "Parts of logs cosigned.")?,
            refused_total,
            evidence_total: counter("acta_witness_evidence_total", "Files of evidence written: each convicts a log.")?,
            evidence_dropped_total: counter("acta_witness_evidence_dropped_total", "Contradictions of which no evidence could be kept.")?,
            unproven_total: counter("acta_witness_unproven_total", "Proofs that did not verify. They convict nobody.")?,
            clock_behind_seconds: gauge("acta_witness_clock_behind_seconds", "How far the clock is behind a cosignature made by it.")?,
            logs: gauge("acta_witness_logs", "Logs that are followed.")?,
            reload_failures_total: counter("acta_witness_reload_failures_total", "Reloads that kept the logs as they were.")?,
            commit_seconds: histogram("acta_witness_commit_seconds", "Duration of a commit with its sync.", durations)?,
            commit_checkpoints: histogram(
                "acta_witness_commit_checkpoints",
                "Checkpoints in a commit.",
                prometheus::exponential_buckets(1.0, 2.0, 13)?,
            )?,
        })
    }

    pub(crate) fn committed(&self, rows: usize, took: Duration) {
        self.cosigned_total.inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_checkpoints.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
    }
}
