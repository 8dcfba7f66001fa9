//! Which tile, which bundle, and their paths.
//!
//! A path is parsed to integers, printed again and compared: whatever is not the one spelling of a resource is no resource. So `..`,
//! `%2e`, leading zeros, `.p/0`, `.p/256` and a trailing slash need no rules of their own.

use std::fmt;

use super::{LEVELS, TILE_HEIGHT, TILE_WIDTH};
use crate::hash::{LeafIndex, TreeSize, parse_decimal};
use crate::merkle::Node;

/// Which tile: level, number within the level, and how many hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    number: u64,
    width: u16,
}

/// Which entry bundle: number, and how many entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    number: u64,
    width: u16,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A tile of hashes.
    Tile(TileId),
    /// A bundle of entries.
    Bundle(BundleId),
}

/// The hashes in a tile that make up a [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePart {
    /// The tile's level.
    pub level: u8,
    /// The tile's number within the level.
    pub number: u64,
    /// The first hash in the tile, from 0.
    pub first: u16,
    /// How many hashes: a power of two, at most 128.
    pub count: u16,
}

impl TileId {
    /// `level` is at most 63 and `width` from 1 to 256 (a full tile); `None` for others.
    pub fn new(level: u8, number: u64, width: u16) -> Option<Self> {
        // SPEC: tlog-tiles §Merkle Tree
        (level <= 63 && (1..=TILE_WIDTH).contains(&width)).then_some(TileId { level, number, width })
    }

    /// The widest tile at this place in a tree of `size`; `None` if that tree has none there.
    pub fn for_size(level: u8, number: u64, size: TreeSize) -> Option<Self> {
        // SPEC: tlog-tiles §Partial Tiles
        Some(TileId { level, number, width: width_at(hashes_at(level, size), number)? })
    }

    /// The level, from 0: hashes of leaves.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The number within the level, from 0.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// How many hashes, from 1 to 256.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it has 256 hashes.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    #[must_use]
    pub const fn full(self) -> Self {
        TileId { width: TILE_WIDTH, ..self }
    }

    /// Whether a tree of `size` has this tile at this width or wider, so that its bytes are fixed.
    pub fn is_within(self, size: TreeSize) -> bool {
        Self::for_size(self.level, self.number, size).is_some_and(|widest| self.width <= widest.width)
    }

    /// The path below the log's prefix, without a leading slash: `tile/0/x001/234`, `tile/0/x001/234.p/5`.
    pub fn path(self) -> String {
        self.to_string()
    }
}

impl BundleId {
    /// `width` is from 1 to 256 (a full bundle); `None` for others.
    pub fn new(number: u64, width: u16) -> Option<Self> {
        (1..=TILE_WIDTH).contains(&width).then_some(BundleId { number, width })
    }

    /// The widest bundle with this number in a tree of `size`; `None` if that tree has none.
    pub fn for_size(number: u64, size: TreeSize) -> Option<Self> {
        Some(BundleId { number, width: width_at(size.as_u64(), number)? })
    }

    /// The bundle of a tree of `size` that has the entry at `index`.
    pub fn containing(index: LeafIndex, size: TreeSize) -> Option<Self> {
        if !size.contains(index) {
            return None;
        }
        Self::for_size(index.as_u64() / u64::from(TILE_WIDTH), size)
    }

    /// The number, from 0.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// How many entries, from 1 to 256.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it has 256 entries.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full bundle at the same place.
    #[must_use]
    pub const fn full(self) -> Self {
        BundleId { width: TILE_WIDTH, ..self }
    }

    /// Whether a tree of `size` has this bundle at this width or wider.
    pub fn is_within(self, size: TreeSize) -> bool {
        Self::for_size(self.number, size).is_some_and(|widest| self.width <= widest.width)
    }

    /// The index of its first entry. A bundle that no tree can have (see [`BundleId::is_within`]) gives the largest number.
    pub const fn first_index(self) -> LeafIndex {
        LeafIndex::new(self.number.saturating_mul(256))
    }

