//! Issuers that publish far more than usual.
//!
//! **Finds** days (in UTC) on which an issuer publishes more than `burst_factor` times what it does on its busy days, and more than
//! `burst_least`. One finding for each issuer and day, gone when the day is over.
//!
//! **Why somebody does that**: what is to be overlooked is published among hundreds of others, on the last day of a term or before an
//! election. A stolen key looks like this too.
//!
//! **False alarms**: a backlog; a yearly round of notices.

use super::{Today, date, upper_tenth};
use crate::checks::settings::Settings;
use crate::finding::{Code, Raised};

pub(super) struct Burst {
    history: usize,
    factor: u32,
    least: u32,
}

impl Burst {
    pub(super) fn new(settings: &Settings) -> Self {
        Burst {
            history: usize::try_from(settings.0.burst_history).unwrap_or(usize::MAX),
            factor: settings.0.burst_factor,
            least: settings.0.burst_least,
        }
    }

    /// How much the issuer may publish on a day after these.
    pub(super) fn limit(&self, days: &[(i64, u32)]) -> u32 {
        if days.len() < self.history {
            return u32::MAX;
        }
        let mut counts: Vec<u32> = days.iter().map(|(_, count)| *count).collect();
        counts.sort_unstable();
        upper_tenth(&counts).map_or(u32::MAX, |busy| busy.saturating_mul(self.factor).max(self.least))
    }
}

pub(super) fn raised(issuer: &str, today: &Today) -> Raised {
    let text = format!(
        "{issuer} has published more than {} statements on {} (UTC), up to entry {}: many times what it does on its busy days.",
        today.limit,
        date(today.day),
        today.index
    );
    Raised::new(Code::BURST, issuer, subject(issuer, today.day), text).at([today.index])
}

pub(super) fn subject(issuer: &str, day: i64) -> String {
    format!("{issuer} {}", date(day))
}

/// What a deadline says of a burst that ends.
pub(super) fn about(issuer: &str, day: i64) -> Vec<u8> {
    [b"b", issuer.as_bytes(), b"\0", &day.to_be_bytes()].concat()
}

pub(super) fn day_of(about: &[u8]) -> i64 {
    about.last_chunk().map_or(0, |day| i64::from_be_bytes(*day))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::World;
    use super::super::DAY;
    use super::*;

    const ISSUER: &str = "planning.example";

    /// Twelve days with ten decisions each, and one with thirty among them if there was an import.
    fn usual(import: bool) -> (World, u64) {
        let (mut world, mut seq) = (World::new("burst_least = 20"), 0);
        for day in 0..12 {
            let count = if import && day == 5 { 30 } else { 10 };
            for _ in 0..count {
                seq += 1;
                world.decide(ISSUER, seq);
            }
            world.later(DAY).tick();
        }
        (world, seq)
    }

    #[test]
    fn a_burst_is_found_at_its_limit_once_and_is_over_with_the_day() {
        for import in [false, true] {
            let (mut world, mut seq) = usual(import);
            for count in 1..=60 {
                seq += 1;
                world.decide(ISSUER, seq);
                assert_eq!(world.found(&Code::BURST).len(), usize::from(count > 50), "{count}");
            }
            assert_eq!((world.one(&Code::BURST).subject.as_str(), world.opened), ("planning.example 2026-03-14", 1));
            assert_eq!(world.at("2026-03-14T23:59:59Z").tick().found(&Code::BURST).len(), 1);
            assert_eq!(world.at("2026-03-15T00:00:00Z").tick().found(&Code::BURST).len(), 0);
        }
    }

    #[test]
    fn an_issuer_that_is_new_or_publishes_little_has_no_bursts() {
        let mut world = World::new("");
        for seq in 1..=300 {
            world.decide(ISSUER, seq);
        }
        assert_eq!(world.found(&Code::BURST), [""; 0]);
        let mut world = World::new("");
        for seq in 1..=12 {
            world.decide(ISSUER, seq);
            world.later(DAY);
        }
        for seq in 13..=62 {
            world.decide(ISSUER, seq);
        }
        assert_eq!(world.found(&Code::BURST), [""; 0]);
        world.decide(ISSUER, 63);
        assert_eq!(world.found(&Code::BURST).len(), 1);
    }
}
