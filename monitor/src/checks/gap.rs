//! Numbers that are missing.
//!
//! **Finds** numbers of a series that nobody has used, below one that was published at least `gap_after` ago. A range is one finding, named
//! by its last number; it is gone when the range is filled: by decisions, or by annotations of kind `void`.
//!
//! **Why somebody does that**: a decision is kept back, and the numbers around it go on as if nothing was. The number is the only trace.
//!
//! **False alarms**: numbers that were given out and never used, until they are declared void; an import that leaves out old ones.
//!
//! If a range is filled in part, what is left above is still the same finding, with the text of when it was found, and what is left
//! below is one of its own. Named so, a range that is filled from below, as people do, is resolved once and not raised anew for each number.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, seconds};
use super::{Numbered, deadlines, encode, key, moment, numbered, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised};
use crate::store::{Damage, StoreError};

pub(super) struct Gaps {
    after: i64,
}

/// An entry that has a number: where it is, and when it was published.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    seq: u64,
    index: u64,
    at: i64,
}

/// A range of missing numbers. Its key has the last of them: so the range with a number in it is the first at or above that number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Gap {
    first: u64,
    /// What lies below; nothing if the series begins with the gap.
    below: Option<Seen>,
    above: Seen,
    /// When the first number above any part of it was published.
    since: i64,
    raised: bool,
}

impl Gaps {
    pub(super) fn new(settings: &Settings) -> Self {
        Gaps { after: seconds(settings.0.gap_after) }
    }
}

impl Check for Gaps {
    fn name(&self) -> &'static str {
        "gap"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(number) = numbered(entry) else { return Ok(()) };
        let this = Seen { seq: number.seq, index: entry.index.as_u64(), at: entry.published.latest.as_second() };
        let top_key = key(b"s", &[number.issuer.as_str(), number.series.as_str()]);
        let top: Option<Seen> = read(rows, &top_key)?;
        let highest = top.map_or(0, |top| top.seq);
        if number.seq <= highest {
            return fill(rows, &number, this, out);
        }
        rows.put(&top_key, encode(&this));
        if number.seq > highest + 1 {
            let gap = Gap { first: highest + 1, below: top, above: this, since: this.at, raised: false };
            open(rows, &gap_key(&number, number.seq - 1), &gap)?;
        }
        Ok(())
    }

    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        deadlines::due(rows, now.as_second().saturating_sub(self.after), out, |rows, key, out| {
            let Some(gap) = read::<Gap>(rows, key)?.filter(|gap| !gap.raised) else { return Ok(()) };
            out.raise(gap.raised(key)?);
            rows.put(key, encode(&Gap { raised: true, ..gap }));
            Ok(())
        })
    }
}

/// A number below the highest one: if it was missing, it is not any more.
fn fill(rows: &mut Rows<'_, '_>, number: &Numbered<'_>, this: Seen, out: &mut Outcome) -> Result<(), StoreError> {
    let Some((key, gap)) = containing(rows, number)? else { return Ok(()) };
    let last = last_of(&key)?;
    if gap.first < number.seq {
        let left = Gap { above: this, raised: false, ..gap };
        open(rows, &gap_key(number, number.seq - 1), &left)?;
    }
    if number.seq < last {
        rows.put(&key, encode(&Gap { first: number.seq + 1, below: Some(this), ..gap }));
        return Ok(());
    }
    rows.delete(&key);
    deadlines::unset(rows, gap.since, &key);
    if gap.raised {
        out.clear(Code::GAP, subject(number.issuer.as_str(), number.series.as_str(), last));
    }
    Ok(())
}

/// The range that a number is in. Mostly it is the only one in it, published just before the one below.
fn containing(rows: &Rows<'_, '_>, number: &Numbered<'_>) -> Result<Option<(Vec<u8>, Gap)>, StoreError> {
    let at = gap_key(number, number.seq);
    if let Some(gap) = read(rows, &at)? {
        return Ok(Some((at, gap)));
    }
    let series = key(b"g", &[number.issuer.as_str(), number.series.as_str()]);
    let Some((key, row)) = rows.scan_from(&series, &at, 1)?.pop() else { return Ok(None) };
    let gap: Gap = super::decode(&row)?;
    Ok((gap.first <= number.seq).then_some((key, gap)))
}

fn open(rows: &mut Rows<'_, '_>, key: &[u8], gap: &Gap) -> Result<(), StoreError> {
    rows.put(key, encode(gap));
    deadlines::set(rows, gap.since, key)
}

impl Gap {
    fn raised(&self, key: &[u8]) -> Result<Raised, StoreError> {
        let (issuer, series, last) = parse(key)?;
        let missing = match last - self.first {
            0 => format!("Number {last} of series {series} of {issuer} is missing"),
            more => format!("{} numbers of series {series} of {issuer} are missing, {} to {last}", more + 1, self.first),
        };
        let side = |seen: Seen| format!("{} is entry {}, published by {}", seen.seq, seen.index, moment(seen.at));
        let below = self.below.map_or("the series has nothing below".to_owned(), side);
        let text = format!("{missing}: {below}; {}.", side(self.above));
        let indexes = self.below.into_iter().chain([self.above]).map(|seen| seen.index);
        Ok(Raised::new(Code::GAP, issuer, subject(issuer, series, last), text).at(indexes))
    }
}

