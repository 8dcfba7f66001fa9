#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::TreeSize;
use crate::key::SigningKey;

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_seed(KeyName::new("witness.example/w").unwrap(), algorithm, &[9; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(b"x"))
}

const BOTH: [Algorithm; 2] = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

#[test]
fn a_cosignature_is_bound_to_checkpoint_time_and_key() {
    for algorithm in BOTH {
        let key = key(algorithm);
        let verifier = key.verifier_key();
        let line = key.cosign(&checkpoint(), 1_679_315_147).unwrap();
        assert_eq!(Cosignature::verify(&line, &checkpoint(), verifier).unwrap().timestamp(), NonZeroU64::new(1_679_315_147));

        let other = Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(2), Hash::leaf(b"x"));
        assert_eq!(Cosignature::verify(&line, &other, verifier), Err(BadSignature));
        for i in [0, 7, 8, line.bytes.len() - 1] {
            let mut forged = line.clone();
            forged.bytes[i] ^= 1;
            assert_eq!(Cosignature::verify(&forged, &checkpoint(), verifier), Err(BadSignature), "byte {i}");
        }
        for length in [0, 7, 8, line.bytes.len() - 1] {
            let cut = Signature { bytes: line.bytes[..length].to_vec(), ..line.clone() };
            assert_eq!(Cosignature::verify(&cut, &checkpoint(), verifier), Err(BadSignature), "{length} bytes");
        }
        assert_eq!(key.cosign(&checkpoint(), MAX_TIMESTAMP + 1), Err(crate::key::SignError::Timestamp));
    }
}

#[test]
fn the_newest_of_several_good_lines_counts_and_a_bad_one_refuses_them() {
    for algorithm in BOTH {
        let key = key(algorithm);
        let lines: Vec<_> = [5, 9, 7].map(|time| key.cosign(&checkpoint(), time).unwrap()).into();
        let newest = Cosignature::newest(&lines, &checkpoint(), key.verifier_key()).unwrap();
        assert_eq!(newest.map(|cosignature| cosignature.timestamp()), Some(NonZeroU64::new(9)));
        assert_eq!(Cosignature::newest(&[], &checkpoint(), key.verifier_key()), Ok(None));
        let mut forged = lines;
        forged[1].bytes[7] = 10;
        let refused = Cosignature::newest(&forged, &checkpoint(), key.verifier_key());
        assert!(matches!(refused, Err(VerifyNoteError::BadSignature { .. })));
    }
}

#[test]
fn extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa() {
    let extended = Checkpoint::parse(&format!("{}more\n", checkpoint())).unwrap();
    for (algorithm, covered) in BOTH.into_iter().zip([true, false]) {
        let key = key(algorithm);
        let line = key.cosign(&checkpoint(), 5).unwrap();
        assert_eq!(Cosignature::verify(&line, &extended, key.verifier_key()).is_err(), covered, "{algorithm}");
    }
}

#[test]
fn the_binary_message_is_laid_out_as_specified() {
    let message = ml_dsa_message(&KeyName::new("w").unwrap(), 1, &Origin::for_new_log("lo").unwrap(), 2, 3, &Hash::new([4; 32])).unwrap();
    let expected = [b"subtree/v1\n\0\x01w\0\0\0\0\0\0\0\x01\x02lo\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03".as_slice(), &[4; 32]].concat();
    assert_eq!(message, expected);
    let long = Origin::parse(&"l".repeat(256)).unwrap();
    assert_eq!(ml_dsa_message(&KeyName::new("w").unwrap(), 1, &long, 2, 3, &Hash::new([4; 32])), None);
}

#[test]
fn another_implementation_of_ml_dsa_agrees_both_ways() {
    use fips204::ml_dsa_44;
    use fips204::traits::{KeyGen as _, SerDes as _, Signer as _, Verifier as _};

    let key = key(Algorithm::CosignatureMlDsa44);
    let (public, private) = ml_dsa_44::KG::keygen_from_seed(&[9; 32]);
    assert_eq!(public.clone().into_bytes().as_slice(), key.verifier_key().public_key());

    let checkpoint = checkpoint();
    let name = key.verifier_key().name();
    let message = ml_dsa_message(name, 5, checkpoint.origin(), 0, 1, checkpoint.root()).unwrap();
    let line = key.cosign(&checkpoint, 5).unwrap();
    let ours: &[u8; 2420] = line.bytes[8..].try_into().unwrap();
    assert!(public.verify(&message, ours, &[]));
    assert!(!public.verify(&message, ours, b"context"));

    let theirs = private.try_sign_with_seed(&[3; 32], &message, &[]).unwrap();
    let bytes = [5u64.to_be_bytes().as_slice(), &theirs].concat();
    assert!(key.verifier_key().verify_cosignature(&checkpoint, &bytes).is_ok());
    let with_context = private.try_sign_with_seed(&[3; 32], &message, b"context").unwrap();
    let bytes = [5u64.to_be_bytes().as_slice(), &with_context].concat();
    assert_eq!(key.verifier_key().verify_cosignature(&checkpoint, &bytes), Err(BadSignature));
}
