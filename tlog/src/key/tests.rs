#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn signing_key(algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new("example.com/k").unwrap(), algorithm, &[seed; 32]).unwrap()
}

#[test]
fn a_verifier_key_prints_as_it_was_read() {
    for text in [
        EXAMPLE.to_owned(),
        signing_key(Algorithm::CosignatureEd25519, 1).verifier_key().to_string(),
        signing_key(Algorithm::CosignatureMlDsa44, 1).verifier_key().to_string(),
    ] {
        assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    }
}

#[test]
fn key_names_have_no_spaces_plus_or_control_characters() {
    assert_eq!(KeyName::new(""), Err(InvalidKeyName::Empty));
    for name in ["a b", "a\u{a0}b", "a\u{2003}", "\u{3000}", "a\n", "a\tb", "a\u{85}"] {
        assert_eq!(KeyName::new(name), Err(InvalidKeyName::Space), "{name:?}");
    }
    assert_eq!(KeyName::new("a+b"), Err(InvalidKeyName::Plus));
    assert_eq!(KeyName::new("a\u{1}"), Err(InvalidKeyName::Control));
    assert!(KeyName::new("planungsbehörde.example/größe").is_ok());
}

#[test]
fn damaged_verifier_keys_are_refused_with_the_reason() {
    use InvalidVerifierKey as E;
    let parse = |text: &str| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(parse(""), E::NotAVerifierKey);
    assert_eq!(parse("example.com/foo"), E::NotAVerifierKey);
    assert_eq!(parse("example.com/foo+530d903a"), E::NotAVerifierKey);
    assert_eq!(parse("example.com/foo+530d903a+"), E::NotAVerifierKey);
    assert_eq!(parse(&EXAMPLE.replace("foo", "f o")), E::Name(InvalidKeyName::Space));
    assert_eq!(parse(&EXAMPLE.replace("530d903a", "530D903A")), E::MalformedId);
    assert_eq!(parse(&EXAMPLE.replace("530d903a", "530d903")), E::MalformedId);
    assert_eq!(parse(&EXAMPLE.replace("530d903a", "+530d903")), E::MalformedId);
    assert_eq!(parse(&(EXAMPLE.to_owned() + "\n")), E::MalformedBase64);
    assert_eq!(parse(&EXAMPLE.replace("AekyeR", "A-kyeR")), E::MalformedBase64);
    assert_eq!(parse("k+00000000+/w=="), E::UnknownAlgorithm(0xff));
    assert!(matches!(parse("k+00000000+AQ=="), E::PublicKey(InvalidPublicKey::WrongLength { expected: 32, found: 0, .. })));
    assert!(matches!(parse(&EXAMPLE.replace("foo", "fop")), E::WrongId { .. }));
    assert!(matches!(parse(&EXAMPLE.replace("530d903a", "530d903b")), E::WrongId { .. }));
}

#[test]
fn ed25519_keys_of_small_order_and_in_other_spellings_are_refused() {
    let new = |bytes: &[u8]| VerifierKey::new(KeyName::new("k").unwrap(), Algorithm::Ed25519, bytes).unwrap_err();
    // The neutral element, the point of order 2, and one of order 4.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(new(&neutral), InvalidPublicKey::SmallOrder);
    let mut order_2 = [0xff; 32];
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    assert_eq!(new(&order_2), InvalidPublicKey::SmallOrder);
    assert_eq!(new(&[0; 32]), InvalidPublicKey::SmallOrder);
    // y = p + k for the first k that is a point of large order: the same key as y = k, spelt otherwise.
    let other_spelling = (2..19)
        .map(|k: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + k, 0x7f);
            bytes
        })
        .find(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak()))
        .unwrap();
    assert_eq!(new(&other_spelling), InvalidPublicKey::NotAPoint);
}

#[test]
fn one_public_key_under_two_names_is_the_same_public_key() {
    let note = signing_key(Algorithm::Ed25519, 1);
    let other = SigningKey::from_seed(KeyName::new("other").unwrap(), Algorithm::CosignatureEd25519, &[1; 32]).unwrap();
    assert!(note.verifier_key().same_public_key(other.verifier_key()));
    assert!(!note.verifier_key().same_public_key(signing_key(Algorithm::Ed25519, 2).verifier_key()));
    assert_ne!(note.verifier_key().id(), other.verifier_key().id());
}

#[test]
fn the_secret_is_not_in_the_debug_output() {
    let printed = format!("{:?}", signing_key(Algorithm::Ed25519, 0xab));
    assert!(!printed.contains("171") && !printed.contains("abab"), "{printed}");
}

