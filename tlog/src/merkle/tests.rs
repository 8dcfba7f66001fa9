#![allow(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;

use proptest::prelude::*;

use super::reference::Reference;
use super::*;
use crate::hash::{Hash, LeafIndex, TreeSize};

/// A tree of distinct leaves, with every complete node and every root on the way.
struct Tree {
    leaves: Vec<Hash>,
    /// By height.
    nodes: Vec<Vec<Hash>>,
    roots: Vec<Hash>,
}

impl Tree {
    fn new(size: usize) -> Self {
        Self::of((0..size).map(|i| Hash::leaf(format!("entry {i}").as_bytes())).collect())
    }

    fn of(leaves: Vec<Hash>) -> Self {
        let mut nodes = vec![vec![]; 64];
        let mut appender = Appender::new();
        let mut roots = vec![appender.root()];
        for (i, leaf) in (0..).zip(&leaves) {
            let completed = |node: Node, hash| {
                let row = &mut nodes[usize::from(node.height)];
                assert_eq!(node.index, u64::try_from(row.len()).unwrap());
                row.push(hash);
            };
            assert_eq!(appender.append(*leaf, completed), Ok(LeafIndex::new(i)));
            roots.push(appender.root());
        }
        Tree { leaves, nodes, roots }
    }

    fn node(&self, node: Node) -> Result<Hash, Node> {
        self.nodes[usize::from(node.height)].get(usize::try_from(node.index).unwrap()).copied().ok_or(node)
    }

    fn inclusion(&self, m: u64, n: u64) -> Vec<Hash> {
        prove_inclusion(LeafIndex::new(m), TreeSize::new(n), |node| self.node(node)).unwrap()
    }

    fn consistency(&self, m: u64, n: u64) -> Vec<Hash> {
        prove_consistency(TreeSize::new(m), TreeSize::new(n), |node| self.node(node)).unwrap()
    }

    fn subtree(&self, subtree: Subtree, n: u64) -> Vec<Hash> {
        prove_subtree(subtree, TreeSize::new(n), |node| self.node(node)).unwrap()
    }

    fn leaf(&self, m: u64) -> &Hash {
        &self.leaves[usize::try_from(m).unwrap()]
    }

    fn root(&self, n: u64) -> &Hash {
        &self.roots[usize::try_from(n).unwrap()]
    }

    fn included(&self, m: u64, n: u64, proof: &[Hash]) -> Result<(), VerifyError> {
        verify_inclusion(self.leaf(m), LeafIndex::new(m), TreeSize::new(n), proof, self.root(n))
    }

    fn consistent(&self, m: u64, n: u64, proof: &[Hash]) -> Result<(), VerifyError> {
        verify_consistency(TreeSize::new(m), self.root(m), TreeSize::new(n), self.root(n), proof)
    }
}

/// All valid subtrees of a tree of `n` leaves.
fn subtrees(n: u64) -> impl Iterator<Item = Subtree> {
    (0..n).flat_map(move |start| {
        // Nothing longer than the largest power of two that divides `start` can begin there.
        let longest = if start == 0 { n } else { 1 << start.trailing_zeros() };
        (start + 1..=n.min(start + longest)).map(move |end| Subtree::new(start, end).unwrap())
    })
}

#[test]
fn every_inclusion_proof_up_to_600_leaves_is_rfc_6962s_path() {
    let tree = Tree::new(600);
    let reference = Reference::new(&tree.leaves);
    for n in 0..=600 {
        assert_eq!(*tree.root(n), reference.mth(0, n));
        for m in 0..n {
            let proof = tree.inclusion(m, n);
            assert_eq!(proof, reference.path(m, n), "{m} in {n}");
            assert_eq!(tree.included(m, n, &proof), Ok(()), "{m} in {n}");
        }
    }
}

#[test]
fn every_consistency_proof_up_to_600_leaves_is_rfc_6962s_proof() {
    let tree = Tree::new(600);
    let reference = Reference::new(&tree.leaves);
    for n in 1..=600 {
        for m in 1..=n {
            let proof = tree.consistency(m, n);
            assert_eq!(proof, reference.proof(m, n), "{m} to {n}");
            assert_eq!(tree.consistent(m, n, &proof), Ok(()), "{m} to {n}");
        }
    }
}

