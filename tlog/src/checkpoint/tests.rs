#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

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
    assert_eq!(Origin::new(""), Err(InvalidOrigin::Empty));
    assert_eq!(Origin::new("my log"), Err(InvalidOrigin::Space));
    assert_eq!(Origin::new("log+1"), Err(InvalidOrigin::Plus));
    assert_eq!(Origin::new("log\u{7}"), Err(InvalidOrigin::Control));
    assert_eq!(Origin::new(&"l".repeat(256)), Err(InvalidOrigin::TooLong));
    assert!(KeyName::new(Origin::new("example.com/log").unwrap().as_str()).is_ok());
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, [seed; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(b"x"))
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
