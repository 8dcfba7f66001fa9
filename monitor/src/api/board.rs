//! How many findings are open, by log and severity: counted from the events, a few at a time, so that nobody counts all of them for a page.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::finding::{FindingId, Severity};
use crate::findings::{self, Change};
use crate::store::{Store, StoreError};

/// Events that are read at a time.
const EVENTS: usize = 1000;

/// Counts open findings.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the last event that is counted.
    last: u64,
    /// The open findings, by what they are counted.
    open: HashMap<FindingId, (Box<str>, Severity)>,
    counts: HashMap<Box<str>, Open>,
}

/// How many findings are open, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Open {
    pub(crate) critical: u64,
    pub(crate) error: u64,
    pub(crate) warning: u64,
    pub(crate) notice: u64,
    pub(crate) info: u64,
}

impl Board {
    /// The open findings of a log.
    pub(crate) fn of(&self, store: &Store, log: &str) -> Result<Open, StoreError> {
        // What a panic left uncounted is counted again.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up(store)?;
        Ok(state.counts.get(log).copied().unwrap_or_default())
    }
}

impl State {
    fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        loop {
            let events = findings::events_after(store, self.last, EVENTS)?;
            for event in &events {
                self.close(event.finding);
                // A finding that is resolved by now is closed by an event that is still to come.
                if event.change == Change::Opened
                    && let Some(finding) = findings::finding(store, event.finding)?
                {
                    *self.counts.entry(finding.log.as_str().into()).or_default().of(finding.severity) += 1;
                    self.open.insert(event.finding, (finding.log.into(), finding.severity));
                }
                self.last = event.number;
            }
            if events.len() < EVENTS {
                return Ok(());
            }
        }
    }

    fn close(&mut self, id: FindingId) {
        if let Some((log, severity)) = self.open.remove(&id) {
            *self.counts.entry(log).or_default().of(severity) -= 1;
        }
    }
}

impl Open {
    fn of(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Info => &mut self.info,
            Severity::Notice => &mut self.notice,
            Severity::Warning => &mut self.warning,
            Severity::Error => &mut self.error,
            Severity::Critical => &mut self.critical,
        }
    }

    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.critical + self.error + self.warning + self.notice + self.info
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use jiff::Timestamp;

    use super::*;
    use crate::check::Outcome;
    use crate::finding::{Code, Raised};
    use crate::stored_log;

    #[test]
    fn open_findings_are_counted_as_they_come_and_go() {
        let (_dir, store) = stored_log::store();
        let board = Board::default();
        let say = |log: &str, raised: &[&str], cleared: &[&str], severity| {
            let mut outcome = Outcome::default();
            for subject in raised {
                outcome.raise(Raised { severity: Some(severity), ..Raised::new(Code::GAP, "issuer.example", *subject, "It is missing.") });
            }
            cleared.iter().for_each(|subject| outcome.clear(Code::GAP, *subject));
            store.write(|txn| findings::record(txn, log, Timestamp::UNIX_EPOCH, outcome)).unwrap();
        };
        assert_eq!(board.of(&store, "a.example").unwrap(), Open::default());
        say("a.example", &["1", "2"], &[], Severity::Error);
        say("b.example", &["1"], &[], Severity::Info);
        assert_eq!(board.of(&store, "a.example").unwrap(), Open { error: 2, ..Open::default() });
        say("a.example", &[], &["1"], Severity::Error);
        // Opened and resolved between two looks, and opened again with another severity.
        say("a.example", &["3"], &[], Severity::Error);
        say("a.example", &[], &["3", "2"], Severity::Error);
        say("a.example", &["2"], &[], Severity::Notice);
        assert_eq!(board.of(&store, "a.example").unwrap(), Open { notice: 1, ..Open::default() });
        assert_eq!(board.of(&store, "b.example").unwrap().total(), 1);
        assert_eq!(Board::default().of(&store, "a.example").unwrap(), Open { notice: 1, ..Open::default() }, "as counted anew");
    }
}
