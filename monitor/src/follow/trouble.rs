//! What goes wrong while a log's entries are read, and who is missing under its heads.

use std::collections::BTreeMap;

use acta_client::source::{FetchError, SourceError};
use acta_client::verified::{ReadError, VerifiedLog};
use jiff::Timestamp;
use tlog::printable::Printable;

use super::conditions::Conditions;
use super::head::{Shown, is_longer};
use super::intake::IntakeError;
use super::{FollowError, Follower, Look, served};
use crate::config::LogSettings;
use crate::finding::{Code, Raised};
use crate::heads::Comparison;

impl Follower {
    /// A chunk that was verified under the head does not continue what was taken in.
    pub(super) fn not_taken(&mut self, error: &IntakeError) -> Look {
        let text = format!("What the log serves does not continue what it served before: {error}.");
        self.conditions.is(Code::LOG_WRONG_BYTES, "entries", text);
        Look::Refused
    }

    /// Entries could not be read, or are not the log's. Those before them were taken in.
    pub(super) async fn not_read(&mut self, log: &VerifiedLog, error: &ReadError) -> Result<Look, FollowError> {
        let Some(code) = code_of(error) else {
            return Ok(self.withheld(&error.to_string()));
        };
        let mut raised = Raised::new(code, "", "entries", format!("{error}."));
        if let ReadError::ForgedEntry(index) = error {
            // Asked again: it may have been the network's fault, and what is served is worth keeping.
            match served::keep_forged(log, *index, &self.evidence).await? {
                // Nothing to accuse anybody of, but nothing to go on with either. A log could do so each time.
                served::Served::Good => return Ok(self.withheld(&format!("{error}, and was what it should be when it was fetched again"))),
                served::Served::Wrong(Some(name)) => raised.text += &format!(" What was served is kept in {name}."),
                served::Served::Wrong(None) => {}
            }
            raised = raised.at([index.as_u64()]);
        }
        self.conditions.raise(raised);
        Ok(Look::Refused)
    }

    /// Whether something is served that should show how a head stands, and is larger than it can be.
    pub(super) fn is_wrong(&mut self, comparison: &Comparison) -> bool {
        let Comparison::Unavailable(error) = comparison else { return false };
        let Some(code) = code_of(error) else { return false };
        self.conditions.is(code, "entries", format!("{error}."));
        true
    }

    /// The log serves its head, and not what belongs to it.
    pub(super) fn withheld(&mut self, why: &str) -> Look {
        let now = self.clock.now();
        self.metrics.unanswered.inc();
        let since = *self.withheld.get_or_insert(now);
        if is_longer(since, now, self.settings.unreachable_after) {
            let text = format!("The log serves its head, and since {since} not all of its entries: {why}.");
            self.conditions.is(Code::LOG_UNREACHABLE, "entries", text);
        }
        Look::Unavailable(why.to_owned())
    }
}

/// What kind of finding it is that this was served; `None` if nothing was.
fn code_of(error: &ReadError) -> Option<Code> {
    match error {
        ReadError::Source(SourceError::Fetch(FetchError::TooLarge { path, .. })) if path.starts_with("tile/entries/") => {
            Some(Code::LOG_MALFORMED_BUNDLE)
        }
        ReadError::Source(SourceError::Bundle { .. }) => Some(Code::LOG_MALFORMED_BUNDLE),
        ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. }) | SourceError::Tile(_)) => Some(Code::LOG_WRONG_BYTES),
        ReadError::Source(_) => None,
        _ => Some(Code::LOG_WRONG_BYTES),
    }
}

/// Notes which of those that the policy knows have not signed a head that has enough others. A witness may have signed every one of them soon
/// after it was shown, if the log grows fast, so no more is said than what the heads lack.
pub(super) fn missing_witnesses(
    settings: &LogSettings,
    shown: &Shown,
    missing: &mut BTreeMap<String, Timestamp>,
    now: Timestamp,
    conditions: &mut Conditions,
) {
    let tally = settings.policy.tally(shown.head.cosignatures());
    let before = std::mem::take(missing);
    for vote in tally.votes.iter().chain(&tally.uncounted) {
        let name = Printable(&vote.name).to_string();
        if vote.cosigned.is_some() {
            conditions.is_not(Code::LOG_WITNESS_MISSING, &name);
            continue;
        }
        let since = before.get(&name).copied().unwrap_or(now);
        if settings.witness_after.is_zero() || is_longer(since, now, settings.witness_after) {
            let text = format!("No head that the log showed since {since} had the signature of the witness {name}.");
            let mut raised = Raised::new(Code::LOG_WITNESS_MISSING, &name, &name, text);
            raised.group.clone_from(&name);
            conditions.raise(raised);
        }
        missing.insert(name, since);
    }
}
