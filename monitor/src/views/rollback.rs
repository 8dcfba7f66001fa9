//! Whether a log shows fewer entries than somebody has seen of it.
//!
//! For a while that is nothing: a witness sees a head before it is published, and servers behind one address are not all equally far. So it
//! takes looks at the log's own address over a whole grace period, each of which shows less than one and the same head. While the log cannot be
//! reached nothing is said.

use std::time::Duration;

use jiff::Timestamp;

use super::Views;
use crate::check::Outcome;
use crate::config::LogSettings;
use crate::finding::{Code, FindingId, Raised};
use crate::findings;
use crate::heads::{self, SeenHead, Shown};
use crate::store::StoreError;

/// There is one such finding about a log at a time.
const SUBJECT: &str = "own address";

impl Views {
    pub(super) fn look_for_rollback(&self, log: &LogSettings, number: u32) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(shown) = heads::shown_by_log(store, number)? else { return Ok(()) };
        let seen = heads::all(store, number)?;
        let behind = seen.iter().filter_map(|seen| Some((seen.behind(shown)?, seen)));
        // Of one look, the largest is the one to name.
        let longest = behind.rev().min_by_key(|(since, _)| *since);
        let left_out = longest.filter(|(since, _)| self.is_too_long(*since, shown.last));
        let changed: Vec<&SeenHead> = seen.iter().filter(|seen| seen.behind(shown) != seen.waits.behind).collect();
        let is_told = self.is_told(log)?;
        if changed.is_empty() && left_out.is_some() == is_told {
            return Ok(());
        }
        let mut out = Outcome::default();
        match left_out {
            Some((since, seen)) => out.raise(Raised::new(Code::LOG_ROLLBACK, "", SUBJECT, text(shown, seen, since))),
            None => out.clear(Code::LOG_ROLLBACK, SUBJECT),
        }
        store.write(|txn| {
            changed.iter().try_for_each(|seen| heads::set_behind(txn, number, seen.head.checkpoint(), seen.behind(shown)))?;
            findings::record(txn, &log.origin, self.parts.clock.now(), out).map(|_| ())
        })
    }

    fn is_too_long(&self, since: Timestamp, looked: Timestamp) -> bool {
        // Behind a clock that was set back nothing has lasted.
        Duration::try_from(looked.duration_since(since)).unwrap_or_default() >= self.parts.settings.rollback_after
    }

    fn is_told(&self, log: &LogSettings) -> Result<bool, StoreError> {
        let id = FindingId::new(&log.origin, &Code::LOG_ROLLBACK, SUBJECT);
        Ok(findings::finding(&self.parts.store, id)?.is_some_and(|finding| finding.resolved.is_none()))
    }
}

fn text(shown: Shown, seen: &SeenHead, since: Timestamp) -> String {
    let head = seen.head.checkpoint();
    let place = seen.sightings.first().map(|sighting| sighting.source.in_words()).unwrap_or_default();
    format!(
        "The log's own address has shown fewer entries since {since} than it signed: {} now, but a head of {} entries with the root hash {} was \
         seen {place} at {}.",
        shown.size,
        head.size(),
        head.root().to_base64(),
        seen.first_seen()
    )
}
