//! How an issuer usually publishes, and when it does not.
//!
//! For each issuer the last days (in UTC) on which it published are kept, and how much it published on each. From them follows what is usual;
//! what is not is in [`silence`] and [`burst`]. Both use an upper tenth rather than a mean, so that one holiday or one import among thirty
//! days changes nothing.
//!
//! When something was published is taken from the log's heads if that is known to within `precise`, else from what the issuer says: while an
//! old log is read for the first time, all of it was published today at the latest.

mod burst;
mod silence;

use decision::types::{Body, Registration};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, seconds};
use super::{DAY, admitted, deadlines, encode, key, numbered, read};
use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::finding::Code;
use crate::store::StoreError;

pub(super) struct Rhythm {
    precise: i64,
    silence: silence::Silence,
    burst: burst::Burst,
}

/// The newest day on which an issuer published: key `t`. Written with each entry, so it is short.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Today {
    day: i64,
    count: u32,
    /// From what count on this day is a burst.
    limit: u32,
    /// Its last entry.
    index: u64,
}

/// The days before: key `h`.
#[derive(Default, Serialize, Deserialize)]
struct History {
    /// In their order, with how much was published on each.
    days: Vec<(i64, u32)>,
    /// When the issuer is silent, if it goes on as it is now.
    due: Option<i64>,
    silent: bool,
    retired: bool,
}

/// How many days are kept.
const MAX_DAYS: usize = 32;

impl Rhythm {
    pub(super) fn new(settings: &Settings) -> Self {
        Rhythm { precise: seconds(settings.0.precise), silence: silence::Silence::new(settings), burst: burst::Burst::new(settings) }
    }

    /// The issuer has published on a later day than before.
    fn next_day(
        &self,
        rows: &mut Rows<'_, '_>,
        issuer: &str,
        before: Option<Today>,
        day: i64,
        out: &mut Outcome,
    ) -> Result<Today, StoreError> {
        let history_key = key(b"h", &[issuer]);
        let mut history: History = read(rows, &history_key)?.unwrap_or_default();
        history.days.extend(before.map(|before| (before.day, before.count)));
        let surplus = history.days.len().saturating_sub(MAX_DAYS);
        history.days.drain(..surplus);
        if std::mem::take(&mut history.silent) {
            out.clear(Code::SILENCE, issuer);
        }
        let days: Vec<i64> = history.days.iter().map(|(day, _)| *day).chain([day]).collect();
        let due = self.silence.due(&days).filter(|_| !history.retired);
        self.look_again(rows, issuer, &mut history, due)?;
        rows.put(&history_key, encode(&history));
        Ok(Today { day, count: 0, limit: self.burst.limit(&history.days), index: 0 })
    }

    fn look_again(&self, rows: &mut Rows<'_, '_>, issuer: &str, history: &mut History, due: Option<i64>) -> Result<(), StoreError> {
        let about = key(b"s", &[issuer]);
        if let Some(before) = std::mem::replace(&mut history.due, due) {
            deadlines::unset(rows, before, &about);
        }
        due.map_or(Ok(()), |due| deadlines::set(rows, due, &about))
    }

    /// An issuer that has ended need not say anything any more.
    fn registered(&self, rows: &mut Rows<'_, '_>, registration: &Registration, out: &mut Outcome) -> Result<(), StoreError> {
        let issuer = registration.issuer.as_str();
        let history_key = key(b"h", &[issuer]);
        let Some(mut history) = read::<History>(rows, &history_key)? else { return Ok(()) };
        history.retired = registration.retired;
        if registration.retired {
            self.look_again(rows, issuer, &mut history, None)?;
            if std::mem::take(&mut history.silent) {
                out.clear(Code::SILENCE, issuer);
            }
        }
        rows.put(&history_key, encode(&history));
        Ok(())
    }
}

