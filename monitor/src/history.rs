//! Hashes and proofs of a log's tree, from the entries that the monitor keeps.
//!
//! What a monitor has read of a log is enough to convict it: whoever is shown another history needs a proof of what the first one was, and
//! a log that lies will not give it. So the tree is computed here from the entries themselves, and nobody is asked.
//!
//! Invariant: a hash is either computed from stored entries or was when it was stored. Of the tree only the hashes of whole bundles are kept,
//! of 256 of those, and so on: 32 bytes for 256 entries. They spare hashing ten million entries for one proof; where one is missing it is
//! computed again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tlog::merkle::{self, Node, ProveError, Subtree};
use tlog::tiles::{Entries, TILE_HEIGHT};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::store::{Damage, Family, Store, StoreError, Txn};

/// How many entries a bundle has.
const WIDTH: u64 = 256;

/// The first entries of a log, as far as they are stored.
#[derive(Debug)]
pub struct History<'s> {
    store: &'s Store,
    log: u32,
    size: TreeSize,
    /// Hashes that were not stored, for [`History::keep`].
    computed: RefCell<BTreeMap<Node, Hash>>,
    /// The leaf hashes of the bundle that was read last: the nodes of a proof come in groups.
    bundle: RefCell<Option<(u64, Vec<Hash>)>>,
}

/// Stores the hash of a node of the tree if it is one of those that are kept. For whoever computes them anyway.
pub fn keep_node(txn: &mut Txn<'_>, log: u32, node: Node, hash: &Hash) {
    if node.height > 0 && node.height.is_multiple_of(TILE_HEIGHT) {
        txn.put(Family::Nodes, key(log, node), hash.as_bytes().to_vec());
    }
}

impl<'s> History<'s> {
    /// The first `size` entries of the log with this number, all of which must be stored.
    pub fn new(store: &'s Store, log: u32, size: TreeSize) -> Self {
        History { store, log, size, computed: RefCell::default(), bundle: RefCell::default() }
    }

    /// How many entries.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The hash of a leaf; `None` beyond the end.
    pub fn leaf(&self, index: LeafIndex) -> Result<Option<Hash>, StoreError> {
        if !self.size.contains(index) {
            return Ok(None);
        }
        self.node(Node { height: 0, index: index.as_u64() }).map(Some)
    }

    /// The root of the first `size` entries; `None` if there are not so many.
    pub fn root_at(&self, size: TreeSize) -> Result<Option<Hash>, StoreError> {
        if size > self.size {
            return Ok(None);
        }
        merkle::root(size, |node| self.node(node)).map(Some)
    }

