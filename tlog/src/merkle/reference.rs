//! RFC 6962 section 2.1 and draft-ietf-plants-merkle-tree-certs section 4.4 word for word, recursively: what the tests compare with. `D[lo:hi]` is the
//! list of leaves from `lo` to `hi`, as in the specifications.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::HashMap;

use crate::hash::Hash;

/// A list of leaf hashes. Hashes of ranges are remembered, nothing else is clever.
pub(crate) enum Reference {
    /// The hash of each range, by start and length less one.
    Distinct(RefCell<Vec<Vec<Option<Hash>>>>),
    /// As many as one likes: then only the length of a range matters, so that trees of 2^63 leaves are within reach.
    Equal(RefCell<HashMap<u64, Hash>>),
}

impl Reference {
    pub(crate) fn new(leaves: &[Hash]) -> Self {
        let mut ranges: Vec<_> = (1..=leaves.len()).rev().map(|lengths| vec![None; lengths]).collect();
        for (range, leaf) in ranges.iter_mut().zip(leaves) {
            range[0] = Some(*leaf);
        }
        Reference::Distinct(RefCell::new(ranges))
    }

    pub(crate) fn of_equal_leaves(leaf: Hash) -> Self {
        Reference::Equal(RefCell::new(HashMap::from([(1, leaf)])))
    }

    /// MTH(D\[lo:hi\])
    pub(crate) fn mth(&self, lo: u64, hi: u64) -> Hash {
        if lo == hi {
            return Hash::sha256(b"");
        }
        let (start, length) = (usize::try_from(lo).unwrap(), usize::try_from(hi - lo).unwrap());
        let known = match self {
            Reference::Distinct(ranges) => ranges.borrow()[start][length - 1],
            Reference::Equal(lengths) => lengths.borrow().get(&(hi - lo)).copied(),
        };
        known.unwrap_or_else(|| {
            let k = k(hi - lo);
            let hash = Hash::node(&self.mth(lo, lo + k), &self.mth(lo + k, hi));
            match self {
                Reference::Distinct(ranges) => ranges.borrow_mut()[start][length - 1] = Some(hash),
                Reference::Equal(lengths) => _ = lengths.borrow_mut().insert(hi - lo, hash),
            }
            hash
        })
    }

    /// PATH(m, D\[n\])
    pub(crate) fn path(&self, m: u64, n: u64) -> Vec<Hash> {
        self.path_in(m, 0, n)
    }

    /// PATH(m, D\[lo:hi\]), with m counted from lo
    fn path_in(&self, m: u64, lo: u64, hi: u64) -> Vec<Hash> {
        if hi - lo == 1 {
            return vec![];
        }
        let k = k(hi - lo);
        let (mut path, sibling) = if m < k {
            (self.path_in(m, lo, lo + k), self.mth(lo + k, hi))
        } else {
            (self.path_in(m - k, lo + k, hi), self.mth(lo, lo + k))
        };
        path.push(sibling);
        path
    }

    /// PROOF(m, D\[n\])
    pub(crate) fn proof(&self, m: u64, n: u64) -> Vec<Hash> {
        self.subproof(m, 0, n, true)
    }

    /// SUBPROOF(m, D\[lo:hi\], b), with m counted from lo
    fn subproof(&self, m: u64, lo: u64, hi: u64, b: bool) -> Vec<Hash> {
        if m == hi - lo {
            return if b { vec![] } else { vec![self.mth(lo, hi)] };
        }
        let k = k(hi - lo);
        let (mut proof, sibling) = if m <= k {
            (self.subproof(m, lo, lo + k, b), self.mth(lo + k, hi))
        } else {
            (self.subproof(m - k, lo + k, hi, false), self.mth(lo, lo + k))
        };
        proof.push(sibling);
        proof
    }

    /// SUBTREE_PROOF(start, end, D_n)
    pub(crate) fn subtree_proof(&self, start: u64, end: u64, n: u64) -> Vec<Hash> {
        self.subtree_subproof(start, end, 0, n, true)
    }

    /// SUBTREE_SUBPROOF(start, end, D\[lo:hi\], b), with start and end counted from lo
    fn subtree_subproof(&self, start: u64, end: u64, lo: u64, hi: u64, b: bool) -> Vec<Hash> {
        let n = hi - lo;
        if start == 0 && end == n {
            return if b { vec![] } else { vec![self.mth(lo, hi)] };
        }
        let k = k(n);
        let (mut proof, sibling) = if end <= k {
            (self.subtree_subproof(start, end, lo, lo + k, b), self.mth(lo + k, hi))
        } else if k <= start {
            (self.subtree_subproof(start - k, end - k, lo + k, hi, b), self.mth(lo, lo + k))
        } else {
            (self.subtree_subproof(0, end - k, lo + k, hi, false), self.mth(lo, lo + k))
        };
        proof.push(sibling);
        proof
    }
}

/// The largest power of two smaller than n.
fn k(n: u64) -> u64 {
    let mut k = 1;
    while k < n - k {
        k *= 2;
    }
    k
}
