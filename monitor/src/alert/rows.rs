//! How alerts and deliveries lie in the store: family `alerts`, told apart by the first byte of the key.
//!
//! | key | row |
//! |---|---|
//! | `c` | the number of the last event that was dealt with |
//! | `n` | the number of the last notice |
//! | `i` | random text that no other state directory has |
//! | `b` | how much was said lately, see [`Budget`](super::budget::Budget) |
//! | `a`, alert | the alert |
//! | `f`, finding | the alert that an open finding belongs to |
//! | `r`, complement of the notice's number | the alert that it was about: the newest first |
//! | `d`, milliseconds, alert | when an alert is looked at again |
//! | `m`, alert | an alert that would be said if it was not muted |
//! | `q`, channel, NUL, number of the notice | a [`Delivery`](super::delivery::Delivery) that waits |
//! | `x`, channel, NUL, number of the notice | one that was given up |
//!
//! Numbers are big-endian, rows are JSON.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::AlertId;
use crate::finding::FindingId;
use crate::findings::decode;
use crate::store::{Damage, Family, Store, StoreError};

pub(super) const CURSOR: &[u8] = b"c";
pub(super) const NOTICES: &[u8] = b"n";
pub(super) const IDENTITY: &[u8] = b"i";
pub(super) const BUDGET: &[u8] = b"b";
pub(super) const RECENT: &[u8] = b"r";
pub(super) const DUE: &[u8] = b"d";
pub(super) const HELD: &[u8] = b"m";
pub(super) const ALERTS: &[u8] = b"a";
pub(super) const QUEUE: &[u8] = b"q";
pub(super) const DEAD: &[u8] = b"x";

/// The row with this key.
pub(super) fn get<T: DeserializeOwned>(store: &Store, key: &[u8]) -> Result<Option<T>, StoreError> {
    store.get(Family::Alerts, key)?.map(|row| decode(&row)).transpose()
}

/// A counter; 0 if there is none.
pub(super) fn number(store: &Store, key: &[u8]) -> Result<u64, StoreError> {
    Ok(get(store, key)?.unwrap_or(0))
}

pub(super) fn alert(id: AlertId) -> Vec<u8> {
    [ALERTS, id.as_bytes()].concat()
}

pub(super) fn finding(id: FindingId) -> Vec<u8> {
    [b"f", id.as_bytes().as_slice()].concat()
}

pub(super) fn recent(notice: u64) -> Vec<u8> {
    [RECENT, &(!notice).to_be_bytes()].concat()
}

pub(super) fn due(at: Timestamp, id: AlertId) -> Vec<u8> {
    // No alert is older than the epoch.
    let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
    [DUE, &milliseconds.to_be_bytes(), id.as_bytes()].concat()
}

/// When an alert is due, by its key.
pub(super) fn is_due(key: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    let at = key.get(1..9).and_then(|at| at.try_into().ok()).map(u64::from_be_bytes).ok_or(Damage::MalformedRow)?;
    Ok(i64::try_from(at).is_ok_and(|at| at <= now.as_millisecond()))
}

pub(super) fn held(id: AlertId) -> Vec<u8> {
    [HELD, id.as_bytes()].concat()
}

/// The end of a key: an alert.
pub(super) fn alert_of(key: &[u8]) -> Result<AlertId, StoreError> {
    let id = key.len().checked_sub(16).and_then(|at| key[at..].try_into().ok());
    Ok(id.map(AlertId::from_bytes).ok_or(Damage::MalformedRow)?)
}

pub(super) fn channel(kind: &[u8], channel: &str) -> Vec<u8> {
    [kind, channel.as_bytes(), b"\0"].concat()
}

pub(super) fn delivery(kind: &[u8], channel: &str, notice: u64) -> Vec<u8> {
    [kind, channel.as_bytes(), b"\0", &notice.to_be_bytes()].concat()
}