impl Check for Rhythm {
    fn name(&self) -> &'static str {
        "rhythm"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(statement) = admitted(entry) else { return Ok(()) };
        if let Body::Registration(registration) = statement.body() {
            return self.registered(rows, registration, out);
        }
        let Some(number) = numbered(entry) else { return Ok(()) };
        let issuer = number.issuer.as_str();
        let (at, _) = when(entry.published, statement.issued().as_unix(), self.precise);
        let day = at.div_euclid(DAY);

        let today_key = key(b"t", &[issuer]);
        let mut today = match read::<Today>(rows, &today_key)? {
            Some(today) if today.day == day => today,
            // Out of order: it changes what is usual, and that is all.
            Some(today) if today.day > day => return earlier(rows, issuer, day),
            before => self.next_day(rows, issuer, before, day, out)?,
        };
        today.count = today.count.saturating_add(1);
        today.index = entry.index.as_u64();
        if today.count == today.limit.saturating_add(1) {
            out.raise(burst::raised(issuer, &today));
            deadlines::set(rows, (day + 1) * DAY, &burst::about(issuer, day))?;
        }
        rows.put(&today_key, encode(&today));
        Ok(())
    }

    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        deadlines::due(rows, now.as_second(), out, |rows, about, out| {
            let Some((kind, rest)) = about.split_first() else { return Ok(()) };
            let Some(issuer) = rest.split(|byte| *byte == 0).next().and_then(|issuer| str::from_utf8(issuer).ok()) else { return Ok(()) };
            match kind {
                b's' => fall_silent(rows, issuer, now, out),
                _ => {
                    out.clear(Code::BURST, burst::subject(issuer, burst::day_of(about)));
                    Ok(())
                }
            }
        })
    }
}

fn fall_silent(rows: &mut Rows<'_, '_>, issuer: &str, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
    let history_key = key(b"h", &[issuer]);
    let (Some(mut history), Some(today)) = (read::<History>(rows, &history_key)?, read::<Today>(rows, &key(b"t", &[issuer]))?) else {
        return Ok(());
    };
    if history.retired || history.due.take().is_none_or(|due| due > now.as_second()) {
        return Ok(());
    }
    history.silent = true;
    out.raise(silence::raised(issuer, &history, &today));
    rows.put(&history_key, encode(&history));
    Ok(())
}

fn earlier(rows: &mut Rows<'_, '_>, issuer: &str, day: i64) -> Result<(), StoreError> {
    let history_key = key(b"h", &[issuer]);
    let mut history: History = read(rows, &history_key)?.unwrap_or_default();
    match history.days.binary_search_by_key(&day, |(day, _)| *day) {
        Ok(place) => history.days[place].1 = history.days[place].1.saturating_add(1),
        Err(place) if history.days.len() < MAX_DAYS => history.days.insert(place, (day, 1)),
        // Older than all that is remembered.
        Err(0) => return Ok(()),
        Err(place) => {
            history.days.insert(place, (day, 1));
            history.days.remove(0);
        }
    }
    rows.put(&history_key, encode(&history));
    Ok(())
}

/// By what something is said to have been published at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// By the log's heads.
    Heads,
    /// By the issuer.
    Issuer,
}

/// When an entry was published, as well as that is known. Nothing is published before it is issued.
pub(super) fn when(published: Published, issued: i64, precise: i64) -> (i64, Basis) {
    let latest = published.latest.as_second();
    match published.earliest {
        Some(earliest) if latest.saturating_sub(earliest.as_second()) <= precise => (latest, Basis::Heads),
        _ => (issued.min(latest), Basis::Issuer),
    }
}

/// The value above which only a tenth of them are, of sorted values; of few, the largest but one.
fn upper_tenth<T: Copy>(sorted: &[T]) -> Option<T> {
    let above = (sorted.len() / 10).max(1);
    sorted.get(sorted.len().checked_sub(above + 1)?).copied()
}

/// A day as people write it.
fn date(day: i64) -> String {
    super::moment(day.saturating_mul(DAY)).to_string().chars().take(10).collect()
}