#[test]
fn every_subtree_proof_is_the_drafts() {
    let tree = Tree::new(600);
    let reference = Reference::new(&tree.leaves);
    for n in (0..=140).chain([255, 256, 257, 511, 512, 513, 600]) {
        for subtree in subtrees(n) {
            let proof = tree.subtree(subtree, n);
            assert_eq!(proof, reference.subtree_proof(subtree.start(), subtree.end(), n), "{subtree:?} in {n}");
            let hash = reference.mth(subtree.start(), subtree.end());
            assert_eq!(verify_subtree(subtree, &hash, TreeSize::new(n), tree.root(n), &proof), Ok(()), "{subtree:?} in {n}");
        }
    }
}

#[test]
fn subtrees_are_valid_by_the_drafts_rule_only() {
    for start in 0..80_u64 {
        for end in 0..80_u64 {
            // BIT_CEIL(end - start) divides start
            let valid = start < end && start % (0..).map(|i| 1 << i).find(|p| *p >= end - start).unwrap() == 0;
            assert_eq!(Subtree::new(start, end).is_ok(), valid, "{start} {end}");
        }
    }
    assert_eq!(Subtree::new(3, 3), Err(InvalidSubtree::Empty));
    assert_eq!(Subtree::new(3, 5), Err(InvalidSubtree::Misaligned));
    assert!(Subtree::new(0, u64::MAX).is_ok());
    assert_eq!(Subtree::new(1, u64::MAX), Err(InvalidSubtree::Misaligned));
    assert!(Subtree::new(1 << 63, u64::MAX).is_ok());
}

/// Sizes at which something changes: the levels of trees and tiles, and what fits into the integers.
const NAMED_SIZES: [u64; 17] = [
    0,
    1,
    2,
    3,
    255,
    256,
    257,
    65_535,
    65_536,
    65_537,
    (1 << 24) - 1,
    (1 << 24) + 1,
    1 << 40,
    (1 << 40) + 1,
    (1 << 62) + 1,
    (1 << 63) - 1,
    1 << 63,
];

/// A tree whose leaves are all equal, of any size: the hash of a complete subtree depends on its height only.
struct EqualLeaves {
    heights: Vec<Hash>,
    reference: Reference,
}

impl EqualLeaves {
    fn new() -> Self {
        let leaf = Hash::leaf(b"the same entry again");
        let heights = std::iter::successors(Some(leaf), |hash| Some(Hash::node(hash, hash))).take(64).collect();
        EqualLeaves { heights, reference: Reference::of_equal_leaves(leaf) }
    }

    fn node(&self, node: Node) -> Result<Hash, Infallible> {
        Ok(self.heights[usize::from(node.height)])
    }
}

#[test]
fn proofs_in_trees_of_the_named_sizes_equal_the_reference() {
    let tree = EqualLeaves::new();
    for n in NAMED_SIZES {
        let (size, expected_root) = (TreeSize::new(n), tree.reference.mth(0, n));
        assert_eq!(root(size, |node| tree.node(node)), Ok(expected_root), "{n}");
        let places = NAMED_SIZES.into_iter().chain([n / 2, n.saturating_sub(1), n / 3]).filter(|place| *place < n);
        for m in places.clone() {
            let proof = prove_inclusion(LeafIndex::new(m), size, |node| tree.node(node)).unwrap();
            assert_eq!(proof, tree.reference.path(m, n), "{m} in {n}");
            verify_inclusion(&tree.heights[0], LeafIndex::new(m), size, &proof, &expected_root).unwrap();
        }
        for m in places.filter(|old| *old > 0).chain([n].into_iter().filter(|n| *n > 0)) {
            let expected = tree.reference.proof(m, n);
            let old = TreeSize::new(m);
            let proof = prove_consistency(old, size, |node| tree.node(node));
            if expected.len() > MAX_PROOF {
                assert_eq!(proof, Err(ProveError::TreeTooLarge(size)), "{m} to {n}");
                continue;
            }
            assert_eq!(proof.as_ref(), Ok(&expected), "{m} to {n}");
            verify_consistency(old, &tree.reference.mth(0, m), size, &expected_root, &expected).unwrap();
        }
    }
}

