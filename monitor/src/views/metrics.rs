//! What is counted of views.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use serving::metrics::registered;

/// Counters of views.
#[derive(Clone, Debug)]
pub struct Metrics {
    asked: IntCounterVec,
    unsettled: IntGaugeVec,
}

/// Who was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Witness,
    Monitor,
    Mirror,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    New,
    Known,
    Nothing,
    Refused,
    Unavailable,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let asked = Opts::new("acta_monitor_views_asked_total", "Times that somebody was asked for a head, by who and by what came of it.");
        let unsettled = Opts::new("acta_monitor_heads_unsettled", "Heads of which it is not known yet how they stand, by log.");
        Ok(Metrics {
            asked: registered(registry, IntCounterVec::new(asked, &["view", "answer"])?)?,
            unsettled: registered(registry, IntGaugeVec::new(unsettled, &["log"])?)?,
        })
    }

    pub(super) fn asked(&self, kind: Kind, answer: Answer) {
        let kind = match kind {
            Kind::Witness => "witness",
            Kind::Monitor => "monitor",
            Kind::Mirror => "mirror",
        };
        let answer = match answer {
            Answer::New => "new",
            Answer::Known => "known",
            Answer::Nothing => "nothing",
            Answer::Refused => "refused",
            Answer::Unavailable => "unavailable",
        };
        self.asked.with_label_values(&[kind, answer]).inc();
    }

    pub(super) fn unsettled(&self, log: &str, heads: usize) {
        self.unsettled.with_label_values(&[log]).set(i64::try_from(heads).unwrap_or(i64::MAX));
    }
}
