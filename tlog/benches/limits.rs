//! Each part beside what it cannot do without: `cargo bench -p tlog --bench limits`.
//!
//! A tree's limit is SHA-256's compression function, of 64 bytes each time; a note's is a signature, for which `ring` stands. Both are timed in
//! turns with the part, in the same run, so that the ratio can be compared between machines, and between busy ones and quiet ones.
//! docs/benchmarks.md has a run.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "shared/beside.rs"]
mod beside;

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;

use beside::Limit;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::block_api::compress256;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::merkle::{self, Appender, Node};
use tlog::tiles::{AuthenticatedTiles, BundleId, Plan, Tile, TileId, encode_entry, parse_bundle};
use tlog::{Hash, LeafIndex, TreeSize};

/// Entries of a bundle, and hashes of a tile.
const WIDTH: u16 = 256;
/// Compressions of an interior node: a byte, two hashes, and SHA-256's own nine bytes.
const NODE: usize = 2;

fn main() {
    println!("Hashing: SHA-256's compression function over and over is the limit\n");
    let mut compression = compressions();
    leaves(&mut compression);
    appending(&mut compression);
    proofs(&mut compression);
    tiles(&mut compression);
    println!("\nBytes: a copy of them is the limit\n");
    bytes();
    println!("\nNotes: one signature by ring, or one verification, is the limit\n");
    notes();
}

fn compressions() -> Limit<'static> {
    let (blocks, mut state) = (vec![[7; 64]; 256], [1; 8]);
    let work = move || compress256(black_box(&mut state), black_box(&blocks));
    Limit { one: "compression", many: "compressions", work: Box::new(work), units: 256 }
}

/// Compressions of a leaf: a byte before the entry, and nine behind it.
fn leaf(entry: usize) -> usize {
    (entry + 10).div_ceil(64)
}

fn leaves(compression: &mut Limit<'_>) {
    for bytes in [32, 256, 4096] {
        let entry = vec![7; bytes];
        let name = format!("leaf hash of {bytes} bytes");
        compression.beside(&name, leaf(bytes), || _ = black_box(Hash::leaf(black_box(&entry))));
    }
    let (left, right) = (Hash::leaf(b"left"), Hash::leaf(b"right"));
    compression.beside("interior hash", NODE, || _ = black_box(Hash::node(black_box(&left), &right)));
}

fn appending(compression: &mut Limit<'_>) {
    let hash = Hash::leaf(b"entry");
    let mut million = Appender::new();
    (0..1_000_000).for_each(|_| _ = million.append(hash, |_, _| ()).unwrap());
    let appended = |leaf: &dyn Fn() -> Hash| {
        let (mut tree, mut nodes) = (million.clone(), 0);
        (0..1000).for_each(|_| _ = tree.append(leaf(), |node, _| nodes += usize::from(node.height > 0)).unwrap());
        black_box(tree.root());
        // The root joins the peaks.
        nodes + tree.peaks().len() - 1
    };
    let nodes = appended(&|| hash);
    compression.beside("append of 1,000 leaf hashes to a million, and the root", NODE * nodes, || _ = appended(black_box(&|| hash)));
    let entry = vec![7; 256];
    let needed = NODE * nodes + 1000 * leaf(256);
    compression.beside("append of 1,000 entries of 256 bytes, and the root", needed, || _ = appended(&|| Hash::leaf(black_box(&entry))));
}

/// Proofs in a tree of 2^40 equal leaves, whose hashes are known.
fn proofs(compression: &mut Limit<'_>) {
    let size = TreeSize::new((1 << 40) + 70_000);
    let (index, old) = (LeafIndex::new((1 << 39) + 12_345), TreeSize::new((1 << 39) + 12_345));
    let heights: Vec<Hash> = std::iter::successors(Some(Hash::leaf(b"entry")), |hash| Some(Hash::node(hash, hash))).take(64).collect();
    let asked = Cell::new(0);
    let node = |node: Node| {
        asked.set(asked.get() + 1);
        Ok::<_, Infallible>(heights[usize::from(node.height)])
    };
    let (root, old_root) = (merkle::root(size, node).unwrap(), merkle::root(old, node).unwrap());
    let inclusion = merkle::prove_inclusion(index, size, node).unwrap();
    asked.set(0);
    let consistency = merkle::prove_consistency(old, size, node).unwrap();
    // Of the hashes that are asked for, those which are not in the proof themselves are joined to fewer that are.
    let joined = asked.get() - consistency.len();
    compression
        .beside("making of a consistency proof", NODE * joined, || _ = merkle::prove_consistency(black_box(old), size, node).unwrap());
    compression.beside("checking of an inclusion proof, 2^40 leaves", NODE * inclusion.len(), || {
        merkle::verify_inclusion(black_box(&heights[0]), index, size, &inclusion, &root).unwrap();
    });
    // The proof's first hash is a subtree at the old tree's end. The others lead from it to the new root, those on its left to the old one too.
    let peaks = usize::try_from(old.as_u64().count_ones()).unwrap();
    compression.beside("checking of a consistency proof", NODE * (consistency.len() - 1 + peaks - 1), || {
        merkle::verify_consistency(black_box(old), &old_root, size, &root, &consistency).unwrap();
    });
}

