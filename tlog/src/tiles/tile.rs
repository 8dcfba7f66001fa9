//! A tile's hashes and bytes.

use super::{TILE_HEIGHT, TileId};
use crate::hash::Hash;

/// A tile: as many hashes as its id says. Nothing says yet that they are the log's; see [`Plan`](super::Plan) for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    id: TileId,
    hashes: Vec<Hash>,
}

/// Bytes that are not as long as the tile asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} has {given} bytes where {expected} are expected; fetch it again")]
pub struct MalformedTile {
    /// Which tile was expected.
    pub id: TileId,
    /// How many bytes it has.
    pub expected: usize,
    /// How many were given.
    pub given: usize,
}

impl Tile {
    /// `None` unless there are as many hashes as the tile is wide.
    pub fn new(id: TileId, hashes: Vec<Hash>) -> Option<Self> {
        (hashes.len() == usize::from(id.width())).then_some(Tile { id, hashes })
    }

    /// Parses a tile's bytes: 32 for each hash, and no more.
    pub fn parse(id: TileId, bytes: &[u8]) -> Result<Self, MalformedTile> {
        // SPEC: tlog-tiles §Merkle Tree
        let expected = usize::from(id.width()) * Hash::LEN;
        if bytes.len() != expected {
            return Err(MalformedTile { id, expected, given: bytes.len() });
        }
        let (chunks, _) = bytes.as_chunks();
        Ok(Tile { id, hashes: chunks.iter().map(|bytes| Hash::new(*bytes)).collect() })
    }

    /// The bytes that [`Tile::parse`] takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(Hash::as_bytes).copied().collect()
    }

    /// Which tile it is.
    pub const fn id(&self) -> TileId {
        self.id
    }

    /// Its hashes: of leaves at level 0, of full tiles of the level below above that.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    pub(super) fn into_hashes(self) -> Vec<Hash> {
        self.hashes
    }

    /// The first `width` hashes as a partial tile: when a log has only the full tile left where a partial one is needed. `None` unless
    /// this tile has at least so many.
    pub fn cut(mut self, width: u16) -> Option<Self> {
        if width > self.id.width() {
            return None;
        }
        let id = TileId::new(self.id.level(), self.id.number(), width)?;
        self.hashes.truncate(usize::from(width));
        Some(Tile { id, hashes: self.hashes })
    }

    /// The hash of 2^`height_within` of its hashes, the `index`-th such group; `height_within` is at most 8: all of a full tile.
    /// `None` where the tile does not have them all.
    pub fn node(&self, height_within: u8, index: u16) -> Option<Hash> {
        if height_within > TILE_HEIGHT {
            return None;
        }
        let count = 1_usize << height_within;
        let first = usize::from(index) * count;
        let mut row = self.hashes.get(first..first + count)?.to_vec();
        while row.len() > 1 {
            row = next_row(&row);
        }
        row.pop()
    }
}

/// The hashes one level up: of each complete pair.
pub(super) fn next_row(row: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = row.as_chunks();
    pairs.iter().map(|[left, right]| Hash::node(left, right)).collect()
}
