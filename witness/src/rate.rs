//! How often one log may be cosigned: a token bucket in one number, the moment at which it is full again.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Over time.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// The buckets' common part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dripping {
    /// The origin of all times in buckets.
    start: Instant,
    /// Nanoseconds in which one token drips in.
    interval: u64,
    /// Nanoseconds in which an empty bucket becomes full.
    depth: u64,
}

/// The bucket of one log: when it is full again, in nanoseconds after the start.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Dripping {
    pub(crate) fn new(rate: Rate) -> Self {
        let interval = (1_000_000_000 / u64::from(rate.per_second.get())).max(1);
        Dripping { start: Instant::now(), interval, depth: interval * u64::from(rate.burst.get()) }
    }

    /// Takes a token out of a bucket, or says how long it takes until there is one.
    pub(crate) fn take(&self, bucket: &Bucket, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let taken = bucket.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now).saturating_add(self.interval);
            (full_at <= now.saturating_add(self.depth)).then_some(full_at)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(full_at) => Err(Duration::from_nanos(full_at.saturating_add(self.interval).saturating_sub(now.saturating_add(self.depth)))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn after_the_burst_tokens_come_at_the_rate() {
        let dripping = Dripping::new(Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(3).unwrap() });
        let (one, other, now) = (Bucket::default(), Bucket::default(), dripping.start);
        for _ in 0..3 {
            assert_eq!(dripping.take(&one, now), Ok(()));
        }
        assert_eq!(dripping.take(&one, now), Err(Duration::from_millis(100)));
        assert_eq!(dripping.take(&other, now), Ok(()), "each log has its own");
        assert_eq!(dripping.take(&one, now + Duration::from_millis(99)), Err(Duration::from_millis(1)));
        assert_eq!(dripping.take(&one, now + Duration::from_millis(100)), Ok(()));
        assert!(dripping.take(&one, now + Duration::from_millis(100)).is_err());
    }
}
