//! What the log acknowledged, as far as it is remembered, and whether it can be true.
//!
//! A server that answers without storing is fast. Two things are always false: one index for two different entries, and two indexes for
//! one entry (where the log deduplicates; ours always does). Remembering everything would cost more memory than the log under test uses,
//! so a sample is remembered: all claims about an index whose number has [`SAMPLE`] as a factor, whichever entries they are made for, and
//! all claims about an entry whose number has. So a contradiction is either remembered whole or not at all, and each has the same chance.

use serde::Serialize;

/// One in so many.
const SAMPLE: u64 = 16;

/// Claims that one thread remembers at most: 64 MiB of them.
const CLAIMS: usize = 4 << 20;

/// The log said: this entry has this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    index: u64,
    /// The number of the [entry](super::entries) under the run's seed.
    entry: u64,
}

/// The remembered claims.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    claims: Vec<Claim>,
}

/// What the remembered claims say about the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Honesty {
    /// Acknowledgements that were compared with one another.
    pub compared: u64,
    /// Indexes that were given to more than one entry.
    pub shared_indexes: u64,
    /// Entries that were given more than one index. A log without deduplication does this to duplicates.
    pub split_entries: u64,
}

impl Acknowledged {
    pub(crate) fn note(&mut self, entry: u64, index: u64) {
        if (entry.is_multiple_of(SAMPLE) || index.is_multiple_of(SAMPLE)) && self.claims.len() < CLAIMS {
            self.claims.push(Claim { index, entry });
        }
    }

    pub(crate) fn merge(&mut self, other: Acknowledged) {
        self.claims.extend(other.claims);
    }

    pub(crate) fn judge(mut self) -> Honesty {
        let compared = u64::try_from(self.claims.len()).unwrap_or(u64::MAX);
        self.claims.sort_unstable();
        self.claims.dedup();
        let shared_indexes = conflicts(&self.claims, |claim| claim.index);
        self.claims.sort_unstable_by_key(|claim| claim.entry);
        let split_entries = conflicts(&self.claims, |claim| claim.entry);
        Honesty { compared, shared_indexes, split_entries }
    }
}

impl Honesty {
    /// Whether some index stands for two entries: then at least one of them is not in the log.
    pub fn is_contradictory(&self) -> bool {
        self.shared_indexes > 0
    }
}

/// How many keys are those of more than one of the claims, which are distinct and ordered by that key.
fn conflicts(claims: &[Claim], key: impl Fn(&Claim) -> u64) -> u64 {
    let several = claims.chunk_by(|a, b| key(a) == key(b)).filter(|group| group.len() > 1);
    u64::try_from(several.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(claims: impl IntoIterator<Item = (u64, u64)>) -> Honesty {
        let mut acknowledged = Acknowledged::default();
        for (entry, index) in claims {
            acknowledged.note(entry, index);
        }
        acknowledged.judge()
    }

    #[test]
    fn an_honest_log_is_believed_whatever_the_order_and_the_duplicates() {
        let honesty = judged((0..1000).rev().chain(0..1000).map(|n| (n, 5000 + n)));
        assert!(honesty.compared > 200, "{honesty:?}");
        assert_eq!((honesty.shared_indexes, honesty.split_entries), (0, 0));
    }

    #[test]
    fn a_log_that_says_the_same_to_everybody_is_noticed() {
        let honesty = judged((0..100).map(|n| (n, 0)));
        assert_eq!(honesty.shared_indexes, 1);
        assert!(honesty.is_contradictory());
    }

    #[test]
    fn a_single_index_given_twice_is_noticed_if_it_is_in_the_sample() {
        assert_eq!(judged((0..100).map(|n| (n, if n == 33 { 32 } else { n }))).shared_indexes, 1);
        assert_eq!(judged((0..100).map(|n| (n, if n == 34 { 33 } else { n }))).shared_indexes, 0);
    }

    #[test]
    fn a_duplicate_with_an_index_of_its_own_is_noticed() {
        let honesty = judged([(16, 3), (16, 4), (1, 5), (1, 5)]);
        assert_eq!((honesty.shared_indexes, honesty.split_entries), (0, 1));
        assert!(!honesty.is_contradictory());
    }
}
