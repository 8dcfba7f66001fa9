#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::hash::{Hash, LeafIndex, TreeSize};
use crate::merkle::{self, Appender};

/// A tree and the tiles that a log of this size serves.
struct Log {
    size: TreeSize,
    root: Hash,
    tiles: BTreeMap<TileId, Tile>,
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

impl Log {
    fn new(leaves: u64) -> Self {
        let mut tree = Appender::new();
        let mut levels: BTreeMap<(u8, u64), Vec<Hash>> = BTreeMap::new();
        for index in 0..leaves {
            tree.append(leaf(index), |node, hash| {
                let part = tile_of(node);
                if part.count == 1 {
                    levels.entry((part.level, part.number)).or_default().push(hash);
                }
            })
            .unwrap();
        }
        let tiles = levels.into_iter().map(|((level, number), hashes)| {
            let id = TileId::new(level, number, hashes.len().try_into().unwrap()).unwrap();
            (id, Tile::new(id, hashes).unwrap())
        });
        Log { size: tree.size(), root: tree.root(), tiles: tiles.collect() }
    }

    fn fetch(&self, plan: &Plan) -> Vec<Tile> {
        plan.tiles().into_iter().map(|id| self.tiles[&id].clone()).collect()
    }
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specifications_example() {
    let tiles: Vec<TileId> = tiles_of(TreeSize::new(70_000)).collect();
    let count = |level, full| tiles.iter().filter(|tile| tile.level() == level && tile.is_full() == full).count();
    assert_eq!([count(0, true), count(0, false), count(1, true), count(1, false), count(2, true), count(2, false)], [273, 1, 1, 1, 0, 1]);
    let paths: Vec<String> = tiles.iter().filter(|tile| !tile.is_full()).map(|tile| tile.path()).collect();
    assert_eq!(paths, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(tiles, Log::new(70_000).tiles.into_keys().collect::<Vec<_>>());
}

#[test]
fn planned_tiles_prove_what_was_planned() {
    for leaves in [1, 2, 255, 256, 257, 600, 65_536, 66_000] {
        let log = Log::new(leaves);
        for (index, old) in [(0, leaves), (leaves / 2, leaves / 2 + 1), (leaves - 1, 1)] {
            let mut plan = Plan::new(log.size);
            let (index, old) = (LeafIndex::new(index), TreeSize::new(old));
            plan.inclusion(index).unwrap();
            plan.consistency(old).unwrap();
            let tiles = log.fetch(&plan);
            let tiles = plan.authenticate(log.root, tiles).unwrap();
            let proof = tiles.prove_inclusion(index).unwrap();
            merkle::verify_inclusion(&leaf(index.as_u64()), index, log.size, &proof, &log.root).unwrap();
            let proof = tiles.prove_consistency(old).unwrap();
            merkle::verify_consistency(old, &tiles.root_at(old).unwrap(), log.size, &log.root, &proof).unwrap();
        }
    }
}
