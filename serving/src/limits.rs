//! How much one client may do: a token bucket for each address, in a fixed amount of memory.
//!
//! A bucket is one number, the moment at which it is full again. A bucket that is full by now is the same as none, so forgetting it loses
//! nothing. The table is divided into sets of `WAYS` slots, and an address can only be in the set that a keyed hash gives it. When a
//! set has no full bucket, the newcomer takes the place of the one that is nearest to full, *as it is* but for debts: coming from many
//! addresses never gives anybody more than the buckets there are, and nobody pays for what a stranger took.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A limit of each client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Tokens per second over time.
    pub per_second: NonZeroU32,
    /// Tokens at once.
    pub burst: NonZeroU32,
    /// Addresses that are remembered, 20 bytes each.
    pub addresses: NonZeroU32,
}

const WAYS: usize = 8;

/// Token buckets of client addresses.
#[derive(Debug)]
pub struct Limiter {
    sets: Box<[Mutex<[Slot; WAYS]>]>,
    /// Keyed at random in each process, so that nobody can choose addresses that share a set.
    hasher: RandomState,
    /// The origin of all times in slots.
    start: Instant,
    /// Nanoseconds in which one token drips in.
    interval: u64,
    /// Nanoseconds in which an empty bucket becomes full.
    depth: u64,
}

/// One bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The hash of the address. Two addresses with the same 64 bits would share a bucket, which harms nobody.
    address: u64,
    /// When the bucket is full again, in nanoseconds after the limiter's start.
    full_at: u64,
}

