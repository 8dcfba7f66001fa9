//! What alerts and deliveries tell Prometheus.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::Alert;

/// The instruments of alerts.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Alerts that are open, muted or not, by code and severity.
    pub open: IntGaugeVec,
    /// Notices by kind, whether there is a channel for them or not.
    pub notices: IntCounterVec,
    /// Tries to deliver, by channel and outcome: `delivered`, `failed`, `given-up`.
    pub deliveries: IntCounterVec,
    /// Deliveries that wait, by channel.
    pub waiting: IntGaugeVec,
    /// Deliveries that were given up and are kept, by channel.
    pub dead: IntGaugeVec,
    /// Deliveries that were given up and for which there is no room any more, by channel.
    pub forgotten: IntCounterVec,
    /// How long the first in the queue has waited, by channel.
    pub oldest: IntGaugeVec,
    /// Events that alerts have not taken account of.
    pub behind: IntGauge,
    /// Files among the mutes that are none.
    pub bad_mutes: IntGauge,
    /// Streams of events that are being read.
    pub streams: IntGauge,
    /// Streams that were refused because there were too many, or cut because their reader was too slow.
    pub streams_cut: IntCounter,
}

impl Metrics {
    /// Registers the instruments. Fails if the registry has some of the same names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let gauges = IntGaugeVec::new(Opts::new(format!("acta_monitor_{name}"), help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(format!("acta_monitor_{name}"), help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(format!("acta_monitor_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let streams_cut = IntCounter::new("acta_monitor_event_streams_cut_total", "Streams of events refused or cut.")?;
        registry.register(Box::new(streams_cut.clone()))?;
        Ok(Metrics {
            open: gauges("alerts_open", "Open alerts.", &["code", "severity"])?,
            notices: counters("alert_notices_total", "What was to be said of alerts, by kind.", &["kind"])?,
            deliveries: counters("deliveries_total", "Tries to deliver an alert.", &["channel", "outcome"])?,
            waiting: gauges("deliveries_waiting", "Alerts to be delivered.", &["channel"])?,
            dead: gauges("deliveries_dead", "Alerts whose delivery was given up.", &["channel"])?,
            forgotten: counters("deliveries_forgotten_total", "Given-up deliveries for which there was no room.", &["channel"])?,
            oldest: gauges("deliveries_oldest_seconds", "How long the next alert to be delivered has waited.", &["channel"])?,
            behind: gauge("alerts_behind_events", "Events that alerts do not take account of yet.")?,
            bad_mutes: gauge("mutes_unreadable", "Files among the mutes that mute nothing because they cannot be read.")?,
            streams: gauge("event_streams", "Streams of events that are being read.")?,
            streams_cut,
        })
    }

    /// An alert was as `before` says and is now as `after` says.
    pub(super) fn changed(&self, before: Option<&Alert>, after: &Alert) {
        let of = |alert: &Alert| self.open.with_label_values(&[alert.code.to_string().as_str(), alert.severity.name()]);
        if let Some(before) = before.filter(|before| before.open > 0) {
            of(before).dec();
        }
        if after.open > 0 {
            of(after).inc();
        }
    }
}
