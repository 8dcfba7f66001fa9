//! Tiles (C2SP tlog-tiles): a tree as static resources.
//!
//! A tile holds up to 256 consecutive hashes of one level, a bundle up to 256 consecutive entries. A partial one is a prefix of the full
//! one, and its hash is never part of the level above, so nothing that was once published changes.
//!
//! Whoever reads tiles over a network reads an enemy's bytes until they are hashed up to a signed root: see [`Plan`].

mod bundle;
mod id;
mod reader;
#[cfg(test)]
mod tests;
mod tile;

pub use bundle::{Entries, EntryTooLarge, MalformedBundle, encode_entry, parse_bundle};
pub use id::{BundleId, Resource, TileId, TilePart, bundles_of, tile_of, tiles_of};
pub use reader::{AuthenticatedTiles, BundleError, NotPlanned, Plan, PlanError, TileError};
pub use tile::{MalformedTile, Tile};

/// How many hashes a full tile, and how many entries a full bundle has.
pub const TILE_WIDTH: u16 = 256;

/// How many levels of the tree one level of tiles spans.
pub const TILE_HEIGHT: u8 = 8;

/// The most bytes that an entry can have: its length is written in two.
pub const MAX_ENTRY: usize = 65_535;

/// How many levels of tiles a tree of less than 2^64 leaves can have. The paths of the specification allow for more.
const LEVELS: u8 = 8;
