#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::policy::VerifyPolicyError;
use crate::witness::{Refusal, SubtreeRefusal};
use crate::work::{self, counted};

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

#[test]
fn malformed_checkpoints_are_refused_with_the_reason() {
    use CheckpointError as E;
    for (text, error) in [
        (String::new(), E::NoFinalNewline),
        ("\n".to_owned(), E::TooFewLines),
        ("log\n5\n".to_owned(), E::TooFewLines),
        (format!("log\n5\n{ROOT}"), E::NoFinalNewline),
        (format!("log\r\n5\r\n{ROOT}\r\n"), E::ControlCharacter),
        (format!("lo\u{1}g\n5\n{ROOT}\n"), E::ControlCharacter),
        (format!("\n5\n{ROOT}\n"), E::Origin),
        (format!("log\n\n{ROOT}\n"), E::Size),
        (format!("log\n01\n{ROOT}\n"), E::Size),
        (format!("log\n+1\n{ROOT}\n"), E::Size),
        (format!("log\n-1\n{ROOT}\n"), E::Size),
        (format!("log\n5 \n{ROOT}\n"), E::Size),
        (format!("log\n18446744073709551616\n{ROOT}\n"), E::Size),
        (format!("log\n9223372036854775809\n{ROOT}\n"), E::SizeTooLarge),
        (format!("log\n18446744073709551615\n{ROOT}\n"), E::SizeTooLarge),
        ("log\n5\nAAAA\n".to_owned(), E::Root),
        (format!("log\n5\n{}\n", ROOT.replace("2I=", "2J=")), E::Root),
        (format!("log\n5\n {ROOT}\n"), E::Root),
        (format!("log\n5\n{ROOT}\n\n"), E::EmptyExtension),
        (format!("log\n5\n{ROOT}\nmore\n\nand more\n"), E::EmptyExtension),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
}

#[test]
fn extension_lines_and_odd_origins_of_others_are_kept() {
    for text in [format!("log\n0\n{ROOT}\n"), format!("my log + yours\n9223372036854775808\n{ROOT}\none\n two \n")] {
        assert_eq!(Checkpoint::parse(&text).unwrap().to_string(), text);
    }
}

#[test]
fn an_origin_with_spaces_or_plus_is_refused_for_a_log_of_our_own() {
    assert_eq!(Origin::for_new_log(""), Err(InvalidOrigin::Empty));
    assert_eq!(Origin::for_new_log("my log"), Err(InvalidOrigin::Space));
    assert_eq!(Origin::for_new_log("https://example.com/log"), Err(InvalidOrigin::Scheme));
    assert_eq!(Origin::for_new_log("log+1"), Err(InvalidOrigin::Plus));
    assert_eq!(Origin::for_new_log("log\u{7}"), Err(InvalidOrigin::Control));
    assert_eq!(Origin::for_new_log(&"l".repeat(256)), Err(InvalidOrigin::TooLong));
    assert!(KeyName::new(Origin::for_new_log("example.com/log").unwrap().as_str()).is_ok());
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(b"x"))
}

#[test]
fn only_the_log_s_own_key_signs_and_verifies_its_checkpoint() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let other = key("example.com/other", Algorithm::Ed25519, 1);
    let signed = SignedCheckpoint::sign(&checkpoint(), &[&log]).unwrap();
    let log_key = log.verifier_key().clone();
    assert_eq!(signed.verify_log(&[other.verifier_key().clone(), log_key.clone()]), Ok(&log_key));
    assert_eq!(SignedCheckpoint::parse(&signed.to_bytes()), Ok(signed.clone()));

    assert!(matches!(SignedCheckpoint::sign(&checkpoint(), &[&other]), Err(SignCheckpointError::OtherName { .. })));
    assert_eq!(SignedCheckpoint::sign(&checkpoint(), &[]), Err(SignCheckpointError::NoKey));
    let witness = key("example.com/log", Algorithm::CosignatureEd25519, 1);
    assert_eq!(SignedCheckpoint::sign(&checkpoint(), &[&witness]), Err(SignCheckpointError::Sign(SignError::NotANoteKey)));

    assert!(matches!(signed.verify_log(&[other.verifier_key().clone()]), Err(VerifyCheckpointError::UnknownOrigin { .. })));
    let replaced = key("example.com/log", Algorithm::Ed25519, 2).verifier_key().clone();
    assert!(matches!(signed.verify_log(&[replaced]), Err(VerifyCheckpointError::NotSigned { .. })));
    let altered = SignedCheckpoint::parse(signed.to_string().replace("\n1\n", "\n2\n").as_bytes()).unwrap();
    assert!(matches!(altered.verify_log(&[log_key]), Err(VerifyCheckpointError::BadSignature { .. })));
}