#[test]
fn subtree_proofs_in_trees_of_the_named_sizes_equal_the_reference() {
    let tree = EqualLeaves::new();
    for n in NAMED_SIZES {
        for width in [1, 2, 3, 255, 256, 257, 65_537, (1 << 40) + 1, (1 << 61) + 7] {
            let aligned = n / 2 / u64::next_power_of_two(width) * u64::next_power_of_two(width);
            let Ok(subtree) = Subtree::new(aligned, aligned + width) else { panic!("{aligned} {width}") };
            if subtree.end() > n {
                continue;
            }
            let proof = prove_subtree(subtree, TreeSize::new(n), |node| tree.node(node));
            let expected = tree.reference.subtree_proof(subtree.start(), subtree.end(), n);
            if expected.len() > MAX_PROOF {
                assert_eq!(proof, Err(ProveError::TreeTooLarge(TreeSize::new(n))), "{subtree:?} in {n}");
                continue;
            }
            assert_eq!(proof.as_ref(), Ok(&expected), "{subtree:?} in {n}");
            let hash = tree.reference.mth(subtree.start(), subtree.end());
            verify_subtree(subtree, &hash, TreeSize::new(n), &tree.reference.mth(0, n), &expected).unwrap();
        }
    }
}

#[test]
fn an_appender_continues_from_its_peaks_at_any_size() {
    let tree = EqualLeaves::new();
    for n in NAMED_SIZES {
        let nodes = Appender::peak_nodes(TreeSize::new(n));
        let peaks: Vec<Hash> = nodes.iter().map(|node| tree.heights[usize::from(node.height)]).collect();
        let mut appender = Appender::from_peaks(TreeSize::new(n), peaks.clone()).unwrap();
        assert_eq!(appender.root(), tree.reference.mth(0, n), "{n}");
        assert_eq!(appender.peaks(), peaks);

        let mut completed = vec![];
        let appended = appender.append(tree.heights[0], |node, hash| completed.push((node, hash)));
        if n == 1 << 63 {
            assert_eq!((appended, completed.len()), (Err(AppenderError::Full), 0));
            continue;
        }
        assert_eq!(appended, Ok(LeafIndex::new(n)));
        assert_eq!(appender.root(), tree.reference.mth(0, n + 1), "{n}");
        // One node for each height at which the new leaf is the last one.
        let expected = (0..=u8::try_from((n + 1).trailing_zeros()).unwrap())
            .map(|height| (Node { height, index: n >> height }, tree.heights[usize::from(height)]));
        assert!(completed.into_iter().eq(expected), "{n}");

        let mut one_more = peaks;
        one_more.push(Hash::EMPTY_TREE);
        assert!(matches!(Appender::from_peaks(TreeSize::new(n), one_more), Err(AppenderError::PeakCount { .. })));
    }
    assert_eq!(Appender::from_peaks(TreeSize::new((1 << 63) + 1), vec![tree.heights[63], tree.heights[0]]), Err(AppenderError::Full));
}

#[test]
fn an_appender_that_was_continued_equals_one_that_never_stopped() {
    let leaves: Vec<Hash> = (0..300_u32).map(|i| Hash::leaf(&i.to_be_bytes())).collect();
    let mut whole = Appender::new();
    for leaf in &leaves {
        let continued = Appender::from_peaks(whole.size(), whole.peaks().to_vec()).unwrap();
        assert_eq!(continued, whole);
        whole.append(*leaf, |_, _| ()).unwrap();
    }
}

fn hex(text: &str) -> Hash {
    Hash::from_hex(text).unwrap()
}

