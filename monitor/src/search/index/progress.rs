//! How far each log is indexed. It is part of each commit of the index, so that a commit and its place are there together or not at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::logs::LogState;

/// The entries of each log below the first that is not in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    logs: BTreeMap<u32, Indexed>,
}

/// How far one log is indexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Indexed {
    /// The log's origin: a store that was made anew may have given its number to another log.
    origin: String,
    entries: u64,
}

impl Progress {
    /// What a commit says; `None` if that is not ours.
    pub(super) fn read(payload: Option<&str>) -> Option<Self> {
        match payload {
            // An index to which nothing was committed yet.
            None => Some(Progress::default()),
            Some(payload) => serde_json::from_str(payload).ok(),
        }
    }

    pub(super) fn payload(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are JSON")
    }

    /// How many entries of a log are indexed.
    pub(crate) fn of(&self, log: u32) -> u64 {
        self.logs.get(&log).map_or(0, |indexed| indexed.entries)
    }

    /// Whether these can be the logs that were indexed: none has become another, and none has fewer entries.
    pub(super) fn fits(&self, logs: &[LogState]) -> bool {
        self.logs.iter().all(|(number, indexed)| {
            let log = logs.iter().find(|log| log.number == *number);
            log.is_some_and(|log| log.origin == indexed.origin && log.size.as_u64() >= indexed.entries)
        })
    }

    pub(super) fn set(&mut self, log: &LogState, entries: u64) {
        self.logs.insert(log.number, Indexed { origin: log.origin.clone(), entries });
    }
}
