//! The time of day in a simulation: it goes with tokio's clock, which stands still while anything can be done.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// When every simulation begins, in seconds since 1970.
const BEGINNING: u64 = 1_800_000_000;

thread_local! {
    /// tokio's clock does not begin at zero. A simulation has a thread of its own.
    static BEGAN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// To be called once when a simulation begins.
pub(super) fn begin() {
    BEGAN.set(Some(Instant::now()));
}

fn elapsed() -> Duration {
    BEGAN.get().map_or(Duration::ZERO, |began| began.elapsed())
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    BEGINNING + elapsed().as_secs()
}

/// The same for those who want it finer.
pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING) + elapsed()
}
