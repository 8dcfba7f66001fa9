//! Inputs to start from: valid ones made by the code that is fuzzed, and the test vectors, many of which are invalid by one byte. All
//! keys here are for tests only.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use decision::disclosure::{self, Disclosure};
use decision::ledger::{Fold, Rules};
use serde_json::{Map, Value};
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey, encode_pem};
use tlog::merkle;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles;
use tlog::witness::{self, AddCheckpoint, SignSubtree};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::tree;

const LOG: &str = "log.example/seeds";
const SIZES: [u64; 6] = [1, 2, 3, 255, 300, tree::LEAVES];

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).expect("a name"), algorithm, &[seed; 32]).expect("any seed is a key")
}

fn log_key() -> SigningKey {
    key(LOG, Algorithm::Ed25519, 1)
}

fn witness_keys() -> [SigningKey; 2] {
    [key("witness.example/a", Algorithm::CosignatureEd25519, 2), key("witness.example/b", Algorithm::CosignatureMlDsa44, 3)]
}

/// `valid`, and what the vectors of that directory give to the parser: all that follows their header.
fn with_vectors(mut valid: Vec<Vec<u8>>, directory: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(testdata("vectors").join(directory))
        .expect("the vectors are in the repository")
        .map(|file| file.expect("a name in a directory").path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "md"))
        .collect();
    files.sort();
    for file in files {
        let vector = fs::read(file).expect("a vector");
        let header = vector.windows(5).position(|window| window == b"\n---\n").expect("a vector has a header");
        valid.push(vector[header + 5..].to_vec());
    }
    valid
}

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// The keys that the seeds are signed with. They are derived once: that takes longer than a target does.
pub fn verifier_keys() -> &'static [VerifierKey] {
    static KEYS: LazyLock<Vec<VerifierKey>> =
        LazyLock::new(|| witness_keys().iter().chain([&log_key()]).map(|key| key.verifier_key().clone()).collect());
    &KEYS
}

fn signed(size: u64) -> SignedCheckpoint {
    let size = TreeSize::new(size);
    signed_root(size, tree::root(size).expect("within the tree"))
}

fn signed_root(size: TreeSize, root: Hash) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(Origin::for_new_log(LOG).expect("an origin"), size, root);
    let mut signed = SignedCheckpoint::sign(&checkpoint, &[&log_key()]).expect("the log's own key");
    for (witness, time) in witness_keys().iter().zip(1_790_000_000..) {
        signed.add_signature(witness.cosign(&checkpoint, time).expect("a cosignature")).expect("room for it");
    }
    signed
}

/// A checkpoint of the fixed tree with three signatures.
pub fn signed_checkpoint() -> &'static SignedCheckpoint {
    static SIGNED: LazyLock<SignedCheckpoint> = LazyLock::new(|| signed(tree::LEAVES));
    &SIGNED
}

/// Trusts the log of the seeds, without witnesses.
pub fn policy() -> &'static Policy {
    static POLICY: LazyLock<Policy> =
        LazyLock::new(|| Policy::without_witnesses(log_key().verifier_key().clone(), None).expect("no URL to be wrong"));
    &POLICY
}

/// Signed checkpoints, and notes that are none.
pub fn notes() -> Vec<Vec<u8>> {
    let line = log_key().sign_note("A decision.\n\nIts reasons.\n").expect("a note");
    let mut notes = checkpoints();
    notes.push(format!("A decision.\n\nIts reasons.\n\n{line}\n").into_bytes());
    with_vectors(notes, "note")
}

/// One line each.
pub fn signature_lines() -> Vec<Vec<u8>> {
    signed_checkpoint().note().signatures().iter().map(|line| line.to_string().into_bytes()).collect()
}

/// One of each algorithm that there are keys for.
pub fn vkeys() -> Vec<Vec<u8>> {
    with_vectors(verifier_keys().iter().map(|key| key.to_string().into_bytes()).collect(), "vkey")
}

/// PEM of each algorithm; Go's form is among the vectors.
pub fn key_files() -> Vec<Vec<u8>> {
    let log = log_key();
    let files: Vec<_> = witness_keys().iter().chain([&log]).map(|key| encode_pem(key).as_bytes().to_vec()).collect();
    with_vectors(files, "private-key")
}

/// Of several sizes.
pub fn checkpoints() -> Vec<Vec<u8>> {
    with_vectors(SIZES.iter().map(|size| signed(*size).to_bytes()).collect(), "checkpoint")
}

