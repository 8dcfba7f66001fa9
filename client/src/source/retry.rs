//! When to try again: later each time, never all clients at once, never sooner than the server asks.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// The pauses between the attempts at one request.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff { next: FIRST }
    }

    /// How long to wait now. What the server asked for is the least; what is added to it differs between clients.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let spread = self.next.mul_f64(0.5 + random_fraction() / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        asked.unwrap_or_default().saturating_add(spread)
    }
}

/// From 0 to 1. It spreads clients in time and nothing depends on nobody guessing it, so the seed of the standard library's hash maps
/// will do.
fn random_fraction() -> f64 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    f64::from(u32::from_ne_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

/// Parses `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn pauses_grow_and_never_fall_below_what_was_asked() {
        let mut backoff = Backoff::new();
        let asked = Duration::from_secs(3);
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause(Some(asked))).collect();
        assert!(pauses.iter().all(|pause| *pause >= asked));
        assert!(pauses[0] <= asked + FIRST);
        assert!(pauses[19] >= asked + LONGEST / 2 && pauses[19] <= asked + LONGEST);
    }

    #[test]
    fn clients_do_not_come_back_at_the_same_time() {
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| Backoff::new().pause(None)).collect();
        assert!(pauses.len() > 40);
    }

    #[test]
    fn both_forms_of_retry_after_are_understood() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("Thu, 01 Jan 2026 00:00:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(parse_retry_after("Wed, 31 Dec 2025 00:00:09 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
    }
}
