//! Consistency proofs for witnesses, from the stored tiles.

use tlog::evidence::ProvenHash;
use tlog::merkle::{self, Node, ProveError, Subtree};
use tlog::tiles::{TILE_HEIGHT, Tile, TileId, tile_of};
use tlog::{Hash, TreeSize};

use crate::head::Head;
use crate::store::{Damage, Store, StoreError};

/// The proof that `head` continues the tree of `old` entries. It has been verified: a witness that refuses it does not refuse for that.
pub(super) fn prove<S: Store>(store: &S, old: TreeSize, head: &Head) -> Result<Vec<Hash>, StoreError> {
    if old == TreeSize::ZERO {
        return Ok(Vec::new());
    }
    let broken = || StoreError::from(Damage::Inconsistent { old: old.as_u64(), new: head.size().as_u64() });
    let mut nodes = Nodes { store, size: head.size(), last: None };
    let proof = merkle::prove_consistency(old, head.size(), |node| nodes.get(node)).map_err(|error| match error {
        ProveError::Node(error) => error,
        _ => broken(),
    })?;
    let old_root = merkle::root(old, |node| nodes.get(node))?;
    merkle::verify_consistency(old, &old_root, head.size(), &head.root(), &proof).map_err(|_| broken())?;
    Ok(proof)
}

/// The root that the stored hashes give at `size`, in a tree of `within` entries.
pub(super) fn root_at<S: Store>(store: &S, size: TreeSize, within: TreeSize) -> Result<Hash, StoreError> {
    let mut nodes = Nodes { store, size: within, last: None };
    merkle::root(size, |node| nodes.get(node))
}

/// The hash of the first `size` entries, and the proof that a tree of `within` entries begins with them. `None` for no entries.
pub(super) fn beginning<S: Store>(store: &S, size: TreeSize, within: TreeSize) -> Result<Option<ProvenHash>, StoreError> {
    let Ok(part) = Subtree::new(0, size.as_u64()) else { return Ok(None) };
    let mut nodes = Nodes { store, size: within, last: None };
    let proof = merkle::prove_subtree(part, within, |node| nodes.get(node)).map_err(|error| match error {
        ProveError::Node(error) => error,
        _ => Damage::Inconsistent { old: size.as_u64(), new: within.as_u64() }.into(),
    })?;
    Ok(Some(ProvenHash { hash: root_at(store, size, within)?, proof }))
}

/// Gives the hashes of complete subtrees of a tree of `size` entries. Those of a proof come tile by tile, so the last tile is kept.
struct Nodes<'a, S> {
    store: &'a S,
    size: TreeSize,
    last: Option<Tile>,
}

impl<S: Store> Nodes<'_, S> {
    fn get(&mut self, node: Node) -> Result<Hash, StoreError> {
        let part = tile_of(node);
        let broken = Damage::BrokenTile { level: part.level, number: part.number, position: part.first };
        let id = TileId::for_size(part.level, part.number, self.size).ok_or(broken)?;
        if self.last.as_ref().is_none_or(|tile| tile.id() != id) {
            self.last = Tile::new(id, self.store.tile(id)?);
        }
        let within = node.height % TILE_HEIGHT;
        self.last.as_ref().and_then(|tile| tile.node(within, part.first >> within)).ok_or(broken.into())
    }
}
