//! The authenticated reader: which tiles to fetch, and whether they are the log's.
//!
//! Invariant: an [`AuthenticatedTiles`] holds no hash that was not hashed up to the root that it was made with. That is so because
//!
//! - the hashes of the partial tiles, all levels together, are the leaves of exactly one computation: that of the root. Every plan has
//!   all of them, and they are accepted or refused as one;
//! - a full tile hashes to one hash of a tile one level up. Every plan that has a full tile has that one too, and levels are checked
//!   from the top, so what a tile is compared with has been authenticated before;
//! - what comes out is read from tiles that went through one of these two, there is no other way in.
//!
//! Why it is written so: CVE-2026-56865. A reader that took apart "tiles that hold the root" and "the others" by counting root *hashes*
//! instead of their tiles used some tiles unchecked. Here nothing is counted: each tile is asked about itself.
//!
//! No I/O: the caller fetches what [`Plan::tiles`] lists, in any order and as parallel as it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::bundle::{MalformedBundle, parse_bundle};
use super::id::{BundleId, TileId, TilePart, tile_of};
use super::tile::{Tile, next_row};
use super::{LEVELS, TILE_HEIGHT, TILE_WIDTH};
use crate::hash::{Hash, LeafIndex, TreeSize};
use crate::merkle::{self, Node, ProveError, Subtree, complete_nodes, proof_ranges};

/// Which tiles are needed to read something from a tree and to authenticate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    size: TreeSize,
    tiles: BTreeSet<TileId>,
}

/// What was asked for is not in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It ends beyond the tree.
    #[error("the log has no such entry yet: what is asked for ends at {end}, the tree has {size} entries; get a newer checkpoint")]
    BeyondTree {
        /// The leaf after the last one asked for.
        end: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// The empty tree is the beginning of every other: there is nothing to read.
    #[error("every tree begins with the empty one, so there is nothing to prove; ask for a size of at least 1")]
    EmptyOldTree,
}

/// Why tiles are refused. None of them may be used then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// A tile of the plan was not given.
    #[error("{0} is missing; fetch every tile of the plan")]
    Missing(TileId),
    /// A tile was given that is not in the plan, or given twice.
    #[error("{0} was not asked for, or came twice; give each tile of the plan once")]
    Surplus(TileId),
    /// The partial tiles together do not hash to the root.
    #[error(
        "the newest tiles of the log do not hash to the root hash that it signed; the log or what is between serves wrong data, use none of it"
    )]
    WrongRoot,
    /// A tile does not hash to what the tile above it says.
    #[error("{0} is not what the log signed; the log or what is between serves wrong data, use none of it")]
    Forged(TileId),
}

