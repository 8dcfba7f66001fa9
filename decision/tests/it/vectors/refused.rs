//! What is refused, each for its own reason.

use serde_json::{Value, json};
use tlog::note::{Note, Signature};

use super::Case;
use crate::world::{ISSUED, Key, LOG, World, key, signed, vkey, with};

/// The entry whose text is `line` as it stands, canonical or not, signed by the authority.
fn raw(world: &World, line: &str) -> Vec<u8> {
    let text = format!("{line}\n");
    Note::new(&text, vec![world.planning.sign_note(&text).unwrap()]).unwrap().to_bytes()
}

/// A decision whose line is changed before it is signed.
fn altered(world: &World, from: &str, to: &str) -> Vec<u8> {
    let statement = signed(&world.decision(1), &[&world.planning]);
    assert!(statement.line().contains(from));
    raw(world, &statement.line().replacen(from, to, 1))
}

/// A good decision with other signature lines.
fn resigned(world: &World, change: impl FnOnce(&mut Vec<Signature>)) -> Vec<u8> {
    let statement = signed(&world.decision(1), &[&world.planning]);
    let mut lines = statement.signatures().to_vec();
    change(&mut lines);
    Note::new(statement.text(), lines).unwrap().to_bytes()
}

fn line_of(statement: &Value, key: &Key) -> Signature {
    signed(statement, &[key]).signatures()[0].clone()
}

/// A decision with one member set, signed by its issuer.
fn decision(world: &World, name: &str, value: Value) -> Vec<u8> {
    signed(&with(world.decision(1), name, value), &[&world.planning]).to_bytes()
}

/// The follow-up of the authority to an entry.
fn follow_up(world: &World, seq: u64, rel: &str, index: u64) -> Value {
    with(world.decision(seq), "relates", json!([world.relation(rel, index)]))
}