/// How long until there is a token again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Limiter {
    /// With all buckets full.
    pub fn new(limit: Limit) -> Self {
        let addresses = usize::try_from(limit.addresses.get()).unwrap_or(usize::MAX);
        let interval = 1_000_000_000 / u64::from(limit.per_second.get());
        Limiter {
            sets: (0..addresses.div_ceil(WAYS)).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            start: Instant::now(),
            interval: interval.max(1),
            depth: interval.max(1) * u64::from(limit.burst.get()),
        }
    }

    /// Takes `tokens` from the bucket of `address`. One has to be there; the others may become a debt that delays the next request,
    /// since a batch that is larger than the bucket could otherwise never come through. Whoever is in debt gets nothing, so that a debt
    /// is never more than one batch. What is not added in the end is given back, see [`Limiter::give_back`].
    pub fn take(&self, address: IpAddr, tokens: usize, now: Instant) -> Result<(), Wait> {
        let now = u64::try_from(now.duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let (address, mut slots) = self.set(address);
        let empty = now.saturating_add(self.depth);
        let slot = match slots.iter().position(|slot| slot.address == address) {
            Some(known) => &mut slots[known],
            None => {
                let nearest = slots.iter_mut().min_by_key(|slot| slot.full_at).expect("a set has slots");
                if nearest.full_at > empty {
                    // The debt is that of whoever had the slot. From now on the newcomer has an empty bucket, which fills.
                    *nearest = Slot { address, full_at: empty };
                }
                nearest
            }
        };
        let full_at = slot.full_at.max(now);
        let wait = full_at.saturating_add(self.interval).saturating_sub(empty);
        if wait > 0 {
            return Err(Wait(Duration::from_nanos(wait)));
        }
        *slot = Slot { address, full_at: full_at.saturating_add(self.cost(tokens)) };
        Ok(())
    }

    /// Puts back what was taken for what was then not done.
    pub fn give_back(&self, address: IpAddr, tokens: usize) {
        let (address, mut slots) = self.set(address);
        // If it has been forgotten it pays nothing anyway.
        if let Some(slot) = slots.iter_mut().find(|slot| slot.address == address) {
            slot.full_at = slot.full_at.saturating_sub(self.cost(tokens));
        }
    }

    fn cost(&self, tokens: usize) -> u64 {
        self.interval.saturating_mul(u64::try_from(tokens).unwrap_or(u64::MAX))
    }

    /// The hash of an address, and the slots in which it can be.
    fn set(&self, address: IpAddr) -> (u64, MutexGuard<'_, [Slot; WAYS]>) {
        let address = self.hasher.hash_one(client(address));
        let sets = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        let set = usize::try_from(address % sets).expect("less than the number of sets");
        // A panic cannot leave a slot half written.
        (address, self.sets[set].lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One client: whether it has IPv6, and the bits of its address that count.
pub type Client = (bool, u64);

/// Who counts as one client: an IPv4 address, or the 64 bits of an IPv6 network, of which every subscriber has all addresses.
pub fn client(address: IpAddr) -> Client {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, u64::try_from(address.to_bits() >> 64).expect("64 bits are left")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn limiter(per_second: u32, burst: u32, addresses: u32) -> Limiter {
        let nonzero = |n| NonZeroU32::new(n).unwrap();
        Limiter::new(Limit { per_second: nonzero(per_second), burst: nonzero(burst), addresses: nonzero(addresses) })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_the_burst_tokens_come_at_the_rate() {
        let limiter = limiter(10, 3, 64);
        let now = limiter.start;
        for _ in 0..3 {
            assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Ok(()));
        }
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Err(Wait(Duration::from_millis(100))));
        assert_eq!(limiter.take(ip("192.0.2.2"), 1, now), Ok(()), "another address has its own bucket");
        let later = now + Duration::from_millis(100);
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, later), Ok(()));
        assert!(limiter.take(ip("192.0.2.1"), 1, later).is_err());
        assert_eq!(limiter.take(ip("192.0.2.1"), 3, now + Duration::from_secs(60)), Ok(()), "and no more than the burst is saved up");
        assert!(limiter.take(ip("192.0.2.1"), 1, now + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn a_batch_larger_than_the_bucket_comes_through_once_and_is_paid_for_afterwards() {
        let limiter = limiter(10, 3, 64);
        let now = limiter.start;
        assert_eq!(limiter.take(ip("192.0.2.1"), 100, now), Ok(()));
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Err(Wait(Duration::from_millis(9_800))));
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now + Duration::from_millis(9_800)), Ok(()));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_client() {
        let limiter = limiter(1, 1, 64);
        let now = limiter.start;
        assert_eq!(limiter.take(ip("2001:db8:0:1::1"), 1, now), Ok(()));
        assert!(limiter.take(ip("2001:db8:0:1:ffff::2"), 1, now).is_err());
        assert_eq!(limiter.take(ip("2001:db8:0:2::1"), 1, now), Ok(()));
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Ok(()));
        assert!(limiter.take(ip("::ffff:192.0.2.1"), 1, now).is_err(), "the same IPv4 address in other clothes");
    }

    #[test]
    fn many_addresses_get_no_more_than_the_buckets_that_there_are() {
        let limiter = limiter(1, 1, 8);
        let now = limiter.start;
        let accepted = (0..10_000_u32).filter(|n| limiter.take(IpAddr::from(n.to_be_bytes()), 1, now).is_ok()).count();
        assert_eq!(accepted, WAYS);
    }

    #[test]
    fn a_full_bucket_is_forgotten_before_any_other() {
        let limiter = limiter(1, 2, 8);
        let now = limiter.start;
        assert_eq!(limiter.take(ip("192.0.2.1"), 2, now), Ok(()));
        let later = now + Duration::from_millis(500);
        for n in 2..9 {
            assert_eq!(limiter.take(IpAddr::from([192, 0, 2, n]), 1, later), Ok(()));
        }
        let later = now + Duration::from_millis(1600);
        assert_eq!(limiter.take(ip("203.0.113.1"), 2, later), Ok(()), "takes the place of a bucket that is full again");
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, later), Ok(()));
        assert!(limiter.take(ip("192.0.2.1"), 1, later).is_err(), "and the busy one is still known");
    }

    #[test]
    fn a_newcomer_does_not_pay_the_debts_of_strangers() {
        let limiter = limiter(10, 3, 8);
        let now = limiter.start;
        for n in 1..=8 {
            assert_eq!(limiter.take(IpAddr::from([192, 0, 2, n]), 4096, now), Ok(()));
        }
        assert_eq!(limiter.take(ip("203.0.113.1"), 1, now), Err(Wait(Duration::from_millis(100))), "as after a burst of its own");
        assert_eq!(limiter.take(ip("203.0.113.1"), 1, now + Duration::from_millis(100)), Ok(()));
    }

    #[test]
    fn a_debt_is_one_batch_at_most_and_what_was_refused_is_given_back() {
        let limiter = limiter(10, 3, 64);
        let now = limiter.start;
        assert_eq!(limiter.take(ip("192.0.2.1"), 100, now), Ok(()));
        assert!(limiter.take(ip("192.0.2.1"), 100, now).is_err());
        limiter.give_back(ip("192.0.2.1"), 98);
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Ok(()));
        assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Err(Wait(Duration::from_millis(100))));
        limiter.give_back(ip("192.0.2.1"), 1000);
        for _ in 0..3 {
            assert_eq!(limiter.take(ip("192.0.2.1"), 1, now), Ok(()));
        }
        assert!(limiter.take(ip("192.0.2.1"), 1, now).is_err(), "more than the burst is never there");
    }
}
