#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::checkpoint::{Checkpoint, Origin};
use crate::key::{Algorithm, KeyName, SigningKey};
use crate::merkle::Appender;

fn log(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

/// The receipt of entry 2 of a log that holds "0", "1", …, at a size.
fn receipt(key: &SigningKey, size: u64) -> Proof {
    let mut nodes = std::collections::HashMap::new();
    let mut appender = Appender::new();
    for i in 0..size {
        appender
            .append(Hash::leaf(i.to_string().as_bytes()), |node, hash| {
                nodes.insert(node, hash);
            })
            .unwrap();
    }
    let checkpoint =
        Checkpoint::new(Origin::for_new_log(key.verifier_key().name().as_str()).unwrap(), TreeSize::new(size), appender.root());
    let hashes = merkle::prove_inclusion(LeafIndex::new(2), TreeSize::new(size), |node| nodes.get(&node).copied().ok_or(())).unwrap();
    Proof::new(Some(b"2".to_vec()), LeafIndex::new(2), hashes, SignedCheckpoint::sign(&checkpoint, &[key]).unwrap()).unwrap()
}

fn policy(key: &SigningKey) -> Policy {
    Policy::without_witnesses(key.verifier_key().clone(), None).unwrap()
}

#[test]
fn a_receipt_verifies_offline_and_prints_as_it_was_read() {
    let key = log("example.com/log", 1);
    let receipt = receipt(&key, 5);
    let parsed = Proof::parse(&receipt.to_bytes()).unwrap();
    assert_eq!(parsed, receipt);
    let verified = parsed.verify_receipt(&policy(&key), Some(b"2")).unwrap();
    assert_eq!((verified.entry(), verified.index().as_u64()), (b"2".as_slice(), 2));
    assert_eq!(verified.checkpoint().checkpoint().size().as_u64(), 5);
}

#[test]
fn each_way_to_tamper_with_a_receipt_has_its_own_reason() {
    use VerifyProofError as E;
    let (key, other) = (log("example.com/log", 1), log("example.com/other", 2));
    let policy = policy(&key);
    let genuine = receipt(&key, 5);
    let with = |extra: Option<&[u8]>, index, hashes: &[Hash], checkpoint: &Proof| {
        Proof::new(extra.map(<[u8]>::to_vec), LeafIndex::new(index), hashes.to_vec(), checkpoint.checkpoint.clone()).unwrap()
    };
    let verify = |proof: &Proof| proof.verify_receipt(&policy, None).unwrap_err();

    // Another entry in the receipt, or beside it.
    let swapped = with(Some(b"3"), 2, &genuine.hashes, &genuine);
    assert_eq!(verify(&swapped), VerifyReceiptError::Proof(E::NotIncluded));
    assert_eq!(genuine.verify(&policy, b"3"), Err(E::OtherEntry));
    assert_eq!(genuine.verify_receipt(&policy, Some(b"3")), Err(VerifyReceiptError::OtherFile));
    // No entry at all.
    let bare = with(None, 2, &genuine.hashes, &genuine);
    assert_eq!(verify(&bare), VerifyReceiptError::NoEntry);
    assert!(bare.verify_receipt(&policy, Some(b"2")).is_ok());
    assert_eq!(bare.verify(&policy, b"3"), Err(E::NotIncluded));
    // Another head of the same log, with a proof of the same or of another length.
    assert_eq!(verify(&with(Some(b"2"), 2, &genuine.hashes, &receipt(&key, 6))), VerifyReceiptError::Proof(E::NotIncluded));
    let longer = verify(&with(Some(b"2"), 2, &genuine.hashes, &receipt(&key, 9)));
    assert_eq!(longer, VerifyReceiptError::Proof(E::WrongLength { expected: 4, given: 3 }));
    // Another log's head; and one that says it is of this log.
    let foreign = verify(&with(Some(b"2"), 2, &genuine.hashes, &receipt(&other, 5)));
    assert!(matches!(foreign, VerifyReceiptError::Proof(E::Policy(VerifyPolicyError::UnknownLog { .. }))));
    let impostor = verify(&with(Some(b"2"), 2, &genuine.hashes, &receipt(&log("example.com/log", 3), 5)));
    assert!(matches!(impostor, VerifyReceiptError::Proof(E::Policy(VerifyPolicyError::NotSignedByLog { .. }))));
    // Index and hashes.
    assert_eq!(verify(&with(Some(b"2"), 3, &genuine.hashes, &genuine)), VerifyReceiptError::Proof(E::NotIncluded));
    let beyond = verify(&with(Some(b"2"), 5, &genuine.hashes, &genuine));
    assert_eq!(beyond, VerifyReceiptError::Proof(E::BeyondCheckpoint { index: LeafIndex::new(5), size: TreeSize::new(5) }));
    let cut = verify(&with(Some(b"2"), 2, &genuine.hashes[..2], &genuine));
    assert_eq!(cut, VerifyReceiptError::Proof(E::WrongLength { expected: 3, given: 2 }));
}

#[test]
fn every_cut_of_a_receipt_is_refused() {
    let key = log("example.com/log", 1);
    let bytes = receipt(&key, 5).to_bytes();
    for end in 0..bytes.len() {
        assert!(Proof::parse(&bytes[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn malformed_receipts_are_refused_with_the_reason() {
    use ProofError as E;
    let text = receipt(&log("example.com/log", 1), 5).to_string();
    let parse = |from: &str, to: &str| Proof::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
    assert_eq!(parse("@v1", "@v2"), E::Header);
    assert_eq!(parse("extra Mg==", "extra Mg"), E::Extra);
    assert_eq!(parse("extra Mg==", "extra Mh=="), E::Extra);
    assert_eq!(parse("extra Mg==\n", "extra Mg==\nextra Mg==\n"), E::Index);
    assert_eq!(parse("extra Mg==\n", "extra\n"), E::Index);
    assert_eq!(parse("index 2\n", ""), E::Index);
    assert_eq!(parse("index 2", "index 02"), E::Index);
    assert_eq!(parse("index 2", "index +2"), E::Index);
    assert_eq!(parse("index 2", "index 2 "), E::Index);
    assert_eq!(parse("index 2\n", "index 2\nAAAA\n"), E::Hash { line: 4 });
    assert_eq!(
        parse("index 2\n", "index 2\n\n"),
        E::Checkpoint(SignedCheckpointError::Checkpoint(crate::checkpoint::CheckpointError::Size))
    );
    let hash = Hash::leaf(b"").to_base64() + "\n";
    assert_eq!(parse("index 2\n", &format!("index 2\n{}", hash.repeat(64))), E::TooManyHashes);
    assert_eq!(Proof::parse(&vec![b'a'; MAX_PROOF_FILE + 1]), Err(E::TooLarge));
    assert_eq!(Proof::parse(b"\xff"), Err(E::NotUtf8));
}

#[test]
fn the_largest_proof_that_can_be_made_can_be_read() {
    let key = log("example.com/log", 1);
    let checkpoint = receipt(&key, 5).checkpoint;
    let largest =
        Proof::new(Some(vec![7; MAX_EXTRA]), LeafIndex::new(u64::MAX), vec![Hash::leaf(b""); MAX_PROOF], checkpoint.clone()).unwrap();
    assert_eq!(Proof::parse(&largest.to_bytes()), Ok(largest));
    assert!(Proof::new(Some(vec![7; MAX_EXTRA + 1]), LeafIndex::new(0), vec![], checkpoint.clone()).is_err());
    assert!(Proof::new(None, LeafIndex::new(0), vec![Hash::leaf(b""); MAX_PROOF + 1], checkpoint).is_err());
}
