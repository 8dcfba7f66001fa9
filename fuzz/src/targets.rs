//! The functions that are fuzzed. Each says whether it accepted its input, so that tests can see that the seeds get that far.

use decision::disclosure;
use decision::ledger::MemoryLedger;
use decision::statement::{Draft, Statement};
use tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use tlog::evidence::Evidence;
use tlog::key::{SigningKey, VerifierKey, encode_pem};
use tlog::note::{Note, Signature};
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::{self, Entries, Plan, Resource, Tile};
use tlog::witness::{self, AddCheckpoint, Latest, SignSubtree};
use tlog::{Hash, LeafIndex, TreeSize, merkle};

use crate::{seeds, tree};

/// signed-note: prints as it was read; verifying with keys that it may name does not panic.
pub fn note(data: &[u8]) -> bool {
    let Ok(note) = Note::parse(data) else { return false };
    assert_eq!(note.to_bytes(), data, "a note prints as it was read");
    let _known = note.verify(seeds::verifier_keys());
    true
}

/// One signature line.
pub fn signature_line(data: &[u8]) -> bool {
    let Some(line) = text(data).and_then(|line| Signature::parse_line(line).ok()) else { return false };
    assert_eq!(line.to_string().as_bytes(), data, "a signature line prints as it was read");
    true
}

/// A verifier key.
pub fn vkey(data: &[u8]) -> bool {
    let Some(key) = text(data).and_then(|key| key.parse::<VerifierKey>().ok()) else { return false };
    assert_eq!(key.to_string().as_bytes(), data, "a vkey prints as it was read");
    true
}

/// A private key in PEM or in Go's form, with and without a vkey beside it. What is read, written and read again is the same key.
pub fn key_file(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let _without = SigningKey::parse_file(text, None);
    let mut accepted = false;
    for beside in seeds::verifier_keys() {
        let Ok(key) = SigningKey::parse_file(text, Some(beside)) else { continue };
        assert_eq!(key.verifier_key(), beside, "a key is read only beside its own vkey");
        let again = SigningKey::parse_file(&encode_pem(&key), Some(beside)).expect("what we write we read");
        assert_eq!(again.verifier_key(), key.verifier_key());
        accepted = true;
    }
    accepted
}

/// tlog-checkpoint, signed and bare.
pub fn checkpoint(data: &[u8]) -> bool {
    if let Some(bare) = text(data).and_then(|text| Checkpoint::parse(text).ok()) {
        assert!(data.starts_with(bare_lines(&bare).as_bytes()), "the three lines print as they were read");
    }
    let Ok(signed) = SignedCheckpoint::parse(data) else { return false };
    assert_eq!(signed.to_bytes(), data, "a checkpoint prints as it was read");
    let _known = signed.verify_log(seeds::verifier_keys());
    true
}

fn bare_lines(checkpoint: &Checkpoint) -> String {
    format!("{}\n{}\n{}\n", checkpoint.origin(), checkpoint.size().as_u64(), checkpoint.root().to_base64())
}

/// tlog-policy: prints to a policy that means the same.
pub fn policy(data: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(data) else { return false };
    let again = Policy::parse(&policy.to_bytes()).expect("what we print we read");
    assert_eq!(again, policy, "a policy means the same after printing");
    let _judged = policy.verify(seeds::signed_checkpoint());
    let _met = policy.quorum_met(policy.witnesses().iter().map(|witness| witness.name()));
    true
}

/// tlog-proof: prints as it was read; believed only if it is about the entry that it carries and that entry is in the fixed tree.
pub fn proof(data: &[u8]) -> bool {
    let Ok(proof) = Proof::parse(data) else { return false };
    assert_eq!(proof.to_bytes(), data, "a proof file prints as it was read");
    if let Ok(receipt) = proof.verify_receipt(seeds::policy(), None) {
        let index = proof.index();
        assert_eq!(Some(Hash::leaf(receipt.entry())), tree::leaf(index), "only what is in the tree verifies");
    }
    true
}

/// Evidence: prints as it was read; convicts only of what the log of the seeds did sign.
pub fn evidence(data: &[u8]) -> bool {
    let Ok(evidence) = Evidence::parse(data) else { return false };
    assert_eq!(evidence.to_bytes(), data, "evidence prints as it was read");
    let [one, other] = evidence.heads().each_ref().map(SignedCheckpoint::checkpoint);
    assert!(one.origin() == other.origin() && one.root() != other.root(), "one log said two things");
    if let Ok(conviction) = evidence.verify(seeds::verifier_keys()) {
        let signed = |root: &Hash| seeds::signed_roots().contains(root);
        assert!(conviction.histories().iter().all(|history| signed(history.checkpoint.root())), "only what the log signed convicts it");
    }
    true
}

