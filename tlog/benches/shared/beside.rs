//! A part and the limit beside it, timed in turns in the same run.
//!
//! Of each the best of many short rounds counts: other programs on the machine only ever make a round longer, and whatever clock the processor
//! runs at, it runs at for both. What is printed last, the limit's time over the part's, is therefore far steadier than the times.

use std::time::{Duration, Instant};

/// Long enough for the clock, short enough to be seldom interrupted.
const ROUND: Duration = Duration::from_micros(500);
const ROUNDS: u32 = 60;

/// What something cannot do without, one of it: a compression, a verification.
pub(crate) struct Limit<'w> {
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    /// Does `units` of them.
    pub(crate) work: Box<dyn FnMut() + 'w>,
    pub(crate) units: u32,
}

impl Limit<'_> {
    /// Times `work`, which cannot do with fewer than `needed` of this, and prints what it takes and how near that is to the limit.
    pub(crate) fn beside(&mut self, name: &str, needed: usize, mut work: impl FnMut()) {
        let (took, unit) = self.in_turns(&mut work);
        let limit = unit * f64::from(u32::try_from(needed).expect("few are needed"));
        let what = if needed == 1 { self.one } else { self.many };
        println!("{name}: {}, {needed} {what} at {}: {:.2} of the limit", time(took), time(unit), limit / took);
    }

    /// Times `work`, which needs none of this but is done beside it, and prints how much it adds to one.
    pub(crate) fn share(&mut self, name: &str, mut work: impl FnMut()) {
        let (took, unit) = self.in_turns(&mut work);
        println!("{name}: {}, {:.3} of a {} at {}", time(took), took / unit, self.one, time(unit));
    }

    /// Seconds of the part, and of one unit of the limit.
    fn in_turns(&mut self, work: &mut dyn FnMut()) -> (f64, f64) {
        let (runs, limit_runs) = (runs(work), runs(&mut self.work));
        let (mut best, mut limit_best) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            limit_best = limit_best.min(round(limit_runs, &mut self.work));
            best = best.min(round(runs, work));
        }
        (best, limit_best / f64::from(self.units))
    }
}

/// How many runs make a round.
fn runs(work: &mut dyn FnMut()) -> u32 {
    let mut runs = 1;
    while round(runs, work) * f64::from(runs) < ROUND.as_secs_f64() {
        runs *= 2;
    }
    runs
}

/// Seconds for each of `runs` runs.
fn round(runs: u32, work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..runs).for_each(|_| work());
    start.elapsed().as_secs_f64() / f64::from(runs)
}

fn time(seconds: f64) -> String {
    match seconds * 1e9 {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        nanos => format!("{:.1} ms", nanos / 1e6),
    }
}
