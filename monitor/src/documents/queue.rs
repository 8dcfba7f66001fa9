//! Which documents are to be looked at, and when.
//!
//! | row of the check | key | value |
//! |---|---|---|
//! | `q` | host, NUL, when it is due i64, number of the entry u64, number of the document u16 | a [`Job`] |
//!
//! The rows of a host lie together, so that the first of each is found without reading past those of another, however many there are.

use std::collections::HashMap;

use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::NAME;
use crate::check::Rows;
use crate::findings::decode;
use crate::logs::{self, LogState};
use crate::store::{Damage, Family, Store, StoreError};

/// A document that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) url: String,
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// How often it could not be had, since it was last decided whether it can.
    pub(super) tries: u32,
    /// How often it was found to be wrong, or not to be had, in a row.
    pub(super) failures: u32,
}

/// Where a job stands in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty if the address has none.
    pub(super) host: String,
    /// Seconds since 1970.
    pub(super) due: i64,
    /// The entry.
    pub(super) index: u64,
    /// Which of its documents, from 0.
    pub(super) number: u16,
}

/// A job whose time has come.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) log: u32,
    pub(super) origin: String,
    pub(super) place: Place,
    pub(super) job: Job,
}

/// So many hosts are looked at before it is somebody else's turn.
const HOSTS: usize = 1000;

/// Goes round the hosts of each log.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Where the next round goes on in each log.
    next: HashMap<u32, Vec<u8>>,
}

impl Job {
    /// The host that would be asked; empty if the address is none.
    pub(super) fn host(&self) -> String {
        Url::parse(&self.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Place {
    pub(super) fn key(&self) -> Vec<u8> {
        // No time of ours is before 1970.
        let due = u64::try_from(self.due).unwrap_or(0);
        [b"q", self.host.as_bytes(), b"\0", &due.to_be_bytes(), &self.index.to_be_bytes(), &self.number.to_be_bytes()].concat()
    }

    fn parse(key: &[u8]) -> Option<Self> {
        let (host, rest) = key.strip_prefix(b"q")?.split_at_checked(key.len().checked_sub(1 + 1 + 8 + 8 + 2)?)?;
        let (due, rest) = rest.strip_prefix(b"\0")?.split_first_chunk()?;
        let (index, number) = rest.split_first_chunk()?;
        Some(Place {
            host: String::from_utf8(host.to_vec()).ok()?,
            due: i64::try_from(u64::from_be_bytes(*due)).ok()?,
            index: u64::from_be_bytes(*index),
            number: u16::from_be_bytes(number.try_into().ok()?),
        })
    }
}

impl Queue {
    /// At most `limit` jobs that are due, each of another host that is free.
    pub(super) fn due(
        &mut self,
        store: &Store,
        now: Timestamp,
        limit: usize,
        is_free: impl Fn(&str) -> bool,
    ) -> Result<Vec<Due>, StoreError> {
        let mut found: Vec<Due> = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        for log in logs::all(store)? {
            let wanted = |host: &str, found: &[Due]| is_free(host) && found.iter().all(|due| due.place.host != host);
            self.of_log(store, now, &log, limit, wanted, &mut found)?;
        }
        Ok(found)
    }

    fn of_log(
        &mut self,
        store: &Store,
        now: Timestamp,
        log: &LogState,
        limit: usize,
        wanted: impl Fn(&str, &[Due]) -> bool,
        found: &mut Vec<Due>,
    ) -> Result<(), StoreError> {
        let prefix = [&Rows::prefix(log.number, NAME)[..], b"q"].concat();
        let start = self.next.remove(&log.number).unwrap_or_else(|| prefix.clone());
        let (mut from, mut wrapped) = (start.clone(), start == prefix);
        for _ in 0..HOSTS {
            if found.len() >= limit {
                break;
            }
            let row = store.scan_from(Family::Checks, &from, 1)?.pop().filter(|(key, _)| key.starts_with(&prefix));
            let Some((key, row)) = row else {
                // The end; what is before the beginning of this round comes next.
                if wrapped {
                    return Ok(());
                }
                (from, wrapped) = (prefix.clone(), true);
                continue;
            };
            let place = Place::parse(&key[prefix.len() - 1..]).ok_or(Damage::MalformedRow)?;
            if place.due <= now.as_second() && wanted(&place.host, found) {
                let job = decode(&row)?;
                found.push(Due { log: log.number, origin: log.origin.clone(), place: place.clone(), job });
            }
            from = [&prefix, place.host.as_bytes(), b"\x01"].concat();
        }
        self.next.insert(log.number, from);
        Ok(())
    }
}
