//! The right edge of a growing tree: all that appending needs.
//!
//! Invariant: `peaks` holds the hashes of the largest complete subtrees that make up the leaves so far, one for each bit that is set in
//! `size`, largest and leftmost first. A new leaf merges with as many of them as there are low bits set in the size, like a carry, so
//! that a leaf costs one node hash on average and a tree of any size O(log n) memory.

use super::path::complete_nodes;
use super::{MAX_SIZE, Node};
use crate::hash::{Hash, LeafIndex, TreeSize};

/// The right edge of a tree: size and hashes of the maximal complete subtrees. Clone is cheap: at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appender {
    size: u64,
    peaks: Vec<Hash>,
}

/// Why a tree could not be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppenderError {
    /// The number of hashes is not that of the tree's right edge.
    #[error("a tree of {size} entries continues from {expected} hashes, not from {given}; read the right edge of this very size")]
    PeakCount {
        /// The tree's size.
        size: TreeSize,
        /// How many hashes its right edge has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// The tree would have more than 2^63 leaves.
    #[error("the tree is full: it cannot have more than 2^63 entries; start a new log")]
    Full,
}

impl Appender {
    /// The empty tree.
    pub fn new() -> Self {
        Appender { size: 0, peaks: Vec::with_capacity(64) }
    }

    /// Continues a tree of `size` leaves from the hashes of the nodes that [`Appender::peak_nodes`] names, in that order.
    pub fn from_peaks(size: TreeSize, peaks: Vec<Hash>) -> Result<Self, AppenderError> {
        let leaves = size.as_u64();
        if leaves > MAX_SIZE {
            return Err(AppenderError::Full);
        }
        let expected = complete_nodes(0..leaves).count();
        if peaks.len() != expected {
            return Err(AppenderError::PeakCount { size, expected, given: peaks.len() });
        }
        Ok(Appender { size: leaves, peaks })
    }

    /// The nodes that make up the right edge of a tree of `size` leaves, largest and leftmost first.
    pub fn peak_nodes(size: TreeSize) -> Vec<Node> {
        let mut nodes: Vec<Node> = complete_nodes(0..size.as_u64()).collect();
        nodes.reverse();
        nodes
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.size)
    }

    /// The hashes of [`Appender::peak_nodes`].
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root hash (RFC 6962 section 2.1). At most 62 hashes are computed.
    pub fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| Hash::node(&left, &right)).unwrap_or(Hash::EMPTY_TREE)
    }

    /// Appends one leaf and returns its index. Calls `completed` for every complete subtree whose last leaf this is: the leaf itself
    /// first, then upward. These are all the hashes that a store ever has to keep.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) -> Result<LeafIndex, AppenderError> {
        if self.size >= MAX_SIZE {
            return Err(AppenderError::Full);
        }
        let index = self.size;
        let mut node = Node { height: 0, index };
        let mut hash = leaf;
        completed(node, hash);
        // An odd position is a right child: its left sibling is the last peak.
        while node.index % 2 == 1 {
            let left = self.peaks.pop().expect("there is a peak for every bit set in the size");
            hash = Hash::node(&left, &hash);
            node = Node { height: node.height + 1, index: node.index / 2 };
            completed(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(LeafIndex::new(index))
    }
}
