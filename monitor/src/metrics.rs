//! What the monitor tells Prometheus about the logs that it follows.
//!
//! The registry is handed in, so that tests and embedders have their own. The label is a log's origin: as many as the configuration names.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serving::metrics::registered;

/// The instruments of all logs.
#[derive(Clone, Debug)]
pub struct Metrics {
    looks: IntCounterVec,
    unanswered: IntCounterVec,
    entries: IntCounterVec,
    findings: IntCounterVec,
    cursor: IntGaugeVec,
    size: IntGaugeVec,
}

/// The instruments of one log.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    /// Looks at its newest head.
    pub looks: IntCounter,
    /// Looks, or requests for entries, that had no answer.
    pub unanswered: IntCounter,
    /// Entries that were taken in.
    pub entries: IntCounter,
    /// Findings that were opened.
    pub findings: IntCounter,
    /// Entries that were ever taken in.
    pub cursor: IntGauge,
    /// Entries under its newest head.
    pub size: IntGauge,
}

impl Metrics {
    /// Registers the instruments. Fails if the registry has some of the same names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounterVec::new(Opts::new(name, help), &["log"])?);
        let gauge = |name: &str, help: &str| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["log"])?);
        Ok(Metrics {
            looks: counter("acta_monitor_looks_total", "Looks at a log's newest head.")?,
            unanswered: counter("acta_monitor_unanswered_total", "Looks, or requests for entries, that had no answer.")?,
            entries: counter("acta_monitor_entries_total", "Entries taken in.")?,
            findings: counter("acta_monitor_findings_total", "Findings opened.")?,
            cursor: gauge("acta_monitor_cursor", "Entries of a log that were ever taken in.")?,
            size: gauge("acta_monitor_log_size", "Entries under a log's newest head.")?,
        })
    }

    /// Those of the log with this origin.
    pub fn of(&self, origin: &str) -> LogMetrics {
        let label = &[origin];
        LogMetrics {
            looks: self.looks.with_label_values(label),
            unanswered: self.unanswered.with_label_values(label),
            entries: self.entries.with_label_values(label),
            findings: self.findings.with_label_values(label),
            cursor: self.cursor.with_label_values(label),
            size: self.size.with_label_values(label),
        }
    }
}

impl LogMetrics {
    pub(crate) fn opened(&self, findings: usize) {
        self.findings.inc_by(u64::try_from(findings).unwrap_or(u64::MAX));
    }
}
