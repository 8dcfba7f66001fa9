//! Logs that lie: trees that share a beginning, and heads of them under one key.

#![allow(clippy::unwrap_used, reason = "for tests")]

use std::collections::HashMap;
use std::path::Path;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::merkle::{self, Appender, Node};
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::{BundleId, TileId, bundles_of, encode_entry, tiles_of};
use tlog::{Hash, LeafIndex, TreeSize};

use super::LogHead;
use crate::store::{Family, Store, StoreError};

pub(crate) const ORIGIN: &str = "example.com/log";

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[1; 32]).unwrap()
}

pub(crate) fn keys() -> Vec<VerifierKey> {
    vec![signing_key().verifier_key().clone()]
}

pub(crate) fn policy() -> Policy {
    Policy::without_witnesses(keys().remove(0), None).unwrap()
}

/// One history of the log.
pub(crate) struct Tree {
    entries: Vec<Vec<u8>>,
    nodes: HashMap<Node, Hash>,
    roots: Vec<Hash>,
}

impl Tree {
    /// `size` entries, of which all trees have the first `shared`.
    pub(crate) fn new(name: &str, shared: u64, size: u64) -> Self {
        let (mut appender, mut nodes) = (Appender::new(), HashMap::new());
        let mut roots = vec![appender.root()];
        let mut entries = Vec::new();
        for i in 0..size {
            let entry = if i < shared { format!("{i}") } else { format!("{name} {i}") };
            let completed = |node, hash| {
                nodes.insert(node, hash);
            };
            appender.append(Hash::leaf(entry.as_bytes()), completed).unwrap();
            roots.push(appender.root());
            entries.push(entry.into_bytes());
        }
        Tree { entries, nodes, roots }
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        Hash::leaf(&self.entries[usize::try_from(index).unwrap()])
    }

    pub(crate) fn head(&self, size: u64) -> SignedCheckpoint {
        sign(size, self.root(size))
    }

    pub(crate) fn log_head(&self, size: u64) -> LogHead {
        LogHead::verify(&self.head(size), &policy()).unwrap()
    }

    /// A receipt for an entry under the head of this size.
    pub(crate) fn receipt(&self, index: u64, size: u64) -> Proof {
        let at = LeafIndex::new(index);
        let hashes = merkle::prove_inclusion(at, TreeSize::new(size), |node| self.nodes.get(&node).copied().ok_or(node)).unwrap();
        Proof::new(Some(self.entries[usize::try_from(index).unwrap()].clone()), at, hashes, self.head(size)).unwrap()
    }

    /// Stores the first `size` entries as if they had been followed.
    pub(crate) fn follow(&self, store: &Store, log: u32, size: u64) {
        store
            .write(|txn| {
                for id in bundles_of(TreeSize::new(size)) {
                    let key = [log.to_be_bytes().as_slice(), &id.number().to_be_bytes()].concat();
                    txn.put(Family::Bundles, key, self.bundle(id));
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    /// Writes the log at one size as a directory that can be read like a server, with `head` as its checkpoint.
    pub(crate) fn serve(&self, dir: &Path, size: u64, head: &SignedCheckpoint) {
        let write = |path: String, bytes: &[u8]| {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for id in bundles_of(TreeSize::new(size)) {
            write(id.path(), &self.bundle(id));
        }
        for id in tiles_of(TreeSize::new(size)) {
            write(id.path(), &self.tile(id));
        }
        write("checkpoint".to_owned(), &head.to_bytes());
    }

    fn bundle(&self, id: BundleId) -> Vec<u8> {
        let first = usize::try_from(id.first_index().as_u64()).unwrap();
        let mut bytes = Vec::new();
        for entry in &self.entries[first..first + usize::from(id.width())] {
            encode_entry(entry, &mut bytes).unwrap();
        }
        bytes
    }

    fn tile(&self, id: TileId) -> Vec<u8> {
        let first = id.number() * 256;
        let hash = |index| self.nodes[&Node { height: id.level() * 8, index }];
        (first..first + u64::from(id.width())).flat_map(|index| *hash(index).as_bytes()).collect()
    }
}

/// A head with any root.
pub(crate) fn sign(size: u64, root: Hash) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), root);
    SignedCheckpoint::sign(&checkpoint, &[&signing_key()]).unwrap()
}