#[test]
fn what_is_stored_has_only_verified_lines_and_the_newest_of_each_witness() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 2);
    let stranger = key("stranger.example/s", Algorithm::CosignatureEd25519, 3);
    let mut signed = SignedCheckpoint::sign(&checkpoint(), &[&log]).unwrap();
    let [old, new] = [10, 20].map(|time| witness.cosign(&checkpoint(), time).unwrap());
    let mut forged = new.clone();
    forged.bytes[..8].copy_from_slice(&30u64.to_be_bytes());
    let log_line = signed.note().signatures()[0].clone();
    for line in [new.clone(), old, forged, stranger.cosign(&checkpoint(), 5).unwrap()] {
        signed.add_signature(line).unwrap();
    }
    assert!(!signed.clone().retain_verified(&[]));
    assert!(signed.retain_verified(&[log.verifier_key().clone(), witness.verifier_key().clone()]));
    assert_eq!(signed.note().signatures(), [log_line, new]);
}

#[test]
fn of_a_log_s_own_lines_one_of_each_key_is_kept_and_each_is_verified_once() {
    let [classic, quantum] = [Algorithm::Ed25519, Algorithm::CosignatureMlDsa44].map(|algorithm| key("example.com/log", algorithm, 1));
    let stranger = key("stranger.example/s", Algorithm::CosignatureEd25519, 3);
    let mut signed = SignedCheckpoint::sign(&checkpoint(), &[&classic]).unwrap();
    let first = signed.note().signatures()[0].clone();
    let [old, newest, new] = [10, 30, 20].map(|time| quantum.cosign(&checkpoint(), time).unwrap());
    for line in [old, newest.clone(), stranger.cosign(&checkpoint(), 99).unwrap(), new, first.clone()] {
        signed.add_signature(line).unwrap();
    }
    let keys = [classic, quantum].map(|key| key.verifier_key().clone());
    let (verified, kept) = counted(&work::VERIFIED, || signed.verified_by_log(&keys).unwrap());
    assert_eq!(kept.note().signatures(), [first.clone(), newest.clone()]);
    assert_eq!(verified, 5, "two lines of the one key and three of the other");
    assert_eq!(signed.verified_by_log(&keys[..1]).unwrap().note().signatures(), [first], "a line of an unknown key is not kept");

    let mut forged = newest;
    forged.bytes[9] ^= 1;
    signed.add_signature(forged).unwrap();
    assert!(matches!(signed.verified_by_log(&keys), Err(VerifyCheckpointError::BadSignature { .. })));
}

#[test]
fn extension_lines_that_no_signature_covers_are_refused() {
    let quantum = key("example.com/log", Algorithm::CosignatureMlDsa44, 1);
    let classic = key("example.com/log", Algorithm::Ed25519, 1);
    let keys = [quantum.verifier_key().clone(), classic.verifier_key().clone()];
    let line = quantum.cosign(&checkpoint(), 5).unwrap();
    let note = |text: String, lines| SignedCheckpoint::from_note(Note::new(&text, lines).unwrap()).unwrap();
    assert!(note(checkpoint().to_string(), vec![line.clone()]).verify_log(&keys).is_ok());
    let extended = format!("{}added by a stranger\n", checkpoint());
    let refused = note(extended.clone(), vec![line.clone()]).verify_log(&keys).map(|_| ());
    assert!(matches!(refused, Err(VerifyCheckpointError::UnsignedExtensions { .. })));
    let covered = classic.sign_note(&extended).unwrap();
    assert!(note(extended, vec![line, covered]).verify_log(&keys).is_ok());
}