/// PKCS#8 in PEM around these bytes.
fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64::encode(der))
}

/// A DER value of any length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let header = match value.len() {
        ..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header, value.to_vec()].concat()
}

#[test]
fn a_key_that_carries_its_public_key_is_read_if_that_fits() {
    let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let name = || KeyName::new("k").unwrap();
    let read = |bytes: &[u8]| SigningKey::from_pem(&pem(bytes), name(), Algorithm::Ed25519);
    let public_key = &document.as_ref()[document.as_ref().len() - 32..];
    assert_eq!(read(document.as_ref()).unwrap().verifier_key().public_key(), public_key);
    let mut altered = document.as_ref().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    assert_eq!(read(&altered).map(drop), Err(KeyFileError::Malformed));
}

#[test]
fn ml_dsa_keys_are_read_with_a_seed_and_refused_without() {
    use fips204::traits::{KeyGen as _, SerDes as _};

    // The forms of RFC 9881: the seed, both, and the expanded key alone.
    let oid = der(0x06, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11]);
    let read = |private_key: &[u8]| {
        let body = [&[2, 1, 0], der(0x30, &oid).as_slice(), &der(0x04, private_key)].concat();
        SigningKey::from_pem(&pem(&der(0x30, &body)), KeyName::new("example.com/k").unwrap(), Algorithm::CosignatureMlDsa44)
    };
    let key = signing_key(Algorithm::CosignatureMlDsa44, 5);
    let seed = [5; 32];
    let (_, private) = fips204::ml_dsa_44::KG::keygen_from_seed(&seed);
    let expanded = private.into_bytes();
    let both = [der(0x04, &seed), der(0x04, &expanded)].concat();
    for private_key in [der(0x80, &seed), der(0x30, &both)] {
        assert_eq!(read(&private_key).unwrap().verifier_key(), key.verifier_key());
    }
    assert_eq!(read(&der(0x04, &expanded)).map(drop), Err(KeyFileError::ExpandedOnly));
    // Seed and expanded key must be one key, and nothing may follow.
    let mut other = expanded;
    other[1000] ^= 1;
    for both in [[der(0x04, &seed), der(0x04, &other)].concat(), [both, der(0x04, &[])].concat(), der(0x04, &seed)] {
        assert_eq!(read(&der(0x30, &both)).map(drop), Err(KeyFileError::Malformed));
    }
    assert_eq!(read(&der(0x80, &seed[1..])).map(drop), Err(KeyFileError::Malformed));
}

#[test]
fn der_in_any_but_its_one_spelling_is_refused() {
    let good = [der(0x02, &[0]), der(0x30, &der(0x06, &[0x2b, 0x65, 0x70])), der(0x04, &der(0x04, &[5; 32]))].concat();
    let read = |bytes: &[u8]| SigningKey::from_pem(&pem(bytes), KeyName::new("k").unwrap(), Algorithm::Ed25519).map(drop);
    assert_eq!(read(&der(0x30, &good)), Ok(()));
    // Attributes are not part of the key.
    assert_eq!(read(&der(0x30, &[good.clone(), der(0xa0, &der(0x30, &[]))].concat())), Ok(()));
    let body = u8::try_from(good.len()).unwrap();
    for header in [vec![0x30, 0x81, body], vec![0x30, 0x82, 0, body], vec![0x30, 0x80], vec![0x30, body - 1], vec![0x30, body + 1]] {
        assert_eq!(read(&[header.clone(), good.clone()].concat()), Err(KeyFileError::Malformed), "{header:02x?}");
    }
    assert_eq!(read(&[der(0x30, &good), vec![0]].concat()), Err(KeyFileError::Malformed));
    assert_eq!(read(&der(0x30, &[good.clone(), der(0x05, &[])].concat())), Err(KeyFileError::Malformed));
    assert_eq!(read(&der(0x30, &[der(0x02, &[2]), good[3..].to_vec()].concat())), Err(KeyFileError::Malformed));
}

#[test]
fn every_algorithm_is_found_by_its_type_byte_and_no_other_is() {
    let known: Vec<u8> = (0..=u8::MAX).filter(|byte| Algorithm::from_type_byte(*byte).is_some()).collect();
    assert_eq!(known, [0x01, 0x02, 0x04, 0x06]);
    assert!(known.iter().all(|byte| Algorithm::from_type_byte(*byte).unwrap().type_byte() == *byte));
}
