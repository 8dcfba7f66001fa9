#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use super::*;
use crate::hash::{Hash, LeafIndex, TreeSize};

/// A tree of distinct leaves, with every complete node.
struct Tree {
    leaves: Vec<Hash>,
    nodes: HashMap<Node, Hash>,
    roots: Vec<Hash>,
}

impl Tree {
    fn new(size: usize) -> Self {
        Self::of((0..size).map(|i| Hash::leaf(format!("entry {i}").as_bytes())).collect())
    }

    fn of(leaves: Vec<Hash>) -> Self {
        let mut nodes = HashMap::new();
        let mut appender = Appender::new();
        let mut roots = vec![appender.root()];
        for (i, leaf) in leaves.iter().enumerate() {
            let index = appender.append(*leaf, |node, hash| assert_eq!(nodes.insert(node, hash), None)).unwrap();
            assert_eq!(index.as_u64(), u64::try_from(i).unwrap());
            roots.push(appender.root());
        }
        Tree { leaves, nodes, roots }
    }

    fn node(&self, node: Node) -> Result<Hash, Node> {
        self.nodes.get(&node).copied().ok_or(node)
    }
}

fn size(n: usize) -> TreeSize {
    TreeSize::new(n.try_into().unwrap())
}

fn index(n: usize) -> LeafIndex {
    LeafIndex::new(n.try_into().unwrap())
}

#[test]
fn small_trees_prove_what_the_specifications_say() {
    let tree = Tree::new(20);
    for n in 0..=20 {
        let (d, root) = (&tree.leaves[..n], tree.roots[n]);
        assert_eq!(root, reference::mth(d));
        for m in 0..n {
            let proof = prove_inclusion(index(m), size(n), |node| tree.node(node)).unwrap();
            assert_eq!(proof, reference::path(m, d));
            verify_inclusion(&d[m], index(m), size(n), &proof, &root).unwrap();
            let proof = prove_consistency(size(m + 1), size(n), |node| tree.node(node)).unwrap();
            assert_eq!(proof, reference::proof(m + 1, d));
            verify_consistency(size(m + 1), &tree.roots[m + 1], size(n), &root, &proof).unwrap();
            for end in m + 1..=n {
                let Ok(subtree) = Subtree::new(m.try_into().unwrap(), end.try_into().unwrap()) else { continue };
                let proof = prove_subtree(subtree, size(n), |node| tree.node(node)).unwrap();
                assert_eq!(proof, reference::subtree_proof(m, end, d));
                verify_subtree(subtree, &reference::mth(&d[m..end]), size(n), &root, &proof).unwrap();
            }
        }
    }
}
