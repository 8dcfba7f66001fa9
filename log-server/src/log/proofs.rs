//! Proofs out of the stored tiles: receipts, inclusion and consistency.

use tlog::merkle::{self, Node, ProveError};
use tlog::proof::Proof;
use tlog::tiles::{TILE_HEIGHT, Tile, TileId, tile_of};
use tlog::{Hash, LeafIndex, TreeSize};

use super::{Log, ReadError};
use crate::head::Head;
use crate::store::{Damage, Store, StoreError};

impl<S: Store> Log<S> {
    /// A receipt for an entry under the published head; `None` if that does not cover it. It has been verified.
    pub fn receipt(&self, index: LeafIndex) -> Result<Option<Proof>, ReadError> {
        let head = self.published();
        if !head.size().contains(index) {
            return Ok(None);
        }
        self.reading(|| self.receipt_under(&head, index)).map(Some)
    }

    fn receipt_under(&self, head: &Head, index: LeafIndex) -> Result<Proof, ReadError> {
        let entry = self.inner.store.entries(index, 1)?.pop().ok_or(StoreError::from(Damage::MissingEntry(index.as_u64())))?;
        let hashes = self.prove_inclusion(index, head.size())?;
        // A receipt that does not verify would be held against the log for ever; damage shows here first.
        merkle::verify_inclusion(&Hash::leaf(&entry), index, head.size(), &hashes, &head.root())
            .map_err(|_| ReadError::ProofFails(index))?;
        let proof = Proof::new(Some(entry.to_vec()), index, hashes, head.checkpoint().clone());
        proof.map_err(|_| ReadError::ProofFails(index))
    }

    /// The proof that the tree of `size` entries has its entry at `index`; `None` if that tree does not have it, or is larger than what is
    /// published.
    pub fn inclusion(&self, index: LeafIndex, size: TreeSize) -> Result<Option<Vec<Hash>>, ReadError> {
        if !size.contains(index) || size > self.published().size() {
            return Ok(None);
        }
        self.reading(|| self.prove_inclusion(index, size)).map(Some)
    }

    /// The proof that the tree of `new` entries begins with the one of `old`; `None` if `old` is 0 or larger than `new`, or `new` larger than
    /// what is published.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Option<Vec<Hash>>, ReadError> {
        if old == TreeSize::ZERO || old > new || new > self.published().size() {
            return Ok(None);
        }
        let mut nodes = Nodes { log: self, size: new, last: None };
        let last = LeafIndex::new(new.as_u64() - 1);
        self.reading(|| merkle::prove_consistency(old, new, |node| nodes.get(node)).map_err(|error| failed(error, last))).map(Some)
    }

    fn prove_inclusion(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, ReadError> {
        let mut nodes = Nodes { log: self, size, last: None };
        merkle::prove_inclusion(index, size, |node| nodes.get(node)).map_err(|error| failed(error, index))
    }
}

/// All but the hashes themselves has been asked before.
fn failed(error: ProveError<ReadError>, index: LeafIndex) -> ReadError {
    match error {
        ProveError::Node(error) => error,
        _ => ReadError::ProofFails(index),
    }
}

/// Gives the hashes of complete subtrees of one tree. The nodes of a proof come tile by tile, so the last tile is kept.
struct Nodes<'a, S> {
    log: &'a Log<S>,
    size: TreeSize,
    last: Option<Tile>,
}

impl<S: Store> Nodes<'_, S> {
    fn get(&mut self, node: Node) -> Result<Hash, ReadError> {
        let part = tile_of(node);
        let broken = StoreError::from(Damage::BrokenTile { level: part.level, number: part.number, position: part.first });
        let Some(id) = TileId::for_size(part.level, part.number, self.size) else { return Err(broken.into()) };
        if self.last.as_ref().is_none_or(|tile| tile.id() != id) {
            self.last = Tile::parse(id, &self.log.read_tile(id)?).ok();
        }
        let within = node.height % TILE_HEIGHT;
        self.last.as_ref().and_then(|tile| tile.node(within, part.first >> within)).ok_or(broken.into())
    }
}
