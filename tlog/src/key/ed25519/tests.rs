//! Verification by a table against `verify_strict`. `ACTA_ROUNDS` sets how many signatures of each class are compared (60).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, ED25519_BASEPOINT_TABLE};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::traits::{BasepointTable as _, Identity as _};

use super::*;

/// A sequence of numbers that is always the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_be_bytes()[0])
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.bytes())
    }

    fn torsion(&mut self) -> EdwardsPoint {
        EIGHT_TORSION[self.below(8)]
    }
}

/// The challenge that a signer computes.
fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into())
}

/// What was to be verified, and how it was made.
struct Case {
    class: &'static str,
    key: [u8; 32],
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// A signature by `secret`, for a key with this encoding, with R and s as they come out, whatever the order of the points is.
fn signed(class: &'static str, secret: &Scalar, key: [u8; 32], r: &Scalar, encoded_r: [u8; 32], message: Vec<u8>) -> Case {
    let s = r + challenge(&encoded_r, &key, &message) * secret;
    Case { class, key, message, signature: [encoded_r, s.to_bytes()].concat() }
}

/// The order of the group, added to a scalar: the same number in another encoding. There are 15 of them; all are refused.
fn plus_order(scalar: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let add = |(one, other): (&u8, &u8)| {
        let [high, low] = (u16::from(*one) + u16::from(*other) + carry).to_be_bytes();
        carry = high.into();
        low
    };
    scalar.iter().zip(&ORDER).map(add).collect()
}

/// Encodings of points whose coordinate is not reduced, or whose sign is set though it has none: y + p for y below 19, and −0.
fn other_spellings() -> Vec<[u8; 32]> {
    let mut all = Vec::new();
    for y in 0..19_u8 {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + y, 0x7f);
        all.push(bytes);
        bytes[31] = 0xff;
        all.push(bytes);
    }
    let (mut one, mut minus_one) = ([0; 32], [0xff; 32]);
    (one[0], one[31], minus_one[0]) = (1, 0x80, 0xec);
    all.extend([one, minus_one]);
    all
}

/// One round of every class of signatures on which verifiers are known to differ, and of good and damaged ones.
fn cases(numbers: &mut Numbers) -> Vec<Case> {
    let (secret, r, torsion, other_torsion) = (numbers.scalar(), numbers.scalar(), numbers.torsion(), numbers.torsion());
    let length = numbers.below(300);
    let message: Vec<u8> = (0..length).map(|_| numbers.next().to_be_bytes()[0]).collect();
    let encode = |point: EdwardsPoint| point.compress().to_bytes();
    let base = |scalar: &Scalar| ED25519_BASEPOINT_TABLE.mul_base(scalar);
    let (plain_key, mixed_key) = (encode(base(&secret)), encode(base(&secret) + torsion));
    let (plain_r, mixed_r, zero) = (encode(base(&r)), encode(base(&r) + other_torsion), Scalar::ZERO);
    let spellings = other_spellings();
    let spelling = spellings[numbers.below(spellings.len())];

    let good = signed("good", &secret, plain_key, &r, plain_r, message.clone());
    let with = |class, key: [u8; 32], message: Vec<u8>, signature: Vec<u8>| Case { class, key, message, signature };
    let mut all = vec![
        signed("R with torsion", &secret, plain_key, &r, mixed_r, message.clone()),
        signed("key with torsion", &secret, mixed_key, &r, plain_r, message.clone()),
        signed("key and R with torsion", &secret, mixed_key, &r, mixed_r, message.clone()),
        signed("R of small order", &secret, plain_key, &zero, encode(torsion), message.clone()),
        signed("key with torsion, R of small order", &secret, mixed_key, &zero, encode(other_torsion), message.clone()),
        signed("key of small order", &zero, encode(torsion), &r, plain_r, message.clone()),
        signed("key and R of small order", &zero, encode(torsion), &zero, encode(other_torsion), message.clone()),
        signed("key of small order, R with torsion", &zero, encode(torsion), &r, mixed_r, message.clone()),
        signed("R in another spelling", &secret, plain_key, &zero, spelling, message.clone()),
        signed("key in another spelling", &zero, spelling, &r, plain_r, message.clone()),
        with("s of zero", plain_key, message.clone(), [plain_r, [0; 32]].concat()),
        with("s not reduced", plain_key, message.clone(), [&plain_r, &*plus_order(&good.signature[32..])].concat()),
        with("s far from reduced", plain_key, message.clone(), {
            let s = (0..1 + numbers.below(14)).fold(good.signature[32..].to_vec(), |s, _| plus_order(&s));
            [&plain_r, &*s].concat()
        }),
        with("random bytes", plain_key, message.clone(), numbers.bytes::<64>().to_vec()),
        with("another length", plain_key, message.clone(), good.signature[..numbers.below(64)].to_vec()),
        with("one byte more", plain_key, message.clone(), [&*good.signature, &[0]].concat()),
        with("another message", plain_key, [&*message, b"x"].concat(), good.signature.clone()),
        with("another key", encode(base(&numbers.scalar())), message.clone(), good.signature.clone()),
    ];
    for _ in 0..8 {
        let mut flipped = good.signature.clone();
        flipped[numbers.below(64)] ^= 1 << numbers.below(8);
        all.push(with("a bit flipped", plain_key, message.clone(), flipped));
    }
    all.push(good);
    all
}

