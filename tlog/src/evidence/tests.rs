#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use super::*;
use crate::hash::TreeSize;
use crate::key::{Algorithm, KeyName, SigningKey};
use crate::merkle::{Appender, Node};
use crate::note::{Note, Signature};

const ORIGIN: &str = "example.com/log";

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn keys() -> Vec<VerifierKey> {
    vec![key(ORIGIN, Algorithm::Ed25519, 1).verifier_key().clone()]
}

/// A history: 40 entries, the first `shared` of which all histories have.
struct History {
    nodes: HashMap<Node, Hash>,
    roots: Vec<Hash>,
}

fn history(name: &str, shared: u64) -> History {
    let (mut appender, mut nodes) = (Appender::new(), HashMap::new());
    let mut roots = vec![appender.root()];
    for i in 0..40_u64 {
        let entry = if i < shared { format!("{i}") } else { format!("{name} {i}") };
        let completed = |node, hash| {
            nodes.insert(node, hash);
        };
        appender.append(Hash::leaf(entry.as_bytes()), completed).unwrap();
        roots.push(appender.root());
    }
    History { nodes, roots }
}

impl History {
    fn root(&self, size: u64) -> Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    fn head(&self, size: u64) -> SignedCheckpoint {
        sign(&Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), self.root(size)))
    }

    fn node(&self, node: Node) -> Result<Hash, Node> {
        self.nodes.get(&node).copied().ok_or(node)
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        merkle::prove_consistency(TreeSize::new(old), TreeSize::new(new), |node| self.node(node)).unwrap()
    }

    /// The hash of a range that is one node of the tree, or the whole of a tree.
    fn branch(&self, subtree: Subtree, size: u64) -> Branch {
        let width = subtree.end() - subtree.start();
        let node = Node { height: u8::try_from(width.ilog2()).unwrap(), index: subtree.start() / width };
        let hash = if subtree.start() == 0 { self.root(subtree.end()) } else { self.node(node).unwrap() };
        let proof = merkle::prove_subtree(subtree, TreeSize::new(size), |node| self.node(node)).unwrap();
        Branch { head: self.head(size), proven: ProvenHash { hash, proof } }
    }
}

fn sign(checkpoint: &Checkpoint) -> SignedCheckpoint {
    SignedCheckpoint::sign(checkpoint, &[&key(ORIGIN, Algorithm::Ed25519, 1)]).unwrap()
}

fn refused<T: std::fmt::Debug>(made: Result<T, NotEvidence>) -> NoContradiction {
    match made.unwrap_err() {
        NotEvidence::NoContradiction(error) => error,
        NotEvidence::Unsigned(error) => panic!("{error}"),
    }
}

#[test]
fn two_roots_of_one_size_convict_in_whichever_order_they_are_found() {
    let (one, other) = (history("one", 3), history("other", 3));
    let evidence = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
    assert_eq!(Evidence::same_size(&other.head(7), &one.head(7), &keys()).as_ref(), Ok(&evidence));
    assert_eq!(Evidence::parse(&evidence.to_bytes()).as_ref(), Ok(&evidence));
    let conviction = evidence.verify(&keys()).unwrap();
    assert_eq!(conviction.origin().as_str(), ORIGIN);
    let roots = conviction.histories().each_ref().map(|history| *history.checkpoint.root());
    assert!(roots[0] < roots[1] && roots.contains(&one.root(7)) && roots.contains(&other.root(7)));
}

#[test]
fn a_part_that_differs_convicts_heads_of_different_sizes() {
    let (one, other) = (history("one", 3), history("other", 3));
    for (start, end) in [(0, 8), (0, 4), (4, 8), (3, 4), (0, 9), (0, 5), (0, 3 + 1)] {
        let subtree = Subtree::new(start, end).unwrap();
        let (small, large) = (one.branch(subtree, 9), other.branch(subtree, 33));
        let evidence = Evidence::divergent(subtree, small.clone(), large.clone(), &keys()).unwrap();
        assert_eq!(Evidence::divergent(subtree, large, small, &keys()).as_ref(), Ok(&evidence));
        assert_eq!(evidence.heads()[0].checkpoint().size().as_u64(), 9);
        assert_eq!(Evidence::parse(&evidence.to_bytes()).as_ref(), Ok(&evidence));
        assert!(evidence.verify(&keys()).is_ok());
    }
}

