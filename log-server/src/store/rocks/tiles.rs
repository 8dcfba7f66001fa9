//! Reading tiles.
//!
//! A tile is the rows of all commits that added to it, and mostly one: whoever adds much fills several tiles by a commit. So the row that
//! begins the tile is looked up first, and its rows are only gathered where that one is not enough.

use rocksdb::ReadOptions;
use tlog::Hash;
use tlog::tiles::TileId;

use super::{RocksStore, TILES, decode_tile_key, encode_tile_key};
use crate::store::{Damage, StoreError};

/// Bytes of a full tile.
const FULL: usize = 256 * Hash::LEN;

impl RocksStore {
    /// The bytes of the first hashes of a tile, as many as it is wide.
    pub(super) fn read_tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let (first, wanted) = (encode_tile_key(id.level(), id.number(), 0), usize::from(id.width()) * Hash::LEN);
        let mut options = ReadOptions::default();
        // The log keeps full tiles in memory itself, and would have them twice.
        options.fill_cache(!id.is_full());
        match self.db.get_pinned_cf_opt(self.family(TILES), first, &options)? {
            Some(row) if is_well_formed(&row) && row.len() >= wanted => Ok(row[..wanted].to_vec()),
            _ => self.gather_tile(id),
        }
    }

    /// The same from all of its rows. A gap or an overlap is damage.
    fn gather_tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let (level, number, wanted) = (id.level(), id.number(), usize::from(id.width()) * Hash::LEN);
        let mut bytes = Vec::with_capacity(wanted);
        let broken =
            |bytes: &[u8]| Damage::BrokenTile { level, number, position: u16::try_from(bytes.len() / Hash::LEN).unwrap_or(u16::MAX) };
        let mut to = encode_tile_key(level, number, u8::MAX).to_vec();
        to.push(0); // the first key behind the tile's last
        self.scan(TILES, encode_tile_key(level, number, 0).to_vec(), to, |key, row| {
            let (_, _, offset) = decode_tile_key(key).ok_or(Damage::MalformedRow(TILES))?;
            if usize::from(offset) * Hash::LEN != bytes.len() {
                return Err(broken(&bytes).into());
            }
            if !row.len().is_multiple_of(Hash::LEN) {
                return Err(Damage::MalformedRow(TILES).into());
            }
            bytes.extend_from_slice(row);
            Ok(bytes.len() < wanted)
        })?;
        if bytes.len() < wanted || bytes.len() > FULL {
            return Err(broken(&bytes).into());
        }
        bytes.truncate(wanted);
        Ok(bytes)
    }
}

/// Whether a row is some hashes, and no more than a tile has.
fn is_well_formed(row: &[u8]) -> bool {
    row.len().is_multiple_of(Hash::LEN) && row.len() <= FULL
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::fixture::{empty_tree, identity};
    use crate::store::RocksOptions;

    fn hashes(range: std::ops::Range<u8>) -> Vec<u8> {
        range.flat_map(|number| [number; 32]).collect()
    }

    /// What a tile of that width is read as, if these are the rows of tile 5: each with its offset and bytes.
    fn read(rows: &[(u8, &[u8])], width: u16) -> Result<Vec<u8>, StoreError> {
        let dir = tempfile::tempdir().unwrap();
        let store = RocksStore::create(&dir.path().join("db"), RocksOptions::default(), &identity(), &empty_tree()).unwrap();
        for number in [4, 6] {
            store.db.put_cf(store.family(TILES), encode_tile_key(0, number, 0), [0xee; FULL]).unwrap();
        }
        for (offset, row) in rows {
            store.db.put_cf(store.family(TILES), encode_tile_key(0, 5, *offset), row).unwrap();
        }
        store.settle().unwrap();
        store.read_tile(TileId::new(0, 5, width).unwrap())
    }

    #[test]
    fn a_tile_is_the_same_in_one_row_and_in_several() {
        let full = [hashes(0..255), vec![0xff; 32]].concat();
        let two = [(0, &full[..32]), (1, &full[32..])];
        let three = [(0, &full[..3200]), (100, &full[3200..6400]), (200, &full[6400..])];
        for rows in [&[(0, &full[..])][..], &two, &three] {
            for width in [1, 2, 100, 101, 255, 256] {
                assert_eq!(read(rows, width).unwrap(), full[..usize::from(width) * 32], "{width} hashes of {} rows", rows.len());
            }
        }
    }

    #[test]
    fn a_row_that_is_missing_cut_too_long_or_over_another_is_damage() {
        let damage = |rows: &[(u8, &[u8])], width| {
            let error = read(rows, width).unwrap_err();
            let StoreError::Damaged(damage) = error else { panic!("{error}") };
            damage
        };
        let broken = |position| Damage::BrokenTile { level: 0, number: 5, position };
        let (full, half) = ([7; FULL], hashes(0..128));
        assert_eq!(damage(&[], 256), broken(0));
        assert_eq!(damage(&[(0, &full[..FULL - 1])], 256), Damage::MalformedRow(TILES));
        assert_eq!(damage(&[(0, &full[..FULL - 1])], 5), Damage::MalformedRow(TILES));
        assert_eq!(damage(&[(0, &[full, full].concat())], 256), broken(512));
        assert_eq!(damage(&[(0, &half)], 256), broken(128));
        assert_eq!(damage(&[(1, &full)], 256), broken(0));
        assert_eq!(damage(&[(0, &half), (127, &half)], 256), broken(128));
        assert_eq!(damage(&[(0, &half), (129, &half)], 256), broken(128));
    }
}
