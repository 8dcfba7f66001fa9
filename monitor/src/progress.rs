//! How far a long log has been read, how fast, and for how much longer.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far a log has been read. Shared between who reads and who shows it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    target: AtomicU64,
}

/// Where it stands, and how fast it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// How many entries were taken in.
    pub done: u64,
    /// How many there are to be.
    pub target: u64,
    /// Entries in a second, since the watch began.
    pub per_second: f64,
    /// How much longer it takes at that rate; `None` if it stands still.
    pub left: Option<Duration>,
}

/// Watches a [`Progress`] from now on.
#[derive(Debug)]
pub struct Watch {
    begun: Instant,
    from: u64,
}

impl Progress {
    pub(crate) fn at(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    pub(crate) fn to(&self, target: u64) {
        self.target.store(target, Ordering::Relaxed);
    }

    /// How many entries were taken in.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many there are to be.
    pub fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }
}

impl Watch {
    /// Begins to watch.
    pub fn new(progress: &Progress) -> Self {
        Watch { begun: Instant::now(), from: progress.done() }
    }

    /// Where it stands.
    pub fn state(&self, progress: &Progress) -> State {
        State::new(self.from, progress.done(), progress.target(), self.begun.elapsed())
    }
}

impl State {
    #[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate for people")]
    fn new(from: u64, done: u64, target: u64, elapsed: Duration) -> Self {
        let per_second = done.saturating_sub(from) as f64 / elapsed.as_secs_f64().max(0.001);
        let left = target.saturating_sub(done) as f64 / per_second;
        State { done, target, per_second, left: Duration::try_from_secs_f64(left).ok() }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} entries, {:.0} in a second", self.done, self.target, self.per_second)?;
        match self.left {
            Some(left) if left.as_secs() > 0 => write!(f, ", about {} left", in_words(left)),
            _ => Ok(()),
        }
    }
}

fn in_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_follow_from_what_was_done() {
        let state = State::new(100, 1100, 11_100, Duration::from_secs(10));
        assert_eq!(state.to_string(), "1100 of 11100 entries, 100 in a second, about 100 s left");
        let state = State::new(0, 0, 10, Duration::from_secs(10));
        assert_eq!((state.left, state.to_string()), (None, "0 of 10 entries, 0 in a second".to_owned()));
        assert_eq!(State::new(0, 10, 10, Duration::from_secs(1)).to_string(), "10 of 10 entries, 10 in a second");
    }
}
