//! Issuers that have gone silent.
//!
//! **Finds** issuers that have published nothing for `silence_factor` times as long as their longer pauses were, and for `silence_least`. A
//! pause is counted in the days of the week on which the issuer publishes, so that a weekend is none. Gone when it publishes, or is retired.
//!
//! **Why somebody does that**: whoever does not want to be watched stops publishing rather than publish what is wrong.
//!
//! **False alarms**: long holidays, the first time; an office that is closed and was not retired in the register; a log that moved.

use super::{DAY, History, Today, date, upper_tenth};
use crate::checks::settings::{Settings, seconds};
use crate::finding::{Code, Raised};

pub(super) struct Silence {
    history: usize,
    factor: i64,
    least: i64,
}

/// On which days of the week an issuer publishes, counted from that of the day 0.
struct Week([bool; 7]);

impl Silence {
    pub(super) fn new(settings: &Settings) -> Self {
        Silence {
            history: usize::try_from(settings.0.silence_history).unwrap_or(usize::MAX),
            factor: settings.0.silence_factor.into(),
            least: seconds(settings.0.silence_least),
        }
    }

    /// When an issuer that published on these days, in their order, is silent if it publishes no more; `None` if that is not known yet.
    pub(super) fn due(&self, days: &[i64]) -> Option<i64> {
        let last = days.last().filter(|_| days.len() >= self.history)?;
        let week = Week::of(days);
        let pause = pause(days, &week)?;
        let missed = week.nth_after(*last, pause.saturating_mul(self.factor));
        Some(((missed + 1) * DAY).max(((last + 1) * DAY).saturating_add(self.least)))
    }
}

/// A long pause of an issuer, in its own days; 1 if it publishes on each of them.
fn pause(days: &[i64], week: &Week) -> Option<i64> {
    let mut pauses: Vec<i64> = days.windows(2).map(|pair| week.between(pair[0], pair[1]).max(1)).collect();
    pauses.sort_unstable();
    upper_tenth(&pauses)
}

pub(super) fn raised(issuer: &str, history: &History, today: &Today) -> Raised {
    let days: Vec<i64> = history.days.iter().map(|(day, _)| *day).chain([today.day]).collect();
    let week = Week::of(&days);
    let usual = match pause(&days, &week) {
        Some(pause) if pause > 1 => format!("with pauses of at most {pause} of its days, mostly"),
        _ => "mostly on each of its days".to_owned(),
    };
    let (last, first) = (date(today.day), date(days.first().copied().unwrap_or(today.day)));
    let text = format!(
        "{issuer} has published nothing since {last} (entry {}). From {first} on it published on {} days, {usual}; its days are {}.",
        today.index,
        days.len(),
        week.names()
    );
    Raised::new(Code::SILENCE, issuer, issuer, text).at([today.index])
}

impl Week {
    /// A day counts if the issuer publishes on it a quarter as often as on its most usual one.
    fn of(days: &[i64]) -> Self {
        let mut counts = [0_u32; 7];
        days.iter().for_each(|day| counts[place(*day)] += 1);
        let most = counts.into_iter().max().unwrap_or(0);
        Week(counts.map(|count| count * 4 > most))
    }

    fn is_usual(&self, day: i64) -> bool {
        self.0[place(day)]
    }

    fn len(&self) -> i64 {
        i64::try_from(self.0.iter().filter(|usual| **usual).count()).unwrap_or(7).max(1)
    }

    /// How many of its days lie after `from`, up to `to`.
    fn between(&self, from: i64, to: i64) -> i64 {
        let weeks = (to - from) / 7;
        let rest = (from + weeks * 7 + 1..=to).filter(|day| self.is_usual(*day)).count();
        weeks * self.len() + i64::try_from(rest).unwrap_or(0)
    }

    /// The `nth` of its days after `from`, from 1.
    fn nth_after(&self, from: i64, nth: i64) -> i64 {
        let weeks = (nth - 1) / self.len();
        let start = from + weeks * 7;
        let left = usize::try_from(nth - 1 - weeks * self.len()).unwrap_or(0);
        (start + 1..=start + 7).filter(|day| self.is_usual(*day)).nth(left).unwrap_or(start + 7)
    }

