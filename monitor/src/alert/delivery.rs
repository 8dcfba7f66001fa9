//! Deliveries: what waits for each channel, how it is tried again, and what was given up.
//!
//! Invariant: a channel's deliveries leave in the order of their notices, one after the other, and a channel waits for no other. A delivery
//! leaves its queue in the batch that says what became of it: delivered, or given up and kept. Its id is the same for every try, also those
//! after a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acta_client::durable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::Hash;
use tokio::sync::Notify;

use super::budget::later;
use super::notice::Notice;
use super::settings::Patience;
use super::{Metrics, rows};
use crate::finding::Severity;
use crate::findings::{decode, encode};
use crate::id::{self, id};
use crate::store::{Family, Row, Store, StoreError};

/// How many deliveries may wait for a channel, and how many that were given up are kept.
const MOST: usize = 10_000;

/// Before the second try; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time from one try to the next.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How many bytes of what went wrong are kept.
const REASON: usize = 300;

/// Why a delivery is among those that were given up without a try.
const NO_ROOM: &str = "the queue was full";

id! {
    /// What names a delivery: one notice to one channel.
    DeliveryId,
    /// What was written is not the id of a delivery.
    #[error("this is not the id of a delivery: write its 32 hexadecimal digits; `acta-monitor deliveries` lists them")]
    MalformedDeliveryId
}

/// A notice for a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What names it.
    pub id: DeliveryId,
    /// For whom.
    pub channel: String,
    /// What.
    pub notice: Notice,
    /// Since when it waits.
    pub queued: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Before when it is not tried again.
    pub not_before: Timestamp,
    /// What went wrong at the last try.
    pub error: Option<String>,
}

/// Where notices go.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) min_severity: Severity,
    pub(super) patience: Patience,
    /// From one message to the next, at least.
    pub(super) pause: Duration,
    waiting: AtomicUsize,
    dead: AtomicUsize,
    metrics: Metrics,
    /// Told when something was queued.
    pub(super) more: Notify,
}

/// What became of a try.
pub(super) type Tried = Result<(), String>;

/// At most `limit` deliveries that wait for a channel, the next first.
pub fn waiting(store: &Store, channel: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    read(&store.scan(Family::Alerts, &rows::channel(rows::QUEUE, channel), limit)?)
}

/// At most `limit` deliveries that were given up, by channel, the oldest first.
pub fn dead(store: &Store, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    read(&store.scan(Family::Alerts, rows::DEAD, limit)?)
}

/// At most `limit` deliveries that wait for any channel.
pub fn all_waiting(store: &Store, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    read(&store.scan(Family::Alerts, rows::QUEUE, limit)?)
}

fn read(rows: &[Row]) -> Result<Vec<Delivery>, StoreError> {
    rows.iter().map(|(_, row)| decode(row)).collect()
}

impl Channel {
    /// A channel as it is in the store.
    pub(super) fn open(
        store: &Store,
        name: &str,
        min_severity: Severity,
        (patience, pause): (Patience, Duration),
        metrics: &Metrics,
    ) -> Result<Arc<Self>, StoreError> {
        let count = |kind| Ok::<_, StoreError>(store.scan(Family::Alerts, &rows::channel(kind, name), 2 * MOST)?.len());
        let (waiting, dead) = (count(rows::QUEUE)?, count(rows::DEAD)?);
        let (waiting, dead) = (AtomicUsize::new(waiting), AtomicUsize::new(dead));
        let (name, metrics, more) = (name.to_owned(), metrics.clone(), Notify::new());
        let channel = Channel { name, min_severity, patience, pause, waiting, dead, metrics, more };
        channel.show();
        Ok(Arc::new(channel))
    }

    /// Whether one more may wait when `planned` are added.
    pub(super) fn has_room(&self, planned: usize) -> bool {
        self.waiting.load(Ordering::Relaxed) + planned < MOST
    }

    /// One was added to those that wait, or to those given up.
    pub(super) fn added(&self, waits: bool) {
        let count = if waits { &self.waiting } else { &self.dead };
        count.fetch_add(1, Ordering::Relaxed);
        self.show();
        self.more.notify_one();
    }

