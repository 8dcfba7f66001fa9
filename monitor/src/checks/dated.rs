//! Statements that are dated otherwise than they came.
//!
//! **Finds**, as backdated, statements that say that they were issued more than `backdated_after` before they were published, or before a
//! statement with a lower number of their series; and, as dated ahead, those that were issued more than `ahead_after` after they were
//! published, or decided on a day that had begun nowhere on earth when they were issued.
//!
//! **Why somebody does that**: to keep a time limit that has run out, or to have decided before a rule, a complaint or an election.
//!
//! **False alarms**: signing on an offline machine and publishing days later; an archive published with the times of its originals; a clock
//! that is wrong.
//!
//! Whether it was published so much later is said only if that is certain. For the order in a series the statement with the latest time is
//! remembered, unless that is itself ahead of its publication: one statement of the year 2999 would make all that follow it look backdated.

use serde::{Deserialize, Serialize};

use super::settings::{Settings, seconds};
use super::{DAY, admitted, day, decision, encode, key, moment, numbered, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct Dated {
    back: i64,
    ahead: i64,
}

/// The statement of a series with the latest time of issue.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Newest {
    seq: u64,
    index: u64,
    issued: i64,
}

/// A day begins first at UTC+14.
const FIRST_ZONE: i64 = 14 * 3600;

impl Dated {
    pub(super) fn new(settings: &Settings) -> Self {
        Dated { back: seconds(settings.0.backdated_after), ahead: seconds(settings.0.ahead_after) }
    }
}

impl Check for Dated {
    fn name(&self) -> &'static str {
        "dated"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let (Some(number), Some(statement)) = (numbered(entry), admitted(entry)) else { return Ok(()) };
        let (issued, index) = (statement.issued().as_unix(), entry.index.as_u64());
        let (earliest, latest) = (entry.published.earliest.map(|time| time.as_second()), entry.published.latest.as_second());
        let issuer = number.issuer.as_str();
        let subject = || format!("{issuer} {}/{}", number.series, number.seq);
        let said = || {
            format!(
                "Number {} of series {} of {issuer} (entry {index}) says that it was issued at {}",
                number.seq,
                number.series,
                moment(issued)
            )
        };

        let newest_key = key(b"n", &[issuer, number.series.as_str()]);
        let newest: Option<Newest> = read(rows, &newest_key)?;
        let before = newest.filter(|newest| newest.seq < number.seq && newest.issued.saturating_sub(issued) > self.back);
        let late = earliest.filter(|earliest| earliest.saturating_sub(issued) > self.back);
        if late.is_some() || before.is_some() {
            let late = late.map(|earliest| format!("was not published before {}", moment(earliest)));
            let out_of_order = before.map(|newest| {
                format!("the lower number {} (entry {}) says that it was issued at {}", newest.seq, newest.index, moment(newest.issued))
            });
            let facts: Vec<_> = late.into_iter().chain(out_of_order).collect();
            let text = format!("{}, but {}.", said(), facts.join(", and "));
            let indexes = before.map(|newest| newest.index).into_iter().chain([index]);
            out.raise(Raised::new(Code::BACKDATED, issuer, subject(), text).at(indexes));
        }

        let is_ahead = issued.saturating_sub(latest) > self.ahead;
        let begins = decision(entry).map(|decision| (day(&decision.decided) * DAY - FIRST_ZONE, &decision.decided));
        let begun_later = begins.filter(|(begins, _)| issued < *begins);
        if is_ahead || begun_later.is_some() {
            let published = is_ahead.then(|| format!("was published by {}", moment(latest)));
            let decided = begun_later.map(|(_, decided)| format!("it says that it was decided on {decided}, which had not begun then"));
            let facts: Vec<_> = published.into_iter().chain(decided).collect();
            out.raise(Raised::new(Code::DATED_AHEAD, issuer, subject(), format!("{}, but {}.", said(), facts.join(", and "))).at([index]));
        }
        if !is_ahead && newest.is_none_or(|newest| issued > newest.issued) {
            rows.put(&newest_key, encode(&Newest { seq: number.seq, index, issued }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, with};
    use super::*;

    const ISSUER: &str = "planning.example";

    /// Publishes number `seq` at noon of the second of March, issued at this time.
    fn issued(world: &mut World, seq: u64, issued: &str) {
        let decision = with(world.decision(ISSUER, "2026", seq), "issued", issued.into());
        world.publish(with(decision, "decided", "2026-02-20".into()));
    }

    #[test]
    fn a_statement_is_backdated_if_it_was_certainly_published_more_than_the_allowed_time_later() {
        for (at, precision, backdated) in [
            ("2026-03-02T11:59:55Z", Some(1), false),
            ("2026-03-01T11:59:59Z", Some(1), false),
            ("2026-03-01T11:59:58Z", Some(1), true),
            ("2026-02-20T00:00:00Z", Some(1), true),
            ("2026-02-20T00:00:00Z", None, false),
            ("2026-02-20T00:00:00Z", Some(11 * DAY), false),
        ] {
            let mut world = World::new("");
            world.precision = precision;
            issued(&mut world, 1, at);
            assert_eq!(!world.found(&Code::BACKDATED).is_empty(), backdated, "{at} {precision:?}");
        }
    }

    #[test]
    fn a_statement_is_backdated_if_a_lower_number_was_issued_well_after_it() {
        for (one, two, backdated) in [
            ("2026-03-01T12:00:00Z", "2026-02-28T12:00:00Z", false),
            ("2026-03-01T12:00:00Z", "2026-02-28T11:59:59Z", true),
            ("2026-02-01T12:00:00Z", "2026-02-28T11:59:59Z", false),
            // Dated ahead itself, it says nothing of others.
            ("2999-01-01T00:00:00Z", "2026-02-28T11:59:59Z", false),
        ] {
            let mut world = World::new("");
            world.precision = None;
            issued(&mut world, 4, one);
            issued(&mut world, 5, two);
            // A lower number that comes later fills a gap, and was issued when it was.
            issued(&mut world, 3, "2026-01-01T00:00:00Z");
            assert_eq!(!world.found(&Code::BACKDATED).is_empty(), backdated, "{one} {two}");
        }
    }

    #[test]
    fn a_statement_is_dated_ahead_if_it_is_so_by_its_publication_or_by_its_day() {
        for (issued, decided, ahead) in [
            ("2026-03-02T12:10:00Z", "2026-03-02", false),
            ("2026-03-02T12:10:01Z", "2026-03-02", true),
            ("2026-03-02T11:00:00Z", "2026-03-03", false), // in New Zealand
            ("2026-03-02T09:59:59Z", "2026-03-03", true),
            ("2026-03-02T11:00:00Z", "2026-03-04", true),
        ] {
            let mut world = World::new("");
            let decision = with(world.decision(ISSUER, "2026", 1), "issued", issued.into());
            world.publish(with(decision, "decided", decided.into()));
            assert_eq!(!world.found(&Code::DATED_AHEAD).is_empty(), ahead, "{issued} {decided}");
        }
    }
}
