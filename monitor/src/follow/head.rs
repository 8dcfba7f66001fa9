//! What the log's own address shows as its newest head, and what is wrong with it.
//!
//! Two questions are kept apart: whether the log signed it, and whether the witnesses have that the policy asks for. What the log signed is
//! followed even without them (unless the configuration says otherwise), since a watchdog wants to see what a log does when nobody vouches for
//! it; that they are missing is a finding. So the cursor may rest on the log's word alone; it never rests on less, and it never goes back.

use std::ops::RangeInclusive;

use acta_client::source::{FetchError, SourceError};
use jiff::Timestamp;
use tlog::checkpoint::SignedCheckpoint;
use tlog::policy::{Policy, VerifiedCheckpoint, VerifyPolicyError};
use tlog::printable::Printable;

use super::conditions::Conditions;
use crate::config::LogSettings;
use crate::finding::Code;

/// A head that the log signed.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Verified under the log's key at least.
    pub(crate) head: VerifiedCheckpoint,
    /// Whether it meets the policy.
    pub(crate) has_quorum: bool,
}

/// Policies of one log, from strict to lenient.
#[derive(Debug)]
pub(crate) struct Policies {
    /// The configured one.
    full: Policy,
    /// The log's key is enough, witnesses are looked at.
    without_quorum: Policy,
    /// The log's key alone.
    log_only: Policy,
}

impl Policies {
    pub(crate) fn new(policy: &Policy) -> Self {
        let lines: String = policy.logs().iter().map(|log| format!("log {}\n", log.key())).collect();
        let log_only = Policy::parse(format!("{lines}quorum none\n").as_bytes()).expect("these lines were read from a policy");
        Policies { full: policy.clone(), without_quorum: policy.without_quorum(), log_only }
    }

    /// Verifies a head, and says what is wrong with it. `None` if it is nothing that the log signed.
    pub(crate) fn verify(&self, signed: &SignedCheckpoint, conditions: &mut Conditions) -> Option<Shown> {
        match self.full.verify(signed) {
            Ok(head) => {
                conditions.is_not(Code::LOG_QUORUM, "head");
                conditions.is_not(Code::LOG_MALFORMED_HEAD, "head");
                conditions.is_not(Code::LOG_OTHER_ORIGIN, "head");
                Some(Shown { head, has_quorum: true })
            }
            Err(error @ VerifyPolicyError::QuorumNotMet { .. }) => {
                conditions.is_not(Code::LOG_MALFORMED_HEAD, "head");
                conditions.is_not(Code::LOG_OTHER_ORIGIN, "head");
                conditions.is(Code::LOG_QUORUM, "head", format!("The log's newest head is not accepted: {error}."));
                let head = self.without_quorum.verify(signed).ok()?;
                Some(Shown { head, has_quorum: false })
            }
            Err(VerifyPolicyError::UnknownLog { origin }) => {
                let text = format!("The head is of the log {}, which is not the one that is followed here.", Printable(&origin));
                conditions.is(Code::LOG_OTHER_ORIGIN, "head", text);
                None
            }
            Err(error) => {
                conditions.is_not(Code::LOG_OTHER_ORIGIN, "head");
                conditions.is(Code::LOG_MALFORMED_HEAD, "head", format!("The log's newest head is not accepted: {error}."));
                // A line that is not good makes nobody blind for what the log itself signed.
                let head = self.log_only.verify(signed).ok()?;
                Some(Shown { head, has_quorum: false })
            }
        }
    }

    /// The policy without its quorum.
    pub(crate) fn without_quorum(&self) -> &Policy {
        &self.without_quorum
    }
}

/// What is wrong with a head's times, and with the log's size. `seen` is when this head was seen first, and `asked` from when it was asked for to
/// when it was there: it is as old as at the one time at least, and its witnesses may have signed until the other.
pub(crate) fn judge(settings: &LogSettings, shown: &Shown, seen: Timestamp, asked: RangeInclusive<Timestamp>, conditions: &mut Conditions) {
    let (now, fetched) = asked.into_inner();
    let stated = shown.head.cosignatures().iter().filter_map(|cosigned| {
        let time = i64::try_from(cosigned.timestamp()?.get()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        Some((cosigned.witness(), time.unwrap_or(Timestamp::MAX)))
    });
    let newest = stated.max_by_key(|(_, time)| *time);
    match newest.as_ref().filter(|(_, time)| is_longer(fetched, *time, settings.future_tolerance)) {
        Some((witness, time)) => {
            let text = format!("The witness {} dates its signature of the newest head {time}; here it is {fetched}.", Printable(*witness));
            conditions.is(Code::LOG_FUTURE_HEAD, "head", text);
        }
        None => conditions.is_not(Code::LOG_FUTURE_HEAD, "head"),
    }
    let newest = newest.map_or(seen, |(_, time)| time);
    if is_longer(newest, now, settings.stale_after) {
        conditions.is(
            Code::LOG_STALE,
            "head",
            format!("The log's newest head, of {} entries, is from {newest}.", shown.head.checkpoint().size()),
        );
    } else {
        conditions.is_not(Code::LOG_STALE, "head");
    }
    let size = shown.head.checkpoint().size();
    match settings.final_size.filter(|end| size > *end) {
        Some(end) => {
            let text = format!("The log was declared to end with {end} entries, and has {size} now.");
            conditions.is(Code::LOG_GROWTH_AFTER_END, "size", text);
        }
        None => conditions.is_not(Code::LOG_GROWTH_AFTER_END, "size"),
    }
}

/// What a failure to fetch the head says of the log; `false` if it is only away.
pub(crate) fn is_wrong(error: &SourceError, conditions: &mut Conditions) -> bool {
    let wrong = match error {
        SourceError::Checkpoint(_) => true,
        SourceError::Fetch(error) => matches!(error, FetchError::TooLarge { .. }),
        _ => false,
    };
    if wrong {
        conditions.is(Code::LOG_MALFORMED_HEAD, "head", format!("{error}."));
    }
    wrong
}

/// Whether `to` is later than `from` by more than `span`.
pub(crate) fn is_longer(from: Timestamp, to: Timestamp, span: std::time::Duration) -> bool {
    jiff::SignedDuration::try_from(span).is_ok_and(|span| to.duration_since(from) > span)
}
