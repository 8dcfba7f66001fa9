#![allow(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::{Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::note::Note;

use super::*;

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn decision() -> Value {
    json!({"type": "decision", "log": "gazette.example", "issuer": "planning.example", "issued": "2026-03-01T09:30:00Z",
        "series": "2026", "seq": 1, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"})
}

fn with(name: &str, value: Value) -> Value {
    let mut decision = decision();
    decision.as_object_mut().unwrap().insert(name.into(), value);
    decision
}

fn statement() -> Statement {
    Draft::from_json(&decision()).unwrap().sign(&[&key("planning.example", 1), &key("a.example", 2)]).unwrap()
}

#[test]
fn what_is_parsed_prints_as_it_was() {
    let bytes = statement().to_bytes();
    let parsed = Statement::parse(&bytes).unwrap();
    assert_eq!(parsed, statement());
    assert_eq!(parsed.to_bytes(), bytes);
    assert_eq!(Draft::from_text(parsed.text().to_owned()).unwrap(), *parsed.draft());
    assert_eq!(Draft::from_json(&parsed.json()).unwrap(), *parsed.draft());
}

#[test]
fn it_is_identified_by_its_text_and_not_by_its_signatures() {
    let draft = Draft::from_json(&decision()).unwrap();
    let (one, two) = (draft.sign(&[&key("planning.example", 1)]).unwrap(), draft.sign(&[&key("planning.example", 2)]).unwrap());
    assert_eq!(one.id(), two.id());
    assert_ne!(one.to_bytes(), two.to_bytes());
    assert_ne!(Draft::from_json(&with("seq", json!(2))).unwrap().id(), draft.id());
    assert_eq!(one.id().to_string(), Hash::sha256(one.text().as_bytes()).to_hex());
}

#[test]
fn fields_that_are_not_known_are_kept_and_ignored() {
    let draft = Draft::from_json(&with("mood", json!({"any": [1, "thing"]}))).unwrap();
    assert_eq!(draft.body(), Draft::from_json(&decision()).unwrap().body());
    assert!(draft.text().contains("mood"));
}

#[test]
fn signature_lines_have_one_order_and_one_line_a_key() {
    let statement = statement();
    let [first, second] = statement.signatures() else { panic!("two have signed") };
    assert!(first.name.as_str() < second.name.as_str());
    let entry = |lines: Vec<&tlog::note::Signature>| Note::new(statement.text(), lines.into_iter().cloned().collect()).unwrap().to_bytes();
    assert_eq!(Statement::parse(&entry(vec![second, first])).unwrap_err(), Malformed::UnsortedSignatures);
    let twice = Malformed::SignedTwice { name: first.name.clone() };
    assert_eq!(Statement::parse(&entry(vec![first, first, second])).unwrap_err(), twice);
    let mut other = first.clone();
    other.bytes[0] ^= 1;
    assert_eq!(Statement::parse(&entry(vec![first, &other, second])).unwrap_err(), twice, "whatever the second one says");
}

#[test]
fn the_text_is_one_line() {
    let signature = statement().signatures()[0].clone();
    for text in ["\n", "{}\n{}\n", "{}\n\n", "{\"a\":\n1}\n"] {
        let entry = Note::new(text, vec![signature.clone()]).unwrap().to_bytes();
        let name = Statement::parse(&entry).unwrap_err().name();
        assert_eq!(name, if text == "\n" { "malformed-json" } else { "not-one-line" }, "{text:?}");
    }
    assert_eq!(Draft::from_text("{}".into()).unwrap_err(), Malformed::NotOneLine);
}

#[test]
fn a_field_that_is_wrong_is_named() {
    for (statement, field) in [
        (with("seq", json!(0)), "seq"),
        (with("seq", json!(-1)), "seq"),
        (with("seq", json!("1")), "seq"),
        (with("seq", json!(9_007_199_254_740_991_u64)), ""),
        (with("issuer", json!("Planning.example")), "issuer"),
        (with("issuer", json!("planning.example/2")), "issuer"),
        (with("issuer", json!("рlanning.example")), "issuer"),
        (with("issued", json!("2026-03-01T09:30:00+00:00")), "issued"),
        (with("issued", json!("2026-03-01T09:30:00.5Z")), "issued"),
        (with("issued", json!("2026-02-30T09:30:00Z")), "issued"),
        (with("decided", json!("2026-02-30")), "decided"),
        (with("kind", json!("Planning")), "kind"),
        (with("kind", json!("planning.*")), "kind"),
        (with("subject", json!("")), "subject"),
        (with("subject", json!("two\nlines")), "subject"),
        (with("subject", json!("x".repeat(1025))), "subject"),
        (with("lang", json!("english language")), "lang"),
        (with("series", json!("20 26")), "series"),
        (with("amount", json!({"value": "01.5", "currency": "EUR"})), "amount.value"),
        (with("amount", json!({"value": 1.5, "currency": "EUR"})), "amount.value"),
        (with("parties", json!([{"role": "supplier"}, {"name": "x"}])), "parties[1]"),
        (with("documents", json!([{"name": "x", "media_type": "text/plain", "size": 1, "sha256": "00"}])), "documents[0].sha256"),
        (with("relates", json!([{"rel": "replaces", "index": 1, "leaf": "00".repeat(32)}])), "relates[0].rel"),
        (with("place", json!({"point": {"type": "Polygon", "coordinates": [1, 2]}})), "place.point.type"),
        (with("_sd", json!(["short"])), "_sd[0]"),
        (with("parties", json!(vec![json!({"role": "x"}); 257])), "parties"),
    ] {
        match Draft::from_json(&statement) {
            Ok(_) => assert_eq!(field, "", "{statement}"),
            Err(error) => {
                assert_eq!(error.field(), Some(field), "{statement}: {error}");
                assert_eq!(error.name(), "bad-field");
            }
        }
    }
    for name in ["log", "issuer", "issued", "series", "seq", "kind", "subject", "outcome", "decided"] {
        let mut statement = decision();
        statement.as_object_mut().unwrap().remove(name);
        let error = Draft::from_json(&statement).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_type_is_one_that_is_known() {
    for statement in [with("type", json!("contract")), with("type", json!(1)), with("type", json!("deci\"sion")), json!({})] {
        assert_eq!(Draft::from_json(&statement).unwrap_err(), Malformed::UnknownType);
    }
}

#[test]
fn what_comes_from_outside_is_shown_inert() {
    let error = Draft::from_json(&with("kind", json!("\u{1b}[31m\u{202e}"))).unwrap_err();
    assert!(!error.to_string().contains(['\u{1b}', '\u{202e}']));
    let error = Draft::from_json(&with("parties", json!([{"role": {"\u{1b}": 1}}]))).unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn a_statement_fits_into_an_entry() {
    let draft = |len: usize| Draft::from_json(&with("data", json!({"schema": "x", "pad": "x".repeat(len)}))).unwrap();
    let key = key("planning.example", 1);
    let room = tlog::tiles::MAX_ENTRY - draft(0).sign(&[&key]).unwrap().to_bytes().len();
    assert!(Statement::parse(&draft(room).sign(&[&key]).unwrap().to_bytes()).is_ok());
    assert_eq!(draft(room + 1).sign(&[&key]).unwrap_err(), SignStatementError::Malformed(Malformed::TooLarge));
}

#[test]
fn registrars_can_reach_their_threshold_without_being_counted_twice() {
    let keys: Vec<String> = (1..4).map(|seed| key("registrar.example", seed).verifier_key().to_string()).collect();
    let same_under_another_name = key("other.example", 1).verifier_key().to_string();
    let charter = |registrars: Vec<&String>, threshold: u16| {
        Draft::from_json(&json!({"type": "charter", "log": "gazette.example", "issued": "2026-03-01T09:30:00Z", "version": 1,
            "registrars": registrars, "threshold": threshold, "admission": "statements"}))
    };
    assert!(charter(vec![&keys[0], &keys[1]], 2).is_ok());
    for (registrars, threshold) in [
        (vec![&keys[0], &keys[1]], 3),
        (vec![&keys[0]], 0),
        (vec![], 0),
        (vec![&keys[0], &keys[0]], 1),
        (vec![&keys[0], &same_under_another_name], 2),
    ] {
        assert_eq!(charter(registrars, threshold).unwrap_err(), Malformed::BadThreshold);
    }
}

#[test]
fn keys_are_ed25519_and_safe() {
    let cosigner = SigningKey::from_seed(KeyName::new("w.example").unwrap(), Algorithm::CosignatureEd25519, &[1; 32]).unwrap();
    // The neutral element of the curve: anybody could sign for it.
    let weak = format!("planning.example+00000000+{}", "AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for vkey in [cosigner.verifier_key().to_string(), weak, "nonsense".into()] {
        let change = json!({"type": "key", "log": "gazette.example", "issuer": "planning.example", "issued": "2026-03-01T09:30:00Z",
            "action": "add", "key": vkey});
        assert_eq!(Draft::from_json(&change).unwrap_err().field(), Some("key"));
    }
}
