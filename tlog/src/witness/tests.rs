#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use super::*;
use crate::checkpoint::CheckpointError;
use crate::cosignature::{Cosignature, verify_subtree};
use crate::key::Algorithm;
use crate::merkle::{Appender, Node, Subtree};

/// A log of the entries "0", "1", … that can prove whatever a test asks for.
struct Log {
    key: SigningKey,
    nodes: HashMap<Node, Hash>,
    roots: Vec<Hash>,
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn log(prefix: &str) -> Log {
    let mut appender = Appender::new();
    let (mut nodes, mut roots) = (HashMap::new(), vec![appender.root()]);
    for i in 0..20 {
        let completed = |node, hash| {
            nodes.insert(node, hash);
        };
        appender.append(Hash::leaf(format!("{prefix}{i}").as_bytes()), completed).unwrap();
        roots.push(appender.root());
    }
    Log { key: key("example.com/log", Algorithm::Ed25519, 1), nodes, roots }
}

/// [`super::decide`] for what does not depend on the witness's keys and clock.
fn decide(request: &AddCheckpoint, latest: &Latest, log_keys: &[VerifierKey]) -> Result<Accepted, Refusal> {
    super::decide(request, latest, log_keys, &[], 77)
}

impl Log {
    fn root(&self, size: u64) -> Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    fn latest(&self, size: u64) -> Latest {
        Latest { size: TreeSize::new(size), root: self.root(size) }
    }

    fn sign(&self, size: u64, root: Hash) -> SignedCheckpoint {
        let origin = Origin::for_new_log("example.com/log").unwrap();
        SignedCheckpoint::sign(&Checkpoint::new(origin, TreeSize::new(size), root), &[&self.key]).unwrap()
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let node = |node| self.nodes.get(&node).copied().ok_or(());
        if old == 0 { Vec::new() } else { merkle::prove_consistency(TreeSize::new(old), TreeSize::new(new), node).unwrap() }
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint::new(TreeSize::new(old), self.proof(old, new), self.sign(new, self.root(new))).unwrap()
    }

