//! Whether a log shows fewer entries than somebody has seen of it.
//!
//! For a while that is nothing: a witness sees a head before it is published, and servers behind one address are not all equally far. So it
//! takes looks at the log's own address over a whole grace period, each of which shows less. While the log cannot be reached nothing is said.

use std::time::Duration;

use super::Views;
use crate::check::Outcome;
use crate::config::LogSettings;
use crate::finding::{Code, Raised};
use crate::findings;
use crate::heads::{self, Lag};
use crate::store::StoreError;

/// There is one such finding about a log at a time.
const SUBJECT: &str = "own address";

impl Views {
    pub(super) fn look_for_rollback(&self, log: &LogSettings, number: u32) -> Result<(), StoreError> {
        let (grace, now) = (self.parts.settings.rollback_after, self.parts.clock.now());
        self.parts.store.write(|txn| {
            let mut out = Outcome::default();
            match heads::lag(txn, number)? {
                None => out.clear(Code::LOG_ROLLBACK, SUBJECT),
                Some(lag) if lasted(&lag) >= grace => out.raise(Raised::new(Code::LOG_ROLLBACK, "", SUBJECT, text(&lag))),
                Some(_) => {}
            }
            findings::record(txn, &log.origin, now, out).map(|_| ())
        })
    }
}

/// Over how long a time it was looked at and showed less.
fn lasted(lag: &Lag) -> Duration {
    Duration::try_from(lag.shown.last.duration_since(lag.since)).unwrap_or_default()
}

fn text(lag: &Lag) -> String {
    let head = lag.seen.head.checkpoint();
    let place = lag.seen.sightings.first().map(|sighting| sighting.source.in_words()).unwrap_or_default();
    format!(
        "The log's own address has shown at most {} entries since {}, but the log signed a head of {} entries with the root hash {}, which was \
         seen {place} at {}.",
        lag.shown.size,
        lag.since,
        head.size(),
        head.root().to_base64(),
        lag.seen.first_seen()
    )
}
