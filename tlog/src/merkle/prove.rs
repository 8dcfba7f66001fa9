//! Making proofs from the hashes of complete subtrees.

use std::ops::Range;

use super::path::{Path, complete_nodes};
use super::{MAX_PROOF, MAX_SIZE, Node, Subtree};
use crate::hash::{Hash, LeafIndex, TreeSize};

/// Why there is no proof. `E` is what the source of hashes says when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError<E> {
    /// What is to be proved is not within the tree.
    #[error("the log has no such entry yet: what is asked for ends at {end}, the tree has {size} entries; try again with a larger tree")]
    BeyondTree {
        /// The leaf after the last one asked for.
        end: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// Consistency with the empty tree: every tree begins with it, so there is nothing to prove.
    #[error("every tree begins with the empty one, so there is nothing to prove; ask for consistency with a size of at least 1")]
    EmptyOldTree,
    /// The old tree is larger than the new one.
    #[error("a tree of {new} entries cannot begin with one of {old}; give the smaller size first")]
    Shrinks {
        /// The size given as the old one.
        old: TreeSize,
        /// The size given as the new one.
        new: TreeSize,
    },
    /// More than 2^63 leaves, or (in some trees of more than 2^62) a proof of more than [`MAX_PROOF`] hashes.
    #[error("a tree of {0} entries is too large for proofs; check the size")]
    TreeTooLarge(TreeSize),
    /// The source of hashes failed.
    #[error("no proof was made, since a hash of the tree could not be read: {0}")]
    Node(E),
}

/// The root hash of a tree of `size` leaves (RFC 6962 section 2.1). `node` gives the hash of a complete subtree, all of whose leaves are
/// below `size`.
pub fn root<E>(size: TreeSize, node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    range_hash(0..size.as_u64(), node)
}

/// The proof that the tree of `size` leaves has its leaf at `index` (RFC 6962 section 2.1.1), lowest hash first.
pub fn prove_inclusion<E>(index: LeafIndex, size: TreeSize, node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, ProveError<E>> {
    if !size.contains(index) {
        return Err(ProveError::BeyondTree { end: index.as_u64().saturating_add(1), size });
    }
    prove_subtree(Subtree::leaf(index.as_u64()), size, node)
}

/// The proof that the tree of `new` leaves begins with the one of `old` (RFC 6962 section 2.1.2). Empty for equal sizes.
pub fn prove_consistency<E>(old: TreeSize, new: TreeSize, node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, ProveError<E>> {
    if old == TreeSize::ZERO {
        return Err(ProveError::EmptyOldTree);
    }
    if old > new {
        return Err(ProveError::Shrinks { old, new });
    }
    prove_subtree(Subtree::beginning(old.as_u64()), new, node)
}

/// The proof that the tree of `size` leaves has a subtree's hash at its place: the subtree consistency proof of
/// draft-ietf-plants-merkle-tree-certs section 4.4.
pub fn prove_subtree<E>(
    subtree: Subtree,
    size: TreeSize,
    mut node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, ProveError<E>> {
    if subtree.end() > size.as_u64() {
        return Err(ProveError::BeyondTree { end: subtree.end(), size });
    }
    if size.as_u64() > MAX_SIZE {
        return Err(ProveError::TreeTooLarge(size));
    }
    let path = Path::new(subtree, size.as_u64());
    if path.proof_len() > MAX_PROOF {
        return Err(ProveError::TreeTooLarge(size));
    }
    path.ranges().map(|range| range_hash(range, &mut node).map_err(ProveError::Node)).collect()
}

/// MTH of RFC 6962 section 2.1 over a valid subtree, from its complete parts.
fn range_hash<E>(range: Range<u64>, mut node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut hash = None;
    for part in complete_nodes(range) {
        let left = node(part)?;
        hash = Some(match hash {
            Some(right) => Hash::node(&left, &right),
            None => left,
        });
    }
    Ok(hash.unwrap_or(Hash::EMPTY_TREE))
}