/// Without witnesses, and with nested groups.
pub fn policies() -> Vec<Vec<u8>> {
    let [a, b] = witness_keys();
    let nested = format!(
        "# a comment\nlog {} https://log.example/\nwitness one {} https://one.example/\nwitness two {}\n\ngroup inner any one\ngroup outer 2 inner two\nquorum outer\n",
        log_key().verifier_key(),
        a.verifier_key(),
        b.verifier_key()
    );
    with_vectors(vec![nested.into_bytes(), policy().to_bytes()], "policy")
}

/// Receipts that carry their entry, and one that does not.
pub fn proofs() -> Vec<Vec<u8>> {
    let receipt = |index: u64, size: u64, extra: bool| {
        let leaf = LeafIndex::new(index);
        let hashes = merkle::prove_inclusion(leaf, TreeSize::new(size), tree::node).expect("within the tree");
        let extra = extra.then(|| index.to_be_bytes().to_vec());
        Proof::new(extra, leaf, hashes, signed(size)).expect("a proof").to_bytes()
    };
    let mut proofs: Vec<_> = SIZES.iter().map(|size| receipt(size / 2, *size, true)).collect();
    proofs.push(receipt(299, 300, false));
    with_vectors(proofs, "proof")
}

/// What the log of the seeds signed beside its tree: the first is of 255 entries, the second of two, the entries 0 and 7 of the tree.
fn forged_roots() -> [Hash; 2] {
    let leaf = |index| tree::leaf(LeafIndex::new(index)).expect("within the tree");
    [Hash::leaf(b"forged"), Hash::node(&leaf(0), &leaf(7))]
}

/// All that the log of the seeds signed.
pub fn signed_roots() -> Vec<Hash> {
    let of_tree = SIZES.iter().map(|size| tree::root(TreeSize::new(*size)).expect("within the tree"));
    of_tree.chain(forged_roots()).collect()
}

/// Of both kinds.
pub fn evidence() -> Vec<Vec<u8>> {
    let [root, pair] = forged_roots();
    let (small, large) = (TreeSize::new(2), TreeSize::new(300));
    let same_size = Evidence::same_size(&signed(255), &signed_root(TreeSize::new(255), root), verifier_keys()).expect("two roots");
    let subtree = merkle::Subtree::new(1, 2).expect("one entry");
    let leaf = |index| tree::leaf(LeafIndex::new(index)).expect("within the tree");
    let short = ProvenHash { hash: leaf(7), proof: vec![leaf(0)] };
    let long = ProvenHash { hash: leaf(1), proof: merkle::prove_subtree(subtree, large, tree::node).expect("within the tree") };
    let branches = [Branch { head: signed_root(small, pair), proven: short }, Branch { head: signed(large.as_u64()), proven: long }];
    let [one, other] = branches;
    let divergent = Evidence::divergent(subtree, one, other, verifier_keys()).expect("entry 1 differs");
    with_vectors(vec![same_size.to_bytes(), divergent.to_bytes()], "evidence")
}

/// From every size to every larger one.
pub fn add_checkpoints() -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for new in SIZES {
        for old in SIZES.into_iter().filter(|old| *old <= new) {
            let (old, size) = (TreeSize::new(old), TreeSize::new(new));
            let proof = merkle::prove_consistency(old, size, tree::node).expect("within the tree");
            requests.push(AddCheckpoint::new(old, proof, signed(new)).expect("a request").to_bytes());
        }
        requests.push(AddCheckpoint::new(TreeSize::ZERO, vec![], signed(new)).expect("a request").to_bytes());
    }
    with_vectors(requests, "add-checkpoint")
}

/// Parts of the tree, at its beginning and further on.
pub fn sign_subtrees() -> Vec<Vec<u8>> {
    let request = |(start, end): (u64, u64)| {
        let (subtree, size) = (merkle::Subtree::new(start, end).expect("aligned"), TreeSize::new(tree::LEAVES));
        let proof = merkle::prove_subtree(subtree, size, tree::node).expect("within the tree");
        let hash = tree::subtree_hash(subtree);
        SignSubtree::new(subtree, hash, proof, signed(tree::LEAVES)).expect("a request").to_bytes()
    };
    [(0, 256), (256, 512), (512, 800), (4, 8), (0, 1)].map(request).to_vec()
}

/// Cosignatures, and a size.
pub fn witness_answers() -> Vec<Vec<u8>> {
    let lines = signed_checkpoint().note().signatures();
    vec![witness::print_cosignatures(&lines[1..]).into_bytes(), witness::print_conflict(TreeSize::new(20_852_163)).into_bytes()]
}

