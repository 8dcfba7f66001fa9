#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::TreeSize;
use crate::checkpoint::Origin;
use crate::hash::Hash;
use crate::key::{Algorithm, InvalidVerifierKey, SigningKey};

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

fn log() -> SigningKey {
    key("example.com/log", Algorithm::Ed25519, 1)
}

/// The witness number `i`, with either algorithm.
fn witness(i: u8) -> SigningKey {
    let algorithm = if i.is_multiple_of(2) { Algorithm::CosignatureEd25519 } else { Algorithm::CosignatureMlDsa44 };
    key(&format!("witness.example/w{i}"), algorithm, 100 + i)
}

/// The example of the specification, with six witnesses.
fn example() -> Policy {
    let mut text = format!("log {}\n\n", log().verifier_key());
    for (i, name) in (0..).zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"]) {
        text += &format!("witness {name} {}\n", witness(i).verifier_key());
    }
    text += "group X-witnesses 2 X1 X2 X3\n\tgroup\tY-witnesses  any Y1 Y2 Y3 \n # both\ngroup X-and-Y all X-witnesses Y-witnesses\n";
    text += "quorum X-and-Y\n";
    Policy::parse(text.as_bytes()).unwrap()
}

fn signed(witnesses: &[u8]) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(b"x"));
    let mut signed = SignedCheckpoint::sign(&checkpoint, &[&log()]).unwrap();
    for &i in witnesses {
        signed.add_signature(witness(i).cosign(&checkpoint, 1000 + u64::from(i)).unwrap()).unwrap();
    }
    signed
}