/// The verdict of the key as it is decoded, of the same with a table, and of the library without what [`Ed25519Key::parse`] refuses.
fn verdict(case: &Case) -> bool {
    let by_library = || {
        let key = VerifyingKey::from_bytes(&case.key).ok()?;
        key.verify_strict(&case.message, &Signature::from_slice(&case.signature).ok()?).ok()
    };
    let Ok(key) = Ed25519Key::parse(&case.key) else { return false };
    let by_table = key.with_table().verify(&case.message, &case.signature).is_ok();
    let shown = || format!("{}: {:02x?} {:02x?} {:02x?}", case.class, case.key, case.message, case.signature);
    assert_eq!(by_table, by_library().is_some(), "{}", shown());
    assert_eq!(by_table, key.verify(&case.message, &case.signature).is_ok(), "{}", shown());
    by_table
}

#[test]
fn a_table_changes_no_verdict() {
    let rounds = std::env::var("ACTA_ROUNDS").map_or(60, |rounds| rounds.parse().unwrap());
    let mut numbers = Numbers(0x0ac7_a5ee);
    let (mut counts, mut of_small_order) = (BTreeMap::<_, [usize; 2]>::new(), 0);
    for _ in 0..rounds {
        for case in cases(&mut numbers) {
            let good = verdict(&case);
            counts.entry(case.class).or_default()[usize::from(good)] += 1;
            // What only its small order speaks against: the equation holds.
            let (Ok(key), Ok(r)) = (Ed25519Key::parse(&case.key), <[u8; 32]>::try_from(case.signature.get(..32).unwrap_or(&[]))) else {
                continue;
            };
            if OF_SMALL_ORDER.contains(&r) {
                let s = Scalar::from_canonical_bytes(case.signature[32..].try_into().unwrap()).unwrap();
                let k = key.challenge(&r, &case.message);
                let computed = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key.key.to_edwards(), &s);
                of_small_order += usize::from(computed.compress().to_bytes() == r);
            }
        }
    }
    let of = |class| counts[class];
    assert_eq!(of("good"), [0, rounds]);
    assert!(of("a bit flipped")[1] == 0 && of("s not reduced")[1] == 0 && of("R of small order")[1] == 0, "{counts:?}");
    // Whether torsion cancels out is by chance, so both verdicts must have been met where it can.
    for class in ["R with torsion", "key with torsion", "key and R with torsion"] {
        let [bad, good] = of(class);
        assert!(bad > 0 && good > 0, "{class}: {bad} refused, {good} accepted");
    }
    assert!(of_small_order > 0, "nothing here would have been accepted without the rule about small order");
}

#[test]
fn every_single_bit_of_a_signature_counts() {
    let mut numbers = Numbers(7);
    let good = cases(&mut numbers).pop().unwrap();
    let key = Ed25519Key::parse(&good.key).unwrap().with_table();
    assert_eq!(key.verify(&good.message, &good.signature), Ok(()));
    for bit in 0..512 {
        let mut flipped = good.signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.verify(&good.message, &flipped), Err(BadSignature), "bit {bit}");
    }
}

#[test]
fn tables_multiply() {
    let mut numbers = Numbers(11);
    let largest = Scalar::ZERO - Scalar::ONE;
    let edges = (0..300_u64).map(Scalar::from).chain((0..300_u64).map(|below| largest - Scalar::from(below)));
    let powers = (0..253).map(|bit| (0..bit).fold(Scalar::ONE, |power, _| power + power));
    let scalars: Vec<Scalar> = edges.chain(powers).chain((0..300).map(|_| numbers.scalar())).collect();
    let points = [EdwardsPoint::identity(), ED25519_BASEPOINT_POINT, ED25519_BASEPOINT_POINT + EIGHT_TORSION[1], EIGHT_TORSION[3]];
    for point in points {
        let (keys, base) = (KeyTable::new(&point), Table::<8, 1>::new(&point));
        for scalar in &scalars {
            assert_eq!(keys.multiply(scalar), point * scalar);
            assert_eq!(base.multiply(scalar), point * scalar);
        }
    }
}

#[test]
fn a_table_takes_what_is_said() {
    assert_eq!(TABLE_BYTES, 20_480);
    assert_eq!(Table::<8, 1>::BYTES, 655_360);
}

#[test]
fn a_key_with_a_table_is_the_same_key() {
    let key = Ed25519Key::parse(&ED25519_BASEPOINT_POINT.compress().to_bytes()).unwrap();
    assert!(key == key.with_table());
    let with = key.with_table();
    assert!(Arc::ptr_eq(with.table.as_ref().unwrap(), with.with_table().table.as_ref().unwrap()), "it is made once");
}