#[test]
fn of_a_witness_s_answer_only_its_newest_good_line_is_added() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 2);
    let stranger = key("stranger.example/s", Algorithm::CosignatureEd25519, 3);
    let keys = [witness.verifier_key().clone()];
    let mut signed = SignedCheckpoint::sign(&checkpoint(), &[&log]).unwrap();
    let line = |time| witness.cosign(&checkpoint(), time).unwrap();
    let mut forged = line(40);
    forged.bytes[9] ^= 1;
    let answer = [line(10), forged, stranger.cosign(&checkpoint(), 50).unwrap(), line(20), line(15)];
    assert_eq!(signed.add_cosignatures(&answer, &keys), Ok(1));
    assert_eq!(signed.note().signatures()[1..], [line(20)]);
    assert_eq!(signed.add_cosignatures(&answer, &keys), Ok(0));
    assert_eq!(signed.add_cosignatures(&[line(30)], &keys), Ok(1));
    assert_eq!(signed.note().signatures()[1..], [line(30)]);
    assert!(signed.verify_log(&[log.verifier_key().clone()]).is_ok());
}

#[test]
fn many_lines_of_one_witness_cost_few_verifications_and_no_parsing() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let witness = key("witness.example/w", Algorithm::CosignatureEd25519, 2);
    let keys = [log.verifier_key().clone(), witness.verifier_key().clone()];
    let mut junk = witness.cosign(&checkpoint(), 7).unwrap();
    junk.bytes[30] ^= 1;
    let mut signed = SignedCheckpoint::sign(&checkpoint(), &[&log]).unwrap();
    (0..500).for_each(|_| signed.add_signature(junk.clone()).unwrap());
    let work = |counter, signed: &SignedCheckpoint| {
        let mut signed = signed.clone();
        let (retaining, kept) = counted(counter, || signed.retain_verified(&keys));
        assert!(kept);
        assert_eq!(signed.note().signatures().len(), 1, "only the log's line is left");
        let (adding, added) = counted(counter, || signed.add_cosignatures(&vec![junk.clone(); 500], &keys));
        assert_eq!(added, Ok(0));
        retaining.max(adding)
    };
    assert!(work(&work::VERIFIED, &signed) <= MAX_LINES_PER_KEY + 1);
    assert_eq!(work(&work::PARSED, &signed), 0);
}

#[test]
fn a_cosignature_without_a_time_is_not_added() {
    let log = key("example.com/log", Algorithm::Ed25519, 1);
    let mut signed = SignedCheckpoint::sign(&checkpoint(), &[&log]).unwrap();
    for algorithm in [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44] {
        let witness = key("witness.example/w", algorithm, 2);
        let keys = [witness.verifier_key().clone()];
        assert_eq!(signed.add_cosignatures(&[witness.cosign(&checkpoint(), 0).unwrap()], &keys), Ok(0));
        assert_eq!(signed.add_cosignatures(&[witness.cosign(&checkpoint(), 1).unwrap()], &keys), Ok(1));
    }
}

#[test]
fn a_checkpoint_of_more_text_than_any_log_needs_is_refused() {
    let text = |extensions: usize| format!("log\n5\n{ROOT}\n{}", "x\n".repeat(extensions));
    let fitting = (MAX_TEXT - text(0).len()) / 2;
    assert!(Checkpoint::parse(&text(fitting)).is_ok());
    assert_eq!(Checkpoint::parse(&text(fitting + 1)), Err(CheckpointError::TooLarge));
}

