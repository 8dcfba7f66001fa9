//! Verifying proofs. Whatever comes in may be an enemy's.

use super::path::{Path, Side};
use super::{MAX_PROOF, MAX_SIZE, Subtree};
use crate::hash::{Hash, LeafIndex, TreeSize};

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// More than [`MAX_PROOF`] hashes: nothing was computed.
    #[error("the proof has {given} hashes, more than any proof can have ({MAX_PROOF}); get it again from the log")]
    TooLong {
        /// How many hashes were given.
        given: usize,
    },
    /// More than 2^63 leaves.
    #[error("no log can have {0} entries; check the size that the proof was asked for")]
    TreeTooLarge(TreeSize),
    /// What is claimed to be in the tree lies beyond it.
    #[error(
        "the proof is about an entry that the tree does not reach: it ends at {end}, the tree has {size} entries; get a newer checkpoint"
    )]
    BeyondTree {
        /// The leaf after the last one of what is claimed.
        end: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// Consistency with the empty tree: there is nothing to prove.
    #[error("every tree begins with the empty one, so there is nothing to prove; take the first checkpoint as it is")]
    EmptyOldTree,
    /// The old tree is larger than the new one.
    #[error("the log says that it has {new} entries, but it had {old} before: a log must never shrink; keep both checkpoints")]
    Shrinks {
        /// The old tree's size.
        old: TreeSize,
        /// The new tree's size.
        new: TreeSize,
    },
    /// Not as many hashes as a proof of this claim has.
    #[error(
        "the proof has {given} hashes where {expected} are needed, so it is cut short or about something else; get it again from the log"
    )]
    WrongLength {
        /// How many hashes a proof of this claim has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// The proof does not lead to the hash of the old tree or of the subtree.
    #[error("the proof does not lead to the earlier hash: the log's history was changed, or the proof is about something else")]
    WrongSubtree,
    /// The proof does not lead to the root hash.
    #[error(
        "the proof does not lead to the root hash that the log signed: this is not what the log holds at that place, or the proof was altered"
    )]
    WrongRoot,
    /// Two roots of one size: no proof can reconcile them. Under the log's two signatures this convicts the log.
    #[error(
        "there are two different root hashes for the first {size} entries: the log has shown two histories; keep both checkpoints as evidence"
    )]
    OtherRoot {
        /// The size of both trees.
        size: TreeSize,
    },
}

/// Verifies that the tree of `size` leaves with root hash `root` has `leaf` (a leaf hash) at `index` (RFC 6962 section 2.1.1).
pub fn verify_inclusion(leaf: &Hash, index: LeafIndex, size: TreeSize, proof: &[Hash], root: &Hash) -> Result<(), VerifyError> {
    refuse_excess(size, proof)?;
    if !size.contains(index) {
        return Err(VerifyError::BeyondTree { end: index.as_u64().saturating_add(1), size });
    }
    verify(Subtree::leaf(index.as_u64()), leaf, size, root, proof)
}

/// Verifies that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962 section 2.1.2).
///
/// For equal sizes the proof is empty and the roots must be equal, else the error is [`VerifyError::OtherRoot`], whatever the proof. An `old` of zero is an error: there is nothing to prove.
pub fn verify_consistency(old: TreeSize, old_root: &Hash, new: TreeSize, new_root: &Hash, proof: &[Hash]) -> Result<(), VerifyError> {
    refuse_excess(new, proof)?;
    if old == TreeSize::ZERO {
        return Err(VerifyError::EmptyOldTree);
    }
    if old > new {
        return Err(VerifyError::Shrinks { old, new });
    }
    if old == new && old_root != new_root {
        return Err(VerifyError::OtherRoot { size: new });
    }
    verify(Subtree::beginning(old.as_u64()), old_root, new, new_root, proof)
}

/// Verifies that the tree of `size` leaves has a subtree with the given hash (draft-ietf-plants-merkle-tree-certs section 4.4).
pub fn verify_subtree(subtree: Subtree, subtree_hash: &Hash, size: TreeSize, root: &Hash, proof: &[Hash]) -> Result<(), VerifyError> {
    refuse_excess(size, proof)?;
    if subtree.end() > size.as_u64() {
        return Err(VerifyError::BeyondTree { end: subtree.end(), size });
    }
    verify(subtree, subtree_hash, size, root, proof)
}

/// What no honest log sends, refused before any work is done for it.
fn refuse_excess(size: TreeSize, proof: &[Hash]) -> Result<(), VerifyError> {
    // SPEC: tlog-witness §add-checkpoint, §sign-subtree: at most 63 proof lines
    if proof.len() > MAX_PROOF {
        return Err(VerifyError::TooLong { given: proof.len() });
    }
    if size.as_u64() > MAX_SIZE {
        return Err(VerifyError::TreeTooLarge(size));
    }
    Ok(())
}

/// The hash that a tree has for a subtree, if `proof` leads to the root `root` of the tree of `size` leaves and contains that hash,
/// whatever was expected there.
///
/// A proof contains it unless the subtree is one node of the tree: then the hash is what the verifier is supposed to have, and the answer
/// is `None`, as for a proof that leads elsewhere. So a failed proof of consistency may still show, under the new root alone, which
/// other tree the new one begins with.
pub fn proven_hash(subtree: Subtree, size: TreeSize, root: &Hash, proof: &[Hash]) -> Option<Hash> {
    refuse_excess(size, proof).ok()?;
    if subtree.end() > size.as_u64() {
        return None;
    }
    let path = Path::new(subtree, size.as_u64());
    if path.base_is_known() || proof.len() != path.proof_len() {
        return None;
    }
    let (base, siblings) = proof.split_first()?;
    let (sub, tree) = climb(&path, base, siblings);
    (tree == *root).then_some(sub)
}

/// Checks that the hashes lead from the subtree to the root.
fn verify(subtree: Subtree, subtree_hash: &Hash, size: TreeSize, root: &Hash, proof: &[Hash]) -> Result<(), VerifyError> {
    let path = Path::new(subtree, size.as_u64());
    let wrong_length = VerifyError::WrongLength { expected: path.proof_len(), given: proof.len() };
    if proof.len() != path.proof_len() {
        return Err(wrong_length);
    }
    let (base, siblings) = if path.base_is_known() { (subtree_hash, proof) } else { proof.split_first().ok_or(wrong_length)? };
    let (sub, tree) = climb(&path, base, siblings);
    if sub != *subtree_hash {
        return Err(VerifyError::WrongSubtree);
    }
    if tree != *root {
        return Err(VerifyError::WrongRoot);
    }
    Ok(())
}

/// Hashes up from the base of the walk. Two hashes grow side by side: (from the shared siblings) of the subtree, and of the tree.
fn climb(path: &Path, base: &Hash, siblings: &[Hash]) -> (Hash, Hash) {
    let (mut sub, mut tree) = (*base, *base);
    for (step, sibling) in path.steps.iter().zip(siblings) {
        match step.side {
            Side::Right => tree = Hash::node(&tree, sibling),
            Side::Left => tree = Hash::node(sibling, &tree),
            Side::Shared => {
                tree = Hash::node(sibling, &tree);
                sub = Hash::node(sibling, &sub);
            }
        }
    }
    (sub, tree)
}