    /// The level-0 tile with the hashes of its entries.
    pub const fn tile(self) -> TileId {
        TileId { level: 0, number: self.number, width: self.width }
    }

    /// The path below the log's prefix, without a leading slash: `tile/entries/x001/234`, `tile/entries/x001/234.p/5`.
    pub fn path(self) -> String {
        self.to_string()
    }
}

impl Resource {
    /// Parses a path without a leading slash; `None` for anything but the one spelling of a tile or bundle.
    ///
    /// ```
    /// use tlog::tiles::{Resource, TileId};
    /// assert_eq!(Resource::parse("tile/1/x001/234.p/5"), TileId::new(1, 1234, 5).map(Resource::Tile));
    /// assert_eq!(Resource::parse("tile/1/1234.p/5"), None);
    /// ```
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, u16::try_from(parse_decimal(width)?).ok()?),
            None => (rest, TILE_WIDTH),
        };
        let number = parse_number(number)?;
        let resource = match kind {
            "entries" => Resource::Bundle(BundleId::new(number, width)?),
            level => Resource::Tile(TileId::new(u8::try_from(parse_decimal(level)?).ok()?, number, width)?),
        };
        (resource.to_string() == path).then_some(resource)
    }

    /// The path below the log's prefix, without a leading slash.
    pub fn path(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_place(f, self.number, self.width)
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_place(f, self.number, self.width)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Tile(tile) => tile.fmt(f),
            Resource::Bundle(bundle) => bundle.fmt(f),
        }
    }
}

/// Every tile that a tree of `size` consists of, partial ones included, level by level from 0.
pub fn tiles_of(size: TreeSize) -> impl Iterator<Item = TileId> {
    (0..LEVELS).flat_map(move |level| {
        let hashes = hashes_at(level, size);
        (0..hashes.div_ceil(u64::from(TILE_WIDTH))).filter_map(move |number| TileId::for_size(level, number, size))
    })
}

/// Every entry bundle that a tree of `size` consists of, partial ones included.
pub fn bundles_of(size: TreeSize) -> impl Iterator<Item = BundleId> {
    (0..size.as_u64().div_ceil(u64::from(TILE_WIDTH))).filter_map(move |number| BundleId::for_size(number, size))
}

/// Where the hashes are that make up a node: in the tile of the highest level that can have them.
pub fn tile_of(node: Node) -> TilePart {
    let within = node.height % TILE_HEIGHT;
    let number = node.index >> (TILE_HEIGHT - within);
    let first = (node.index << within) % u64::from(TILE_WIDTH);
    TilePart { level: node.height / TILE_HEIGHT, number, first: u16::try_from(first).expect("less than 256"), count: 1 << within }
}

/// How many hashes a tree of `size` has at a level of tiles.
fn hashes_at(level: u8, size: TreeSize) -> u64 {
    size.as_u64().checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0)
}

/// How many of `total` items are in the `number`-th group of 256; `None` if none.
fn width_at(total: u64, number: u64) -> Option<u16> {
    let width = total.checked_sub(number.checked_mul(u64::from(TILE_WIDTH))?)?.min(u64::from(TILE_WIDTH));
    u16::try_from(width).ok().filter(|width| *width > 0)
}

/// Groups of three digits, all but the last with an `x` before them. Lenient: [`Resource::parse`] compares with what is printed.
fn parse_number(text: &str) -> Option<u64> {
    text.split('/').try_fold(0_u64, |number, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        number.checked_mul(1000)?.checked_add(digits.parse().ok()?)
    })
}

/// SPEC: tlog-tiles §Merkle Tree: `x001/x234/067`, and `.p/5` for a partial one.
fn write_place(f: &mut fmt::Formatter<'_>, number: u64, width: u16) -> fmt::Result {
    let mut divisor = 1;
    while number / divisor >= 1000 {
        divisor *= 1000;
    }
    while divisor > 1 {
        write!(f, "x{:03}/", number / divisor % 1000)?;
        divisor /= 1000;
    }
    write!(f, "{:03}", number % 1000)?;
    if width < TILE_WIDTH {
        write!(f, ".p/{width}")?;
    }
    Ok(())
}
