//! What is counted of the witnesses, and what `/readyz` says of them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tlog::TreeSize;
use tlog::policy::PolicyName;

use super::partner::Partner;

/// Why asking a witness came to nothing. None of these says anything about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No connection, or it broke.
    Unreachable,
    /// It took longer than it may.
    TimedOut,
    /// It answers with more than any answer needs.
    TooLarge,
    /// It sends us elsewhere. That is not followed: who the witness is, is for the policy to say.
    Redirected,
    /// It does not know the log (404).
    UnknownLog,
    /// It does not accept the log's signature (403).
    Forbidden,
    /// It wants to be asked less often (429).
    TooOften,
    /// It has a problem of its own (5xx).
    Failed,
    /// Any other status.
    Refused,
    /// Its answer has not the form that it must have.
    Garbled,
    /// There is no line in its answer that one of its keys made now or nearly so.
    NotCosigned,
    /// It says that it has seen more than there is, and shows nothing.
    Ahead,
    /// It refuses a proof that we verified, and shows nothing.
    ProofRefused,
    /// It says another size each time.
    Unsettled,
}

impl Reason {
    /// What a status says that is none of the protocol's.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            300..400 => Reason::Redirected,
            403 => Reason::Forbidden,
            404 => Reason::UnknownLog,
            429 => Reason::TooOften,
            500.. => Reason::Failed,
            _ => Reason::Refused,
        }
    }

    /// The word for it in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Unreachable => "unreachable",
            Reason::TimedOut => "timed-out",
            Reason::TooLarge => "too-large",
            Reason::Redirected => "redirected",
            Reason::UnknownLog => "unknown-log",
            Reason::Forbidden => "forbidden",
            Reason::TooOften => "too-often",
            Reason::Failed => "failed",
            Reason::Refused => "refused",
            Reason::Garbled => "garbled",
            Reason::NotCosigned => "not-cosigned",
            Reason::Ahead => "ahead",
            Reason::ProofRefused => "proof-refused",
            Reason::Unsettled => "unsettled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Unreachable => "cannot be reached: look at its address in the policy, and ask its operator",
            Reason::TimedOut => "does not answer in time (witnesses.deadline)",
            Reason::TooLarge => "answers with more than any witness needs: look at its address in the policy",
            Reason::Redirected => "redirects elsewhere, which is not followed: write its new address into the policy",
            Reason::UnknownLog => "does not know this log: ask its operator to add the log's key",
            Reason::Forbidden => "does not accept this log's signature: ask its operator to update the log's key",
            Reason::TooOften => "wants to be asked less often: raise witnesses.min_interval",
            Reason::Failed => "has a problem of its own: ask its operator",
            Reason::Refused => "refuses the request: look at its address in the policy, and ask its operator",
            Reason::Garbled => "answers what no witness answers: look at its address in the policy",
            Reason::NotCosigned => {
                "answers without a good cosignature of a key in the policy that was made now: look at its keys there, and at both clocks"
            }
            Reason::Ahead => "says that it has seen more of this log than there is, and shows nothing of it: ask its operator",
            Reason::ProofRefused => "refuses a proof that is good, and shows no reason: ask its operator",
            Reason::Unsettled => "says another size each time it is asked: ask its operator",
        })
    }
}

/// Why a line of an answer was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    /// It is of none of the witness's keys.
    Foreign,
    /// Its signature does not fit, or it states no time.
    Bad,
    /// It states a time that is yet to come.
    Future,
    /// It states a time that is past: it was made for an earlier request.
    Past,
}

/// The instruments of gathering.
#[derive(Clone, Debug)]
pub struct GatherMetrics {
    last_success: IntGaugeVec,
    size: IntGaugeVec,
    seconds: HistogramVec,
    failures: IntCounterVec,
    ignored: IntCounterVec,
    round_seconds: Histogram,
    rounds_given_up: IntCounter,
    quorum_timestamp: IntGauge,
}