    fn keys(&self) -> Vec<VerifierKey> {
        vec![self.key.verifier_key().clone()]
    }
}

#[test]
fn a_checkpoint_that_continues_the_last_one_is_accepted() {
    let log = log("");
    for old in 0..=20 {
        for new in old..=20 {
            let request = log.request(old, new);
            assert_eq!(AddCheckpoint::parse(&request.to_bytes()), Ok(request.clone()));
            let accepted = decide(&request, &log.latest(old), &log.keys()).unwrap();
            assert_eq!(accepted.latest(), log.latest(new), "{old} to {new}");
        }
    }
}

#[test]
fn refusals_come_in_the_order_of_the_specification() {
    let log = log("");
    let keys = log.keys();
    let refusal = |request: &AddCheckpoint, latest: Latest, keys: &[VerifierKey]| decide(request, &latest, keys).unwrap_err();
    // Everything is wrong: unknown origin, bad signature, old above new, not the latest, and a junk proof.
    let signed = log.sign(5, log.root(6)).to_string();
    let request = |from: &str, to: &str, old: u64| {
        let signed = SignedCheckpoint::parse(signed.replacen(from, to, 1).as_bytes()).unwrap();
        AddCheckpoint::new(TreeSize::new(old), vec![Hash::leaf(b"")], signed).unwrap()
    };
    let foreign = request("example.com/log\n", "example.com/other\n", 9);
    assert!(matches!(refusal(&foreign, log.latest(7), &keys), Refusal::UnknownOrigin { .. }));
    let altered = request("\n5\n", "\n4\n", 9);
    assert!(matches!(refusal(&altered, log.latest(7), &keys), Refusal::BadSignature { .. }));
    let new_key = [key("example.com/log", Algorithm::Ed25519, 2).verifier_key().clone()];
    assert!(matches!(refusal(&altered, log.latest(7), &new_key), Refusal::NotSigned { .. }));
    let sizes = request("", "", 9);
    assert!(matches!(refusal(&sizes, log.latest(7), &keys), Refusal::OldBeyondCheckpoint { .. }));
    let stale = request("", "", 3);
    assert_eq!(refusal(&stale, log.latest(4), &keys), Refusal::Conflict { latest: TreeSize::new(4), evidence: None });
    assert!(matches!(refusal(&stale, log.latest(3), &keys), Refusal::Inconsistent(VerifyError::WrongLength { .. })));
}

#[test]
fn old_zero_tells_the_latest_size() {
    let log = log("");
    assert_eq!(
        decide(&log.request(0, 9), &log.latest(7), &log.keys()),
        Err(Refusal::Conflict { latest: TreeSize::new(7), evidence: None })
    );
}

#[test]
fn an_older_checkpoint_never_takes_a_newer_one_back() {
    let log = log("");
    // Two requests from size 3; the one to 9 was stored first.
    let stored = decide(&log.request(3, 9), &log.latest(3), &log.keys()).unwrap().latest();
    assert_eq!(decide(&log.request(3, 5), &stored, &log.keys()), Err(Refusal::Conflict { latest: TreeSize::new(9), evidence: None }));
}

#[test]
fn two_roots_for_one_size_are_refused_and_kept_as_evidence() {
    let (log, fork) = (log(""), log("forked "));
    for size in [1, 5, 8] {
        for proof in [vec![], vec![Hash::leaf(b"")]] {
            let request = AddCheckpoint::new(TreeSize::new(size), proof, fork.sign(size, fork.root(size))).unwrap();
            let Err(Refusal::OtherRoot { signed, .. }) = decide(&request, &log.latest(size), &log.keys()) else { panic!("{size}") };
            assert!(signed.verify_log(&log.keys()).is_ok());
        }
    }
}

#[test]
fn a_fork_or_a_junk_proof_is_refused() {
    let (log, fork) = (log(""), log("forked "));
    for (old, new) in [(1, 2), (3, 7), (8, 9), (4, 8)] {
        let refused = |proof: Vec<Hash>, signed| {
            let request = AddCheckpoint::new(TreeSize::new(old), proof, signed).unwrap();
            assert!(matches!(decide(&request, &log.latest(old), &log.keys()), Err(Refusal::Inconsistent(_))), "{old} to {new}");
        };
        refused(fork.proof(old, new), fork.sign(new, fork.root(new)));
        refused(log.proof(old, new), fork.sign(new, fork.root(new)));
        refused(vec![], log.sign(new, log.root(new)));
        let mut longer = log.proof(old, new);
        longer.push(Hash::leaf(b""));
        refused(longer, log.sign(new, log.root(new)));
    }
    // Equal sizes need no proof, and a proof is an error.
    let request = AddCheckpoint::new(TreeSize::new(5), vec![Hash::leaf(b"")], log.sign(5, log.root(5))).unwrap();
    assert!(matches!(decide(&request, &log.latest(5), &log.keys()), Err(Refusal::Inconsistent(_))));
}

#[test]
fn from_the_empty_tree_there_is_no_proof_and_one_root() {
    let log = log("");
    let request = |proof, size, root| AddCheckpoint::new(TreeSize::ZERO, proof, log.sign(size, root)).unwrap();
    let decide = |request| decide(&request, &Latest::NEVER, &log.keys());
    assert_eq!(decide(request(vec![Hash::leaf(b"")], 5, log.root(5))), Err(Refusal::ProofFromEmpty));
    assert_eq!(decide(request(vec![Hash::leaf(b"")], 0, Hash::EMPTY_TREE)), Err(Refusal::ProofFromEmpty));
    assert_eq!(decide(request(vec![], 0, Hash::leaf(b""))), Err(Refusal::EmptyTreeRoot));
    assert!(decide(request(vec![], 0, Hash::EMPTY_TREE)).is_ok());
}

#[test]
fn a_forged_line_of_the_witness_in_a_request_is_not_kept() {
    let log = log("");
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 3);
    let mut signed = log.sign(5, log.root(5));
    let mut forged = witness.cosign(signed.checkpoint(), u64::MAX >> 2).unwrap();
    forged.bytes[20] ^= 1;
    signed.add_signature(forged).unwrap();
    let request = AddCheckpoint::new(TreeSize::ZERO, vec![], signed).unwrap();
    let accepted = decide(&request, &Latest::NEVER, &log.keys()).unwrap();
    assert_eq!(accepted.signed(), &log.sign(5, log.root(5)));
    // What is served then has the witness's real line, and the next update works.
    let mut served = accepted.signed().clone();
    served.add_signature(accepted.cosign(&[&witness]).unwrap().remove(0)).unwrap();
    assert!(served.note().verify(&[witness.verifier_key().clone()]).is_ok());
    assert!(decide(&log.request(5, 6), &accepted.latest(), &log.keys()).is_ok());
}

#[test]
fn cosignatures_have_a_time_and_are_of_every_key() {
    let log = log("");
    let accepted = decide(&log.request(0, 5), &Latest::NEVER, &log.keys()).unwrap();
    let witnesses = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44].map(|algorithm| key("w", algorithm, 4));
    let lines = accepted.cosign(&[&witnesses[0], &witnesses[1]]).unwrap();
    assert_eq!(parse_cosignatures(print_cosignatures(&lines).as_bytes()), Ok(lines.clone()));
    for (line, witness) in lines.iter().zip(&witnesses) {
        let cosignature = Cosignature::verify(line, accepted.checkpoint(), witness.verifier_key()).unwrap();
        assert_eq!(cosignature.timestamp().map(u64::from), Some(77));
    }
}