/// The vectors of the rules: logs of statements.
pub fn ledgers() -> Vec<Vec<u8>> {
    with_vectors(Vec::new(), "../statements")
}

/// Every entry of those logs.
pub fn statements() -> Vec<Vec<u8>> {
    let mut statements = Vec::new();
    for log in ledgers() {
        let entries = tiles::Entries::new(&log).map(|entry| entry.expect("a vector is a bundle").to_vec());
        statements.extend(entries.filter(|entry| !statements.contains(entry)).collect::<Vec<_>>());
    }
    statements
}

/// The fold over a log of the vectors, before its first entry.
pub fn fold() -> Fold {
    static RULES: LazyLock<Rules> = LazyLock::new(|| {
        let log = key("gazette.example/2026", Algorithm::Ed25519, 1);
        Rules::new("gazette.example/2026", vec![log.verifier_key().clone()])
    });
    Fold::new(RULES.clone())
}

/// A statement's object with two sealed members, and their disclosures.
pub fn sealed() -> &'static (Value, Vec<Disclosure>) {
    static SEALED: LazyLock<(Value, Vec<Disclosure>)> = LazyLock::new(|| {
        let mut object =
            Map::from_iter([("name", "Ada Example"), ("born", "1990-01-01"), ("role", "applicant")].map(|(k, v)| (k.to_owned(), v.into())));
        let disclosures =
            [("name", 1), ("born", 2)].map(|(name, salt)| disclosure::seal(&mut object, name, &[salt; 16]).expect("it is there"));
        (Value::Object(object), disclosures.to_vec())
    });
    &SEALED
}

/// Files of them.
pub fn disclosures() -> Vec<Vec<u8>> {
    let all = &sealed().1;
    [&all[..], &all[..1], &[]].map(|some| disclosure::print_file(some).into_bytes()).to_vec()
}

/// The example that documents every key; and nothing, which is a configuration too.
#[cfg(feature = "server")]
pub fn configs() -> Vec<Vec<u8>> {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../log-server/acta-log.example.toml");
    vec![fs::read(example).expect("the example is in the repository"), Vec::new()]
}

/// Full and partial, of tiles and of bundles.
pub fn tile_paths() -> Vec<Vec<u8>> {
    ["tile/0/x001/234.p/5", "tile/0/000", "tile/5/x123/x456/789", "tile/entries/x001/067", "tile/entries/000.p/255", "tile/63/000.p/1"]
        .map(|path| path.as_bytes().to_vec())
        .to_vec()
}

/// Bundles behind their width less one.
pub fn bundles() -> Vec<Vec<u8>> {
    let decisions = fs::read(testdata("decisions/wasser.kaltenwiek.example.jsonl")).expect("the decisions are in the repository");
    let decisions: Vec<&[u8]> = decisions.split(|byte| *byte == b'\n').take(5).collect();
    [&[&b"one"[..], b"", b"three"][..], &[&[b'x'; 300]], &[&b"a"[..]; 256], &decisions].map(width_and_bundle).to_vec()
}

fn width_and_bundle(entries: &[&[u8]]) -> Vec<u8> {
    let mut bundle = vec![u8::try_from(entries.len() - 1).expect("at most 256 entries")];
    for entry in entries {
        tiles::encode_entry(entry, &mut bundle).expect("short entries");
    }
    bundle
}

/// Instructions to the `tiles` target, the first without a change.
pub fn tiles() -> Vec<Vec<u8>> {
    let sizes = [799_u16, 255, 256, 511, 0];
    let seed = |(size, change): (&u16, u8)| [&size.to_be_bytes()[..], &[0, 77, 0, 100, 0, 40, 0, 1, 2, 3, change]].concat();
    sizes.iter().zip([0, 0, 1, 128, 0]).map(seed).collect()
}

/// True proofs of inclusion and consistency.
pub fn merkle() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for size in SIZES.map(TreeSize::new) {
        let (index, old) = (size.as_u64() / 2, size.as_u64().div_ceil(2));
        let inclusion = merkle::prove_inclusion(LeafIndex::new(index), size, tree::node).expect("within the tree");
        let consistency = merkle::prove_consistency(TreeSize::new(old), size, tree::node).expect("within the tree");
        for (first, proof) in [(index, inclusion), (old, consistency)] {
            let hashes: Vec<_> = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
            seeds.push([&first.to_be_bytes()[..], &size.as_u64().to_be_bytes(), &hashes].concat());
        }
    }
    seeds
}
