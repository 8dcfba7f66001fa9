#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tlog::key::{Algorithm, KeyName};

use super::*;

const LOG: &str = "gazette.example/2026";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn vkey(key: &SigningKey) -> Vkey {
    Vkey::from(key.verifier_key())
}

fn issued() -> Timestamp {
    "2026-03-01T09:30:00Z".parse().unwrap()
}

fn text() -> IssuerText {
    IssuerText { kinds: vec!["planning.*".into()], names: vec!["en=Planning".into()], ..IssuerText::default() }
}

fn registration(keys: Vec<Vkey>, text: &IssuerText) -> Result<Draft, BuildError> {
    register(LOG, issued(), "planning.example".parse().unwrap(), keys, text)
}

#[test]
fn signatures_are_collected_one_after_the_other_in_any_order() {
    let (agency, one, two) = (key("planning.example", 1), key("registrar.example/1", 2), key("registrar.example/2", 3));
    let draft = registration(vec![vkey(&agency)], &text()).unwrap();
    let mut collected = Collected::new(draft.clone());
    assert_eq!(collected.to_bytes(), draft.text().as_bytes());
    assert_eq!(collected.missing(), [Missing::AddedKey(vkey(&agency)), Missing::Authority]);
    for (key, missing) in [(&two, vec![Missing::AddedKey(vkey(&agency))]), (&agency, vec![]), (&one, vec![])] {
        // From hand to hand as a file.
        collected = Collected::parse(&collected.to_bytes()).unwrap();
        assert!(collected.sign(key).unwrap());
        assert_eq!(collected.missing(), missing);
    }
    let all = draft.sign(&[&agency, &one, &two]).unwrap();
    assert_eq!(collected.to_bytes(), all.to_bytes());
    assert!(!collected.sign(&one).unwrap(), "it has signed already");
    assert_eq!(collected.statement(), Some(all));
}

#[test]
fn an_added_key_alone_decides_nothing() {
    let agency = key("planning.example", 1);
    let mut collected = Collected::new(registration(vec![vkey(&agency)], &text()).unwrap());
    collected.sign(&agency).unwrap();
    assert_eq!(collected.missing(), [Missing::Authority]);
    let issuer: IssuerId = "planning.example".parse().unwrap();
    let new = key("planning.example/new", 4);
    let added = change_key(LOG, issued(), issuer.clone(), KeyAction::Add, vkey(&new), None).unwrap();
    assert_eq!(Collected::new(added).missing(), [Missing::AddedKey(vkey(&new)), Missing::Authority]);
    let retired = change_key(LOG, issued(), issuer, KeyAction::Retire, vkey(&new), Some(7)).unwrap();
    assert_eq!(Collected::new(retired).missing(), [Missing::Authority]);
}

#[test]
fn a_text_that_was_changed_underway_is_noticed() {
    let agency = key("planning.example", 1);
    let mut collected = Collected::new(registration(vec![vkey(&agency)], &text()).unwrap());
    collected.sign(&agency).unwrap();
    let keys = [agency.verifier_key().clone()];
    assert!(collected.forged(&keys).is_empty());
    let changed = String::from_utf8(collected.to_bytes()).unwrap().replace("planning.*", "*");
    let mut changed = Collected::parse(changed.as_bytes()).unwrap();
    assert_eq!(changed.forged(&keys), [&keys[0]]);
    // Signing anew what it says now replaces the line that does not fit.
    assert!(changed.sign(&agency).unwrap());
    assert!(changed.forged(&keys).is_empty() && changed.signatures().len() == 1);
}

#[test]
fn an_issuer_is_described_by_its_options() {
    let text = IssuerText {
        may_overrule: ["planning.example:planning.permit", "*:benefit.*", "planning.example:planning.plan"].map(String::from).to_vec(),
        hours: Some("mon-fri 09:00-17:30 Europe/London".into()),
        series: vec!["2026=Decisions of 2026".into(), "2027".into()],
        contact: Some("clerk@planning.example".into()),
        ..text()
    };
    let draft = registration(Vec::new(), &text).unwrap();
    let Body::Registration(registration) = draft.body() else { panic!("a registration") };
    assert_eq!(registration.may_overrule.len(), 2);
    assert_eq!(registration.may_overrule[0].kinds.len(), 2);
    assert_eq!(registration.hours.as_ref().unwrap().zone.as_str(), "Europe/London");
    assert_eq!(registration.series[0].title.as_ref().unwrap().as_str(), "Decisions of 2026");
    let retired = retire(registration, issued()).unwrap();
    assert!(matches!(retired.body(), Body::Registration(retired) if retired.retired && retired.names == registration.names));
}

#[test]
fn options_that_cannot_be_meant_are_refused_by_their_name() {
    let with = |change: fn(&mut IssuerText)| {
        let mut text = text();
        change(&mut text);
        registration(Vec::new(), &text).unwrap_err().to_string()
    };
    assert!(with(|text| text.kinds = vec!["Planning".into()]).starts_with("--kinds: "));
    assert!(with(|text| text.names = vec!["Planning".into()]).starts_with("--name: write it as LANGUAGE=NAME"));
    assert!(with(|text| text.names = vec!["en=A".into(), "en=B".into()]).contains("two names in the language en"));
    assert!(with(|text| text.may_overrule = vec!["court".into()]).starts_with("--may-overrule: write it as"));
    assert!(with(|text| text.hours = Some("always".into())).starts_with("--hours: write it as"));
    assert!(with(|text| text.names = vec!["en=Pl\u{430}nning".into()]).contains("names.en"), "a Cyrillic letter");
    assert!(with(|text| text.series = vec!["20/26".into()]).starts_with("--announces-series: "));
    let key = vkey(&key("registrar.example", 1));
    let twice = replace_registrars(LOG, issued(), vec![key.clone(), key.clone()], 1).unwrap_err();
    assert!(matches!(twice, BuildError::Malformed(Malformed::BadThreshold)), "{twice}");
    assert!(replace_registrars(LOG, issued(), vec![key], 2).is_err());
}

#[test]
fn what_is_no_statement_is_not_read_as_one() {
    for bad in [b"".as_slice(), b"\n", b"{}\n", b"\xff", b"{\"type\":\"issuer\"}", b"one\ntwo\n"] {
        assert!(Collected::parse(bad).is_err());
    }
}