    /// What is to be tried now: the next, and at most `most` that follow it and wait for nothing. Or when that is, if anything waits.
    pub(super) fn next(&self, store: &Store, now: Timestamp, most: usize) -> Result<Result<Vec<Delivery>, Option<Timestamp>>, StoreError> {
        let mut next = waiting(store, &self.name, most)?;
        let Some(first) = next.first() else {
            self.metrics.oldest.with_label_values(&[&self.name]).set(0);
            return Ok(Err(None));
        };
        let age = now.duration_since(first.queued).as_secs();
        self.metrics.oldest.with_label_values(&[&self.name]).set(age.max(0));
        // A time so far ahead was written by a clock that went wrong.
        let waits = first.not_before > now && first.not_before <= later(now, LONGEST_PAUSE);
        if waits {
            return Ok(Err(Some(first.not_before)));
        }
        let due = next.iter().take_while(|delivery| delivery.not_before <= now).count();
        next.truncate(due.max(1));
        Ok(Ok(next))
    }

    /// Writes down what became of a try of these.
    pub(super) fn record(&self, store: &Store, tried: &[Delivery], outcome: &Tried, now: Timestamp) -> Result<(), StoreError> {
        let mut given_up = 0;
        store.write(|txn| {
            for delivery in tried {
                let row = rows::delivery(rows::QUEUE, &self.name, delivery.notice.number);
                let Err(error) = outcome else {
                    txn.delete(Family::Alerts, row);
                    continue;
                };
                let failed = delivery.failed(error, now);
                if self.patience.ends(&failed, now) {
                    given_up += 1;
                    txn.delete(Family::Alerts, row);
                    txn.put(Family::Alerts, rows::delivery(rows::DEAD, &self.name, failed.notice.number), encode(&failed));
                } else {
                    txn.put(Family::Alerts, row, encode(&failed));
                }
            }
            Ok::<_, StoreError>(())
        })?;
        let gone = if outcome.is_ok() { tried.len() } else { given_up };
        self.waiting.fetch_sub(gone, Ordering::Relaxed);
        self.dead.fetch_add(given_up, Ordering::Relaxed);
        self.count(tried.len(), outcome, given_up);
        self.forget_the_oldest(store)
    }

    /// Puts one that was given up into the queue again. It is tried at once, before all others if it is older. Gives whether there is it.
    pub(super) fn requeue(&self, store: &Store, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        let dead = store.scan(Family::Alerts, &rows::channel(rows::DEAD, &self.name), 2 * MOST)?;
        for (key, row) in dead {
            let delivery: Delivery = decode(&row)?;
            if delivery.id != id {
                continue;
            }
            // It has all its tries and all its time again.
            let again = Delivery { attempts: 0, not_before: now, queued: now, ..delivery };
            store.write(|txn| {
                txn.delete(Family::Alerts, key);
                txn.put(Family::Alerts, rows::delivery(rows::QUEUE, &self.name, again.notice.number), encode(&again));
                txn.sync();
                Ok::<_, StoreError>(())
            })?;
            self.dead.fetch_sub(1, Ordering::Relaxed);
            self.added(true);
            return Ok(true);
        }
        Ok(false)
    }

    fn count(&self, tried: usize, outcome: &Tried, given_up: usize) {
        let count = |outcome: &str, count: usize| {
            let counter = self.metrics.deliveries.with_label_values(&[self.name.as_str(), outcome]);
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        };
        match outcome {
            Ok(()) => count("delivered", tried),
            Err(error) => {
                count("failed", tried);
                count("given-up", given_up);
                let channel = &self.name;
                if given_up > 0 {
                    tracing::error!(channel, given_up, "alerts could not be delivered and are given up: {error}");
                } else {
                    tracing::warn!(channel, "an alert could not be delivered and is tried again: {error}");
                }
            }
        }
        self.show();
    }

    /// Keeps those that were given up from filling the disk.
    fn forget_the_oldest(&self, store: &Store) -> Result<(), StoreError> {
        let too_many = self.dead.load(Ordering::Relaxed).saturating_sub(MOST);
        if too_many == 0 {
            return Ok(());
        }
        let oldest = store.scan(Family::Alerts, &rows::channel(rows::DEAD, &self.name), too_many)?;
        let count = oldest.len();
        store.write(|txn| {
            oldest.into_iter().for_each(|(key, _)| txn.delete(Family::Alerts, key));
            Ok::<_, StoreError>(())
        })?;
        self.dead.fetch_sub(count, Ordering::Relaxed);
        self.metrics.forgotten.with_label_values(&[&self.name]).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        self.show();
        Ok(())
    }

