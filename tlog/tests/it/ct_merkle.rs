//! The crate ct-merkle, an independent implementation, makes the same trees and proofs, and accepts ours.

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use sha2::Sha256;
use tlog::merkle::{self, Appender, Node};
use tlog::{Hash, LeafIndex, TreeSize};

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

fn size(leaves: usize) -> TreeSize {
    TreeSize::new(leaves.try_into().unwrap())
}

#[test]
fn another_implementation_makes_the_same_proofs_and_accepts_ours() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut ours = Appender::new();
    let mut nodes: HashMap<Node, Hash> = HashMap::new();
    let mut roots = vec![theirs.root()];
    for new in 1..=150_usize {
        let entry = format!("entry {new}").into_bytes();
        ours.append(Hash::leaf(&entry), |node, hash| _ = nodes.insert(node, hash)).unwrap();
        theirs.push(entry);
        let root = theirs.root();
        assert_eq!(root.as_bytes().as_slice(), ours.root().as_bytes());
        let node = |node| nodes.get(&node).copied().ok_or(node);
        for place in (0..new).step_by(1 + new / 40).chain([new - 1]) {
            let proof = merkle::prove_inclusion(LeafIndex::new(place.try_into().unwrap()), size(new), node).unwrap();
            assert_eq!(theirs.prove_inclusion(place).as_bytes(), bytes(&proof), "{place} in {new}");
            let proof = InclusionProof::from_bytes(bytes(&proof));
            root.verify_inclusion(theirs.get(place).unwrap(), place.try_into().unwrap(), &proof).unwrap();

            let old = place + 1;
            let proof = merkle::prove_consistency(size(old), size(new), node).unwrap();
            assert_eq!(theirs.prove_consistency(new - old).as_bytes(), bytes(&proof), "{old} to {new}");
            if old < new {
                root.verify_consistency(&roots[old], &ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap()).unwrap();
            }
        }
        roots.push(root);
    }
}