#[test]
fn malformed_requests_are_refused_with_the_reason() {
    use RequestError as E;
    let log = log("");
    let text = log.request(3, 7).to_string();
    let add = |from: &str, to: &str| AddCheckpoint::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
    for line in ["old 03", "old +3", "old", "old  3", "OLD 3", "old 3 ", ""] {
        assert_eq!(add("old 3", line), E::OldLine, "{line:?}");
    }
    assert_eq!(add("old 3\n", "old 3\nAAAA\n"), E::Hash { line: 2 });
    assert_eq!(add("old 3\n", &format!("old 3\n{}", (Hash::EMPTY_TREE.to_base64() + "\n").repeat(63))), E::TooManyHashes);
    assert!(matches!(add("old 3\n", "old 3\n\n"), E::Checkpoint(_)));
    assert!(matches!(add("\n7\n", "\n07\n"), E::Checkpoint(_)));
    assert_eq!(AddCheckpoint::parse(b"old 3\n"), Err(E::NoCheckpoint));
    assert_eq!(AddCheckpoint::parse(b"\xff"), Err(E::NotUtf8));
    assert_eq!(AddCheckpoint::parse(&vec![b'\n'; MAX_REQUEST + 1]), Err(E::TooLarge));

    let subtree = SignSubtree::new(Subtree::new(4, 6).unwrap(), log.root(3), vec![], log.sign(7, log.root(7))).unwrap().to_string();
    let sign = |from: &str, to: &str| SignSubtree::parse(subtree.replacen(from, to, 1).as_bytes()).unwrap_err();
    for line in ["subtree 4", "subtree 4  6", "subtree 04 6", "subtree 4 6 7", "old 4"] {
        assert_eq!(sign("subtree 4 6", line), E::SubtreeLine, "{line:?}");
    }
    assert_eq!(sign("4 6", "4 9"), E::Subtree(merkle::InvalidSubtree::Misaligned));
    assert_eq!(sign("4 6", "4 4"), E::Subtree(merkle::InvalidSubtree::Empty));
    assert_eq!(sign("4 6", "4 8"), E::BeyondCheckpoint { end: 8, size: TreeSize::new(7) });
    assert_eq!(sign(&log.root(3).to_base64(), "AAAA"), E::SubtreeHash);
    assert_eq!(sign("4 6", "0 18446744073709551616"), E::SubtreeLine);
}

#[test]
fn malformed_answers_are_refused_with_the_reason() {
    use ResponseError as E;
    assert_eq!(parse_cosignatures(b""), Err(E::Incomplete));
    assert_eq!(parse_cosignatures("— w AAAAAAA=".as_bytes()), Err(E::Incomplete));
    for body in ["\n", "— w AAAAAAA=\n\n", "nothing\n"] {
        assert_eq!(parse_cosignatures(body.as_bytes()), Err(E::Line(crate::note::NoteError::MalformedSignature)), "{body:?}");
    }
    assert_eq!(parse_cosignatures(b"\xff\n"), Err(E::NotUtf8));
    assert_eq!(parse_cosignatures(&vec![b'\n'; 1 << 20]), Err(E::TooLarge));
    assert_eq!(parse_conflict(print_conflict(TreeSize::new(7)).as_bytes()), Ok(TreeSize::new(7)));
    for body in ["", "7", "07\n", "7\n\n", "7\r\n", "-7\n", "18446744073709551616\n"] {
        assert_eq!(parse_conflict(body.as_bytes()), Err(E::Size), "{body:?}");
    }
}