/// tlog-witness, a request to cosign: prints as it was read; accepted only if it continues the fixed tree from one of its sizes.
pub fn add_checkpoint(data: &[u8]) -> bool {
    let Ok(request) = AddCheckpoint::parse(data) else { return false };
    assert_eq!(request.to_bytes(), data, "a request prints as it was read");
    let known = tree::root(request.old()).map_or(Latest::NEVER, |root| Latest { size: request.old(), root });
    if let Ok(accepted) = witness::decide(&request, &known, seeds::verifier_keys(), &[], 1) {
        assert_eq!(accepted.checkpoint().origin(), request.checkpoint().checkpoint().origin());
        let continued = accepted.latest();
        assert_eq!(Some(continued.root), tree::root(continued.size), "only heads that the log signed, of the tree it is, are cosigned");
    }
    true
}

/// tlog-witness, a request to cosign a part of a log.
pub fn sign_subtree(data: &[u8]) -> bool {
    let Ok(request) = SignSubtree::parse(data) else { return false };
    assert_eq!(request.to_bytes(), data, "a request prints as it was read");
    let _decided = witness::decide_subtree(&request, seeds::verifier_keys(), |_| true);
    true
}

/// tlog-witness, what a witness answers: cosignatures, or the size that it knows.
pub fn witness_answer(data: &[u8]) -> bool {
    if let Ok(size) = witness::parse_conflict(data) {
        assert_eq!(witness::print_conflict(size).as_bytes(), data, "a size prints as it was read");
        return true;
    }
    let Ok(lines) = witness::parse_cosignatures(data) else { return false };
    assert_eq!(witness::print_cosignatures(&lines).as_bytes(), data, "cosignatures print as they were read");
    true
}

/// Statements: print as they were read, have one text for what they say, and do not panic whatever is asked of them.
pub fn statement(data: &[u8]) -> bool {
    let Ok(statement) = Statement::parse(data) else { return false };
    assert_eq!(statement.to_bytes(), data, "a statement prints as it was read");
    let again = Draft::from_json(&statement.json()).expect("what it says can be said again");
    assert_eq!(again.text(), statement.text(), "a statement has one encoding");
    let _shown = decision::text::check(statement.line());
    let _known = statement.verify(seeds::verifier_keys());
    true
}

/// A log of any entries, folded: each counts, those that are refused change nothing, and a snapshot holds all of it.
pub fn ledger(data: &[u8]) -> bool {
    let mut fold = seeds::fold();
    let mut findings = 0;
    for entry in Entries::new(data).map_while(Result::ok) {
        let before = fold.ledger().clone();
        if fold.push(entry).expect("a ledger in memory is whole").is_some() {
            assert_eq!(*fold.ledger(), before, "what is refused changes nothing");
            findings += 1;
        }
    }
    let size = fold.size().as_u64();
    let snapshot = fold.ledger().snapshot(size);
    assert_eq!(MemoryLedger::from_snapshot(&snapshot), Ok((fold.ledger().clone(), size)), "a snapshot holds all of it");
    for index in 0..size {
        let _said = fold.rules().status(fold.ledger(), LeafIndex::new(index)).expect("a ledger in memory is whole");
    }
    let _any = MemoryLedger::from_snapshot(data);
    findings < size
}

/// A file of disclosures: prints to what reads back, and reveals nothing that is not in the statement.
pub fn disclosures(data: &[u8]) -> bool {
    let Some(read) = text(data).and_then(|text| disclosure::parse_file(text).ok()) else { return false };
    assert_eq!(disclosure::parse_file(&disclosure::print_file(&read)).as_ref(), Ok(&read), "a file reads as it was written");
    let (sealed, own) = seeds::sealed();
    if let Ok(revealed) = disclosure::reveal(sealed, &read) {
        assert!(read.iter().all(|read| own.contains(read)), "only its own disclosures fit a statement");
        assert!(!revealed.is_null());
    }
    !read.is_empty()
}

/// acta-log's configuration file: every value that is taken is in range for the server.
#[cfg(feature = "server")]
pub fn config(data: &[u8]) -> bool {
    let Some(file) = text(data).and_then(|text| toml::from_str::<log_server::config::File>(text).ok()) else { return false };
    file.validate(log_server::config::Flags::default()).is_ok()
}

/// Paths of tiles and bundles: printed and compared, as a server does it.
pub fn tile_path(data: &[u8]) -> bool {
    let Some(path) = text(data) else { return false };
    let Some(resource) = Resource::parse(path) else { return false };
    assert_eq!(resource.path(), path, "a path has one spelling");
    true
}