    /// The proof that the tree of the first `size` entries has a subtree's hash at its place. `None` if there are not so many.
    pub fn prove(&self, subtree: Subtree, size: TreeSize) -> Result<Option<Vec<Hash>>, StoreError> {
        if size > self.size {
            return Ok(None);
        }
        match merkle::prove_subtree(subtree, size, |node| self.node(node)) {
            Ok(proof) => Ok(Some(proof)),
            Err(ProveError::Node(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Stores the hashes that had to be computed, so that they are there next time.
    pub fn keep(&self, txn: &mut Txn<'_>) {
        self.computed.borrow().iter().for_each(|(node, hash)| keep_node(txn, self.log, *node, hash));
    }

    /// Whether there is anything to [`History::keep`].
    pub fn has_computed(&self) -> bool {
        !self.computed.borrow().is_empty()
    }

    /// The hash of a complete subtree within the size.
    fn node(&self, node: Node) -> Result<Hash, StoreError> {
        let within = node.height % TILE_HEIGHT;
        let level = node.height - within;
        let first = node.index << within;
        let mut row = Vec::with_capacity(1 << within);
        for index in first..first + (1 << within) {
            row.push(self.kept(Node { height: level, index })?);
        }
        Ok(fold(row))
    }

    /// The hash of a node whose height is a multiple of 8: of a leaf, or one of those that are kept.
    fn kept(&self, node: Node) -> Result<Hash, StoreError> {
        if node.height == 0 {
            return self.stored_leaf(node.index);
        }
        if let Some(hash) = self.computed.borrow().get(&node) {
            return Ok(*hash);
        }
        if let Some(row) = self.store.get(Family::Nodes, &key(self.log, node))? {
            return row.try_into().map(Hash::new).map_err(|_| Damage::MalformedRow.into());
        }
        // At most eight levels, each of which computes 256 of the one below.
        let mut row = Vec::with_capacity(256);
        for index in node.index * WIDTH..(node.index + 1) * WIDTH {
            row.push(self.kept(Node { height: node.height - TILE_HEIGHT, index })?);
        }
        let hash = fold(row);
        self.computed.borrow_mut().insert(node, hash);
        Ok(hash)
    }

    fn stored_leaf(&self, index: u64) -> Result<Hash, StoreError> {
        let number = index / WIDTH;
        let mut bundle = self.bundle.borrow_mut();
        let leaves = match &mut *bundle {
            Some((at, leaves)) if *at == number => leaves,
            other => &mut other.insert((number, self.leaves(number)?)).1,
        };
        let place = usize::try_from(index % WIDTH).expect("below 256");
        leaves.get(place).copied().ok_or_else(|| Damage::MalformedRow.into())
    }

    fn leaves(&self, number: u64) -> Result<Vec<Hash>, StoreError> {
        let key = [self.log.to_be_bytes().as_slice(), &number.to_be_bytes()].concat();
        let bytes = self.store.get(Family::Bundles, &key)?.ok_or(Damage::MalformedRow)?;
        Entries::new(&bytes).map(|entry| entry.map(Hash::leaf).map_err(|_| Damage::MalformedRow.into())).collect()
    }
}

/// The hash over a row of hashes, whose number is a power of two.
fn fold(mut row: Vec<Hash>) -> Hash {
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks();
        row = pairs.iter().map(|[left, right]| Hash::node(left, right)).collect();
    }
    row[0]
}

fn key(log: u32, node: Node) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), &[node.height], &node.index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::heads::fixture::Tree;
    use crate::store::StoreOptions;

    #[test]
    fn roots_leaves_and_proofs_are_those_of_the_tree_with_and_without_kept_hashes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        let tree = Tree::new("one", 0, 66_000);
        tree.follow(&store, 3, 66_000);
        for pass in 0..2 {
            let history = History::new(&store, 3, TreeSize::new(66_000));
            for size in [0, 1, 2, 255, 256, 257, 511, 512, 4096, 65_535, 65_536, 65_537, 66_000] {
                assert_eq!(history.root_at(TreeSize::new(size)).unwrap(), Some(tree.root(size)), "{size}");
                if size > 0 {
                    let subtree = Subtree::new(0, size).unwrap();
                    let proof = history.prove(subtree, TreeSize::new(66_000)).unwrap().unwrap();
                    merkle::verify_subtree(subtree, &tree.root(size), TreeSize::new(66_000), &tree.root(66_000), &proof).unwrap();
                    assert_eq!(history.leaf(LeafIndex::new(size - 1)).unwrap(), Some(tree.leaf(size - 1)));
                }
            }
            assert_eq!(history.has_computed(), pass == 0);
            store
                .write(|txn| {
                    history.keep(txn);
                    Ok::<_, StoreError>(())
                })
                .unwrap();
            assert_eq!(history.root_at(TreeSize::new(66_001)).unwrap(), None);
            assert_eq!(history.leaf(LeafIndex::new(66_000)).unwrap(), None);
        }
    }

    #[test]
    fn entries_that_are_not_there_are_damage_and_not_another_tree() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), StoreOptions::default()).unwrap();
        Tree::new("one", 0, 300).follow(&store, 3, 300);
        for (log, size) in [(3, 301), (3, 513), (4, 1)] {
            let history = History::new(&store, log, TreeSize::new(size));
            assert!(history.root_at(TreeSize::new(size)).is_err(), "{log} {size}");
        }
    }
}