impl GatherMetrics {
    /// Registers the instruments. Fails if the registry has some of the same names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let buckets = prometheus::exponential_buckets(0.001, 2.0, 14)?;
        let metrics = GatherMetrics {
            last_success: IntGaugeVec::new(
                Opts::new("acta_log_witness_success_timestamp_seconds", "Unix time at which the witness last cosigned a head."),
                &["witness"],
            )?,
            size: IntGaugeVec::new(
                Opts::new("acta_log_witness_size", "Entries of the head that the witness cosigned last."),
                &["witness"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("acta_log_witness_seconds", "How long it took the witness to cosign a head.").buckets(buckets.clone()),
                &["witness"],
            )?,
            failures: IntCounterVec::new(
                Opts::new("acta_log_witness_failures_total", "Heads that the witness did not cosign when asked, by reason."),
                &["witness", "reason"],
            )?,
            ignored: IntCounterVec::new(
                Opts::new("acta_log_witness_ignored_lines_total", "Lines of the witness's answers that were left out, by reason."),
                &["witness", "reason"],
            )?,
            round_seconds: Histogram::with_opts(
                HistogramOpts::new("acta_log_round_seconds", "From asking the witnesses to cosign a head to its quorum.").buckets(buckets),
            )?,
            rounds_given_up: IntCounter::new("acta_log_rounds_given_up_total", "Heads for which there was no quorum in time.")?,
            quorum_timestamp: IntGauge::new("acta_log_quorum_timestamp_seconds", "Unix time at which a quorum last cosigned a new head.")?,
        };
        registry.register(Box::new(metrics.last_success.clone()))?;
        registry.register(Box::new(metrics.size.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.ignored.clone()))?;
        registry.register(Box::new(metrics.round_seconds.clone()))?;
        registry.register(Box::new(metrics.rounds_given_up.clone()))?;
        registry.register(Box::new(metrics.quorum_timestamp.clone()))?;
        Ok(metrics)
    }

    pub(super) fn cosigned(&self, witness: &PolicyName, size: TreeSize, at: SystemTime, took: Duration) {
        let witness = &*witness.to_string();
        self.last_success.with_label_values(&[witness]).set(unix(at));
        self.size.with_label_values(&[witness]).set(i64::try_from(size.as_u64()).unwrap_or(i64::MAX));
        self.seconds.with_label_values(&[witness]).observe(took.as_secs_f64());
    }

    pub(super) fn failed(&self, witness: &PolicyName, reason: Reason) {
        self.failures.with_label_values(&[&*witness.to_string(), reason.name()]).inc();
    }

    #[cfg(test)]
    pub(super) fn failures(&self, witness: &str, reason: Reason) -> u64 {
        self.failures.with_label_values(&[witness, reason.name()]).get()
    }

    pub(super) fn ignored(&self, witness: &PolicyName, why: Ignored) {
        let why = match why {
            Ignored::Foreign => "foreign",
            Ignored::Bad => "bad",
            Ignored::Future => "future",
            Ignored::Past => "past",
        };
        self.ignored.with_label_values(&[&*witness.to_string(), why]).inc();
    }

    pub(super) fn quorum(&self, at: SystemTime, took: Duration) {
        self.quorum_timestamp.set(unix(at));
        self.round_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn no_quorum(&self) {
        self.rounds_given_up.inc();
    }
}

/// How it stands with one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the policy calls it: the first of its keys.
    pub witness: PolicyName,
    /// When it last cosigned a head, and of which size.
    pub cosigned: Option<(SystemTime, TreeSize)>,
    /// Why it did not when it was last asked; `None` if it did, or was not asked yet.
    pub failing: Option<Reason>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "witness {}: ", self.witness)?;
        match &self.cosigned {
            None => write!(f, "has cosigned nothing since the start")?,
            Some((at, size)) => write!(f, "cosigned size {size} at {}", Timestamp::from_second(unix(*at)).unwrap_or_default())?,
        }
        self.failing.map_or(Ok(()), |reason| write!(f, "; it {reason}"))
    }
}

/// How it stands with all witnesses, for whoever asks.
#[derive(Debug)]
pub struct Standings(Mutex<Vec<Standing>>);

impl Standings {
    pub(super) fn new(partners: &[Partner]) -> Self {
        let new = |partner: &Partner| Standing { witness: partner.name.clone(), cosigned: None, failing: None };
        Standings(Mutex::new(partners.iter().map(new).collect()))
    }

    /// One for each witness, in the policy's order.
    pub fn all(&self) -> Vec<Standing> {
        self.lock().clone()
    }

    pub(super) fn cosigned(&self, partner: usize, at: SystemTime, size: TreeSize) {
        let standing = &mut self.lock()[partner];
        standing.cosigned = Some((at, size));
        if standing.failing.take().is_some() {
            tracing::info!("{standing}");
        }
    }

    /// Says so in the server's messages when it is news.
    pub(super) fn failed(&self, partner: usize, reason: Reason) {
        let standing = &mut self.lock()[partner];
        if standing.failing.replace(reason) != Some(reason) {
            tracing::warn!("{standing}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
