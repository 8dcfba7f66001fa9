//! When the requests of an open loop are due, and waking up for it.
//!
//! In an open loop the times are fixed beforehand: request *n* of a rate of R is due *n*/R seconds after the start, whatever became of the
//! ones before it. Its latency counts from then. A generator that waited for answers before it looked at the clock would leave out just
//! those requests that had to wait (the *coordinated omission*), and a server that stands still for a second would look as if one
//! request had been slow.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const SECOND: u128 = 1_000_000_000;

/// The times of one thread's share of the requests: every `stride`-th, beginning with number `offset`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    rate: NonZeroU32,
    offset: u32,
    stride: NonZeroU32,
    /// How many requests of this share are due before the end.
    total: u64,
}

impl Schedule {
    /// The share of thread `offset` among `stride` threads, of `rate` requests a second for the time `length`.
    pub(crate) fn new(start: Instant, length: Duration, rate: NonZeroU32, offset: u32, stride: NonZeroU32) -> Self {
        let schedule = Schedule { start, rate, offset, stride, total: u64::MAX };
        // Due before the end, not at it: the end is no part of the time.
        let total = length.checked_sub(Duration::from_nanos(1)).map_or(0, |last| schedule.due_within(last));
        Schedule { total, ..schedule }
    }

    /// How many requests there are.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// When request `n` of this share is due.
    pub(crate) fn due(&self, n: u64) -> Instant {
        let number = u128::from(n) * u128::from(self.stride.get()) + u128::from(self.offset);
        let nanos = (number * SECOND).div_ceil(u128::from(self.rate.get()));
        self.start + Duration::from_nanos_u128(nanos)
    }

    /// How many requests are due by `now`.
    pub(crate) fn due_by(&self, now: Instant) -> u64 {
        now.checked_duration_since(self.start).map_or(0, |elapsed| self.due_within(elapsed).min(self.total))
    }

    fn due_within(&self, elapsed: Duration) -> u64 {
        let passed = elapsed.as_nanos() * u128::from(self.rate.get()) / SECOND;
        match passed.checked_sub(u128::from(self.offset)) {
            Some(beyond) => u64::try_from(beyond / u128::from(self.stride.get()) + 1).unwrap_or(u64::MAX),
            None => 0,
        }
    }
}

/// Wakes at a moment, and not up to a millisecond later as the runtime's own timers do: that millisecond would be reported as latency.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Alarm(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Alarm {
    pub(crate) fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call, as some descriptors may change; an `OwnedFd` is always the same one"
        )]
        let timer = tokio::io::unix::AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)?;
        Ok(Alarm(timer))
    }

    pub(crate) async fn sleep_until(&mut self, moment: Instant) -> std::io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        // Zero would disarm the timer.
        let wait = moment.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &Itimerspec { it_interval: Timespec::default(), it_value })?;
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(read) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0_u8; 8])?)) {
                return read.map(drop);
            }
        }
    }
}

/// Elsewhere, the runtime's timers have to do; they may be a millisecond late.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Alarm)
    }

    pub(crate) async fn sleep_until(&mut self, moment: Instant) -> std::io::Result<()> {
        tokio::time::sleep_until(moment.into()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn schedule(start: Instant, length: Duration, rate: u32, offset: u32, stride: u32) -> Schedule {
        Schedule::new(start, length, NonZeroU32::new(rate).unwrap(), offset, NonZeroU32::new(stride).unwrap())
    }

    #[test]
    fn requests_are_due_at_even_distances_whatever_the_time_is() {
        let start = Instant::now();
        let schedule = schedule(start, Duration::from_secs(10), 1000, 0, 1);
        assert_eq!(schedule.total(), 10_000);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(1), start + Duration::from_millis(1));
        assert_eq!(schedule.due(9999), start + Duration::from_millis(9999));
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let start = Instant::now();
        let schedule = schedule(start, Duration::from_secs(3600), 7, 0, 1);
        assert_eq!(schedule.total(), 7 * 3600);
        assert_eq!(schedule.due(7 * 3600), start + Duration::from_secs(3600));
    }

    #[test]
    fn due_by_counts_exactly_the_requests_whose_time_has_come() {
        let start = Instant::now();
        for (rate, stride) in [(1, 1), (3, 2), (1000, 3), (999_983, 4)] {
            for offset in 0..stride {
                let schedule = schedule(start, Duration::from_secs(5), rate, offset, stride);
                for n in 0..schedule.total().min(2000) {
                    let due = schedule.due(n);
                    assert_eq!(schedule.due_by(due), n + 1, "rate {rate}, thread {offset} of {stride}");
                    if due > start {
                        assert_eq!(schedule.due_by(due - Duration::from_nanos(1)), n);
                    }
                }
            }
        }
        assert_eq!(schedule(start + Duration::from_secs(1), Duration::from_secs(5), 10, 0, 1).due_by(start), 0);
    }

    #[test]
    fn threads_share_the_requests_without_gap_or_overlap() {
        let start = Instant::now();
        let (length, rate) = (Duration::from_secs(2), 1001);
        let whole = schedule(start, length, rate, 0, 1);
        let shares: Vec<_> = (0..4).map(|offset| schedule(start, length, rate, offset, 4)).collect();
        assert_eq!(shares.iter().map(Schedule::total).sum::<u64>(), whole.total());
        let mut times: Vec<_> = shares.iter().flat_map(|share| (0..share.total()).map(|n| share.due(n))).collect();
        times.sort_unstable();
        assert_eq!(times, (0..whole.total()).map(|n| whole.due(n)).collect::<Vec<_>>());
    }

    #[test]
    fn no_time_means_no_requests() {
        assert_eq!(schedule(Instant::now(), Duration::ZERO, 1000, 0, 1).total(), 0);
    }

    #[tokio::test]
    async fn the_alarm_never_rings_early_and_rings_again() {
        let mut alarm = Alarm::new().unwrap();
        for micros in [0, 1, 300, 2000] {
            let moment = Instant::now() + Duration::from_micros(micros);
            alarm.sleep_until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
    }
}
