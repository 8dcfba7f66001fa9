//! What hashing, appending and proofs cost: `cargo bench -p tlog`.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::convert::Infallible;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tlog::merkle::{self, Appender, Node};
use tlog::tiles::{Plan, Tile};
use tlog::{Hash, LeafIndex, TreeSize};

fn main() {
    divan::main();
}

#[divan::bench(args = [256, 4096, 65_535])]
fn hash_a_leaf(bencher: Bencher<'_, '_>, bytes: usize) {
    let entry = vec![7; bytes];
    bencher.counter(BytesCount::new(bytes)).bench(|| Hash::leaf(divan::black_box(&entry)));
}

#[divan::bench]
fn hash_a_node(bencher: Bencher<'_, '_>) {
    let (left, right) = (Hash::leaf(b"left"), Hash::leaf(b"right"));
    bencher.bench(|| Hash::node(divan::black_box(&left), &right));
}

/// One commit of 1,000 entries onto a tree of a million, root included.
#[divan::bench]
fn append_a_thousand(bencher: Bencher<'_, '_>) {
    let leaf = Hash::leaf(b"entry");
    let mut million = Appender::new();
    (0..1_000_000).for_each(|_| _ = million.append(leaf, |_, _| ()).unwrap());
    bencher.counter(ItemsCount::new(1000_usize)).with_inputs(|| million.clone()).bench_values(|mut tree| {
        let mut completed = 0_u32;
        (0..1000).for_each(|_| _ = tree.append(leaf, |_, _| completed += 1).unwrap());
        (tree.root(), completed)
    });
}

const SIZE: TreeSize = TreeSize::new((1 << 40) + 70_000);
const PLACE: u64 = (1 << 39) + 12_345;

/// Complete subtrees of equal leaves, by height.
fn heights() -> Vec<Hash> {
    std::iter::successors(Some(Hash::leaf(b"entry")), |hash| Some(Hash::node(hash, hash))).take(64).collect()
}

#[divan::bench]
fn prove_inclusion(bencher: Bencher<'_, '_>) {
    let heights = heights();
    let node = |node: Node| Ok::<_, Infallible>(heights[usize::from(node.height)]);
    bencher.bench(|| merkle::prove_inclusion(LeafIndex::new(PLACE), SIZE, node));
}

#[divan::bench]
fn verify_inclusion(bencher: Bencher<'_, '_>) {
    let heights = heights();
    let node = |node: Node| Ok::<_, Infallible>(heights[usize::from(node.height)]);
    let proof = merkle::prove_inclusion(LeafIndex::new(PLACE), SIZE, node).unwrap();
    let root = merkle::root(SIZE, node).unwrap();
    bencher.bench(|| merkle::verify_inclusion(&heights[0], LeafIndex::new(PLACE), SIZE, &proof, &root).unwrap());
}

#[divan::bench]
fn verify_consistency(bencher: Bencher<'_, '_>) {
    let heights = heights();
    let node = |node: Node| Ok::<_, Infallible>(heights[usize::from(node.height)]);
    let old = TreeSize::new(PLACE);
    let proof = merkle::prove_consistency(old, SIZE, node).unwrap();
    let (old_root, root) = (merkle::root(old, node).unwrap(), merkle::root(SIZE, node).unwrap());
    bencher.bench(|| merkle::verify_consistency(old, &old_root, SIZE, &root, &proof).unwrap());
}

/// The tiles for one inclusion proof.
#[divan::bench]
fn authenticate_tiles(bencher: Bencher<'_, '_>) {
    let heights = heights();
    let root = merkle::root(SIZE, |node: Node| Ok::<_, Infallible>(heights[usize::from(node.height)])).unwrap();
    let mut plan = Plan::new(SIZE);
    plan.inclusion(LeafIndex::new(PLACE)).unwrap();
    let tile = |id: tlog::tiles::TileId| Tile::new(id, vec![heights[usize::from(id.level()) * 8]; usize::from(id.width())]).unwrap();
    let tiles: Vec<Tile> = plan.tiles().into_iter().map(tile).collect();
    bencher
        .counter(ItemsCount::new(tiles.len()))
        .with_inputs(|| (plan.clone(), tiles.clone()))
        .bench_values(|(plan, tiles)| plan.authenticate(root, tiles).unwrap());
}