#[test]
fn the_quorum_of_nested_groups_is_what_it_says() {
    let policy = example();
    for set in 0..1u8 << 6 {
        let witnesses: Vec<u8> = (0..6).filter(|i| set >> i & 1 == 1).collect();
        let enough = (set & 0b111).count_ones() >= 2 && set >> 3 != 0;
        let names: Vec<_> = witnesses.iter().map(|&i| policy.witnesses()[usize::from(i)].name()).collect();
        assert_eq!(policy.quorum_met(names.clone()), enough, "{witnesses:?}");
        match policy.verify(&signed(&witnesses)) {
            Ok(verified) => {
                assert!(enough, "{witnesses:?}");
                assert_eq!(verified.cosignatures().iter().map(WitnessedBy::witness).collect::<Vec<_>>(), names);
                assert!(
                    verified.cosignatures().iter().zip(&witnesses).all(|(c, &i)| c.timestamp() == NonZeroU64::new(1000 + u64::from(i)))
                );
            }
            Err(VerifyPolicyError::QuorumNotMet { have, missing, unmet }) => {
                assert!(!enough, "{witnesses:?}");
                assert_eq!((have.iter().collect::<Vec<_>>(), missing.len()), (names, 6 - witnesses.len()));
                let unmet_names: Vec<_> = unmet.iter().map(|group| group.name.to_string()).collect();
                let expected = [("X-and-Y", true), ("X-witnesses", (set & 0b111).count_ones() < 2), ("Y-witnesses", set >> 3 == 0)];
                assert_eq!(unmet_names, expected.into_iter().filter(|(_, unmet)| *unmet).map(|(name, _)| name).collect::<Vec<_>>());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_witness_named_twice_counts_once() {
    let policy = example();
    let name = |i: usize| policy.witnesses()[i].name();
    assert!(!policy.quorum_met([name(0), name(0), name(3)]));
    assert!(policy.quorum_met([name(0), name(0), name(1), name(3)]));
}

#[test]
fn signatures_of_listed_keys_must_all_be_good() {
    let policy = example();
    let good = signed(&[0, 1, 3]);
    let alter = |from: &str, to: &str| SignedCheckpoint::parse(good.to_string().replacen(from, to, 1).as_bytes()).unwrap();
    assert!(matches!(policy.verify(&alter("\n1\n", "\n2\n")), Err(VerifyPolicyError::BadLogSignature { .. })));
    assert!(matches!(policy.verify(&alter("example.com/log\n", "example.com/logg\n")), Err(VerifyPolicyError::UnknownLog { .. })));

    let mut forged = good.clone();
    let mut line = witness(4).cosign(good.checkpoint(), 5).unwrap();
    line.bytes[10] ^= 1;
    forged.add_signature(line).unwrap();
    let Err(VerifyPolicyError::BadCosignature { witness }) = policy.verify(&forged) else { panic!() };
    assert_eq!(witness.to_string(), "Y2");

    // Without the log's own line.
    let lines = good.note().signatures()[1..].to_vec();
    let unsigned = SignedCheckpoint::from_note(crate::note::Note::new(good.note().text(), lines).unwrap()).unwrap();
    assert!(matches!(policy.verify(&unsigned), Err(VerifyPolicyError::NotSignedByLog { .. })));
}

#[test]
fn lines_of_strangers_neither_help_nor_harm() {
    let policy = example();
    let mut signed = signed(&[0, 1]);
    let stranger = key("witness.example/w3", Algorithm::CosignatureEd25519, 77);
    signed.add_signature(stranger.cosign(signed.checkpoint(), 5).unwrap()).unwrap();
    assert!(matches!(policy.verify(&signed), Err(VerifyPolicyError::QuorumNotMet { .. })));
    let mut signed = self::signed(&[0, 1, 3]);
    signed.add_signature(crate::note::Signature { bytes: vec![1; 9], ..stranger.cosign(signed.checkpoint(), 5).unwrap() }).unwrap();
    assert!(policy.verify(&signed).is_ok());
}

#[test]
fn each_mistake_is_reported_with_its_line() {
    use PolicyProblem as P;
    let log = format!("log {}", log().verifier_key());
    let [w0, w1] = [0, 1].map(|i| witness(i).verifier_key().to_string());
    let renamed = key("renamed", Algorithm::CosignatureEd25519, 100);
    for (line, text, problem) in [
        (1, String::new(), P::NoQuorum),
        (2, format!("{log}\n# nothing more\n"), P::NoQuorum),
        (2, format!("{log}\nquorum none"), P::NoFinalNewline),
        (1, "quorum none\r\n".to_owned(), P::ControlCharacter),
        (1, "# \u{7f}\nquorum none\n".to_owned(), P::ControlCharacter),
        (2, "quorum none\nquorum none\n".to_owned(), P::SecondQuorum),
        (1, "quorum\n".to_owned(), P::QuorumSyntax),
        (1, "quorum a b\n".to_owned(), P::QuorumSyntax),
        (1, "quorum w\n".to_owned(), P::UndefinedName),
        (1, format!("quorum w\nwitness w {w0}\n"), P::UndefinedName),
        (1, "Log x\n".to_owned(), P::UnknownKeyword),
        (1, "log\n".to_owned(), P::LogSyntax),
        (1, format!("{log} url more\n"), P::LogSyntax),
        (1, "log key\n".to_owned(), P::Key(InvalidVerifierKey::NotAVerifierKey)),
        (2, format!("{log}\n{log} https://other.example\n"), P::DuplicateLog),
        (1, "witness w\n".to_owned(), P::WitnessSyntax),
        (1, format!("witness w {}\n", log.replace("log ", "")), P::NotACosignatureKey),
        (1, format!("witness none {w0}\n"), P::ReservedName),
        (2, format!("witness w {w0}\nwitness w {w1}\n"), P::DuplicateName),
        (2, format!("witness w {w0}\nwitness v {}\n", renamed.verifier_key()), P::DuplicateWitness),
        (1, "group g any\n".to_owned(), P::GroupSyntax),
        (1, "group g any w\n".to_owned(), P::UndefinedName),
        (1, "group g any g\n".to_owned(), P::UndefinedName),
        (1, "group g any none\n".to_owned(), P::UndefinedName),
        (2, format!("witness w {w0}\ngroup none any w\n"), P::ReservedName),
        (2, format!("witness w {w0}\ngroup w any w\n"), P::DuplicateName),
        (2, format!("witness w {w0}\ngroup g any w w\n"), P::DuplicateMember),
        (3, format!("witness w {w0}\ngroup g any w\ngroup h any w\n"), P::DuplicateMember),
        (2, format!("witness w {w0}\ngroup g 0 w\n"), P::Threshold),
        (2, format!("witness w {w0}\ngroup g 2 w\n"), P::Threshold),
        (2, format!("witness w {w0}\ngroup g 01 w\n"), P::Threshold),
        (2, format!("witness w {w0}\ngroup g some w\n"), P::Threshold),
        (1, "a".repeat(MAX_POLICY + 1), P::TooLarge),
    ] {
        assert_eq!(Policy::parse(text.as_bytes()), Err(PolicyError { line, problem }), "{:.200}", text);
    }
}

#[test]
fn names_and_addresses_are_opaque_octets() {
    let text = [b"witness K \xff ".as_slice()].concat();
    assert_eq!(Policy::parse(&[text, b"\n".to_vec()].concat()).unwrap_err().line, 1);
    let (w0, w1) = (witness(0).verifier_key().to_string(), witness(2).verifier_key().to_string());
    let text = [
        b"witness K ".as_slice(),
        w0.as_bytes(),
        b" https://x.example/\xff\n# \xfe\nwitness \xe2\x84\xaa ",
        w1.as_bytes(),
        b"\ngroup \x80 any \xe2\x84\xaa K\nquorum \x80\n",
    ]
    .concat();
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.witnesses()[0].url(), None);
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn a_policy_prints_as_one_that_is_equal() {
    let policy = example();
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy.clone()));
    assert_eq!(policy.quorum().unwrap().to_string(), "X-and-Y");
}

#[test]
fn thousands_of_nested_groups_need_no_stack() {
    let mut text = format!("witness g0 {}\n", witness(0).verifier_key());
    for i in 1..=MAX_DEFINITIONS {
        text += &format!("group g{i} all g{}\n", i - 1);
    }
    let quorum = format!("quorum g{MAX_DEFINITIONS}\n");
    let policy = Policy::parse((text.clone() + &quorum).as_bytes()).unwrap();
    assert!(policy.quorum_met([policy.witnesses()[0].name()]));
    assert!(!policy.quorum_met([]));
    let over = text + &format!("group one-more all g{MAX_DEFINITIONS}\n");
    assert_eq!(Policy::parse(over.as_bytes()), Err(PolicyError { line: MAX_DEFINITIONS + 2, problem: PolicyProblem::TooMany }));
}

#[test]
fn an_address_cannot_smuggle_in_a_line() {
    let key = log().verifier_key().clone();
    for url in ["", "a b", "a\nquorum none", "a\tb"] {
        assert_eq!(Policy::without_witnesses(key.clone(), Some(url)), Err(InvalidPolicy::Url));
    }
    let deleted = super::tests::key("log\u{7f}", Algorithm::Ed25519, 1).verifier_key().clone();
    assert_eq!(Policy::without_witnesses(deleted, None), Err(InvalidPolicy::KeyName));
    let policy = Policy::without_witnesses(key, Some("https://log.example/")).unwrap();
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy.clone()));
    assert!(policy.verify(&signed(&[])).is_ok());
}

