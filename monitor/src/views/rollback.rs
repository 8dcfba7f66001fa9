//! Whether a log shows fewer entries than somebody has seen of it.
//!
//! For a while that is nothing: a witness sees a head before it is published, and servers behind one address are not all equally far. So it
//! takes looks at the log's own address over a whole grace period, each of which shows less. While the log cannot be reached nothing is said.

use std::time::Duration;

use jiff::Timestamp;

use super::Views;
use crate::check::Outcome;
use crate::config::LogSettings;
use crate::finding::{Code, FindingId, Raised};
use crate::findings;
use crate::heads::{self, Lag};
use crate::logs::LogState;
use crate::store::StoreError;

/// There is one such finding about a log at a time.
const SUBJECT: &str = "own address";

impl Views {
    pub(super) fn look_for_rollback(&self, log: &LogSettings, state: &LogState) -> Result<(), StoreError> {
        let (store, number) = (&self.parts.store, state.number);
        let (lag, since) = (heads::lag(store, number)?, heads::behind_since(store, number)?);
        let mut out = Outcome::default();
        let since = match (lag, since) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                out.clear(Code::LOG_ROLLBACK, SUBJECT);
                None
            }
            (Some(lag), None) => Some(lag.shown.last),
            (Some(lag), Some(since)) => {
                // A head that is shown again is not noted again; that the log answers is written down once a minute.
                let looked = state.answered.unwrap_or(lag.shown.last).max(lag.shown.last);
                let lasted = Duration::try_from(looked.duration_since(since)).unwrap_or_default();
                if lasted < self.parts.settings.rollback_after || self.is_told(log)? {
                    return Ok(());
                }
                out.raise(Raised::new(Code::LOG_ROLLBACK, "", SUBJECT, text(&lag, since)));
                Some(since)
            }
        };
        store.write(|txn| {
            heads::set_behind_since(txn, number, since);
            findings::record(txn, &log.origin, self.parts.clock.now(), out).map(|_| ())
        })
    }

    fn is_told(&self, log: &LogSettings) -> Result<bool, StoreError> {
        let id = FindingId::new(&log.origin, &Code::LOG_ROLLBACK, SUBJECT);
        Ok(findings::finding(&self.parts.store, id)?.is_some_and(|finding| finding.resolved.is_none()))
    }
}

fn text(lag: &Lag, since: Timestamp) -> String {
    let head = lag.seen.head.checkpoint();
    let place = lag.seen.sightings.first().map(|sighting| sighting.source.in_words()).unwrap_or_default();
    format!(
        "The log's own address has shown fewer entries since {since} than it signed: {} now, but a head of {} entries with the root hash {} was \
         seen {place} at {}.",
        lag.shown.size,
        head.size(),
        head.root().to_base64(),
        lag.seen.first_seen()
    )
}
