//! A log of statements as static files, and what may be wrong with it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use decision::statement::Draft;
use serde_json::{Value, json};
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::merkle::{Appender, Node, prove_inclusion};
use tlog::proof::Proof;
use tlog::tiles::{BundleId, TileId, bundles_of, encode_entry, tiles_of};
use tlog::{Hash, LeafIndex, TreeSize};

pub(crate) const ORIGIN: &str = "log.example";

/// A log, its keys, and one witness.
pub(crate) struct World {
    origin: &'static str,
    pub(crate) entries: Vec<Vec<u8>>,
    nodes: BTreeMap<Node, Hash>,
    tree: Appender,
    roots: Vec<Hash>,
    seq: u64,
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn log_key(origin: &str) -> SigningKey {
    key(origin, Algorithm::Ed25519, 1)
}

pub(crate) fn registrar() -> SigningKey {
    key("registrar.example", Algorithm::Ed25519, 2)
}

pub(crate) fn issuer() -> SigningKey {
    key("planning.example", Algorithm::Ed25519, 3)
}

fn witness() -> SigningKey {
    key("witness.example", Algorithm::CosignatureEd25519, 4)
}

pub(crate) fn sign(statement: &Value, keys: &[&SigningKey]) -> Vec<u8> {
    Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes()
}

impl World {
    /// A log without entries, which takes in anything.
    pub(crate) fn empty() -> Self {
        World::of(ORIGIN)
    }

    /// The same, under another name.
    pub(crate) fn of(origin: &'static str) -> Self {
        World { origin, entries: Vec::new(), nodes: BTreeMap::new(), tree: Appender::new(), roots: vec![Hash::EMPTY_TREE], seq: 0 }
    }

    /// A log with a charter and an issuer.
    pub(crate) fn new(admission: &str) -> Self {
        let mut world = World::empty();
        let issued = "2026-03-01T09:30:00Z";
        let charter = json!({"type": "charter", "log": ORIGIN, "issued": issued, "version": 1, "admission": admission,
            "registrars": [registrar().verifier_key().to_string()], "threshold": 1});
        world.append(sign(&charter, &[&log_key(ORIGIN)]));
        let registration = json!({"type": "issuer", "log": ORIGIN, "issuer": "planning.example", "issued": issued,
            "names": {"en": "Planning Authority"}, "keys": [issuer().verifier_key().to_string()], "kinds": ["planning.*"]});
        world.append(sign(&registration, &[&registrar(), &issuer()]));
        world
    }

    pub(crate) fn append(&mut self, entry: Vec<u8>) {
        let nodes = &mut self.nodes;
        self.tree
            .append(Hash::leaf(&entry), |node, hash| {
                nodes.insert(node, hash);
            })
            .unwrap();
        self.roots.push(self.tree.root());
        self.entries.push(entry);
    }

    /// So many entries that are no statements.
    pub(crate) fn noise(mut self, count: usize) -> Self {
        for number in self.entries.len()..self.entries.len() + count {
            self.append(format!("entry {number}").into_bytes());
        }
        self
    }

    /// The next decision of the issuer, with these members besides the needed ones, or instead of them.
    pub(crate) fn decision(&mut self, members: &Value) -> Vec<u8> {
        self.seq += 1;
        // Of today, so that nobody finds it late.
        let now = jiff::Timestamp::now();
        let (issued, decided) = (now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), now.strftime("%Y-%m-%d").to_string());
        let mut all = json!({"type": "decision", "log": ORIGIN, "issuer": "planning.example", "issued": issued, "series": "2026",
            "seq": self.seq, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": decided});
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        sign(&all, &[&issuer()])
    }

    pub(crate) fn decide(&mut self, count: usize) {
        for _ in 0..count {
            let entry = self.decision(&json!({}));
            self.append(entry);
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.tree.size().as_u64()
    }

    /// The head of this size, with the witness's signature of this time.
    pub(crate) fn head(&self, size: u64, cosigned: Option<u64>) -> SignedCheckpoint {
        let root = self.roots[usize::try_from(size).unwrap()];
        signed_head(self.origin, size, root, cosigned)
    }

    /// A receipt of the entry at `index`, under the head of this size.
    pub(crate) fn receipt(&self, index: u64, size: u64) -> Vec<u8> {
        let entry = self.entries[usize::try_from(index).unwrap()].clone();
        let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
        let node = |node: Node| Ok::<_, Infallible>(self.nodes[&node]);
        let hashes = prove_inclusion(index, size, node).unwrap();
        Proof::new(Some(entry), index, hashes, self.head(size.as_u64(), Some(now()))).unwrap().to_bytes()
    }

    pub(crate) fn bundle(&self, id: BundleId) -> Vec<u8> {
        let first = usize::try_from(id.first_index().as_u64()).unwrap();
        let mut bytes = Vec::new();
        self.entries[first..first + usize::from(id.width())].iter().for_each(|entry| encode_entry(entry, &mut bytes).unwrap());
        bytes
    }

    fn tile(&self, id: TileId) -> Vec<u8> {
        let first = id.number() * 256;
        let hash = |index| self.nodes[&Node { height: id.level() * 8, index }];
        (first..first + u64::from(id.width())).flat_map(|index| *hash(index).as_bytes()).collect()
    }

    /// All files of the log at this size, but for its head.
    pub(crate) fn files(&self, size: u64) -> BTreeMap<String, Vec<u8>> {
        let bundles = bundles_of(TreeSize::new(size)).map(|id| (id.path(), self.bundle(id)));
        bundles.chain(tiles_of(TreeSize::new(size)).map(|id| (id.path(), self.tile(id)))).collect()
    }
}

/// A head that the log has signed, whatever it says, with the witness's signature of this time.
pub(crate) fn signed_head(origin: &str, size: u64, root: Hash, cosigned: Option<u64>) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(Origin::for_new_log(origin).unwrap(), TreeSize::new(size), root);
    let mut head = SignedCheckpoint::sign(&checkpoint, &[&log_key(origin)]).unwrap();
    if let Some(seconds) = cosigned {
        head.add_signature(witness().cosign(&checkpoint, seconds).unwrap()).unwrap();
    }
    head
}

/// The log's key, for whoever verifies evidence.
pub(crate) fn log_vkey(origin: &str) -> String {
    log_key(origin).verifier_key().to_string()
}

/// A policy file in `dir` that asks for the witness or not. `url` may be empty.
pub(crate) fn policy(dir: &Path, origin: &str, url: &str, with_witness: bool) -> std::path::PathBuf {
    let quorum = if with_witness { format!("witness w {}\nquorum w\n", witness().verifier_key()) } else { "quorum none\n".to_owned() };
    let path = dir.join("policy");
    std::fs::write(&path, format!("log {} {url}\n{quorum}", log_vkey(origin)).replace(" \n", "\n")).unwrap();
    path
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