/// Entry bundles of a known width; and of any number, which is what the body of an `/add-batch` is.
pub fn bundle(data: &[u8]) -> bool {
    let Some((&width, bytes)) = data.split_first() else { return false };
    let whole: Option<usize> = Entries::new(bytes).map(|entry| entry.ok().map(|entry| 2 + entry.len())).sum();
    assert!(whole.is_none_or(|read| read == bytes.len()), "a batch is read to its end, or refused");
    let width = u16::from(width) + 1;
    let Ok(entries) = tiles::parse_bundle(bytes, width) else { return false };
    assert_eq!(entries.len(), usize::from(width));
    assert!(Entries::new(bytes).all(|entry| entry.is_ok()), "both readers agree");
    let mut again = Vec::new();
    for entry in entries {
        tiles::encode_entry(entry, &mut again).expect("it was read from two bytes of length");
    }
    assert_eq!(again, bytes, "a bundle prints as it was read");
    true
}

/// The authenticated reader: tiles of the fixed tree, one of them changed as the input says. Accepted only if nothing was changed.
pub fn tiles(data: &[u8]) -> bool {
    let mut input = Input(data);
    let size = TreeSize::new(u64::from(input.u16()) % tree::LEAVES + 1);
    let mut plan = Plan::new(size);
    let first = u64::from(input.u16());
    let _beyond = plan.inclusion(LeafIndex::new(first));
    let _before = plan.consistency(TreeSize::new(u64::from(input.u16())));
    let _range = plan.leaves(first..first + u64::from(input.u16()));

    let ids = plan.tiles();
    let (victim, at, change) = (usize::from(input.u16()) % ids.len().max(1), usize::from(input.u16()), input.u8());
    let mut given = Vec::new();
    for (number, id) in ids.into_iter().enumerate() {
        let mut bytes = tile_bytes(id);
        if number == victim {
            let at = at % bytes.len();
            bytes[at] ^= change;
        }
        given.push(Tile::parse(id, &bytes).expect("as long as its id says"));
    }
    let root = tree::root(size).expect("within the tree");
    let accepted = plan.authenticate(root, given).is_ok();
    assert_eq!(accepted, change == 0, "a changed tile is refused, and only a changed one");
    accepted
}

/// The bytes of a tile of the fixed tree.
fn tile_bytes(id: tiles::TileId) -> Vec<u8> {
    let height = id.level() * tiles::TILE_HEIGHT;
    let first = id.number() * u64::from(tiles::TILE_WIDTH);
    let hashes = (first..first + u64::from(id.width())).map(|index| tree::node(merkle::Node { height, index }).expect("within the tree"));
    hashes.flat_map(|hash| *hash.as_bytes()).collect()
}

/// Proofs of any length between any sizes. What is said of the fixed tree is believed only with the one proof of it.
pub fn merkle(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (first, second) = (input.u64(), input.u64());
    let proof = input.hashes();
    let (index, old, size) = (LeafIndex::new(first), TreeSize::new(first), TreeSize::new(second));
    let (Some(root), Some(leaf)) = (tree::root(size), tree::leaf(index)) else {
        let stranger = Hash::sha256(data);
        let _inclusion = merkle::verify_inclusion(&stranger, index, size, &proof, &stranger);
        let _consistency = merkle::verify_consistency(old, &stranger, size, &stranger, &proof);
        if let Ok(subtree) = merkle::Subtree::new(first, second) {
            let _subtree = merkle::verify_subtree(subtree, &stranger, TreeSize::new(input.u64()), &stranger, &proof);
        }
        return false;
    };
    let included = merkle::verify_inclusion(&leaf, index, size, &proof, &root).is_ok();
    assert_eq!(included, merkle::prove_inclusion(index, size, tree::node).is_ok_and(|only| only == proof), "inclusion has one proof");
    let old_root = tree::root(old).expect("smaller than the tree, since there is a leaf of that index");
    let consistent = merkle::verify_consistency(old, &old_root, size, &root, &proof).is_ok();
    assert_eq!(consistent, merkle::prove_consistency(old, size, tree::node).is_ok_and(|only| only == proof), "consistency has one proof");
    included || consistent
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Numbers from the front of an input; zeros once it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    /// As many whole hashes as there are.
    fn hashes(&mut self) -> Vec<Hash> {
        let (hashes, rest) = self.0.as_chunks();
        self.0 = rest;
        hashes.iter().map(|bytes| Hash::new(*bytes)).collect()
    }
}
