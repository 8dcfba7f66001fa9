//! The walk from a tree's root down to a subtree, which prover and verifier share.
//!
//! Invariant: what is left to walk always holds what is left of the subtree, and at least halves with each step (the left part of a
//! split is a power of two not below the right one), so a walk takes at most 63 steps in a tree of at most 2^63 leaves.

use std::ops::Range;

use super::{Node, Subtree};

/// On which side of the walk a proof's hash goes, and what it becomes part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The sibling is to the right, beyond the subtree: part of the tree only.
    Right,
    /// The sibling is to the left, before the subtree: part of the tree only.
    Left,
    /// The sibling is to the left and inside the subtree: part of both the tree and the subtree.
    Shared,
}

/// One level of the walk: which leaves the sibling has, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) side: Side,
    pub(super) sibling: Range<u64>,
}

/// The walk, from the bottom up: that is the order of a proof's hashes.
pub(super) struct Path {
    /// Where the walk ended: the subtree, or the part of it that the shared siblings left.
    pub(super) base: Range<u64>,
    pub(super) steps: Vec<Step>,
}

impl Path {
    /// Walks to `subtree` in a tree of `size` leaves. The subtree must lie within the tree.
    ///
    /// This is SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs section 4.4 in absolute positions, without recursion.
    pub(super) fn new(subtree: Subtree, size: u64) -> Self {
        debug_assert!(subtree.end() <= size, "callers refuse subtrees that the tree does not have");
        let mut base = subtree.range();
        let mut rest = 0..size;
        let mut steps = Vec::with_capacity(64);
        while rest != base {
            let middle = rest.start + split(rest.end - rest.start);
            if base.end <= middle {
                steps.push(Step { side: Side::Right, sibling: middle..rest.end });
                rest.end = middle;
            } else {
                let shared = base.start < middle;
                steps.push(Step { side: if shared { Side::Shared } else { Side::Left }, sibling: rest.start..middle });
                rest.start = middle;
                // A valid subtree that reaches over the split starts where the rest starts, so all of the left part is in it.
                base.start = base.start.max(middle);
            }
        }
        steps.reverse();
        Path { base, steps }
    }

    /// Whether the walk ended at the whole subtree, whose hash the verifier has: it need not be in the proof.
    pub(super) fn base_is_known(&self) -> bool {
        self.steps.iter().all(|step| step.side != Side::Shared)
    }

    /// How many hashes the proof has.
    pub(super) fn proof_len(&self) -> usize {
        self.steps.len() + usize::from(!self.base_is_known())
    }

    /// The leaves that each of the proof's hashes covers, in the proof's order.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let base = (!self.base_is_known()).then(|| self.base.clone());
        base.into_iter().chain(self.steps.iter().map(|step| step.sibling.clone()))
    }
}

/// The leaves that each hash of the proof for `subtree` covers. For planning: which nodes a proof will ask for.
pub(crate) fn proof_ranges(subtree: Subtree, size: u64) -> Vec<Range<u64>> {
    Path::new(subtree, size).ranges().collect()
}

/// The largest power of two below `leaves`, which is at least 2: where RFC 6962 splits a tree.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The complete subtrees that make up `range`, smallest and rightmost first. `range` must be a valid subtree or empty.
pub(crate) fn complete_nodes(range: Range<u64>) -> impl Iterator<Item = Node> {
    let mut left = range.end - range.start;
    let mut end = range.end;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let height = left.trailing_zeros();
        end -= 1 << height;
        left &= left - 1;
        Some(Node { height: u8::try_from(height).expect("a u64 has 64 bits"), index: end >> height })
    })
}