/// The tree that implementations of Certificate Transparency have been compared with since RFC 6962.
#[test]
fn the_well_known_tree_of_eight_leaves_has_its_well_known_roots_and_proofs() {
    let entries: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let tree = Tree::of(entries.into_iter().map(Hash::leaf).collect());
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    assert_eq!(tree.roots, roots.map(hex));

    let (leaf_0, leaf_1) = (hex(roots[1]), hex("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"));
    let leaf_4 = hex("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    let leaf_6 = hex("b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f");
    let (pair_0, pair_1) = (hex(roots[2]), hex("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"));
    let pair_2 = hex("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
    let pair_3 = hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    let (four_0, four_1) = (hex(roots[4]), hex("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"));

    assert_eq!(tree.inclusion(0, 1), []);
    assert_eq!(tree.inclusion(0, 8), [leaf_1, pair_1, four_1]);
    assert_eq!(tree.inclusion(5, 8), [leaf_4, pair_3, four_0]);
    assert_eq!(tree.inclusion(2, 3), [pair_0]);
    assert_eq!(tree.inclusion(1, 5), [leaf_0, pair_1, leaf_4]);
    assert_eq!(tree.consistency(1, 1), []);
    assert_eq!(tree.consistency(1, 8), [leaf_1, pair_1, four_1]);
    assert_eq!(tree.consistency(6, 8), [pair_2, pair_3, four_0]);
    assert_eq!(tree.consistency(2, 5), [pair_1, leaf_4]);
    assert_eq!(tree.consistency(6, 7), [pair_2, leaf_6, four_0]);
}

/// C2SP tlog-witness §sign-subtree has `subtree 8 13` of a tree of 14 as its example, with four hashes (made up: they lead nowhere).
#[test]
fn the_witness_specifications_example_has_the_shape_that_it_shows() {
    let tree = Tree::new(14);
    let proof = tree.subtree(Subtree::new(8, 13).unwrap(), 14);
    let left = |height, index| tree.node(Node { height, index }).unwrap();
    assert_eq!(proof, [left(0, 12), left(0, 13), left(2, 2), left(3, 0)]);
}

/// Every way in which a list of hashes can be a little wrong.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let other = Hash::leaf(b"other");
    let mut all = vec![];
    for i in 0..proof.len() {
        for bit in [0, 131, 255] {
            let mut bytes = *proof[i].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut mutated = proof.to_vec();
            mutated[i] = Hash::new(bytes);
            all.push(mutated);
        }
        let mut without = proof.to_vec();
        without.remove(i);
        all.push(without);
        let mut twice = proof.to_vec();
        twice.insert(i, proof[i]);
        all.push(twice);
        if i > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(i - 1, i);
            all.push(swapped);
        }
    }
    for i in 0..=proof.len() {
        let mut inserted = proof.to_vec();
        inserted.insert(i, other);
        all.push(inserted);
    }
    all
}

#[test]
fn mutated_inclusion_proofs_are_refused() {
    let tree = Tree::new(70);
    for n in 1..=70 {
        for m in (0..n).step_by(3).chain([n - 1]) {
            let proof = tree.inclusion(m, n);
            for mutated in mutations(&proof) {
                assert!(tree.included(m, n, &mutated).is_err(), "{m} in {n}");
            }
            let (size, index) = (TreeSize::new(n), LeafIndex::new(m));
            let other = Hash::leaf(b"another entry");
            assert_eq!(verify_inclusion(&other, index, size, &proof, tree.root(n)), Err(VerifyError::WrongRoot));
            assert_eq!(verify_inclusion(tree.leaf(m), index, size, &proof, tree.root(n - 1)), Err(VerifyError::WrongRoot));
            for wrong in (0..=n).filter(|wrong| *wrong != m) {
                assert!(verify_inclusion(tree.leaf(m), LeafIndex::new(wrong), size, &proof, tree.root(n)).is_err());
            }
        }
    }
}

#[test]
fn mutated_consistency_and_subtree_proofs_are_refused() {
    let tree = Tree::new(40);
    let reference = Reference::new(&tree.leaves);
    for n in 1..=40 {
        for m in 1..=n {
            let proof = tree.consistency(m, n);
            for mutated in mutations(&proof) {
                assert!(tree.consistent(m, n, &mutated).is_err(), "{m} to {n}");
            }
            let (old, new) = (TreeSize::new(m), TreeSize::new(n));
            assert!(verify_consistency(old, tree.root(m - 1), new, tree.root(n), &proof).is_err());
            assert!(verify_consistency(old, tree.root(m), new, tree.root(n - 1), &proof).is_err());
        }
        for subtree in subtrees(n) {
            let (proof, hash) = (tree.subtree(subtree, n), reference.mth(subtree.start(), subtree.end()));
            let verify = |hash, proof: &[Hash]| verify_subtree(subtree, hash, TreeSize::new(n), tree.root(n), proof);
            assert!(verify(&Hash::EMPTY_TREE, &proof).is_err(), "{subtree:?} in {n}");
            for mutated in mutations(&proof) {
                assert!(verify(&hash, &mutated).is_err(), "{subtree:?} in {n}");
            }
        }
    }
}