#[test]
fn an_honest_log_is_never_convicted() {
    let log = history("honest", 0);
    for (small, large) in [(5, 9), (8, 9), (1, 40), (16, 33)] {
        let proof = log.consistency(small, large);
        let made = Evidence::from_failed_proof(&log.head(small), &log.head(large), &proof, &keys());
        assert!(matches!(refused(made), NoContradiction::SameHash | NoContradiction::Unproven));
        let whole = Subtree::new(0, small).unwrap();
        let made = Evidence::divergent(whole, log.branch(whole, small), log.branch(whole, large), &keys());
        assert_eq!(refused(made), NoContradiction::SameHash);
    }
    assert_eq!(refused(Evidence::same_size(&log.head(7), &log.head(7), &keys())), NoContradiction::SameRoot);
    assert_eq!(refused(Evidence::same_size(&log.head(7), &log.head(8), &keys())), NoContradiction::DifferentSizes);
}

#[test]
fn a_failed_proof_convicts_only_if_it_leads_to_the_head_it_came_with() {
    let (known, fork) = (history("known", 3), history("fork", 3));
    let made = Evidence::from_failed_proof(&known.head(7), &fork.head(12), &fork.consistency(7, 12), &keys()).unwrap();
    assert!(matches!(made.contradiction(), Contradiction::Divergent { subtree, .. } if (subtree.start(), subtree.end()) == (0, 7)));
    assert!(made.verify(&keys()).is_ok());
    assert_eq!(Evidence::parse(&made.to_bytes()), Ok(made));

    // With a genuine head, and anything else for a proof: the log is honest, and somebody wants to see it convicted.
    let genuine = known.head(12);
    let mut junk = known.consistency(7, 12);
    junk[0] = Hash::EMPTY_TREE;
    for proof in [vec![], junk, fork.consistency(7, 12), vec![Hash::EMPTY_TREE; 63], vec![Hash::EMPTY_TREE; 64]] {
        let made = Evidence::from_failed_proof(&known.head(7), &genuine, &proof, &keys());
        assert_eq!(refused(made), NoContradiction::Unproven);
    }
    // Such a proof does not say what the tree begins with. Nor does one from nothing, or backwards.
    let eight = Evidence::from_failed_proof(&known.head(8), &fork.head(12), &fork.consistency(8, 12), &keys());
    assert_eq!(refused(eight), NoContradiction::Unproven);
    let none = Evidence::from_failed_proof(&known.head(0), &fork.head(12), &[], &keys());
    assert_eq!(refused(none), NoContradiction::Unproven);
    let back = Evidence::from_failed_proof(&known.head(12), &fork.head(7), &fork.consistency(7, 12), &keys());
    assert_eq!(refused(back), NoContradiction::Unproven);
    // Equal sizes convict without a proof, and with a wrong one.
    assert!(Evidence::from_failed_proof(&known.head(7), &fork.head(7), &[Hash::EMPTY_TREE], &keys()).is_ok());
}

#[test]
fn no_hash_that_is_not_proved_convicts() {
    let (one, other) = (history("one", 3), history("other", 3));
    let subtree = Subtree::new(4, 8).unwrap();
    let (small, large) = (one.branch(subtree, 9), other.branch(subtree, 33));
    let made = |small: &Branch, large: &Branch| Evidence::divergent(subtree, small.clone(), large.clone(), &keys());
    for at in 0..small.proven.proof.len() {
        let mut altered = small.clone();
        altered.proven.proof[at] = Hash::EMPTY_TREE;
        assert!(matches!(refused(made(&altered, &large)), NoContradiction::NotProved(_)));
    }
    let mut altered = large.clone();
    altered.proven.hash = Hash::EMPTY_TREE;
    assert!(matches!(refused(made(&small, &altered)), NoContradiction::NotProved(_)));
    altered = large.clone();
    altered.proven.proof.push(Hash::EMPTY_TREE);
    assert!(matches!(refused(made(&small, &altered)), NoContradiction::NotProved(_)));
    // The part has to be in both trees.
    let beyond = Subtree::new(32, 33).unwrap();
    let made = Evidence::divergent(beyond, one.branch(subtree, 9), other.branch(beyond, 33), &keys());
    assert!(matches!(refused(made), NoContradiction::NotProved(VerifyError::BeyondTree { .. })));
    // Of equal sizes only the roots count.
    let made = Evidence::divergent(subtree, one.branch(subtree, 9), other.branch(subtree, 9), &keys());
    assert_eq!(refused(made), NoContradiction::EqualSizes);
}