pub(super) const CASES: &[Case] = &[
    // What is not a statement at all.
    ("malformed-not-a-note", "any bytes", "refused not-a-statement", |_| b"hello".to_vec()),
    ("malformed-unsigned", "a line of JSON without signatures", "refused not-a-statement", |world| {
        format!("{}\n\n", signed(&world.decision(1), &[&world.planning]).line()).into_bytes()
    }),
    ("malformed-two-lines", "two lines of JSON", "refused not-one-line", |world| raw(world, "{}\n{}")),
    ("malformed-array", "JSON that is not an object", "refused not-an-object", |world| raw(world, "[]")),
    ("malformed-json", "JSON that breaks off", "refused malformed-json", |world| altered(world, "}", "")),
    ("malformed-space", "a space between members", "refused not-canonical", |world| altered(world, ",", ", ")),
    ("malformed-order", "members in another order", "refused not-canonical", |world| {
        altered(
            world,
            "\"decided\":\"2026-03-01\",\"issued\":\"2026-03-01T09:30:00Z\"",
            "\"issued\":\"2026-03-01T09:30:00Z\",\"decided\":\"2026-03-01\"",
        )
    }),
    ("malformed-escape", "an escape where none is needed", "refused not-canonical", |world| altered(world, "roof", "r\\u006fof")),
    ("malformed-number", "a number with a needless fraction", "refused not-canonical", |world| altered(world, "\"seq\":1", "\"seq\":1.0")),
    ("malformed-duplicate-member", "a member twice", "refused duplicate-member", |world| {
        altered(world, "\"decided\":\"2026-03-01\"", "\"decided\":\"2026-03-01\",\"decided\":\"2026-03-02\"")
    }),
    ("malformed-inexact-number", "an integer beyond exact ones", "refused inexact-number", |world| {
        altered(world, "\"seq\":1", "\"seq\":9007199254740993")
    }),
    ("malformed-deep", "nested 1,000 deep", "refused too-deep", |world| {
        altered(world, "\"type\"", &format!("\"t\":{}{},\"type\"", "[".repeat(1000), "]".repeat(1000)))
    }),
    ("malformed-deep-17", "nested one deeper than may be", "refused too-deep", |world| {
        altered(world, "\"type\"", &format!("\"t\":{}{},\"type\"", "[".repeat(16), "]".repeat(16)))
    }),
    ("malformed-type", "a type that nobody knows", "refused unknown-type", |world| decision_of_type(world, json!("contract"))),
    ("malformed-seq-0", "the number 0", "refused bad-field", |world| altered(world, "\"seq\":1", "\"seq\":0")),
    ("malformed-control-character", "a control character in a line of text", "refused bad-field", |world| {
        altered(world, "roof", "ro\\tof")
    }),
    ("malformed-issuer", "an issuer with a letter that is not ASCII", "refused bad-field", |world| {
        altered(world, "planning.example", "pl\u{430}nning.example")
    }),
    ("malformed-time", "a time with an offset", "refused bad-field", |world| altered(world, "09:30:00Z", "09:30:00+00:00")),
    ("malformed-related-twice", "the place of one decision taken twice", "refused related-twice", |world| {
        let first = world.decide(1);
        let line = signed(&world.decision(2), &[&world.planning]).line().to_owned();
        let [one, two] = ["corrects", "revokes"].map(|rel| world.relation(rel, first).to_string());
        raw(world, &line.replacen("\"seq\"", &format!("\"relates\":[{},{}],\"seq\"", canonical(&one), canonical(&two)), 1))
    }),
    ("malformed-threshold", "a threshold that nobody can reach", "refused bad-threshold", |world| {
        let registrar = vkey(&world.registrars[0]);
        raw(
            world,
            &format!(
                "{{\"issued\":\"{ISSUED}\",\"log\":\"{LOG}\",\"registrars\":[\"{registrar}\"],\"threshold\":2,\"type\":\"registrar\"}}"
            ),
        )
    }),
    ("malformed-repeated-key", "a key added twice", "refused repeated-key", |world| {
        let key = vkey(&key("lands.example", 60));
        raw(
            world,
            &format!(
                "{{\"issued\":\"{ISSUED}\",\"issuer\":\"lands.example\",\"keys\":[\"{key}\",\"{key}\"],\"kinds\":[\"*\"],\"log\":\"{LOG}\",\"names\":{{\"en\":\"Lands\"}},\"type\":\"issuer\"}}"
            ),
        )
    }),
    ("malformed-doubt", "a key added in doubt", "refused doubt-without-retirement", |world| {
        let key = vkey(&key("planning.example/2", 61));
        raw(
            world,
            &format!(
                "{{\"action\":\"add\",\"doubt_from\":1,\"issued\":\"{ISSUED}\",\"issuer\":\"planning.example\",\"key\":\"{key}\",\"log\":\"{LOG}\",\"type\":\"key\"}}"
            ),
        )
    }),
    ("malformed-lines-unsorted", "signature lines in another order", "refused unsorted-signatures", |world| {
        let court = line_of(&world.decision(1), &world.court);
        resigned(world, |lines| lines.push(court))
    }),
    ("malformed-line-twice", "a signature line twice", "refused signed-twice", |world| {
        resigned(world, |lines| lines.push(lines[0].clone()))
    }),
    ("malformed-many-lines", "more signature lines than any statement needs", "refused too-many-signatures", |world| {
        resigned(world, |lines| {
            for at in 0..49_u8 {
                let mut line = lines[0].clone();
                line.name = tlog::key::KeyName::new(&format!("z{at:02}.example")).unwrap();
                lines.push(line);
            }
        })
    }),
    // Which log, and what is there already.
    ("other-log", "a statement for another log", "refused other-log", |world| decision(world, "log", json!("other.example"))),
    ("already-published", "the same entry again", "refused already-published", |world| {
        world.decide(1);
        signed(&world.decision(1), &[&world.planning]).to_bytes()
    }),
    ("already-published-by-another-key", "the same text, signed by another key", "refused already-published", |world| {
        let (planning, new) = (world.planning.clone(), key("planning.example/new", 50));
        world.good(&world.key_change("add", &new), &[&planning, &new]);
        world.decide(1);
        signed(&world.decision(1), &[&new]).to_bytes()
    }),
    ("already-published-key-retired", "the same entry again, after its key was retired", "refused already-published", |world| {
        let planning = world.planning.clone();
        world.decide(1);
        world.good(&world.key_change("retire", &planning), &[&planning]);
        signed(&world.decision(1), &[&planning]).to_bytes()
    }),
    ("second-charter", "another charter", "refused charter-not-first", |world| signed(&world.charter(1), &[&world.log]).to_bytes()),
    // Signatures.
    ("foreign-line", "a line of somebody who has nothing to do with it, added to a good statement", "refused unknown-signer", |world| {
        let foreign = line_of(&world.decision(1), &key("zz.example", 70));
        resigned(world, |lines| lines.push(foreign))
    }),
    ("other-issuers-key", "signed with the key of another issuer", "refused unknown-signer", |world| {
        signed(&world.decision(1), &[&world.court]).to_bytes()
    }),
    ("registrars-key", "a decision signed by a registrar", "refused unknown-signer", |world| {
        signed(&world.decision(1), &[&world.registrars[0]]).to_bytes()
    }),
    ("bad-signature", "a bit of the signature changed", "refused bad-signature", |world| resigned(world, |lines| lines[0].bytes[9] ^= 1)),
    ("signature-s-too-large", "a signature whose number S is not reduced", "refused bad-signature", |world| {
        resigned(world, |lines| add_group_order(&mut lines[0].bytes[32..]))
    }),
    ("signature-too-long", "a signature with a byte behind it", "refused bad-signature", |world| {
        resigned(world, |lines| lines[0].bytes.push(0))
    }),
    ("superfluous-signature", "two keys of the issuer sign", "refused superfluous-signature", |world| {
        let (planning, new) = (world.planning.clone(), key("planning.example/new", 50));
        world.good(&world.key_change("add", &new), &[&planning, &new]);
        signed(&world.decision(1), &[&planning, &new]).to_bytes()
    }),
    ("too-few-registrars", "one of two registrars that must sign", "refused too-few-registrars", |world| {
        signed(&world.registration("lands.example", &[], &["*"]), &[&world.registrars[0]]).to_bytes()
    }),
    ("not-signed-by-issuer", "a key that adds itself", "refused not-signed-by-issuer", |world| {
        let new = key("planning.example/new", 50);
        signed(&world.key_change("add", &new), &[&new]).to_bytes()
    }),
    ("no-proof-of-possession", "a key added that did not sign", "refused no-proof-of-possession", |world| {
        let new = key("planning.example/new", 50);
        signed(&world.key_change("add", &new), &[&world.planning]).to_bytes()
    }),
    // Issuers and keys.
    ("unregistered-issuer", "an issuer that nobody registered", "refused unregistered-issuer", |world| {
        let lands = key("lands.example", 60);
        signed(&world.decision_of("lands.example", "land.transfer", 1), &[&lands]).to_bytes()
    }),
    ("retired-issuer", "an issuer that has ended", "refused retired-issuer", |world| {
        world.register(&with(world.registration("planning.example", &[], &["*"]), "retired", json!(true)), &[]);
        signed(&world.decision(1), &[&world.planning]).to_bytes()
    }),
    ("retired-key", "a key that was retired one entry before", "refused retired-key", |world| {
        let planning = world.planning.clone();
        world.good(&world.key_change("retire", &planning), &[&planning]);
        signed(&world.decision(1), &[&planning]).to_bytes()
    }),
    ("retired-key-in-doubt", "a key that registrars retired as stolen", "refused retired-key", |world| {
        let (planning, one, two) = (world.planning.clone(), world.registrars[0].clone(), world.registrars[1].clone());
        world.good(&with(world.key_change("retire", &planning), "doubt_from", json!(1)), &[&one, &two]);
        signed(&world.decision(1), &[&planning]).to_bytes()
    }),
    ("kind-not-allowed", "a kind that the issuer may not issue", "refused kind-not-allowed", |world| {
        signed(&world.decision_of("planning.example", "benefit.grant", 1), &[&world.planning]).to_bytes()
    }),
    ("key-of-another-name", "a key named for another issuer", "refused key-of-another-name", |world| {
        signed(&world.key_change("add", &world.court), &[&world.planning, &world.court]).to_bytes()
    }),
    ("known-key", "a key that was retired comes back", "refused known-key", |world| {
        let (planning, new) = (world.planning.clone(), key("planning.example/new", 50));
        world.good(&world.key_change("add", &new), &[&planning, &new]);
        world.good(&world.key_change("retire", &new), &[&new]);
        signed(&with(world.key_change("add", &new), "issued", json!("2026-03-02T00:00:00Z")), &[&planning, &new]).to_bytes()
    }),
    ("no-such-key", "retires a key that the issuer never had", "refused no-such-key", |world| {
        signed(&world.key_change("retire", &key("planning.example/none", 62)), &[&world.planning]).to_bytes()
    }),
    ("retires-another-key", "a key retires another", "refused retires-another-key", |world| {
        let (planning, new) = (world.planning.clone(), key("planning.example/new", 50));
        world.good(&world.key_change("add", &new), &[&planning, &new]);
        signed(&world.key_change("retire", &planning), &[&new]).to_bytes()
    }),
    ("doubt-by-issuer", "a key puts itself in doubt", "refused doubt-by-issuer", |world| {
        signed(&with(world.key_change("retire", &world.planning), "doubt_from", json!(1)), &[&world.planning]).to_bytes()
    }),
    ("doubt-not-earlier", "doubt from the own entry on", "refused doubt-not-earlier", |world| {
        let doubt = with(world.key_change("retire", &world.planning), "doubt_from", json!(world.next()));
        signed(&doubt, &[&world.registrars[0], &world.registrars[1]]).to_bytes()
    }),
    // Numbers.
    ("number-used", "a number that is used", "refused number-used", |world| {
        world.decide(1);
        decision(world, "subject", json!("Another roof"))
    }),
    ("number-too-high", "a number 10,001 above the contiguous ones", "refused number-too-high", |world| {
        signed(&world.decision(10_001), &[&world.planning]).to_bytes()
    }),
    ("series-closed", "a number after the last", "refused series-closed", |world| {
        let planning = world.planning.clone();
        world.good(&world.annotation("close", 1), &[&planning]);
        signed(&world.decision(2), &[&planning]).to_bytes()
    }),
    ("closed-too-low", "a close below a number that is used", "refused closed-too-low", |world| {
        world.decide(5);
        signed(&world.annotation("close", 4), &[&world.planning]).to_bytes()
    }),
    // Relations.
    ("no-such-entry", "a relation to an index that has no entry", "refused no-such-entry", |world| {
        decision(world, "relates", json!([{"rel": "refers", "index": 99, "leaf": "00".repeat(32)}]))
    }),
    ("relates-to-itself", "a relation to its own index", "refused no-such-entry", |world| {
        decision(world, "relates", json!([{"rel": "corrects", "index": world.next(), "leaf": "00".repeat(32)}]))
    }),
    ("other-entry", "a relation with another leaf hash", "refused other-entry", |world| {
        decision(world, "relates", json!([{"rel": "refers", "index": 1, "leaf": "00".repeat(32)}]))
    }),
    ("not-a-decision", "a registration cannot be revoked", "refused not-a-decision", |world| {
        decision(world, "relates", json!([world.relation("revokes", 1)]))
    }),
    ("annotation-decides", "an annotation that would revoke", "refused annotation-decides", |world| {
        let first = world.decide(1);
        signed(&with(world.annotation("note", 2), "relates", json!([world.relation("revokes", first)])), &[&world.planning]).to_bytes()
    }),
    ("not-overruled", "revokes the decision of another without the right to", "refused not-overruled", |world| {
        let court = world.court.clone();
        let judgment = world.good(&world.decision_of("court.example", "judgment", 1), &[&court]);
        signed(&follow_up(world, 1, "revokes", judgment), &[&world.planning]).to_bytes()
    }),
    ("not-overruled-kind", "a court revokes a decision of a kind that it may not overrule", "refused not-overruled", |world| {
        let planning = world.planning.clone();
        let notice = world.good(&world.decision_of("planning.example", "planning.notice", 1), &[&planning]);
        signed(&world.judgment(1, "revokes", notice), &[&world.court]).to_bytes()
    }),
    ("has-successor", "a second successor", "refused has-successor", |world| {
        let (planning, first) = (world.planning.clone(), world.decide(1));
        world.good(&follow_up(world, 2, "corrects", first), &[&planning]);
        signed(&follow_up(world, 3, "supersedes", first), &[&planning]).to_bytes()
    }),
    ("revoked", "a successor of a revoked decision", "refused revoked", |world| {
        let (planning, first) = (world.planning.clone(), world.decide(1));
        world.good(&follow_up(world, 2, "revokes", first), &[&planning]);
        signed(&follow_up(world, 3, "corrects", first), &[&planning]).to_bytes()
    }),
];

fn decision_of_type(world: &World, name: Value) -> Vec<u8> {
    let statement = with(world.decision(1), "type", name);
    raw(world, &decision::canonical::to_string(&statement).unwrap())
}

fn canonical(json: &str) -> String {
    decision::canonical::to_string(&serde_json::from_str(json).unwrap()).unwrap()
}

/// Adds the order of the group to the number S of an Ed25519 signature (RFC 8032 section 5.1): the equation still holds.
fn add_group_order(s: &mut [u8]) {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (byte, add) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [_, *byte] = sum.to_be_bytes();
        carry = sum >> 8;
    }
}
