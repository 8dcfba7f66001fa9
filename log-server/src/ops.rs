//! What the operations listener tells whoever runs the log.
//!
//! A log is ready when entries are taken in, and what is durable is also published, or has not been waiting for long.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use prometheus::{IntGauge, Registry};
use serving::metrics::gauge;
use serving::ops::Operations;
use tlog::TreeSize;

use crate::config::Ops;
use crate::log::Log;
use crate::queue::AddError;
use crate::store::Store;

/// Instruments whose value is looked up when somebody asks, and not while entries are written.
#[derive(Debug)]
struct Gauges {
    queue_entries: IntGauge,
    queue_bytes: IntGauge,
    published_size: IntGauge,
    head_age: IntGauge,
    accepting: IntGauge,
    backlog: IntGauge,
}

/// A log, as its operator sees it.
#[derive(Debug)]
pub struct LogOperations<S> {
    log: Log<S>,
    config: Ops,
    gauges: Gauges,
    /// The size of the newest committed tree, as the write side counts it.
    committed: IntGauge,
    /// Since when the published head does not cover what is committed. Under a lock of its own, held for a comparison.
    behind: Mutex<Option<Behind>>,
}

/// A published head that does not cover all that is committed.
#[derive(Clone, Copy, Debug)]
struct Behind {
    published: TreeSize,
    since: Instant,
}

/// Why the log is not ready.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum NotReady {
    #[error("{0}")]
    Closed(AddError),
    #[error("nothing is taken in until enough witnesses have said that they have seen nothing beyond this store; look at the witnesses")]
    AskingWitnesses,
    #[error("entries are stored that no published head covers, for too long; look at the witnesses")]
    Stale,
}

impl<S: Store> LogOperations<S> {
    /// `committed` is the gauge of the newest committed size. Fails when `registry` has the names of the gauges already.
    pub fn new(log: Log<S>, config: Ops, registry: &Registry, committed: IntGauge) -> Result<Self, prometheus::Error> {
        Ok(LogOperations { log, config, gauges: Gauges::new(registry)?, committed, behind: Mutex::default() })
    }

    fn ready_at(&self, now: Instant) -> Result<(), NotReady> {
        self.log.accepting().map_err(|error| match error {
            // What an adder is told to do is not for the operator.
            AddError::AskingWitnesses => NotReady::AskingWitnesses,
            error => NotReady::Closed(error),
        })?;
        let committed = TreeSize::new(u64::try_from(self.committed.get()).unwrap_or(0));
        let published = self.log.published().size();
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        *behind = Behind::look(*behind, committed, published, now);
        let stale = behind.is_some_and(|behind| now.duration_since(behind.since) >= self.config.max_head_age);
        if stale { Err(NotReady::Stale) } else { Ok(()) }
    }
}

impl<S: Store> Operations for LogOperations<S> {
    fn refresh(&self) {
        let head = self.log.published();
        let (entries, bytes) = self.log.queue_depth();
        self.gauges.queue_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.gauges.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.gauges.published_size.set(i64::try_from(head.size().as_u64()).unwrap_or(i64::MAX));
        let age = head.at().elapsed().unwrap_or_default();
        self.gauges.head_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.gauges.backlog.set(i64::try_from(self.log.backlog()).unwrap_or(i64::MAX));
        self.gauges.accepting.set(i64::from(self.log.accepting().is_ok()));
    }

    fn ready(&self) -> Result<(), String> {
        self.ready_at(Instant::now()).map_err(|reason| {
            // Whoever reads it wants to know which of them to look at.
            let witnesses = self.log.witnesses().iter().map(|standing| format!("\n{standing}")).collect::<String>();
            format!("{reason}{witnesses}")
        })
    }
}

impl Behind {
    /// Goes on counting from the first look at a published head that stays where it is while the log is ahead of it.
    fn look(before: Option<Behind>, committed: TreeSize, published: TreeSize, now: Instant) -> Option<Behind> {
        if committed <= published {
            return None;
        }
        Some(before.filter(|before| before.published == published).unwrap_or(Behind { published, since: now }))
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Gauges {
            queue_entries: gauge(registry, "acta_log_queue_entries", "Entries that wait to be written.")?,
            queue_bytes: gauge(registry, "acta_log_queue_bytes", "Bytes of the entries that wait to be written.")?,
            published_size: gauge(registry, "acta_log_published_size", "Entries of the published tree.")?,
            head_age: gauge(registry, "acta_log_head_age_seconds", "Seconds since the published head was made or loaded.")?,
            backlog: gauge(registry, "acta_log_backlog_entries", "Committed entries that no published head covers.")?,
            accepting: gauge(registry, "acta_log_accepting", "Whether the log takes entries: 1 or 0.")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_head_is_behind_from_the_first_look_until_it_moves() {
        let (zero, one, two) = (TreeSize::ZERO, TreeSize::new(1), TreeSize::new(2));
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let since = |behind: Option<Behind>| behind.map(|behind| behind.since);
        assert_eq!(since(Behind::look(None, one, one, start)), None);
        let behind = Behind::look(None, one, zero, start);
        assert_eq!(since(behind), Some(start));
        assert_eq!(since(Behind::look(behind, two, zero, later)), Some(start), "more entries do not make it younger");
        assert_eq!(since(Behind::look(behind, two, one, later)), Some(later), "a new head does, although it is behind again");
        assert_eq!(since(Behind::look(behind, two, two, later)), None);
    }
}
