#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn signing_key(algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new("example.com/k").unwrap(), algorithm, [seed; 32]).unwrap()
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
    let other = SigningKey::from_seed(KeyName::new("other").unwrap(), Algorithm::CosignatureEd25519, [1; 32]).unwrap();
    assert!(note.verifier_key().same_public_key(other.verifier_key()));
    assert!(!note.verifier_key().same_public_key(signing_key(Algorithm::Ed25519, 2).verifier_key()));
    assert_ne!(note.verifier_key().id(), other.verifier_key().id());
}

#[test]
fn the_secret_is_not_in_the_debug_output() {
    let printed = format!("{:?}", signing_key(Algorithm::Ed25519, 0xab));
    assert!(!printed.contains("171") && !printed.contains("abab"), "{printed}");
}
