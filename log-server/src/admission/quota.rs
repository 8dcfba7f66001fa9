//! How much an issuer may publish in a day.
//!
//! Only what is admitted counts, and days are those of UTC. The counts are in memory, so a restart forgets them: the quota is there
//! against a key that runs wild, and whoever can restart the log can also change the quota. There is one count for each issuer that
//! published today, and issuers are registered, so that nobody can make it grow at will.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use decision::types::IssuerId;

const DAY: u64 = 86_400;

/// What an issuer may publish in a day; 0 is no limit, as by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Decisions and annotations.
    pub entries: u64,
    /// Their bytes, signatures included.
    pub bytes: u64,
}

/// What a quota is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quota {
    /// Entries.
    Entries,
    /// Bytes.
    Bytes,
}

/// An issuer has published as much as it may in a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{issuer} has published as many {} today as this log takes from an issuer in a day, which is {limit}: go on tomorrow (UTC), or ask the \
     operator of the log for more",
    match of { Quota::Entries => "entries", Quota::Bytes => "bytes" }
)]
pub struct OverQuota {
    /// Who.
    pub issuer: IssuerId,
    /// Of what.
    pub of: Quota,
    /// How much it may.
    pub limit: u64,
    /// How long the day still is.
    pub wait: Duration,
}

/// What issuers have published today.
#[derive(Debug)]
pub(super) struct Quotas {
    limits: QuotaLimits,
    /// Held for one look-up.
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    /// Days since 1970.
    day: u64,
    issuers: HashMap<IssuerId, Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    entries: u64,
    bytes: u64,
}

impl Quotas {
    pub(super) fn new(limits: QuotaLimits) -> Self {
        Quotas { limits, today: Mutex::default() }
    }

    /// Whether one more entry is within the quota. Counts nothing.
    pub(super) fn check(&self, issuer: &IssuerId, bytes: usize, now: SystemTime) -> Result<(), OverQuota> {
        if self.is_unlimited() {
            return Ok(());
        }
        let used = self.today(now).issuers.get(issuer).copied().unwrap_or_default();
        self.with(issuer, used, bytes, now).map(drop)
    }

    /// Counts one entry if it is within the quota.
    pub(super) fn take(&self, issuer: &IssuerId, bytes: usize, now: SystemTime) -> Result<(), OverQuota> {
        if self.is_unlimited() {
            return Ok(());
        }
        let mut today = self.today(now);
        let used = today.issuers.get(issuer).copied().unwrap_or_default();
        let used = self.with(issuer, used, bytes, now)?;
        match today.issuers.get_mut(issuer) {
            Some(counted) => *counted = used,
            None => drop(today.issuers.insert(issuer.clone(), used)),
        }
        Ok(())
    }

    fn is_unlimited(&self) -> bool {
        self.limits == QuotaLimits { entries: 0, bytes: 0 }
    }

    /// The count with one entry more.
    fn with(&self, issuer: &IssuerId, used: Used, bytes: usize, now: SystemTime) -> Result<Used, OverQuota> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let after = Used { entries: used.entries.saturating_add(1), bytes: used.bytes.saturating_add(bytes) };
        let quotas = [(Quota::Entries, after.entries, self.limits.entries), (Quota::Bytes, after.bytes, self.limits.bytes)];
        match quotas.into_iter().find(|(_, after, limit)| *limit > 0 && after > limit) {
            Some((of, _, limit)) => {
                Err(OverQuota { issuer: issuer.clone(), of, limit, wait: Duration::from_secs(DAY - seconds(now) % DAY) })
            }
            None => Ok(after),
        }
    }

    /// The counts of the day. A clock that is set back keeps the counts that there are.
    fn today(&self, now: SystemTime) -> MutexGuard<'_, Today> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let day = seconds(now) / DAY;
        if day > today.day {
            *today = Today { day, issuers: HashMap::new() };
        }
        today
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn entries_and_bytes_are_counted_for_each_issuer_and_day() {
        let quotas = Quotas::new(QuotaLimits { entries: 2, bytes: 100 });
        let (one, other): (IssuerId, IssuerId) = ("one.example".parse().unwrap(), "other.example".parse().unwrap());
        let noon = at(20_000 * DAY + DAY / 2);
        assert_eq!(quotas.take(&one, 10, noon), Ok(()));
        let over = quotas.check(&one, 91, noon).unwrap_err();
        assert_eq!((over.of, over.limit, over.wait), (Quota::Bytes, 100, Duration::from_secs(DAY / 2)));
        assert_eq!(quotas.check(&one, 90, noon), Ok(()));
        assert_eq!(quotas.take(&one, 90, noon), Ok(()), "looking does not count");
        assert_eq!(quotas.take(&one, 1, noon).unwrap_err().of, Quota::Entries);
        assert_eq!(quotas.take(&other, 100, noon), Ok(()), "each for itself");
        assert_eq!(quotas.check(&one, 1, at(20_001 * DAY)), Ok(()), "a new day");
        assert!(quotas.check(&one, 101, at(20_001 * DAY)).is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_give_a_second_day() {
        let quotas = Quotas::new(QuotaLimits { entries: 1, bytes: 0 });
        let one: IssuerId = "one.example".parse().unwrap();
        quotas.take(&one, 10, at(5 * DAY)).unwrap();
        assert!(quotas.take(&one, 10, at(4 * DAY)).is_err());
        assert_eq!(quotas.take(&one, 10, at(6 * DAY)), Ok(()));
    }

    #[test]
    fn zero_is_no_quota() {
        let quotas = Quotas::new(QuotaLimits { entries: 0, bytes: 0 });
        let one: IssuerId = "one.example".parse().unwrap();
        for _ in 0..10 {
            quotas.take(&one, usize::MAX, at(1)).unwrap();
        }
    }
}