#[test]
fn a_part_of_a_cosigned_tree_is_cosigned_and_nothing_else() {
    let log = log("");
    let own = key("witness.example/w", Algorithm::CosignatureMlDsa44, 5);
    let own_keys = [own.verifier_key().clone()];
    let mut signed = log.sign(14, log.root(14));
    signed.add_signature(own.cosign(signed.checkpoint(), 9).unwrap()).unwrap();
    let node = |node| log.nodes.get(&node).copied().ok_or(());
    for (start, end) in [(8, 13), (0, 14), (0, 4), (12, 14), (5, 6)] {
        let subtree = Subtree::new(start, end).unwrap();
        let proof = merkle::prove_subtree(subtree, TreeSize::new(14), node).unwrap();
        let mut appender = Appender::new();
        for i in start..end {
            appender.append(Hash::leaf(i.to_string().as_bytes()), |_, _| ()).unwrap();
        }
        let hash = appender.root();
        let request = SignSubtree::new(subtree, hash, proof.clone(), signed.clone()).unwrap();
        assert_eq!(SignSubtree::parse(&request.to_bytes()), Ok(request.clone()));

        let lines = decide_subtree(&request, &own_keys, |_| true).unwrap().cosign(&[&own]).unwrap();
        let origin = signed.checkpoint().origin();
        assert!(verify_subtree(&lines[0], origin, subtree, &hash, &own_keys[0]).is_ok());
        assert!(verify_subtree(&lines[0], origin, subtree, &log.root(1), &own_keys[0]).is_err());
        assert_eq!(lines[0].bytes[..8], [0; 8], "the time is zero");

        let unknown = decide_subtree(&request, &own_keys, |_| false);
        assert!(matches!(unknown, Err(SubtreeRefusal::UnknownOrigin { .. })));
        let other_hash = SignSubtree::new(subtree, log.root(1), proof.clone(), signed.clone()).unwrap();
        assert!(matches!(decide_subtree(&other_hash, &own_keys, |_| true), Err(SubtreeRefusal::Inconsistent(_))), "{start} {end}");
        let uncosigned = SignSubtree::new(subtree, hash, proof, log.sign(14, log.root(14))).unwrap();
        assert_eq!(decide_subtree(&uncosigned, &own_keys, |_| true), Err(SubtreeRefusal::NotCosigned));
    }
    let ed25519 = key("witness.example/w", Algorithm::CosignatureEd25519, 5);
    let origin = signed.checkpoint().origin();
    assert_eq!(ed25519.cosign_subtree(origin, Subtree::new(0, 1).unwrap(), &log.root(1)), Err(SignError::NotASubtreeKey));
}

#[test]
fn a_log_that_contradicts_itself_is_convicted_whatever_size_the_request_starts_from() {
    let (log, fork) = (log(""), log("forked "));
    for old in 0..5 {
        let request = AddCheckpoint::new(TreeSize::new(old), vec![], fork.sign(5, fork.root(5))).unwrap();
        let refused = decide(&request, &log.latest(5), &log.keys()).unwrap_err();
        let Refusal::Conflict { latest, evidence: Some(evidence) } = refused else { panic!("{refused}") };
        assert_eq!((latest.as_u64(), *evidence), (5, fork.sign(5, fork.root(5))));
    }
    // Another size, or the same root, says nothing.
    for request in [fork.request(0, 6), log.request(0, 5)] {
        assert!(matches!(decide(&request, &log.latest(5), &log.keys()), Err(Refusal::Conflict { evidence: None, .. })));
    }
}

#[test]
fn nothing_is_accepted_that_the_witness_could_not_sign() {
    let long = "l".repeat(256);
    let log = key(&long, Algorithm::Ed25519, 1);
    let checkpoint = Checkpoint::new(Origin::parse(&long).unwrap(), TreeSize::new(1), Hash::leaf(b"x"));
    let request = AddCheckpoint::new(TreeSize::ZERO, vec![], SignedCheckpoint::sign(&checkpoint, &[&log]).unwrap()).unwrap();
    let [classic, quantum] = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44].map(|algorithm| key("w", algorithm, 4));
    let decide = |own: &[&SigningKey], now| super::decide(&request, &Latest::NEVER, &[log.verifier_key().clone()], own, now);

    assert_eq!(decide(&[&classic, &quantum], 5), Err(Refusal::CannotSign(SignError::OriginTooLong)));
    assert_eq!(decide(&[&log], 5), Err(Refusal::CannotSign(SignError::NotACosignatureKey)));
    for clock in [0, crate::cosignature::MAX_TIMESTAMP + 1, u64::MAX] {
        assert_eq!(decide(&[&classic], clock), Err(Refusal::CannotSign(SignError::Timestamp)));
    }
    assert!(decide(&[&classic], 5).unwrap().cosign(&[&classic]).is_ok());
}

#[test]
fn what_could_not_be_read_again_is_not_signed() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let too_large = Checkpoint::new(Origin::parse("example.com/log").unwrap(), TreeSize::new((1 << 63) + 1), Hash::leaf(b"x"));
    let refused = SignedCheckpoint::sign(&too_large, &[&log]);
    assert_eq!(refused, Err(crate::checkpoint::SignCheckpointError::Checkpoint(CheckpointError::SizeTooLarge)));
    let long = Checkpoint::new(Origin::parse(&"l".repeat(20_000)).unwrap(), TreeSize::new(1), Hash::leaf(b"x"));
    for algorithm in [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44] {
        let witness = key("w", algorithm, 1);
        assert_eq!(witness.cosign(&too_large, 5), Err(SignError::Checkpoint(CheckpointError::SizeTooLarge)));
        assert_eq!(witness.cosign(&long, 5), Err(SignError::Checkpoint(CheckpointError::TooLarge)));
    }
}
