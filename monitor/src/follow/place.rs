//! Where a head belongs: whether it continues what was seen of the log, and what was taken in.

use std::sync::Arc;

use acta_client::verified::VerifiedLog;
use jiff::Timestamp;
use tlog::checkpoint::{Checkpoint, SignedCheckpoint};

use super::head::Shown;
use super::{FollowError, Follower, tree};
use crate::check::Outcome;
use crate::heads::{self, Comparison, LogHead, Standing};
use crate::history::History;

/// How a head stands to what was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    Continues,
    Refused,
    Unknown,
}

impl Follower {
    /// Notes a head that was not seen before, and finds out whether it continues what was.
    pub(super) async fn place(&mut self, shown: &Shown, newest: Option<&SignedCheckpoint>, now: Timestamp) -> Result<Placed, FollowError> {
        let signed = shown.head.signed();
        // It was verified under the log's key, so only its lines are sorted out here.
        let Ok(head) = LogHead::verify(signed, &self.settings.policy) else { return Ok(Placed::Refused) };
        let (store, number, cursor) = (Arc::clone(&self.intake().store), self.log().number, self.log().size);
        store.write(|txn| heads::note(txn, number, &head, now, &heads::Source::Log))?;
        let known = heads::all(&store, number)?;
        let mut comparison = heads::judge(&History::new(&store, number, cursor), &known, &head, &self.keys)?;
        let is_read = matches!(comparison, Comparison::Same | Comparison::Consistent);
        let (mut earlier, mut out) = (newest.unwrap_or(signed), Outcome::default());
        let is_ahead = head.checkpoint().size() > cursor;
        // Two heads of one size convict the log, and beyond what was read either of them may be the one that continues it: that one is followed.
        if is_ahead && matches!(comparison, Comparison::Convicts(_)) {
            heads::report(&self.evidence, &comparison, earlier, signed, &heads::Source::Log, now, &mut out)?;
            comparison = Comparison::Behind { shown: cursor, seen: head.checkpoint().size() };
        }
        if let Comparison::Behind { .. } = comparison {
            let log = VerifiedLog::at(self.source.clone(), shown.head.clone());
            comparison = match newest.filter(|newest| newest.checkpoint().size() <= head.checkpoint().size()) {
                Some(newest) => {
                    earlier = newest;
                    heads::compare(&log, newest, &self.keys).await
                }
                None => Comparison::Consistent,
            };
            if let Comparison::Consistent = comparison {
                comparison = self.continues_cursor(&log).await;
            }
        }
        let is_wrong = self.is_wrong(&comparison);
        let standing = heads::report(&self.evidence, &comparison, earlier, signed, &heads::Source::Log, now, &mut out)?;
        // The entries that are kept have this very root.
        let settled = if is_read && standing == Standing::Continues { Standing::Followed } else { standing };
        self.intake_mut().note(|log, txn| heads::settle(txn, log.number, signed.checkpoint(), settled), out)?;
        Ok(match standing {
            Standing::Continues | Standing::Followed => Placed::Continues,
            Standing::Pending if is_wrong => Placed::Refused,
            Standing::Pending => Placed::Unknown,
            Standing::Unproven | Standing::Contradicts => Placed::Refused,
        })
    }

    /// Whether the log continues the entries that were taken in. Between heads there is no head to compare with, but a root there is.
    async fn continues_cursor(&self, log: &VerifiedLog) -> Comparison {
        let state = self.log();
        let Ok(tree) = tree::Tree::new(state.size, &state.peaks) else {
            return Comparison::Unproven("what is kept of the log's tree is damaged".to_owned());
        };
        let cursor = Checkpoint::new(log.checkpoint().origin().clone(), state.size, tree.root());
        match log.extends(&cursor).await {
            Ok(()) => Comparison::Consistent,
            Err(error) if error.is_unavailable() => Comparison::Unavailable(error),
            Err(error) => Comparison::Unproven(error.to_string()),
        }
    }
}
