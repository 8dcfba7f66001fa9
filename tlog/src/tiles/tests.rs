#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::{Hash, LeafIndex, TreeSize};
use crate::merkle::reference::Reference;
use crate::merkle::{self, Appender, Node, ProveError, Subtree};

/// A tree and the tiles that a log of this size serves.
struct Log {
    size: TreeSize,
    root: Hash,
    tiles: BTreeMap<TileId, Tile>,
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

fn entry_hashes(leaves: u64) -> Vec<Hash> {
    (0..leaves).map(leaf).collect()
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

    fn everything(&self) -> Plan {
        let mut plan = Plan::new(self.size);
        plan.leaves(0..self.size.as_u64()).unwrap();
        plan
    }

    /// A leaf from the middle of a full tile, the last one, and an older size within another tile.
    fn something(&self) -> Plan {
        let leaves = self.size.as_u64();
        let mut plan = Plan::new(self.size);
        plan.inclusion(LeafIndex::new(leaves / 3)).unwrap();
        plan.inclusion(LeafIndex::new(leaves - 1)).unwrap();
        plan.consistency(TreeSize::new(leaves / 2 + 1)).unwrap();
        plan
    }
}

/// The tiles of a tree whose leaves are all equal, of any size.
fn equal_leaves(plan: &Plan) -> Vec<Tile> {
    let hashes: Vec<Hash> = std::iter::successors(Some(leaf(0)), |hash| Some(Hash::node(hash, hash))).take(64).collect();
    let tile = |id: TileId| Tile::new(id, vec![hashes[usize::from(id.level()) * 8]; usize::from(id.width())]).unwrap();
    plan.tiles().into_iter().map(tile).collect()
}

fn forge(tile: &Tile, position: usize) -> Tile {
    let mut hashes = tile.hashes().to_vec();
    hashes[position] = Hash::leaf(b"forged");
    Tile::new(tile.id(), hashes).unwrap()
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specifications_example() {
    let tiles: Vec<TileId> = tiles_of(TreeSize::new(70_000)).collect();
    let count = |level, full| tiles.iter().filter(|tile| tile.level() == level && tile.is_full() == full).count();
    assert_eq!([count(0, true), count(0, false), count(1, true), count(1, false), count(2, true), count(2, false)], [273, 1, 1, 1, 0, 1]);
    let paths: Vec<String> = tiles.iter().filter(|tile| !tile.is_full()).map(|tile| tile.path()).collect();
    assert_eq!(paths, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    let of_256: Vec<String> = tiles_of(TreeSize::new(256)).map(TileId::path).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_of(TreeSize::ZERO).count(), 0);
}

#[test]
fn a_tree_has_exactly_the_tiles_and_bundles_that_its_hashes_fill() {
    for leaves in [1, 2, 255, 256, 257, 511, 512, 70_000] {
        let size = TreeSize::new(leaves);
        let tiles: Vec<TileId> = tiles_of(size).collect();
        assert!(tiles.iter().eq(Log::new(leaves).tiles.keys()));
        assert!(tiles.iter().all(|tile| tile.is_within(size)));
        let bundles: Vec<BundleId> = bundles_of(size).collect();
        assert!(bundles.iter().map(|bundle| bundle.tile()).eq(tiles.iter().copied().filter(|tile| tile.level() == 0)));
        assert_eq!(bundles.iter().map(|bundle| u64::from(bundle.width())).sum::<u64>(), leaves);
        let last = bundles.last().unwrap();
        assert_eq!(last.first_index().as_u64() + u64::from(last.width()), leaves);
        assert_eq!(BundleId::containing(LeafIndex::new(leaves - 1), size), Some(*last));
        assert_eq!(BundleId::containing(LeafIndex::new(leaves), size), None);
    }
}

#[test]
fn what_is_wider_or_later_than_the_tree_is_not_within_it() {
    let size = TreeSize::new(70_000);
    let within = |level, number, width| TileId::new(level, number, width).unwrap().is_within(size);
    assert!(within(0, 273, 1) && within(0, 273, 112) && within(0, 272, 256) && within(0, 272, 7) && within(1, 1, 17));
    assert!(!within(0, 273, 113) && !within(0, 273, 256) && !within(0, 274, 1) && !within(1, 1, 18) && !within(1, 2, 1));
    assert!(!within(2, 0, 2) && !within(3, 0, 1) && !within(63, 0, 1) && !within(0, u64::MAX, 1) && !within(63, u64::MAX, 256));
    let bundle = |number, width| BundleId::new(number, width).unwrap().is_within(size);
    assert!(bundle(273, 112) && !bundle(273, 113) && !bundle(274, 1) && !bundle(u64::MAX, 256));
    assert_eq!(BundleId::new(u64::MAX, 1).unwrap().first_index().as_u64(), u64::MAX);
    assert_eq!((TileId::new(64, 0, 1), TileId::new(0, 0, 0), TileId::new(0, 0, 257)), (None, None, None));
    assert_eq!((BundleId::new(0, 0), BundleId::new(0, 257)), (None, None));
    // The last tiles that a tree can have.
    assert_eq!(TileId::for_size(7, 0, TreeSize::new(u64::MAX)), TileId::new(7, 0, 255));
    assert_eq!(TileId::for_size(0, u64::MAX >> 8, TreeSize::new(u64::MAX)), TileId::new(0, u64::MAX >> 8, 255));
}

#[test]
fn a_node_is_found_in_its_tile() {
    let part = |height, index| tile_of(Node { height, index });
    assert_eq!(part(0, 0), TilePart { level: 0, number: 0, first: 0, count: 1 });
    assert_eq!(part(0, 1000), TilePart { level: 0, number: 3, first: 232, count: 1 });
    assert_eq!(part(7, 3), TilePart { level: 0, number: 1, first: 128, count: 128 });
    assert_eq!(part(8, 3), TilePart { level: 1, number: 0, first: 3, count: 1 });
    assert_eq!(part(10, 65), TilePart { level: 1, number: 1, first: 4, count: 4 });
    assert_eq!(part(63, 0), TilePart { level: 7, number: 0, first: 0, count: 128 });
    for height in [0, 7, 8, 63, 64, 255] {
        tile_of(Node { height, index: u64::MAX });
    }
}

#[test]
fn a_tile_hashes_to_its_nodes() {
    let leaves = entry_hashes(256);
    let reference = Reference::new(&leaves);
    for width in [1, 5, 128, 255, 256_u16] {
        let id = TileId::new(0, 0, width).unwrap();
        let tile = Tile::new(id, leaves[..usize::from(width)].to_vec()).unwrap();
        assert_eq!(Tile::parse(id, &tile.to_bytes()).as_ref(), Ok(&tile));
        for height in 0..=8_u8 {
            for index in 0..300_u16 {
                let (first, last) = (u64::from(index) << height, u64::from(index + 1) << height);
                let expected = (last <= u64::from(width)).then(|| reference.mth(first, last));
                assert_eq!(tile.node(height, index), expected, "{height} {index} of {width}");
            }
        }
        assert_eq!((tile.node(9, 0), tile.node(255, u16::MAX)), (None, None));
    }
}

#[test]
fn a_tile_of_another_length_is_malformed() {
    let id = TileId::new(3, 7, 2).unwrap();
    for given in [0, 31, 32, 63, 65, 96, 8192] {
        assert_eq!(Tile::parse(id, &vec![0; given]), Err(MalformedTile { id, expected: 64, given }));
    }
    assert_eq!(Tile::new(id, vec![Hash::EMPTY_TREE; 3]), None);
}

#[test]
fn a_full_tile_is_cut_to_the_partial_one() {
    let log = Log::new(256);
    let full = log.tiles.values().next().unwrap().clone();
    let cut = full.clone().cut(3).unwrap();
    assert_eq!((cut.id(), cut.hashes()), (TileId::new(0, 0, 3).unwrap(), &full.hashes()[..3]));
    assert_eq!(cut.clone().cut(4), None);
    assert_eq!(cut.cut(0), None);
}

#[test]
fn odd_paths_name_nothing() {
    let odd = [
        "",
        "/",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile//000",
        "tile/0//000",
        "tile/0/000/",
        "tile/0/000//",
        "tiles/0/000",
        "Tile/0/000",
        "TILE/0/000",
        "tile/00/000",
        "tile/01/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/256/000",
        "tile/x0/000",
        "tile/0x1/000",
        "tile/1e1/000",
        "tile/ 1/000",
        "tile/1 /000",
        "tile/\u{661}/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/007/",
        "tile/0/7",
        "tile/0/1234",
        "tile/0/x000/001",
        "tile/0/x000/x000/001",
        "tile/0/001/234",
        "tile/0/x001/x234",
        "tile/0/x001",
        "tile/0/xx001/234",
        "tile/0/X001/234",
        "tile/0/x01/234",
        "tile/0/x0001/234",
        "tile/0/x001/34",
        "tile/0/x001//234",
        "tile/0/x001/+34",
        "tile/0/-01",
        "tile/0/+01",
        "tile/0/0 1",
        "tile/0/\u{661}\u{661}\u{661}",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/65537",
        "tile/0/000.p/+1",
        "tile/0/000.p/-1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.p/1 ",
        "tile/0/000.P/1",
        "tile/0/000p/1",
        "tile/0/000.p//1",
        "tile/0/000%2ep/1",
        "tile/0/%30%30%30",
        "tile/0%2f000",
        "tile/../tile/0/000",
        "tile/0/../0/000",
        "tile/0/./000",
        "tile/0/..",
        "tile/0/000/..",
        "..",
        "tile/entries",
        "tile/entries/",
        "tile/entries/0",
        "tile/entries/000/",
        "tile/entries/000.p/0",
        "tile/entries/000.p/256",
        "tile/Entries/000",
        "tile/entries/x000/001",
        "tile/entries/entries/000",
        "tile/0/000?x",
        "tile/0/000#",
        "tile/0/000\n",
        "\u{feff}tile/0/000",
        "tile\\0\\000",
        "tile/0/000\0",
        // One more than the largest integer.
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/18446744073709551616/000",
    ];
    for path in odd {
        assert_eq!(Resource::parse(path), None, "{path:?}");
    }
}

#[test]
fn the_specifications_paths_name_their_tiles() {
    let tile = |level, number, width| TileId::new(level, number, width).map(Resource::Tile);
    let bundle = |number, width| BundleId::new(number, width).map(Resource::Bundle);
    assert_eq!(Resource::parse("tile/0/x001/x234/067"), tile(0, 1_234_067, 256));
    assert_eq!(Resource::parse("tile/63/000.p/255"), tile(63, 0, 255));
    assert_eq!(Resource::parse("tile/7/999"), tile(7, 999, 256));
    assert_eq!(Resource::parse("tile/7/x001/000.p/1"), tile(7, 1000, 1));
    assert_eq!(Resource::parse("tile/0/x018/x446/x744/x073/x709/x551/615"), tile(0, u64::MAX, 256));
    assert_eq!(Resource::parse("tile/entries/x001/x234/067.p/5"), bundle(1_234_067, 5));
    assert_eq!(Resource::parse("tile/entries/000"), bundle(0, 256));
}

#[test]
fn a_bundle_of_any_other_number_of_entries_is_malformed() {
    let mut bytes = vec![];
    for entry in [&b"one"[..], b"", b"three"] {
        encode_entry(entry, &mut bytes).unwrap();
    }
    assert_eq!(bytes, b"\0\x03one\0\0\0\x05three");
    assert_eq!(parse_bundle(&bytes, 3), Ok(vec![&b"one"[..], b"", b"three"]));
    assert_eq!(parse_bundle(&bytes, 2), Err(MalformedBundle::TooMany { expected: 2 }));
    assert_eq!(parse_bundle(&bytes, 4), Err(MalformedBundle::TooFew { expected: 4, found: 3 }));
    assert_eq!(parse_bundle(&[], 1), Err(MalformedBundle::TooFew { expected: 1, found: 0 }));
    for cut in 1..bytes.len() {
        assert!(parse_bundle(&bytes[..cut], 3).is_err(), "{cut}");
    }
    assert_eq!(Entries::new(&bytes[..4]).collect::<Vec<_>>(), [Err(MalformedBundle::Truncated)]);
    bytes.push(0);
    assert_eq!(parse_bundle(&bytes, 3), Err(MalformedBundle::TooMany { expected: 3 }));
    assert_eq!(Entries::new(&bytes).last(), Some(Err(MalformedBundle::Truncated)));
}

#[test]
fn an_entry_has_at_most_65_535_bytes() {
    let mut bytes = vec![];
    let entry = vec![b'x'; MAX_ENTRY + 1];
    assert_eq!(encode_entry(&entry, &mut bytes), Err(EntryTooLarge { len: 65_536 }));
    assert!(bytes.is_empty());
    encode_entry(&entry[1..], &mut bytes).unwrap();
    assert_eq!(parse_bundle(&bytes, 1), Ok(vec![&entry[1..]]));
}

#[test]
fn planned_tiles_prove_what_was_planned() {
    for leaves in [1, 2, 255, 256, 257, 600, 65_536, 66_000] {
        let log = Log::new(leaves);
        for (index, old) in [(0, leaves), (leaves / 2, leaves / 2 + 1), (leaves - 1, 1), (leaves / 3, leaves - 1)] {
            let mut plan = Plan::new(log.size);
            let (index, old) = (LeafIndex::new(index), TreeSize::new(old.max(1)));
            plan.inclusion(index).unwrap();
            plan.consistency(old).unwrap();
            assert!(plan.tiles().len() <= 12, "{:?}", plan.tiles());
            let tiles = log.fetch(&plan);
            let tiles = plan.authenticate(log.root, tiles).unwrap();
            assert_eq!((tiles.size(), tiles.root(), tiles.leaf(index)), (log.size, log.root, Some(leaf(index.as_u64()))));
            let proof = tiles.prove_inclusion(index).unwrap();
            merkle::verify_inclusion(&leaf(index.as_u64()), index, log.size, &proof, &log.root).unwrap();
            let proof = tiles.prove_consistency(old).unwrap();
            merkle::verify_consistency(old, &tiles.root_at(old).unwrap(), log.size, &log.root, &proof).unwrap();
        }
    }
}

#[test]
fn proofs_from_tiles_equal_the_reference_around_the_edges_of_tiles() {
    for leaves in (0..20).chain(250..260).chain([511, 512, 513, 600]) {
        let log = Log::new(leaves);
        let reference = Reference::new(&entry_hashes(leaves));
        let plan = log.everything();
        assert_eq!(plan.tiles(), tiles_of(log.size).collect::<Vec<_>>());
        let tiles = plan.clone().authenticate(log.root, log.fetch(&plan)).unwrap();
        for m in 0..leaves {
            assert_eq!(tiles.leaf(LeafIndex::new(m)), Some(leaf(m)));
            assert_eq!(tiles.prove_inclusion(LeafIndex::new(m)), Ok(reference.path(m, leaves)), "{m} in {leaves}");
            assert_eq!(tiles.prove_consistency(TreeSize::new(m + 1)), Ok(reference.proof(m + 1, leaves)), "{m} to {leaves}");
            assert_eq!(tiles.root_at(TreeSize::new(m + 1)), Some(reference.mth(0, m + 1)));
            let Ok(subtree) = Subtree::new(m / 64 * 64, m + 1) else { unreachable!("it starts at a multiple of 64 and is not longer") };
            assert_eq!(tiles.prove_subtree(subtree), Ok(reference.subtree_proof(subtree.start(), subtree.end(), leaves)));
        }
        assert_eq!(tiles.leaf(LeafIndex::new(leaves)), None);
        assert_eq!(tiles.root_at(TreeSize::new(leaves + 1)), None);
    }
}

#[test]
fn planned_tiles_of_huge_trees_prove_what_was_planned() {
    for leaves in [(1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 40) + 70_000, (1 << 62) - 1] {
        let size = TreeSize::new(leaves);
        let reference = Reference::of_equal_leaves(leaf(0));
        let (index, old) = (LeafIndex::new(leaves / 3), TreeSize::new(leaves / 5 * 4));
        let subtree = Subtree::new(1 << 17, (1 << 17) + 99_999).unwrap();
        let mut plan = Plan::new(size);
        plan.inclusion(index).unwrap();
        plan.consistency(old).unwrap();
        plan.subtree(subtree).unwrap();
        assert!(plan.tiles().len() <= 40, "{}", plan.tiles().len());
        let fetched = equal_leaves(&plan);
        let tiles = plan.authenticate(reference.mth(0, leaves), fetched).unwrap();
        assert_eq!(tiles.prove_inclusion(index), Ok(reference.path(index.as_u64(), leaves)));
        assert_eq!(tiles.prove_consistency(old), Ok(reference.proof(old.as_u64(), leaves)));
        assert_eq!(tiles.root_at(old), Some(reference.mth(0, old.as_u64())));
        assert_eq!(tiles.prove_subtree(subtree), Ok(reference.subtree_proof(subtree.start(), subtree.end(), leaves)));
    }
}

/// CVE-2026-56865: every hash of every tile, each in its turn.
fn each_forgery_is_refused(root: Hash, plan: &Plan, tiles: &[Tile], positions: impl Fn(u16) -> Vec<u16>) {
    plan.clone().authenticate(root, tiles.to_vec()).unwrap();
    for (which, tile) in tiles.iter().enumerate() {
        let refusal = if tile.id().is_full() { TileError::Forged(tile.id()) } else { TileError::WrongRoot };
        for position in positions(tile.id().width()) {
            let mut forged = tiles.to_vec();
            forged[which] = forge(tile, position.into());
            assert_eq!(plan.clone().authenticate(root, forged).unwrap_err(), refusal, "{} at {position}", tile.id());
        }
    }
}

#[test]
fn every_forged_hash_in_every_tile_is_refused() {
    for leaves in [1, 2, 3, 255, 256, 257, 300, 512, 520] {
        let log = Log::new(leaves);
        let plan = log.everything();
        each_forgery_is_refused(log.root, &plan, &log.fetch(&plan), |width| (0..width).collect());
    }
}

#[test]
fn every_forged_tile_of_a_tree_of_several_levels_is_refused() {
    let ends = |width: u16| vec![0, width / 2, width - 1];
    for leaves in [65_535, 65_536, 65_537, 65_792, 70_000] {
        let log = Log::new(leaves);
        let plan = log.something();
        each_forgery_is_refused(log.root, &plan, &log.fetch(&plan), ends);
    }
    for leaves in [(1 << 24) + 65_537, (1 << 24) * 3, (1 << 40) + (1 << 33) + 70_000, (1 << 62) - 1] {
        let mut plan = Plan::new(TreeSize::new(leaves));
        plan.inclusion(LeafIndex::new(leaves / 3)).unwrap();
        plan.consistency(TreeSize::new(leaves / 2 + 12_345)).unwrap();
        each_forgery_is_refused(Reference::of_equal_leaves(leaf(0)).mth(0, leaves), &plan, &equal_leaves(&plan), ends);
    }
}

/// The forger does it well: the tiles above agree with the forged one, up to the right edge.
#[test]
fn a_forgery_that_is_carried_upward_is_refused() {
    for leaves in [256, 257, 600, 65_536, 65_537, 70_000] {
        let log = Log::new(leaves);
        let plan = log.something();
        let tiles = log.fetch(&plan);
        for which in 0..tiles.len() {
            let mut forged = tiles.clone();
            forged[which] = forge(&tiles[which], 0);
            let mut below = which;
            while forged[below].id().is_full() {
                let (id, hash) = (forged[below].id(), forged[below].node(8, 0).unwrap());
                let above =
                    forged.iter().position(|tile| (tile.id().level(), tile.id().number()) == (id.level() + 1, id.number() / 256)).unwrap();
                let mut hashes = forged[above].hashes().to_vec();
                hashes[usize::try_from(id.number() % 256).unwrap()] = hash;
                forged[above] = Tile::new(forged[above].id(), hashes).unwrap();
                below = above;
            }
            assert_eq!(plan.clone().authenticate(log.root, forged).unwrap_err(), TileError::WrongRoot, "{leaves} {which}");
        }
    }
}

#[test]
fn tiles_that_are_genuine_but_not_these_are_refused() {
    let log = Log::new(70_000);
    let plan = log.something();
    let tiles = log.fetch(&plan);
    let authenticate = |tiles: Vec<Tile>| plan.clone().authenticate(log.root, tiles).unwrap_err();
    for (which, tile) in tiles.iter().enumerate() {
        let id = tile.id();
        let mut missing = tiles.clone();
        missing.remove(which);
        assert_eq!(authenticate(missing), TileError::Missing(id));
        let mut twice = tiles.clone();
        twice.push(tile.clone());
        assert_eq!(authenticate(twice), TileError::Surplus(id));
        // The hashes of another tile under this one's name.
        let other = tiles.iter().find(|other| other.id() != id && other.id().width() >= id.width());
        if let Some(other) = other {
            let mut swapped = tiles.clone();
            swapped[which] = Tile::new(id, other.hashes()[..usize::from(id.width())].to_vec()).unwrap();
            let refusal = if id.is_full() { TileError::Forged(id) } else { TileError::WrongRoot };
            assert_eq!(authenticate(swapped), refusal);
        }
        if let Some(narrow) = tile.clone().cut(id.width() - 1) {
            let mut narrower = tiles.clone();
            narrower[which] = narrow.clone();
            assert_eq!(authenticate(narrower), TileError::Surplus(narrow.id()));
        }
    }
    let surplus = log.tiles.values().find(|tile| !plan.tiles().contains(&tile.id())).unwrap();
    let mut more = tiles.clone();
    more.push(surplus.clone());
    assert_eq!(authenticate(more), TileError::Surplus(surplus.id()));
    assert_eq!(plan.clone().authenticate(Log::new(69_999).root, tiles).unwrap_err(), TileError::WrongRoot);
}

#[test]
fn tiles_do_not_answer_for_what_was_not_planned() {
    let log = Log::new(70_000);
    let mut plan = Plan::new(log.size);
    plan.inclusion(LeafIndex::new(5)).unwrap();
    let tiles = plan.clone().authenticate(log.root, log.fetch(&plan)).unwrap();
    assert_eq!(tiles.leaf(LeafIndex::new(300)), None);
    assert_eq!(tiles.prove_inclusion(LeafIndex::new(300)), Err(ProveError::Node(NotPlanned)));
    assert_eq!(tiles.prove_consistency(TreeSize::new(300)), Err(ProveError::Node(NotPlanned)));
    assert!(matches!(tiles.prove_inclusion(LeafIndex::new(70_000)), Err(ProveError::BeyondTree { .. })));
    for height in [8, 16, 17, 63, 64, 200, 255] {
        assert_eq!(tiles.node(Node { height, index: u64::MAX }), None);
    }
    assert_eq!(tiles.node(Node { height: 17, index: 0 }), None, "it is not complete");
}

#[test]
fn nothing_beyond_the_tree_can_be_planned() {
    let mut plan = Plan::new(TreeSize::new(10));
    let before = plan.clone();
    assert!(matches!(plan.inclusion(LeafIndex::new(10)), Err(PlanError::BeyondTree { end: 11, .. })));
    assert!(matches!(plan.inclusion(LeafIndex::new(u64::MAX)), Err(PlanError::BeyondTree { .. })));
    assert!(matches!(plan.consistency(TreeSize::new(11)), Err(PlanError::BeyondTree { end: 11, .. })));
    assert_eq!(plan.consistency(TreeSize::ZERO), Err(PlanError::EmptyOldTree));
    assert!(plan.subtree(Subtree::new(8, 11).unwrap()).is_err());
    assert!(plan.leaves(3..11).is_err());
    plan.leaves(4..4).unwrap();
    assert_eq!(plan, before);
}

#[test]
fn a_size_that_no_tree_has_makes_no_plan_panic_and_no_proof() {
    for leaves in [(1 << 63) + 1, u64::MAX] {
        let mut plan = Plan::new(TreeSize::new(leaves));
        plan.inclusion(LeafIndex::new(leaves - 1)).unwrap();
        plan.consistency(TreeSize::new(leaves - 2)).unwrap();
        plan.subtree(Subtree::new(1 << 63, leaves).unwrap()).unwrap();
        let (root, fetched) = (Reference::of_equal_leaves(leaf(0)).mth(0, leaves), equal_leaves(&plan));
        let tiles = plan.authenticate(root, fetched).unwrap();
        assert_eq!(tiles.prove_inclusion(LeafIndex::new(0)), Err(ProveError::TreeTooLarge(TreeSize::new(leaves))));
    }
}

#[test]
fn the_empty_tree_needs_no_tiles_but_the_right_root() {
    let plan = Plan::new(TreeSize::ZERO);
    assert!(plan.tiles().is_empty());
    assert!(plan.clone().authenticate(Hash::EMPTY_TREE, []).is_ok());
    assert_eq!(plan.authenticate(leaf(0), []).unwrap_err(), TileError::WrongRoot);
}

fn resource() -> impl Strategy<Value = Resource> {
    let number = prop_oneof![any::<u64>(), 0..2000_u64];
    (any::<bool>(), 0..64_u8, number, 1..=256_u16).prop_map(|(tile, level, number, width)| {
        if tile {
            Resource::Tile(TileId::new(level, number, width).unwrap())
        } else {
            Resource::Bundle(BundleId::new(number, width).unwrap())
        }
    })
}

proptest! {
    #[test]
    fn a_resource_is_what_its_path_names(resource in resource()) {
        prop_assert_eq!(Resource::parse(&resource.path()), Some(resource));
    }

    #[test]
    fn a_path_that_names_something_is_its_only_name(path in "(tile/)?(entries|[0-9]{1,3})/((x?[0-9]{2,4})/){0,3}x?[0-9]{3}(\\.p/[0-9]{1,3})?/?") {
        if let Some(resource) = Resource::parse(&path) {
            prop_assert_eq!(resource.path(), path);
        }
    }

    #[test]
    fn no_text_makes_the_path_parser_panic(path in any::<String>()) {
        for path in [String::from("tile/0/") + &path, path] {
            prop_assert!(Resource::parse(&path).is_none_or(|resource| resource.path() == path));
        }
    }

    #[test]
    fn a_bundle_is_its_entries(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=20)) {
        let mut bytes = vec![];
        for entry in &entries {
            encode_entry(entry, &mut bytes).unwrap();
        }
        let width = u16::try_from(entries.len()).unwrap();
        prop_assert_eq!(parse_bundle(&bytes, width).unwrap(), entries);
    }

    #[test]
    fn any_bytes_are_a_bundle_or_an_error_and_print_as_they_were(bytes in prop::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u8>()], 0..200)) {
        if let Ok(entries) = Entries::new(&bytes).collect::<Result<Vec<_>, _>>() {
            let mut printed = vec![];
            for entry in &entries {
                encode_entry(entry, &mut printed).unwrap();
            }
            prop_assert_eq!(printed, bytes);
        }
    }
}

