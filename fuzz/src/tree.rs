//! One fixed tree, to have true statements to bend.

use std::sync::LazyLock;

use tlog::merkle::{Node, Subtree};
use tlog::{Hash, LeafIndex, TreeSize, merkle};

/// How many leaves the tree has: three full tiles and a bit.
pub(crate) const LEAVES: u64 = 800;

/// `LEVELS[h][i]` is the hash of the complete subtree of height `h` at index `i`.
static LEVELS: LazyLock<Vec<Vec<Hash>>> = LazyLock::new(|| {
    let mut levels = vec![(0..LEAVES).map(|index| Hash::leaf(&index.to_be_bytes())).collect::<Vec<_>>()];
    loop {
        let last = levels.last().expect("there is the level of the leaves");
        if last.len() < 2 {
            return levels;
        }
        let next = last.as_chunks().0.iter().map(|[left, right]| Hash::node(left, right)).collect();
        levels.push(next);
    }
});

/// The tree's hash of a complete subtree, if there is one.
pub(crate) fn node(node: Node) -> Result<Hash, Outside> {
    let index = usize::try_from(node.index).map_err(|_| Outside)?;
    LEVELS.get(usize::from(node.height)).and_then(|level| level.get(index)).copied().ok_or(Outside)
}

/// Asked for a node that the tree does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outside;

/// The leaf's hash, if there is one.
pub(crate) fn leaf(index: LeafIndex) -> Option<Hash> {
    node(Node { height: 0, index: index.as_u64() }).ok()
}

/// The root of the first `size` leaves, if there are as many.
pub(crate) fn root(size: TreeSize) -> Option<Hash> {
    (size.as_u64() <= LEAVES).then(|| merkle::root(size, node).expect("all its nodes are there"))
}

/// The hash of a part of the tree, computed from its leaves.
pub(crate) fn subtree_hash(subtree: Subtree) -> Hash {
    let shifted = |wanted: Node| node(Node { height: wanted.height, index: wanted.index + (subtree.start() >> wanted.height) });
    // A subtree starts at a multiple of its own height's width, so its nodes are those of a tree of its size, moved along.
    merkle::root(TreeSize::new(subtree.end() - subtree.start()), shifted).expect("within the tree")
}