/// What a reader makes of fetched bytes: tiles that hash up to the root, and entries that hash to a tile.
fn tiles(compression: &mut Limit<'_>) {
    let (size, entries) = (TreeSize::new(WIDTH.into()), bundle());
    let mut tree = Appender::new();
    let leaves: Vec<Hash> = parse_bundle(&entries, WIDTH).unwrap().into_iter().map(Hash::leaf).collect();
    leaves.iter().for_each(|leaf| _ = tree.append(*leaf, |_, _| ()).unwrap());
    let mut plan = Plan::new(size);
    plan.leaves(0..WIDTH.into()).unwrap();
    let hashes = |id: TileId| if id.level() == 0 { leaves.clone() } else { vec![tree.root()] };
    let fetched: Vec<(TileId, Vec<u8>)> = plan.tiles().into_iter().map(|id| (id, Tile::new(id, hashes(id)).unwrap().to_bytes())).collect();
    let authenticate = || -> AuthenticatedTiles {
        let tiles = fetched.iter().map(|(id, bytes)| Tile::parse(*id, black_box(bytes)).unwrap());
        plan.clone().authenticate(tree.root(), tiles).unwrap()
    };
    compression.beside("decoding and checking of a full tile", NODE * (usize::from(WIDTH) - 1), || _ = black_box(authenticate()));
    let (read, id) = (authenticate(), BundleId::new(0, WIDTH).unwrap());
    let needed = usize::from(WIDTH) * leaf(256);
    compression.beside("decoding and checking of a bundle of 256 × 256 bytes", needed, || {
        black_box(read.entries(id, black_box(&entries)).unwrap());
    });
}

fn bundle() -> Vec<u8> {
    let mut bundle = Vec::new();
    (0..WIDTH).for_each(|number| encode_entry(&number.to_be_bytes().repeat(128), &mut bundle).unwrap());
    bundle
}

fn bytes() {
    let (entries, bytes) = (vec![vec![7; 256]; WIDTH.into()], bundle());
    let work = || _ = black_box(black_box(&bytes).clone());
    let mut copy = Limit { one: "copy", many: "copies", work: Box::new(work), units: 1 };
    copy.beside("encoding of a bundle of 256 × 256 bytes", 1, || {
        let mut bundle = Vec::with_capacity(bytes.len());
        black_box(&entries).iter().for_each(|entry| encode_entry(entry, &mut bundle).unwrap());
        black_box(bundle);
    });
    copy.beside("decoding of a bundle without checking", 1, || _ = black_box(parse_bundle(black_box(&bytes), WIDTH).unwrap()));
}

fn notes() {
    const NAME: &str = "ledger.example/bench";
    let seed = [7; 32];
    let key = SigningKey::from_seed(KeyName::new(NAME).unwrap(), Algorithm::Ed25519, &seed).unwrap();
    let checkpoint = Checkpoint::new(Origin::for_new_log(NAME).unwrap(), TreeSize::new(1_234_567), Hash::leaf(b"root"));
    let bytes = SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap().to_bytes();
    let signed = SignedCheckpoint::parse(&bytes).unwrap();
    let text = signed.note().text().as_bytes();

    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let signature = pair.sign(text);
    let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
    let work = || public.verify(black_box(text), signature.as_ref()).unwrap();
    let mut verification = Limit { one: "verification", many: "verifications", work: Box::new(work), units: 1 };
    let keys = std::slice::from_ref(key.verifier_key());
    verification.beside("verifying of a parsed checkpoint", 1, || _ = black_box(black_box(&signed).verify_log(keys).unwrap()));
    verification.beside("parsing and verifying of a checkpoint", 1, || {
        black_box(SignedCheckpoint::parse(black_box(&bytes)).unwrap().verify_log(keys).unwrap());
    });
    verification.share("parsing of a checkpoint", || _ = black_box(SignedCheckpoint::parse(black_box(&bytes)).unwrap()));
    let work = || _ = black_box(pair.sign(black_box(text)));
    let mut one = Limit { one: "signature", many: "signatures", work: Box::new(work), units: 1 };
    one.beside("signing of a checkpoint", 1, || _ = black_box(SignedCheckpoint::sign(black_box(&checkpoint), &[&key]).unwrap()));
}
