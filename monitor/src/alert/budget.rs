//! How much is said: so many notices of each severity in a time, and the rest together at its end.
//!
//! Each severity has its own share, so that a thousand notices about late publications do not hide a fork.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notice::{Flood, What};
use crate::finding::Severity;

/// What was said since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Budget {
    /// Since when; `None` if nothing was.
    since: Option<Timestamp>,
    /// How many notices, by severity.
    said: [u32; Severity::ALL.len()],
    /// What was too much.
    held: Option<Flood>,
}

impl Budget {
    /// Takes account of something to be said. Says whether it may be; if not, it is kept for the end of the time.
    pub(super) fn spend(&mut self, what: &What, severity: Severity, now: Timestamp, burst: u32) -> bool {
        self.since.get_or_insert(now);
        let place = Severity::ALL.iter().position(|one| *one == severity).expect("all are in it");
        if self.said[place] < burst {
            self.said[place] += 1;
            return true;
        }
        self.held.get_or_insert_default().add(what);
        false
    }

    /// Begins anew if the time is over, and gives what was kept.
    pub(super) fn close(&mut self, now: Timestamp, time: Duration) -> Option<Flood> {
        let over = self.since.is_some_and(|since| later(since, time) <= now || since > now);
        if over { std::mem::take(self).held } else { None }
    }
}

/// A time after another.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