fn subject(issuer: &str, series: &str, last: u64) -> String {
    format!("{issuer} {series}/{last}")
}

fn gap_key(number: &Numbered<'_>, last: u64) -> Vec<u8> {
    let mut key = key(b"g", &[number.issuer.as_str(), number.series.as_str()]);
    key.extend(last.to_be_bytes());
    key
}

fn last_of(key: &[u8]) -> Result<u64, StoreError> {
    Ok(u64::from_be_bytes(*key.last_chunk().ok_or(Damage::MalformedRow)?))
}

/// Issuer, series and last number.
fn parse(key: &[u8]) -> Result<(&str, &str, u64), StoreError> {
    let texts = key.len().checked_sub(8).and_then(|end| key.get(1..end)).and_then(|texts| str::from_utf8(texts).ok());
    let mut texts = texts.ok_or(Damage::MalformedRow)?.split('\0');
    match (texts.next(), texts.next()) {
        (Some(issuer), Some(series)) => Ok((issuer, series, last_of(key)?)),
        _ => Err(Damage::MalformedRow.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::World;
    use super::*;

    const ISSUER: &str = "planning.example";
    const DAY: i64 = 86_400;

    #[test]
    fn a_number_is_missing_once_the_one_above_has_been_there_for_long_enough() {
        let mut world = World::new("");
        world.decide(ISSUER, 1);
        world.later(DAY).decide(ISSUER, 3);
        for (seconds, found) in [(0, 0), (7 * DAY - 1, 0), (1, 1), (DAY, 1)] {
            assert_eq!(world.later(seconds).tick().found(&Code::GAP).len(), found, "{seconds}");
        }
        let raised = world.one(&Code::GAP);
        assert_eq!(
            (raised.group.as_str(), raised.subject.as_str(), raised.indexes.as_slice()),
            (ISSUER, "planning.example 2026/2", &[0, 1][..])
        );
        let text = "Number 2 of series 2026 of planning.example is missing: 1 is entry 0, published by 2026-03-02T12:00:00Z; 3 is entry 1, \
                    published by 2026-03-03T12:00:00Z.";
        assert_eq!(raised.text, text);
        world.decide(ISSUER, 2);
        assert_eq!(world.tick().found(&Code::GAP), [""; 0]);
    }

    #[test]
    fn a_number_that_comes_in_time_or_is_void_is_not_missing() {
        let mut world = World::new("");
        [2, 1, 5, 3].into_iter().for_each(|seq| _ = world.decide(ISSUER, seq));
        let void = world.annotation(ISSUER, "2026", 4, "void");
        world.later(6 * DAY).publish(void);
        assert_eq!(world.later(9 * DAY).tick().found(&Code::GAP), [""; 0]);
    }

    #[test]
    fn numbers_of_other_issuers_and_series_and_of_refused_entries_fill_nothing() {
        let mut world = World::new("");
        world.decide(ISSUER, 2);
        world.decide("court.example", 1);
        let (other, refused) = (world.decision(ISSUER, "2025", 1), world.decision(ISSUER, "2026", 1));
        world.publish(other);
        world.publish_refused(refused);
        assert_eq!(world.later(8 * DAY).tick().found(&Code::GAP), ["planning.example 2026/1"]);
        assert!(world.one(&Code::GAP).text.contains("the series has nothing below"));
    }

    #[test]
    fn ten_thousand_missing_numbers_are_one_finding_until_the_last_is_filled() {
        let mut world = World::new("");
        world.decide(ISSUER, 10_001);
        world.later(8 * DAY).tick();
        assert!(world.one(&Code::GAP).text.starts_with("10000 numbers of series 2026 of planning.example are missing, 1 to 10000: "));
        (1..=5).for_each(|seq| _ = world.decide(ISSUER, seq));
        assert_eq!(world.tick().found(&Code::GAP), ["planning.example 2026/10000"]);
        assert_eq!(world.opened, 1, "filled from below");
        world.decide(ISSUER, 5000);
        assert_eq!(world.tick().found(&Code::GAP), ["planning.example 2026/10000", "planning.example 2026/4999"], "split");
        world.decide(ISSUER, 10_000);
        assert_eq!(world.tick().found(&Code::GAP), ["planning.example 2026/4999", "planning.example 2026/9999"], "filled from above");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_missing_is_found_and_nothing_else(numbers in proptest::collection::vec(1u64..24, 1..24), ticks: u32) {
            let mut world = World::with(vec![Box::new(Gaps { after: 0 })]);
            let mut used = std::collections::BTreeSet::new();
            for (at, seq) in numbers.into_iter().enumerate().filter(|(_, seq)| used.insert(*seq)).collect::<Vec<_>>() {
                world.decide(ISSUER, seq);
                if ticks & (1 << at) != 0 {
                    world.tick();
                }
            }
            world.tick();
            // Each range has a finding with its last number, and there is no other.
            let highest = used.last().copied().unwrap_or(0);
            let last = |seq: &u64| !used.contains(seq) && used.contains(&(seq + 1));
            let mut expected: Vec<String> = (1..highest).filter(last).map(|seq| subject(ISSUER, "2026", seq)).collect();
            expected.sort();
            prop_assert_eq!(world.found(&Code::GAP), expected);
        }
    }
}