    fn names(&self) -> String {
        // The day 0 was a Thursday.
        let names = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
        let mut usual: Vec<_> = names.into_iter().zip(self.0).filter(|(_, usual)| *usual).map(|(name, _)| name).collect();
        let late = usual.iter().position(|name| matches!(*name, "Monday" | "Tuesday" | "Wednesday")).unwrap_or(0);
        usual.rotate_left(late);
        usual.join(", ")
    }
}

fn place(day: i64) -> usize {
    usize::try_from(day.rem_euclid(7)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{World, with};
    use super::*;

    const ISSUER: &str = "planning.example";

    /// Publishes at noon of each of these days after Monday the second of March.
    fn published(days: impl IntoIterator<Item = i64>) -> World {
        let mut world = World::new("");
        let start = world.now;
        for (seq, day) in (1..).zip(days) {
            world.now = start;
            world.later(day * DAY).tick();
            world.decide(ISSUER, seq);
        }
        world.at("2026-03-02T00:00:00Z");
        world
    }

    /// After how many days from the start, at midnight, it is found to be silent.
    fn silent_after(mut world: World) -> Option<i64> {
        let start = world.now;
        (0..400).find(|day| {
            world.now = start;
            !world.later(day * DAY).tick().found(&Code::SILENCE).is_empty()
        })
    }

    #[test]
    fn silence_is_found_when_it_is_exceptional_for_the_issuer() {
        for (name, days, silent) in [
            ("daily, until the 20th day", (0..20).collect::<Vec<i64>>(), Some(23)),
            // The last day is a Friday (25); Monday, Tuesday and Wednesday are missed.
            ("on working days", (0..26).filter(|day| day % 7 < 5).collect(), Some(31)),
            ("every Monday", (0..12).map(|week| week * 7).collect(), Some(99)),
            ("daily with one long holiday", (0..10).chain(24..40).collect(), Some(43)),
            ("too few days to tell", (0..9).collect(), None),
            ("without any order", vec![0, 40, 41, 90, 92, 93, 140, 141, 200, 230, 231, 232], Some(380)),
        ] {
            assert_eq!(silent_after(published(days)), silent, "{name}");
        }
    }

    #[test]
    fn silence_ends_when_the_issuer_publishes_and_begins_anew() {
        let mut world = published(0..20);
        world.at("2026-03-26T00:00:00Z").tick();
        let raised = world.one(&Code::SILENCE);
        assert_eq!((raised.subject.as_str(), raised.indexes.as_slice()), (ISSUER, &[19][..]));
        let days = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.";
        assert!(raised.text.contains("nothing since 2026-03-21 (entry 19)") && raised.text.ends_with(days), "{}", raised.text);
        world.decide(ISSUER, 21);
        assert_eq!(world.tick().found(&Code::SILENCE), [""; 0]);
        assert_eq!(world.at("2026-04-20T00:00:00Z").tick().found(&Code::SILENCE), [ISSUER]);
    }

    #[test]
    fn an_issuer_that_has_ended_is_not_missed() {
        for silent_before in [false, true] {
            let mut world = published(0..20);
            if silent_before {
                world.at("2026-04-20T00:00:00Z").tick();
            }
            let retired = with(world.registration(ISSUER), "retired", true.into());
            world.publish(retired);
            assert_eq!(world.at("2027-04-20T00:00:00Z").tick().found(&Code::SILENCE), [""; 0]);
        }
    }

    #[test]
    fn an_old_log_that_is_read_today_is_judged_by_what_its_issuers_say() {
        let mut world = World::new("");
        world.precision = None;
        world.at("2026-06-01T12:00:00Z");
        for day in 1..=20 {
            let decision = with(world.decision(ISSUER, "2026", day), "issued", format!("2026-03-{day:02}T12:00:00Z").into());
            world.publish(decision);
        }
        assert_eq!(world.tick().found(&Code::SILENCE), [ISSUER]);
    }
}
