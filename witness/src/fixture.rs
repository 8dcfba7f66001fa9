//! A log to be witnessed, for tests: its entries are numbers, or numbers with something before them for another history.

#![allow(clippy::unwrap_used, dead_code, reason = "tests, each of which uses some of it")]

use std::collections::HashMap;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::merkle::{self, Appender, Node};
use tlog::witness::AddCheckpoint;
use tlog::{Hash, TreeSize};

/// A key with this name, made from one number.
pub(crate) fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

/// One history of a log, with its key.
pub(crate) struct TestLog {
    pub(crate) key: SigningKey,
    pub(crate) nodes: HashMap<Node, Hash>,
    pub(crate) roots: Vec<Hash>,
}

impl TestLog {
    /// A log of `size` entries. Those from `forked` on are others than in the log that is not forked.
    pub(crate) fn forked(origin: &str, size: u64, forked: u64) -> Self {
        let (mut nodes, mut tree) = (HashMap::new(), Appender::new());
        let mut roots = vec![tree.root()];
        for entry in 0..size {
            let text = if entry >= forked { format!("other {entry}") } else { entry.to_string() };
            tree.append(Hash::leaf(text.as_bytes()), |node, hash| {
                nodes.insert(node, hash);
            })
            .unwrap();
            roots.push(tree.root());
        }
        TestLog { key: key(origin, Algorithm::Ed25519, 1), nodes, roots }
    }

    /// A log of `size` entries.
    pub(crate) fn new(origin: &str, size: u64) -> Self {
        TestLog::forked(origin, size, u64::MAX)
    }

    pub(crate) fn origin(&self) -> &str {
        self.key.verifier_key().name().as_str()
    }

    pub(crate) fn keys(&self) -> Vec<VerifierKey> {
        vec![self.key.verifier_key().clone()]
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::new(Origin::parse(self.origin()).unwrap(), TreeSize::new(size), self.root(size))
    }

    pub(crate) fn signed(&self, size: u64) -> SignedCheckpoint {
        SignedCheckpoint::sign(&self.checkpoint(size), &[&self.key]).unwrap()
    }

    pub(crate) fn node(&self, node: Node) -> Result<Hash, ()> {
        self.nodes.get(&node).copied().ok_or(())
    }

    pub(crate) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 {
            return Vec::new();
        }
        merkle::prove_consistency(TreeSize::new(old), TreeSize::new(new), |node| self.node(node)).unwrap()
    }

    /// The body of `add-checkpoint`, as an honest log sends it.
    pub(crate) fn request(&self, old: u64, new: u64) -> Vec<u8> {
        self.request_with(old, self.proof(old, new), &self.signed(new))
    }

    pub(crate) fn request_with(&self, old: u64, proof: Vec<Hash>, signed: &SignedCheckpoint) -> Vec<u8> {
        AddCheckpoint::new(TreeSize::new(old), proof, signed.clone()).unwrap().to_bytes()
    }
}