#[test]
fn what_the_log_did_not_sign_convicts_nobody() {
    use VerifyCheckpointError as E;
    let (one, other) = (history("one", 3).head(7), history("other", 3));
    let forged = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(7), other.root(7));
    let stranger = key(ORIGIN, Algorithm::Ed25519, 2);
    let by_stranger = SignedCheckpoint::sign(&forged, &[&stranger]).unwrap();
    let made = |other: &SignedCheckpoint| match Evidence::same_size(&one, other, &keys()) {
        Err(NotEvidence::Unsigned(error)) => error,
        made => panic!("{made:?}"),
    };
    assert!(matches!(made(&by_stranger), E::NotSigned { .. }));
    // The stranger's line under the log's key id.
    let line = Signature { key_id: keys()[0].id(), ..by_stranger.note().signatures()[0].clone() };
    let forged_line = SignedCheckpoint::from_note(Note::new(by_stranger.note().text(), vec![line]).unwrap()).unwrap();
    assert!(matches!(made(&forged_line), E::BadSignature { .. }));
    // A witness's cosignature is not the log's signature.
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 3);
    let cosigned = Note::new(&forged.to_string(), vec![witness.cosign(&forged, 1_700_000_000).unwrap()]).unwrap();
    assert!(matches!(made(&SignedCheckpoint::from_note(cosigned).unwrap()), E::NotSigned { .. }));
    // Another log.
    let elsewhere = key("example.com/other", Algorithm::Ed25519, 1);
    let foreign = Checkpoint::new(Origin::for_new_log("example.com/other").unwrap(), TreeSize::new(7), other.root(7));
    let foreign = SignedCheckpoint::sign(&foreign, &[&elsewhere]).unwrap();
    assert!(matches!(made(&foreign), E::UnknownOrigin { .. }));
    let both = [keys(), vec![elsewhere.verifier_key().clone()]].concat();
    let made = Evidence::same_size(&one, &foreign, &both);
    assert!(matches!(refused(made), NoContradiction::OtherLog { .. }));
}

#[test]
fn extension_lines_that_the_log_did_not_sign_convict_nobody() {
    let post_quantum = key(ORIGIN, Algorithm::CosignatureMlDsa44, 4);
    let keys = [keys(), vec![post_quantum.verifier_key().clone()]].concat();
    let (one, other) = (history("one", 3), history("other", 3).head(7));
    let line = post_quantum.cosign(one.head(7).checkpoint(), 1_700_000_000).unwrap();
    // That signature does not cover the extension line, which anybody may have added.
    let extended = Note::new(&format!("{}extension\n", one.head(7).checkpoint()), vec![line.clone()]).unwrap();
    let extended = SignedCheckpoint::from_note(extended).unwrap();
    let made = Evidence::same_size(&extended, &other, &keys);
    assert!(matches!(made, Err(NotEvidence::Unsigned(VerifyCheckpointError::UnsignedExtensions { .. }))));
    // Nor do two texts with one root contradict each other, even if the log signed both.
    let text = format!("{}extension\n", one.head(7).checkpoint());
    let signed = Note::new(&text, vec![key(ORIGIN, Algorithm::Ed25519, 1).sign_note(&text).unwrap()]).unwrap();
    let signed = SignedCheckpoint::from_note(signed).unwrap();
    assert_eq!(refused(Evidence::same_size(&signed, &one.head(7), &keys)), NoContradiction::SameRoot);
    assert!(Evidence::same_size(&signed, &other, &keys).is_ok());
    // The key alone convicts where it covers all.
    let plain = SignedCheckpoint::from_note(Note::new(&one.head(7).checkpoint().to_string(), vec![line]).unwrap()).unwrap();
    assert!(Evidence::same_size(&plain, &other, &keys).unwrap().verify(&keys).is_ok());
}

#[test]
fn one_finding_has_one_file_whatever_lines_came_with_it() {
    let (one, other) = (history("one", 3), history("other", 3));
    let evidence = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
    let mut cosigned = one.head(7);
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 3);
    cosigned.add_signature(witness.cosign(cosigned.checkpoint(), 1_700_000_000).unwrap()).unwrap();
    let repeated = cosigned.note().signatures()[0].clone();
    cosigned.add_signature(repeated).unwrap();
    assert_eq!(Evidence::same_size(&cosigned, &other.head(7), &keys()), Ok(evidence.clone()));

    let name = evidence.file_name();
    assert_eq!(name.strip_suffix(".acta-evidence").unwrap().len(), 32);
    let later = Evidence::same_size(&one.head(8), &other.head(8), &keys()).unwrap();
    assert_ne!(later.file_name(), name);
    // Another part of the same two trees is another proof of the same finding.
    let parts = [(0, 4), (4, 8)].map(|(start, end)| {
        let subtree = Subtree::new(start, end).unwrap();
        Evidence::divergent(subtree, one.branch(subtree, 9), other.branch(subtree, 33), &keys()).unwrap()
    });
    assert_ne!(parts[0], parts[1]);
    assert_eq!(parts[0].id(), parts[1].id());
}

