//! Merkle trees (RFC 6962 section 2): appending, proofs, and their verification.
//!
//! Proofs are made from the hashes of *complete* subtrees only, which never change once they exist; whoever has those (a store, a set
//! of tiles) hands them in as a closure from [`Node`] to [`Hash`](crate::Hash).
//!
//! Invariant: no function here does work that grows with a number that a stranger sent: at most 64 levels, and proofs of more than
//! [`MAX_PROOF`] hashes are refused before anything is hashed.
//!
//! Inclusion, consistency and subtree proofs are one construction. Draft-ietf-plants-merkle-tree-certs section 4.4 lets RFC 6962's
//! SUBPROOF begin at any valid subtree: beginning at one leaf it is an inclusion proof, at the leaves `0..old` a consistency proof.
//! So there is one walk down the tree, in `path.rs`, that both the prover and the verifier follow.
//!
//! ```
//! use tlog::merkle::{self, Appender, Node};
//! use tlog::{Hash, LeafIndex, TreeSize};
//! use std::collections::HashMap;
//!
//! let mut nodes = HashMap::new();
//! let mut tree = Appender::new();
//! for entry in ["one", "two", "three"] {
//!     tree.append(Hash::leaf(entry.as_bytes()), |node, hash| { nodes.insert(node, hash); })?;
//! }
//!
//! let index = LeafIndex::new(1);
//! let proof = merkle::prove_inclusion(index, tree.size(), |node: Node| nodes.get(&node).copied().ok_or(std::fmt::Error))?;
//! merkle::verify_inclusion(&Hash::leaf(b"two"), index, tree.size(), &proof, &tree.root())?;
//! assert!(merkle::verify_inclusion(&Hash::leaf(b"2"), index, tree.size(), &proof, &tree.root()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ops::Range;

use crate::hash::TreeSize;

mod appender;
mod path;
mod prove;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
mod verify;

pub use appender::{Appender, AppenderError};
pub use prove::{ProveError, prove_consistency, prove_inclusion, prove_subtree, root};
pub use verify::{VerifyError, proven_hash, verify_consistency, verify_inclusion, verify_subtree};

pub(crate) use path::{complete_nodes, proof_ranges};

/// The most hashes that a proof can have. An inclusion proof in a tree of 2^63 leaves has that many. Some consistency proofs in trees
/// of more than 2^62 leaves would need one hash more; those are neither made nor accepted.
pub const MAX_PROOF: usize = 63;

/// The most leaves that a tree can have.
const MAX_SIZE: u64 = TreeSize::MAX.as_u64();

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

/// A range of leaves that is not a subtree, so it has no hash of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubtree {
    /// `start` is not below `end`.
    #[error("a range of entries must end after it starts; give the first entry and the one after the last")]
    Empty,
    /// `start` is not aligned to the range's length.
    #[error(
        "this range of entries does not form one part of the tree: its start must be a multiple of the smallest power of two that is at \
         least its length; ask for an aligned range"
    )]
    Misaligned,
}

impl Subtree {
    /// The subtree of the leaves from `start` (included) to `end` (excluded).
    pub fn new(start: u64, end: u64) -> Result<Self, InvalidSubtree> {
        // SPEC: merkle-tree-certs §4.1
        if start >= end {
            return Err(InvalidSubtree::Empty);
        }
        let aligned = match (end - start).checked_next_power_of_two() {
            Some(width) => start.is_multiple_of(width),
            None => start == 0, // the power of two is 2^64
        };
        if aligned { Ok(Subtree { start, end }) } else { Err(InvalidSubtree::Misaligned) }
    }

    /// The first leaf.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The leaf after the last one.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// One leaf: every leaf is a subtree.
    const fn leaf(index: u64) -> Self {
        Subtree { start: index, end: index + 1 }
    }

    /// The first `size` leaves, at least one: any beginning of a tree is a subtree.
    const fn beginning(size: u64) -> Self {
        Subtree { start: 0, end: size }
    }

    fn range(self) -> Range<u64> {
        self.start..self.end
    }
}