#[test]
fn a_proof_tells_what_the_tree_begins_with_unless_the_verifier_is_to_know_it() {
    let tree = Tree::new(40);
    for n in 1..=40_u64 {
        for m in 1..=n {
            let (proof, size) = (tree.consistency(m, n), TreeSize::new(n));
            let hash = proven_hash(Subtree::beginning(m), size, tree.root(n), &proof);
            let known = m == n || m.is_power_of_two();
            assert_eq!(hash, (!known).then(|| *tree.root(m)), "{m} in {n}");
            for mutated in mutations(&proof) {
                assert_eq!(proven_hash(Subtree::beginning(m), size, tree.root(n), &mutated), None, "{m} in {n}");
            }
        }
    }
    let beyond = proven_hash(Subtree::beginning(6), TreeSize::new(5), tree.root(5), &[]);
    assert_eq!(beyond, None);
    assert_eq!(proven_hash(Subtree::beginning(5), TreeSize::new(u64::MAX), tree.root(5), &[*tree.root(5); 64]), None);
}

#[test]
fn an_inner_node_is_not_accepted_as_a_leaf() {
    let tree = Tree::new(16);
    let reference = Reference::new(&tree.leaves);
    for n in 2..=16 {
        for subtree in subtrees(n).filter(|subtree| subtree.end() - subtree.start() > 1) {
            let (hash, proof) = (reference.mth(subtree.start(), subtree.end()), tree.subtree(subtree, n));
            for claimed in 0..n {
                let verified = verify_inclusion(&hash, LeafIndex::new(claimed), TreeSize::new(n), &proof, tree.root(n));
                assert!(verified.is_err(), "{subtree:?} as leaf {claimed} of {n}");
            }
        }
    }
}

#[test]
fn an_empty_proof_proves_only_what_needs_none() {
    let tree = Tree::new(9);
    for n in 2..=9 {
        for m in 0..n {
            assert!(matches!(tree.included(m, n, &[]), Err(VerifyError::WrongLength { given: 0, .. })));
        }
        for m in 1..n {
            assert!(matches!(tree.consistent(m, n, &[]), Err(VerifyError::WrongLength { given: 0, .. })));
        }
    }
    assert_eq!(tree.included(0, 1, &[]), Ok(()));
    assert_eq!(tree.consistent(7, 7, &[]), Ok(()));
    let seven = TreeSize::new(7);
    assert!(verify_consistency(seven, tree.root(7), seven, tree.root(8), &[]).is_err());
}

#[test]
fn sizes_and_indexes_out_of_range_are_refused() {
    let hash = Hash::EMPTY_TREE;
    let node = |_| Ok::<_, Infallible>(hash);
    let (size, index) = (TreeSize::new, LeafIndex::new);
    for n in [0, 1, 5, 1 << 63] {
        for m in [n, n + 1, u64::MAX] {
            assert!(matches!(prove_inclusion(index(m), size(n), node), Err(ProveError::BeyondTree { .. })));
            assert!(matches!(verify_inclusion(&hash, index(m), size(n), &[], &hash), Err(VerifyError::BeyondTree { .. })));
        }
    }
    for n in [0, 1, 5, 1 << 63] {
        assert_eq!(prove_consistency(size(0), size(n), node), Err(ProveError::EmptyOldTree));
        assert_eq!(verify_consistency(size(0), &hash, size(n), &hash, &[]), Err(VerifyError::EmptyOldTree));
        let (old, new) = (size(n + 1), size(n));
        assert_eq!(prove_consistency(old, new, node), Err(ProveError::Shrinks { old, new }));
        assert_eq!(verify_consistency(old, &hash, new, &hash, &[]), Err(VerifyError::Shrinks { old, new }));
    }
    for n in [(1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        let subtree = Subtree::new(0, 1 << 40).unwrap();
        assert_eq!(prove_inclusion(index(0), size(n), node), Err(ProveError::TreeTooLarge(size(n))));
        assert_eq!(prove_consistency(size(n), size(n), node), Err(ProveError::TreeTooLarge(size(n))));
        assert_eq!(prove_subtree(subtree, size(n), node), Err(ProveError::TreeTooLarge(size(n))));
        assert_eq!(verify_inclusion(&hash, index(n - 1), size(n), &[hash; 63], &hash), Err(VerifyError::TreeTooLarge(size(n))));
        assert_eq!(verify_consistency(size(n), &hash, size(n), &hash, &[]), Err(VerifyError::TreeTooLarge(size(n))));
        assert_eq!(verify_subtree(subtree, &hash, size(n), &hash, &[hash; 23]), Err(VerifyError::TreeTooLarge(size(n))));
    }
}

#[test]
fn proofs_of_more_than_63_hashes_are_refused() {
    let (hash, size) = (Hash::EMPTY_TREE, TreeSize::new(1 << 63));
    let proof = vec![hash; 64];
    assert_eq!(verify_inclusion(&hash, LeafIndex::new(0), size, &proof, &hash), Err(VerifyError::TooLong { given: 64 }));
    assert_eq!(verify_subtree(Subtree::beginning(3), &hash, size, &hash, &proof), Err(VerifyError::TooLong { given: 64 }));
    // This one would need 64.
    let old = TreeSize::new((1 << 62) + 1);
    assert_eq!(verify_consistency(old, &hash, size, &hash, &proof), Err(VerifyError::TooLong { given: 64 }));
    let wrong_length = VerifyError::WrongLength { expected: 64, given: 63 };
    assert_eq!(verify_consistency(old, &hash, size, &hash, &proof[1..]), Err(wrong_length));
}

#[test]
fn a_source_of_hashes_that_fails_fails_the_proof() {
    let missing = |node: Node| Err::<Hash, _>(node);
    let leaf = Node { height: 0, index: 1 };
    assert_eq!(prove_inclusion(LeafIndex::new(0), TreeSize::new(2), missing), Err(ProveError::Node(leaf)));
    assert_eq!(root(TreeSize::new(2), missing), Err(Node { height: 1, index: 0 }));
}

/// Numbers as they come, and those around which arithmetic breaks.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..70_u64, (0..64_u32, 0..3_u64).prop_map(|(bit, off)| (1_u64 << bit).wrapping_add(off).wrapping_sub(1))]
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::new)
}