    fn show(&self) {
        let shown = |count: &AtomicUsize| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        self.metrics.waiting.with_label_values(&[&self.name]).set(shown(&self.waiting));
        self.metrics.dead.with_label_values(&[&self.name]).set(shown(&self.dead));
    }
}

/// Gives up what waits for channels that are not configured any more. To be called before anything is queued.
pub(super) fn give_up_strangers(store: &Store, channels: &[Arc<Channel>], now: Timestamp) -> Result<(), StoreError> {
    let mut from = rows::QUEUE.to_vec();
    loop {
        let found = store.scan_from(Family::Alerts, &from, 500)?;
        let queued: Vec<Row> = found.into_iter().take_while(|(key, _)| key.starts_with(rows::QUEUE)).collect();
        let Some((last, _)) = queued.last() else { return Ok(()) };
        from = [last, b"\0".as_slice()].concat();
        store.write(|txn| {
            for (key, row) in &queued {
                let delivery: Delivery = decode(row)?;
                if channels.iter().any(|channel| channel.name == delivery.channel) {
                    continue;
                }
                tracing::warn!(channel = delivery.channel, "an alert waits for a channel that is not configured any more and is given up");
                let row = rows::delivery(rows::DEAD, &delivery.channel, delivery.notice.number);
                txn.delete(Family::Alerts, key.clone());
                txn.put(Family::Alerts, row, encode(&delivery.failed("the channel is not configured any more", now)));
            }
            Ok::<_, StoreError>(())
        })?;
    }
}

impl Delivery {
    /// A notice for a channel; given up from the beginning if there is no room for it.
    pub(super) fn new(channel: &str, notice: Notice, now: Timestamp, room: bool) -> Self {
        // Of another notice with this number, from before a state directory was begun anew, the receiver may have heard.
        let named = format!("acta delivery\n{channel}\n{}\n{}", notice.number, serde_json::json!(notice));
        let error = (!room).then(|| NO_ROOM.to_owned());
        Delivery { id: DeliveryId(id::of(&named)), channel: channel.to_owned(), notice, queued: now, attempts: 0, not_before: now, error }
    }

    /// The same after a try that failed.
    fn failed(&self, error: &str, now: Timestamp) -> Self {
        let attempts = self.attempts.saturating_add(1);
        Delivery { attempts, not_before: later(now, pause(self.id, attempts)), error: Some(super::inert(error, REASON)), ..self.clone() }
    }
}

impl Patience {
    fn ends(&self, failed: &Delivery, now: Timestamp) -> bool {
        failed.attempts >= self.attempts || later(failed.queued, self.age) <= now
    }
}

/// How long to wait after so many tries of a delivery: twice as long each time, and between half and all of it, so that many monitors that
/// failed together do not come again together. The same for every run.
fn pause(id: DeliveryId, attempts: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
    let drawn = Hash::sha256(format!("acta pause\n{id}\n{attempts}").as_bytes());
    longest / 2 + longest.mul_f64(f64::from(drawn.as_bytes()[0]) / 512.0)
}

/// What people ask a running monitor to try again: files in the directory `requeue` of the state directory, named by deliveries.
#[derive(Clone, Debug)]
pub struct Requests(PathBuf);

impl Requests {
    /// Those in a state directory.
    pub fn of(state: &Path) -> Self {
        Requests(state.join("requeue"))
    }

    /// Asks for a delivery that was given up to be tried again, by the monitor that runs now or is started next.
    pub fn ask(&self, id: DeliveryId) -> io::Result<()> {
        durable::create_directory(&self.0)?;
        durable::write(&self.0.join(id.to_string()), b"")
    }

    /// Some of what is asked for.
    pub(super) fn read(&self) -> io::Result<Vec<DeliveryId>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.take(1000).map(|entry| entry.map(|entry| entry.file_name()));
        let names: Vec<_> = names.collect::<io::Result<_>>()?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// It was done.
    pub(super) fn done(&self, id: DeliveryId) -> io::Result<()> {
        std::fs::remove_file(self.0.join(id.to_string()))
    }
}

#[cfg(test)]
mod tests;