#[test]
fn entries_are_given_only_if_each_is_the_one_that_the_log_has_there() {
    let log = Log::new(700);
    let plan = log.everything();
    let fetched = log.fetch(&plan);
    let tiles = plan.authenticate(log.root, fetched).unwrap();
    let bundle = |indexes: Vec<u64>| {
        let mut bytes = Vec::new();
        indexes.iter().for_each(|index| encode_entry(&index.to_be_bytes(), &mut bytes).unwrap());
        bytes
    };
    for id in bundles_of(log.size) {
        let first = id.first_index().as_u64();
        let indexes: Vec<u64> = (first..first + u64::from(id.width())).collect();
        let good = bundle(indexes.clone());
        assert_eq!(tiles.entries(id, &good).unwrap().len(), indexes.len());
        let last = indexes.len() - 1;
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(tiles.entries(id, &changed), Err(BundleError::Forged(LeafIndex::new(indexes[last]))));
        let mut swapped = indexes.clone();
        swapped.swap(0, last);
        assert_eq!(tiles.entries(id, &bundle(swapped)), Err(BundleError::Forged(id.first_index())));
        assert!(matches!(tiles.entries(id, &bundle(indexes[1..].to_vec())), Err(BundleError::Malformed(MalformedBundle::TooFew { .. }))));
        assert!(matches!(
            tiles.entries(id, &[good, bundle(vec![0])].concat()),
            Err(BundleError::Malformed(MalformedBundle::TooMany { .. }))
        ));
    }
    let mut little = Plan::new(log.size);
    little.leaves(0..1).unwrap();
    let fetched = log.fetch(&little);
    let tiles = little.authenticate(log.root, fetched).unwrap();
    assert_eq!(tiles.entries(BundleId::new(1, 256).unwrap(), &bundle((256..512).collect())), Err(BundleError::NotPlanned(NotPlanned)));
}

#[test]
fn the_root_of_a_bundle_is_that_of_its_entries_and_costs_no_tile_of_theirs() {
    for leaves in [256, 511, 512, 70_000] {
        let log = Log::new(leaves);
        let mut plan = Plan::new(log.size);
        plan.bundle_roots(0..leaves / 256).unwrap();
        assert!(plan.tiles().iter().filter(|id| id.level() == 0).all(|id| !id.is_full()), "{leaves}");
        let tiles = plan.clone().authenticate(log.root, log.fetch(&plan)).unwrap();
        for number in 0..leaves / 256 {
            let mut tree = Appender::new();
            for index in number * 256..number * 256 + 256 {
                tree.append(leaf(index), |_, _| ()).unwrap();
            }
            assert_eq!(tiles.bundle_root(number), Some(tree.root()));
        }
        assert_eq!(tiles.bundle_root(leaves / 256), None);
        assert!(plan.bundle_roots(0..leaves / 256 + 1).is_err());
    }
}