proptest! {
    #[test]
    fn nothing_that_comes_in_makes_a_verifier_panic_or_agree(
        a in number(), b in number(), c in number(), leaf in hash(), root in hash(), proof in prop::collection::vec(hash(), 0..70),
    ) {
        prop_assume!(leaf != root);
        prop_assert!(verify_inclusion(&leaf, LeafIndex::new(a), TreeSize::new(b), &proof, &root).is_err());
        prop_assert!(verify_consistency(TreeSize::new(a), &leaf, TreeSize::new(b), &root, &proof).is_err());
        if let Ok(subtree) = Subtree::new(a, b) {
            prop_assert!(verify_subtree(subtree, &leaf, TreeSize::new(c), &root, &proof).is_err());
        }
    }

    #[test]
    fn what_is_proved_verifies_at_any_size(a in 0..=1_u64 << 62, b in 0..=1_u64 << 62, width in number()) {
        let tree = EqualLeaves::new();
        let (old, new) = (a.min(b), a.max(b));
        let (size, root) = (TreeSize::new(new), tree.reference.mth(0, new));
        if old < new {
            let proof = prove_inclusion(LeafIndex::new(old), size, |node| tree.node(node)).unwrap();
            prop_assert_eq!(verify_inclusion(&tree.heights[0], LeafIndex::new(old), size, &proof, &root), Ok(()));
        }
        if old > 0 {
            let proof = prove_consistency(TreeSize::new(old), size, |node| tree.node(node)).unwrap();
            prop_assert_eq!(verify_consistency(TreeSize::new(old), &tree.reference.mth(0, old), size, &root, &proof), Ok(()));
        }
        let aligned = width.checked_next_power_of_two().map_or(0, |power| old / power * power);
        if let Some(subtree) = aligned.checked_add(width).and_then(|end| Subtree::new(aligned, end).ok()).filter(|s| s.end() <= new) {
            let proof = prove_subtree(subtree, size, |node| tree.node(node)).unwrap();
            let hash = tree.reference.mth(subtree.start(), subtree.end());
            prop_assert_eq!(verify_subtree(subtree, &hash, size, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn two_roots_of_one_size_are_told_apart_from_a_bad_proof() {
    let (size, roots) = (TreeSize::new(5), [Hash::leaf(b"one"), Hash::leaf(b"two")]);
    for proof in [vec![], vec![roots[0]]] {
        assert_eq!(verify_consistency(size, &roots[0], size, &roots[1], &proof), Err(VerifyError::OtherRoot { size }));
    }
    assert_eq!(verify_consistency(size, &roots[0], size, &roots[0], &[]), Ok(()));
    assert!(matches!(verify_consistency(size, &roots[0], size, &roots[0], &roots), Err(VerifyError::WrongLength { .. })));
}
