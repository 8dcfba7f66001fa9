//! Entries that cost nearly nothing to make, and the choice of which one goes next.
//!
//! Invariant: under one seed, different numbers give different entries. The first eight bytes are a bijection of the number, so this is
//! not a matter of luck. All bytes look random, so that compression, where there is any, does not make the log look smaller or faster
//! than real entries would; and the same number always gives the same entry, so a duplicate needs no memory of what was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The shortest entry that still holds its number.
pub(crate) const SHORTEST: usize = 8;

/// 2^64 divided by the golden ratio: the increment that spreads successive states furthest apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Turns numbers into entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries {
    key: u64,
}

impl Entries {
    pub(crate) fn new(seed: u64) -> Self {
        Entries { key: mix(seed ^ GOLDEN) }
    }

    /// Fills `entry`, which has at least [`SHORTEST`] bytes, with the entry of this number.
    pub(crate) fn fill(&self, number: u64, entry: &mut [u8]) {
        let first = mix(number.wrapping_add(self.key));
        let mut state = mix(first ^ self.key.rotate_left(32));
        let (words, rest) = entry.as_chunks_mut::<8>();
        if let Some((head, words)) = words.split_first_mut() {
            *head = first.to_le_bytes();
            for word in words {
                state = state.wrapping_add(GOLDEN);
                *word = mix(state).to_le_bytes();
            }
        }
        let last = mix(state.wrapping_add(GOLDEN)).to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// Chooses what a connection sends next: the next new entry, or for a share of the choices one that has been sent before.
#[derive(Debug)]
pub(crate) struct Chooser {
    /// How many entries have been begun, by all connections together.
    begun: Arc<AtomicU64>,
    duplicates_percent: u8,
    random: Random,
}

impl Chooser {
    pub(crate) fn new(begun: Arc<AtomicU64>, duplicates_percent: u8, random: Random) -> Self {
        Chooser { begun, duplicates_percent, random }
    }

    /// The number of the entry to send. A repeated one is any of those begun, so some of them are still in flight.
    pub(crate) fn next(&mut self) -> u64 {
        if self.duplicates_percent > 0 && self.random.below(100) < u64::from(self.duplicates_percent) {
            let begun = self.begun.load(Ordering::Relaxed);
            if begun > 0 {
                return self.random.below(begun);
            }
        }
        self.begun.fetch_add(1, Ordering::Relaxed)
    }
}

/// Random numbers that are good enough to pick tiles by, and reproducible.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each `stream` under one seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Random(mix(seed).wrapping_add(mix(stream.wrapping_add(GOLDEN))))
    }

    /// Uniform among the numbers below `bound`, which is not zero (but for a bias of `bound` in 2^64).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let wide = u128::from(mix(self.0)) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of a product of two u64")
    }
}

/// A bijection on 64 bits in which every bit of the input changes about half of the output (the finalizer of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn entry(seed: u64, number: u64, bytes: usize) -> Vec<u8> {
        let mut entry = vec![0; bytes];
        Entries::new(seed).fill(number, &mut entry);
        entry
    }

    #[test]
    fn numbers_give_different_entries_even_in_the_fewest_bytes() {
        for bytes in [SHORTEST, 9, 15, 16, 256, 1000] {
            let distinct: HashSet<_> = (0..10_000).map(|number| entry(1, number, bytes)).collect();
            assert_eq!(distinct.len(), 10_000, "{bytes} bytes");
        }
    }

    #[test]
    fn seeds_give_different_entries_and_a_number_always_the_same() {
        assert_eq!(entry(7, 3, 100), entry(7, 3, 100));
        let seven: HashSet<_> = (0..1000).map(|number| entry(7, number, 32)).collect();
        assert!((0..1000).all(|number| !seven.contains(&entry(8, number, 32))));
    }

    #[test]
    fn every_byte_of_an_entry_looks_random() {
        let mut counts = [0_u32; 256];
        for number in 0..4096 {
            for byte in entry(1, number, 257) {
                counts[usize::from(byte)] += 1;
            }
        }
        // 4112 expected of each value, standard deviation 64.
        assert!(counts.iter().all(|count| (3700..4500).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_share_of_duplicates_is_the_one_asked_for() {
        for percent in [0, 10, 50, 100] {
            let begun = Arc::new(AtomicU64::new(0));
            let mut chooser = Chooser::new(Arc::clone(&begun), percent, Random::new(1, 1));
            let mut seen = HashSet::new();
            let repeated: u32 = (0..100_000).map(|_| u32::from(!seen.insert(chooser.next()))).sum();
            let expected = 1000 * u32::from(percent);
            assert!(repeated.abs_diff(expected) <= if percent % 100 == 0 { 1 } else { 700 }, "{percent} %: {repeated}");
            assert_eq!(begun.load(Ordering::Relaxed), u64::from(100_000 - repeated));
        }
    }
}
