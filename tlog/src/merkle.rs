//! Merkle trees (RFC 6962 section 2): appending, proofs, and their verification.
//!
//! Proofs are made from the hashes of *complete* subtrees only, which never change once they exist; whoever has those (a store, a set
//! of tiles) hands them in as a closure from [`Node`] to [`Hash`].
//!
//! Invariant: no function here does work that grows with a number that a stranger sent: at most 64 levels, and proofs of more than
//! [`MAX_PROOF`] hashes are refused before anything is hashed.

/// The most hashes that a proof can have: one for each level of a tree of at most 2^63 leaves.
pub const MAX_PROOF: usize = 63;

/// A complete subtree of 2^`height` leaves, the `index`-th such from the left. Its hash is fixed once its last leaf is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The height above the leaves: 0 is a leaf. At most 63.
    pub height: u8,
    /// The position among the subtrees of this height, from 0.
    pub index: u64,
}

/// The leaves from `start` (included) to `end` (excluded) as a subtree in the sense of draft-ietf-plants-merkle-tree-certs
/// section 4.1: `start` is a multiple of the smallest power of two that is not below `end` − `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subtree {
    start: u64,
    end: u64,
}