#[test]
fn a_log_that_changed_its_key_is_convicted_by_both() {
    let new_key = key(ORIGIN, Algorithm::Ed25519, 9);
    let (one, other) = (history("one", 3), history("other", 3));
    let second = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(7), other.root(7));
    let second = SignedCheckpoint::sign(&second, &[&new_key]).unwrap();
    let both = [keys(), vec![new_key.verifier_key().clone()]].concat();
    let evidence = Evidence::same_size(&one.head(7), &second, &both).unwrap();
    let signers = evidence.verify(&both).unwrap().histories().each_ref().map(|history| history.key.id());
    assert_ne!(signers[0], signers[1]);
    // Who trusts only one of the two keys has only one of the two signatures.
    let error = evidence.verify(&keys()).unwrap_err();
    assert!(matches!(&error, VerifyEvidenceError::Unsigned { error: VerifyCheckpointError::NotSigned { .. }, .. }), "{error}");
    assert!(evidence.verify(&[]).is_err());
}

#[test]
fn every_byte_of_evidence_counts() {
    let (one, other) = (history("one", 3), history("other", 3));
    let subtree = Subtree::new(0, 5).unwrap();
    let same_size = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
    let divergent = Evidence::divergent(subtree, one.branch(subtree, 9), other.branch(subtree, 33), &keys()).unwrap();
    for evidence in [same_size, divergent] {
        let bytes = evidence.to_bytes();
        for at in 0..bytes.len() {
            let change = [0x01, 0x02, 0x20, 0x80][at % 4];
            let mut altered = bytes.clone();
            altered[at] ^= change;
            if let Ok(altered) = Evidence::parse(&altered) {
                assert!(altered.verify(&keys()).is_err(), "byte {at} changed by {change:#04x} passes");
            }
            assert!(Evidence::parse(&bytes[..at]).is_err(), "{at} bytes");
        }
    }
}

#[test]
fn malformed_files_are_refused_with_the_reason() {
    use ParseEvidenceError as E;
    let (one, other) = (history("one", 3), history("other", 3));
    let subtree = Subtree::new(0, 5).unwrap();
    let divergent = Evidence::divergent(subtree, one.branch(subtree, 9), other.branch(subtree, 33), &keys()).unwrap().to_string();
    let parse = |from: &str, to: &str| Evidence::parse(divergent.replacen(from, to, 1).as_bytes()).unwrap_err();
    let line = |error: E| match error {
        E::Malformed { line, .. } => line,
        error => panic!("{error}"),
    };
    assert_eq!(parse("@v1", "@v2"), E::Header);
    assert_eq!(line(parse("divergent", "different")), 2);
    assert_eq!(line(parse("kind divergent", "kind same-size")), 3);
    assert_eq!(line(parse("subtree 0 5", "subtree 0 05")), 3);
    assert_eq!(line(parse("subtree 0 5", "subtree 5 0")), 3);
    assert_eq!(line(parse("subtree 0 5", "subtree 1 5")), 3);
    assert_eq!(line(parse("checkpoint 5", "checkpoint +5")), 4);
    assert!(matches!(parse("checkpoint 5", "checkpoint 4"), E::Checkpoint { line: 5, .. }));
    assert!(matches!(parse("checkpoint 5", "checkpoint 6"), E::Checkpoint { line: 5, .. }));
    assert_eq!(parse("checkpoint 5", "checkpoint 18446744073709551615"), E::CutShort);
    assert_eq!(line(parse("proof ", "proof 6")), 11);
    assert!(matches!(parse("subtree 0 5", "subtree 0 4"), E::NoContradiction(NoContradiction::NotProved(_))));
    let trailing = format!("{divergent}\n");
    assert_eq!(Evidence::parse(trailing.as_bytes()), Err(E::Trailing { line: trailing.lines().count() }));
    assert_eq!(Evidence::parse(&vec![b'a'; MAX_EVIDENCE + 1]), Err(E::TooLarge));
    assert_eq!(Evidence::parse(b"\xff"), Err(E::NotUtf8));

    // One finding has one file: the order of the two is fixed.
    let same_size = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
    let [first, second] = same_size.heads().each_ref().map(|head| format!("checkpoint 5\n{head}"));
    assert_eq!(format!("{HEADER}\nkind same-size\n{first}{second}"), same_size.to_string());
    assert_eq!(Evidence::parse(format!("{HEADER}\nkind same-size\n{second}{first}").as_bytes()), Err(E::Order));
    let twice = Evidence::parse(format!("{HEADER}\nkind same-size\n{first}{first}").as_bytes());
    assert_eq!(twice, Err(E::NoContradiction(NoContradiction::SameRoot)));
}