/// An origin that clears the screen and turns the rest of the line round, and goes on for longer than a screen.
const HOSTILE: &str = "evil\u{9b}2J\u{202e}\u{2066}\u{7f}";

#[test]
fn errors_about_foreign_names_command_no_terminal_and_stay_short() {
    let origin = || Origin::parse(&HOSTILE.repeat(500)).unwrap();
    let name = || KeyName::new(&HOSTILE.repeat(500)).unwrap();
    let id = crate::key::KeyId::new(1);
    let errors = [
        VerifyCheckpointError::UnknownOrigin { origin: origin() }.to_string(),
        VerifyCheckpointError::NotSigned { origin: origin() }.to_string(),
        VerifyCheckpointError::UnsignedExtensions { origin: origin() }.to_string(),
        VerifyCheckpointError::BadSignature { name: name(), id }.to_string(),
        VerifyCheckpointError::TooManySignatures { name: name(), id }.to_string(),
        SignCheckpointError::OtherName { origin: origin(), key: name() }.to_string(),
        VerifyNoteError::BadSignature { name: name(), id }.to_string(),
        VerifyNoteError::TooManySignatures { name: name(), id }.to_string(),
        VerifyPolicyError::UnknownLog { origin: origin() }.to_string(),
        VerifyPolicyError::NotSignedByLog { origin: origin() }.to_string(),
        VerifyPolicyError::UnsignedExtensions { origin: origin() }.to_string(),
        VerifyPolicyError::BadLogSignature { name: name(), id }.to_string(),
        VerifyPolicyError::TooManySignatures { name: name(), id }.to_string(),
        Refusal::UnknownOrigin { origin: origin() }.to_string(),
        Refusal::NotSigned { origin: origin() }.to_string(),
        Refusal::UnsignedExtensions { origin: origin() }.to_string(),
        Refusal::BadSignature { name: name(), id }.to_string(),
        Refusal::TooManySignatures { name: name(), id }.to_string(),
        SubtreeRefusal::UnknownOrigin { origin: origin() }.to_string(),
    ];
    for error in errors {
        assert!(error.chars().all(|c| c == '…' || (' '..='~').contains(&c)), "{error:?}");
        assert!(error.contains("evil") && error.chars().count() < 2500, "{error:?}");
    }
}

#[test]
fn nobody_is_told_to_trust_an_unknown_log() {
    let origin = Origin::parse("unknown").unwrap();
    for error in
        [VerifyCheckpointError::UnknownOrigin { origin: origin.clone() }.to_string(), VerifyPolicyError::UnknownLog { origin }.to_string()]
    {
        assert!(error.contains("do not rely on it") && error.contains("from a source that you trust"), "{error}");
    }
}

#[test]
fn an_error_that_names_its_cause_has_no_source_that_would_print_it_again() {
    use std::error::Error;

    use crate::key::{InvalidKeyName, InvalidPublicKey, InvalidSigningKey, InvalidVerifierKey};
    use crate::proof::ProofError;
    use crate::witness::RequestError;
    let cause = SignedCheckpointError::Checkpoint(CheckpointError::Size);
    let errors: [(&dyn Error, &dyn Error); 6] = [
        (&ProofError::Checkpoint(cause), &cause),
        (&RequestError::Checkpoint(cause), &cause),
        (&InvalidVerifierKey::Name(InvalidKeyName::Empty), &InvalidKeyName::Empty),
        (&InvalidVerifierKey::PublicKey(InvalidPublicKey::NotAPoint), &InvalidPublicKey::NotAPoint),
        (&InvalidSigningKey::PublicKey(InvalidPublicKey::NotAPoint), &InvalidPublicKey::NotAPoint),
        (&crate::merkle::ProveError::Node(CheckpointError::Size), &CheckpointError::Size),
    ];
    for (error, cause) in errors {
        assert!(error.to_string().contains(&cause.to_string()), "{error}");
        assert!(error.source().is_none(), "{error}");
    }
}