#[test]
fn a_missed_quorum_is_explained_in_the_words_of_the_policy() {
    let why = |policy: &Policy, witnesses: &[u8]| policy.verify(&signed(witnesses)).unwrap_err().to_string();
    let text = why(&example(), &[0, 3]);
    let short = "`X-and-Y` has 1 of the 2 that it needs (Y-witnesses signed, X-witnesses did not); `X-witnesses` has 1 of the 2 that it needs \
                 (X1 signed, X2, X3 did not)";
    assert!(text.contains(short), "{text}");
    let text = why(&example(), &[]);
    assert!(text.contains("`X-and-Y` has 0 of the 2 that it needs (X-witnesses, Y-witnesses did not). Wait"), "{text}");
    let single = format!("log {}\nwitness W {}\nquorum W\n", log().verifier_key(), witness(0).verifier_key());
    let text = why(&Policy::parse(single.as_bytes()).unwrap(), &[]);
    assert!(text.contains("it needs W, who has not signed"), "{text}");
}

#[test]
fn votes_are_counted_by_operator_and_not_by_key() {
    let two_keys = |name: &str, ed: u8, pq: u8| {
        let [ed, pq] = [witness(ed), witness(pq)].map(|key| key.verifier_key().to_string());
        format!("witness {name}-ed {ed}\nwitness {name}-pq {pq}\ngroup {name} any {name}-ed {name}-pq\n")
    };
    let [north, south] = [("north", 0, 1), ("south", 2, 3)].map(|(name, ed, pq)| two_keys(name, ed, pq));
    let [east, beside] = [4, 5].map(|i| witness(i).verifier_key().to_string());
    let text = format!(
        "log {}\n{north}{south}witness east {east}\nwitness beside {beside}\ngroup all-of-them 2 north south east\nquorum all-of-them\n",
        log().verifier_key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let time = |seconds| Some(Since::Time(NonZeroU64::new(seconds).unwrap()));
    let vote = |name: &str, cosigned| (name.to_owned(), cosigned);
    let told = |votes: Vec<Vote>| votes.into_iter().map(|vote| (vote.name.to_string(), vote.cosigned)).collect::<Vec<_>>();

    // Both keys of one operator, one of another, and somebody whom the quorum does not count.
    let tally = policy.tally(policy.verify(&signed(&[1, 0, 3, 5])).unwrap().cosignatures());
    assert_eq!(tally.threshold, 2);
    assert_eq!(told(tally.votes), [vote("north", time(1000)), vote("south", time(1003)), vote("east", None)]);
    assert_eq!(told(tally.uncounted), [vote("beside", time(1005))]);

    // A group is met when the last of as many as it needs has signed.
    let tally = example().tally(example().verify(&signed(&[2, 0, 1, 5])).unwrap().cosignatures());
    assert_eq!(told(tally.votes), [vote("X-witnesses", time(1001)), vote("Y-witnesses", time(1005))]);
    assert_eq!((tally.threshold, tally.uncounted.len()), (2, 0));

    let anybody = example().without_quorum();
    assert_eq!(anybody.verify(&signed(&[4])).unwrap().cosignatures().len(), 1);
    assert!(!anybody.has_witness_quorum() && anybody.witnesses() == example().witnesses());

    let single = format!("log {}\nwitness W {}\nquorum W\n", log().verifier_key(), witness(0).verifier_key());
    let single = Policy::parse(single.as_bytes()).unwrap();
    let tally = single.tally(single.verify(&signed(&[0])).unwrap().cosignatures());
    assert_eq!((tally.threshold, told(tally.votes)), (1, vec![vote("W", time(1000))]));
    let none = Policy::without_witnesses(log().verifier_key().clone(), None).unwrap();
    assert_eq!(none.tally(&[]), Tally { threshold: 0, votes: vec![], uncounted: vec![] });
    let members = policy.members(&policy.groups()[2]).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(members, ["north", "south", "east"]);
}