/// Why a bundle of entries is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Its shape.
    #[error(transparent)]
    Malformed(#[from] MalformedBundle),
    /// The hashes of its entries were not in the plan.
    #[error(transparent)]
    NotPlanned(#[from] NotPlanned),
    /// An entry is not the one that the log signed.
    #[error("entry {0} is not what the log signed; the log or what is between serves wrong data, do not rely on it")]
    Forged(LeafIndex),
}

/// A proof needs hashes that the plan did not ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tiles for this proof were not fetched; add it to the plan")]
pub struct NotPlanned;

/// Tiles of which each hash is known to be the log's, under one root.
#[derive(Clone, Debug)]
pub struct AuthenticatedTiles {
    size: TreeSize,
    root: Hash,
    tiles: BTreeMap<(u8, u64), Rows>,
}

/// A tile with the nodes above its hashes: row `r` has the hashes of 2^`r` neighbours each, as far as they are complete.
#[derive(Clone, Debug)]
struct Rows(Vec<Vec<Hash>>);

impl Plan {
    /// What every reading needs: the right edge of a tree of `size` leaves.
    pub fn new(size: TreeSize) -> Self {
        let partial = (0..LEVELS).filter_map(|level| {
            let last = size.as_u64() >> (8 * u32::from(level)) >> 8;
            TileId::for_size(level, last, size)
        });
        Plan { size, tiles: partial.collect() }
    }

    /// The size of the tree.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Adds what [`AuthenticatedTiles::prove_inclusion`] and [`AuthenticatedTiles::leaf`] need for this leaf.
    pub fn inclusion(&mut self, index: LeafIndex) -> Result<(), PlanError> {
        let index = index.as_u64();
        let end = index.checked_add(1).ok_or(PlanError::BeyondTree { end: u64::MAX, size: self.size })?;
        self.leaves(index..end)?;
        self.proof(Subtree::new(index, end).expect("every leaf is a subtree"));
        Ok(())
    }

    /// Adds what [`AuthenticatedTiles::prove_consistency`] needs for this older size, and the older tree's own root.
    pub fn consistency(&mut self, old: TreeSize) -> Result<(), PlanError> {
        let subtree = Subtree::new(0, old.as_u64()).map_err(|_| PlanError::EmptyOldTree)?;
        self.subtree(subtree)
    }

    /// Adds what [`AuthenticatedTiles::prove_subtree`] needs for this subtree, and the subtree's own hash.
    pub fn subtree(&mut self, subtree: Subtree) -> Result<(), PlanError> {
        self.refuse_beyond(subtree.end())?;
        complete_nodes(subtree.start()..subtree.end()).for_each(|node| self.node(node));
        self.proof(subtree);
        Ok(())
    }

    /// Adds the hashes of these leaves, one tile for 256 of them.
    pub fn leaves(&mut self, range: Range<u64>) -> Result<(), PlanError> {
        self.refuse_beyond(range.end)?;
        if range.is_empty() {
            return Ok(());
        }
        let width = u64::from(TILE_WIDTH);
        (range.start / width..range.end.div_ceil(width)).for_each(|number| self.tile(0, number));
        Ok(())
    }

    /// Adds the hashes that [`AuthenticatedTiles::bundle_root`] gives, of these bundles of 256 leaves: one tile for 256 bundles.
    pub fn bundle_roots(&mut self, numbers: Range<u64>) -> Result<(), PlanError> {
        let end = numbers.end.checked_mul(u64::from(TILE_WIDTH)).ok_or(PlanError::BeyondTree { end: u64::MAX, size: self.size })?;
        self.refuse_beyond(end)?;
        let width = u64::from(TILE_WIDTH);
        if !numbers.is_empty() {
            (numbers.start / width..numbers.end.div_ceil(width)).for_each(|number| self.tile(1, number));
        }
        Ok(())
    }

    /// The tiles to fetch, each once, lowest level first. A partial one is as wide as the tree of this size makes it; where a log has
    /// only the full tile left, [`Tile::cut`] makes the partial one of it.
    pub fn tiles(&self) -> Vec<TileId> {
        self.tiles.iter().copied().collect()
    }

    /// Takes the fetched tiles, in any order, and accepts them only if each one hashes up to `root`.
    pub fn authenticate(self, root: Hash, tiles: impl IntoIterator<Item = Tile>) -> Result<AuthenticatedTiles, TileError> {
        let mut given = BTreeMap::new();
        for tile in tiles {
            let id = tile.id();
            if !self.tiles.contains(&id) || given.insert(id, tile).is_some() {
                return Err(TileError::Surplus(id));
            }
        }
        let mut tiles = AuthenticatedTiles { size: self.size, root, tiles: BTreeMap::new() };
        let (partial, full): (Vec<_>, Vec<_>) = self.tiles.into_iter().partition(|id| !id.is_full());
        let mut take = |id: TileId| given.remove(&id).map(Rows::of).ok_or(TileError::Missing(id));

        for id in partial {
            tiles.tiles.insert((id.level(), id.number()), take(id)?);
        }
        // The nodes that make up the root take in every hash of every partial tile.
        if merkle::root(self.size, |node| tiles.node(node).ok_or(TileError::WrongRoot))? != root {
            return Err(TileError::WrongRoot);
        }
        // Sorted by level, so from the end: the tile that has the hash of this one is there before it.
        for id in full.into_iter().rev() {
            let rows = take(id)?;
            let expected = tiles.node(Node { height: 8 * (id.level() + 1), index: id.number() });
            if expected.is_none() || rows.top() != expected {
                return Err(TileError::Forged(id));
            }
            tiles.tiles.insert((id.level(), id.number()), rows);
        }
        Ok(tiles)
    }

    /// The nodes of a proof. The subtree lies within the tree.
    fn proof(&mut self, subtree: Subtree) {
        for range in proof_ranges(subtree, self.size.as_u64()) {
            complete_nodes(range).for_each(|node| self.node(node));
        }
    }

    fn node(&mut self, node: Node) {
        let TilePart { level, number, .. } = tile_of(node);
        self.tile(level, number);
    }

    /// Adds a tile and all those above it up to the right edge.
    fn tile(&mut self, mut level: u8, mut number: u64) {
        while let Some(id) = TileId::for_size(level, number, self.size) {
            // What is there already, as all partial ones are, has those above it there too.
            if !self.tiles.insert(id) {
                return;
            }
            (level, number) = (level + 1, number / u64::from(TILE_WIDTH));
        }
    }

    fn refuse_beyond(&self, end: u64) -> Result<(), PlanError> {
        if end > self.size.as_u64() { Err(PlanError::BeyondTree { end, size: self.size }) } else { Ok(()) }
    }
}

impl AuthenticatedTiles {
    /// The size of the tree.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The root that everything was authenticated with.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The hash of a leaf; `None` if it was not in the plan.
    pub fn leaf(&self, index: LeafIndex) -> Option<Hash> {
        self.node(Node { height: 0, index: index.as_u64() })
    }

    /// The hash of all leaves of a full bundle; `None` if it was not in the plan. Whoever has the entries can compute it, and needs no hash
    /// of a single leaf to know that they are the log's.
    pub fn bundle_root(&self, number: u64) -> Option<Hash> {
        self.node(Node { height: TILE_HEIGHT, index: number })
    }

    /// The entries of a bundle, in order, if they are the log's: exactly as many as its id says, each with the leaf hash that was
    /// authenticated. [`Plan::leaves`] asks for those.
    pub fn entries<'b>(&self, id: BundleId, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, BundleError> {
        let entries = parse_bundle(bytes, id.width())?;
        for (index, entry) in (id.first_index().as_u64()..).map(LeafIndex::new).zip(&entries) {
            if self.leaf(index).ok_or(NotPlanned)? != Hash::leaf(entry) {
                return Err(BundleError::Forged(index));
            }
        }
        Ok(entries)
    }

    /// The hash of a complete subtree; `None` if it was not in the plan.
    pub fn node(&self, node: Node) -> Option<Hash> {
        let TilePart { level, number, first, count } = tile_of(node);
        let row = self.tiles.get(&(level, number))?.0.get(usize::from(node.height % 8))?;
        row.get(usize::from(first / count)).copied()
    }

    /// The root of the tree's first `old` leaves, for which [`Plan::consistency`] asked. `None` if it was not in the plan.
    pub fn root_at(&self, old: TreeSize) -> Option<Hash> {
        if old > self.size {
            return None;
        }
        merkle::root(old, |node| self.node(node).ok_or(NotPlanned)).ok()
    }

    /// See [`merkle::prove_inclusion`].
    pub fn prove_inclusion(&self, index: LeafIndex) -> Result<Vec<Hash>, ProveError<NotPlanned>> {
        merkle::prove_inclusion(index, self.size, |node| self.node(node).ok_or(NotPlanned))
    }

    /// See [`merkle::prove_consistency`].
    pub fn prove_consistency(&self, old: TreeSize) -> Result<Vec<Hash>, ProveError<NotPlanned>> {
        merkle::prove_consistency(old, self.size, |node| self.node(node).ok_or(NotPlanned))
    }

    /// See [`merkle::prove_subtree`].
    pub fn prove_subtree(&self, subtree: Subtree) -> Result<Vec<Hash>, ProveError<NotPlanned>> {
        merkle::prove_subtree(subtree, self.size, |node| self.node(node).ok_or(NotPlanned))
    }
}

impl Rows {
    fn of(tile: Tile) -> Self {
        let mut rows = vec![tile.into_hashes()];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let next = next_row(row);
            rows.push(next);
        }
        Rows(rows)
    }

    /// The hash of all of a full tile; `None` for a partial one.
    fn top(&self) -> Option<Hash> {
        self.0.get(8).and_then(|row| row.first()).copied()
    }
}
