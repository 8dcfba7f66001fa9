//! What looks wrong or is missing, though every rule of the log was kept.
//!
//! Each check is a pure function of entries, its own rows and the clock ([`crate::check`]). What each finds, why somebody would do that,
//! and when it is a false alarm stands at the top of its file.
//!
//! | module | codes |
//! |---|---|
//! | `gap` | `process.gap` |
//! | `late` | `process.late-publication` |
//! | `dated` | `process.backdated`, `process.dated-ahead` |
//! | `rhythm` | `process.silence`, `process.burst` |
//! | `hours` | `process.outside-hours` |
//! | `overdue` | `process.overdue-correction` |
//! | `alike` | `content.shared-document`, `content.near-duplicate` |
//! | `threshold` | `content.under-threshold` |
//! | `awards` | `content.repeated-award` |
//! | [`overturned`] | none: counts for reports |
//!
//! Invariant: only entries that count are looked at; what the log should have refused is said elsewhere and can neither fill a gap nor
//! break a silence. What an issuer writes into a finding's text is shortened and made printable.

mod alike;
mod awards;
mod dated;
mod deadlines;
mod gap;
mod hours;
mod late;
mod overdue;
mod overturned;
mod rhythm;
mod settings;
#[cfg(test)]
mod testing;
mod threshold;

use decision::statement::Statement;
use decision::types::{Body, Date, Decision, IssuerId, Kind, SeriesName};
use jiff::Timestamp;

pub use overturned::{Changed, overturned};
pub use settings::{Section, Settings, SettingsError, ThresholdSection};

use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::Code;
use crate::store::StoreError;

/// All checks.
pub fn all(settings: &Settings) -> Vec<Box<dyn Check>> {
    let all: Vec<Box<dyn Check>> = vec![
        Box::new(gap::Gaps::new(settings)),
        Box::new(late::Late::new(settings)),
        Box::new(dated::Dated::new(settings)),
        Box::new(rhythm::Rhythm::new(settings)),
        Box::new(hours::OutsideHours::new(settings)),
        Box::new(overdue::Overdue::new(settings)),
        Box::new(alike::Alike::new(settings)),
        Box::new(threshold::UnderThreshold::new(settings)),
        Box::new(awards::RepeatedAwards::new(settings)),
        Box::new(overturned::Overturned),
    ];
    let off = &settings.0.off;
    if off.is_empty() {
        return all;
    }
    all.into_iter().map(|check| -> Box<dyn Check> { Box::new(Without { check, off: off.clone() }) }).collect()
}

/// A check of whose findings some are not wanted.
struct Without {
    check: Box<dyn Check>,
    off: Vec<Code>,
}

impl Without {
    /// What was said under a code while it was wanted is still cleared.
    fn filter(&self, said: Outcome, out: &mut Outcome) {
        if said.is_unfinished() {
            out.come_again();
        }
        out.cleared.extend(said.cleared);
        out.raised.extend(said.raised.into_iter().filter(|raised| !self.off.contains(&raised.code)));
    }
}

impl Check for Without {
    fn name(&self) -> &'static str {
        self.check.name()
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let mut said = Outcome::default();
        self.check.entry(rows, entry, &mut said)?;
        self.filter(said, out);
        Ok(())
    }

    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        let mut said = Outcome::default();
        self.check.tick(rows, now, &mut said)?;
        self.filter(said, out);
        Ok(())
    }
}

/// A decision or annotation that counts.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    issuer: &'a IssuerId,
    series: &'a SeriesName,
    seq: u64,
    kind: &'a Kind,
}

/// What an entry says, if it counts.
fn admitted<'a>(entry: &Judged<'a>) -> Option<&'a Statement> {
    entry.statement.filter(|_| entry.refusal.is_none())
}

/// The decision or annotation that an entry is, if it counts.
fn numbered<'a>(entry: &Judged<'a>) -> Option<Numbered<'a>> {
    match admitted(entry)?.body() {
        Body::Decision(body) => Some(Numbered { issuer: &body.issuer, series: &body.series, seq: body.seq, kind: &body.kind }),
        Body::Annotation(body) => Some(Numbered { issuer: &body.issuer, series: &body.series, seq: body.seq, kind: &body.kind }),
        _ => None,
    }
}

/// The decision that an entry is, if it counts.
fn decision<'a>(entry: &Judged<'a>) -> Option<&'a Decision> {
    match admitted(entry)?.body() {
        Body::Decision(decision) => Some(decision),
        _ => None,
    }
}

/// The seconds of a day.
const DAY: i64 = 86_400;

/// A date as days since 1970.
fn day(date: &Date) -> i64 {
    let civil = date.as_str().parse::<jiff::civil::Date>();
    let midnight = civil.ok().and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
    midnight.map_or(0, |midnight| midnight.as_second().div_euclid(DAY))
}

/// A key of several texts, none of which has a zero byte in it.
fn key(kind: &[u8], texts: &[&str]) -> Vec<u8> {
    let mut key = kind.to_vec();
    for text in texts {
        key.extend(text.as_bytes());
        key.push(0);
    }
    key
}

fn encode(row: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(row).expect("rows are plain data, and memory is there")
}

fn decode<R: serde::de::DeserializeOwned>(row: &[u8]) -> Result<R, StoreError> {
    postcard::from_bytes(row).map_err(|_| crate::store::Damage::MalformedRow.into())
}

fn read<R: serde::de::DeserializeOwned>(rows: &Rows<'_, '_>, key: &[u8]) -> Result<Option<R>, StoreError> {
    rows.get(key)?.map(|row| decode(&row)).transpose()
}

/// A time of a row for people.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
