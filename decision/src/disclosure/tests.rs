#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

/// The members of `statement` at `names` sealed, with salts that count.
fn sealed(statement: &Value, names: &[&str]) -> (Value, Vec<Disclosure>) {
    let mut statement = statement.clone();
    let seal_one = |(at, name): (usize, &&str)| {
        let salt = [u8::try_from(at).unwrap(); 16];
        seal(statement.as_object_mut().unwrap(), name, &salt).unwrap()
    };
    let disclosures = names.iter().enumerate().map(seal_one).collect();
    (statement, disclosures)
}

#[test]
fn the_digest_is_the_one_of_the_standards_example() {
    // RFC 9901 section 4.2.
    let disclosure = Disclosure::parse("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0").unwrap();
    assert_eq!((disclosure.name(), disclosure.value()), ("family_name", &json!("Möbius")));
    assert_eq!(disclosure.digest().as_str(), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
}

#[test]
fn what_is_sealed_is_gone_and_comes_back() {
    let statement = json!({"role": "applicant", "name": "Ada Example", "born": "1990-01-01"});
    let (published, disclosures) = sealed(&statement, &["name", "born"]);
    let text = published.to_string();
    assert!(!text.contains("Ada") && !text.contains("born"), "{text}");
    assert_eq!(reveal(&published, &disclosures).unwrap(), statement);
    let some = reveal(&published, &disclosures[..1]).unwrap();
    assert_eq!((&some["name"], some.get("born"), some["_sd"].as_array().unwrap().len()), (&json!("Ada Example"), None, 1));
    assert_eq!(reveal(&published, &[]).unwrap(), published);
}

#[test]
fn a_sealed_value_can_hold_sealed_members() {
    let (inner, mut disclosures) = sealed(&json!({"street": "1 Quay", "town": "Eskmouth"}), &["street"]);
    let (outer, more) = sealed(&json!({"address": inner}), &["address"]);
    disclosures.extend(more);
    assert_eq!(reveal(&outer, &disclosures).unwrap(), json!({"address": {"street": "1 Quay", "town": "Eskmouth"}}));
    assert!(matches!(reveal(&outer, &disclosures[..1]), Err(RevealError::NotInStatement(_))), "it is not reached");
}

#[test]
fn a_disclosure_that_was_changed_or_is_of_another_statement_is_refused() {
    let (published, disclosures) = sealed(&json!({"name": "Ada Example"}), &["name"]);
    let forged = Disclosure::new(&[0; 16], "name", json!("Eve Example")).unwrap();
    assert_eq!(reveal(&published, &[forged]), Err(RevealError::NotInStatement("name".into())));
    let twice = [disclosures[0].clone(), disclosures[0].clone()];
    assert_eq!(reveal(&published, &twice), Err(RevealError::Repeated("name".into())));
}

#[test]
fn what_would_be_ambiguous_is_refused() {
    let (published, disclosures) = sealed(&json!({"name": "Ada Example"}), &["name"]);
    let twice = json!({"a": published, "b": published});
    assert_eq!(reveal(&twice, &disclosures), Err(RevealError::AmbiguousDigest));
    assert_eq!(reveal(&twice, &[]), Err(RevealError::AmbiguousDigest));
    let mut beside = published.clone();
    beside["name"] = json!("Eve Example");
    assert_eq!(reveal(&beside, &disclosures), Err(RevealError::NameTaken("name".into())));
    let two = [Disclosure::new(&[1; 16], "name", json!("A")).unwrap(), Disclosure::new(&[2; 16], "name", json!("B")).unwrap()];
    let digests: Vec<_> = two.iter().map(|one| one.digest().to_string()).collect();
    assert_eq!(reveal(&json!({ "_sd": digests }), &two), Err(RevealError::NameTaken("name".into())));
}

#[test]
fn what_is_no_disclosure_is_refused() {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    for (text, reason) in [
        ("!".to_owned(), InvalidDisclosure::Malformed),
        (encode(&json!(["0123456789abcdef0123456789abcdef", "name"])), InvalidDisclosure::Malformed),
        (encode(&json!(["0123456789abcdef0123456789abcdef", 1, 2])), InvalidDisclosure::Malformed),
        (encode(&json!(["short", "name", 1])), InvalidDisclosure::WeakSalt),
        (encode(&json!(["0123456789abcdef0123456789abcdef", "_sd", []])), InvalidDisclosure::ReservedName),
        (encode(&json!(["0123456789abcdef0123456789abcdef", "...", 1])), InvalidDisclosure::ReservedName),
        ("A".repeat(MAX_DISCLOSURE + 1), InvalidDisclosure::TooLarge),
        (encode(&json!(["0123456789abcdef0123456789abcdef", "name", 1])) + "=", InvalidDisclosure::Malformed),
    ] {
        assert_eq!(Disclosure::parse(&text), Err(reason), "{text:.40}");
    }
    assert_eq!(parse_file("!\n"), Err(FileError::Line { line: 1, reason: InvalidDisclosure::Malformed }));
    assert_eq!(parse_file(&"\n".repeat(MAX_DISCLOSURES + 1)), Err(FileError::TooLarge));
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let (_, disclosures) = sealed(&json!({"a": 1, "b": [true], "c": {"d": "e"}}), &["a", "b", "c"]);
    assert_eq!(parse_file(&print_file(&disclosures)).unwrap(), disclosures);
}

#[test]
fn only_what_is_there_can_be_sealed() {
    let mut object = Map::from_iter([("_sd".to_owned(), json!("x")), ("a".to_owned(), json!(1))]);
    assert_eq!(seal(&mut object, "b", &[0; 16]), Err(SealError::Missing));
    assert_eq!(seal(&mut object, "_sd", &[0; 16]), Err(SealError::ReservedName));
    assert_eq!(seal(&mut object, "a", &[0; 16]), Err(SealError::NotDigests));
    assert!(object.contains_key("a"), "nothing is lost");
}

#[test]
fn nothing_shows_a_value_by_mistake() {
    let disclosure = Disclosure::new(&[1; 16], "name", json!("Ada Example")).unwrap();
    assert_eq!(format!("{disclosure:?}"), "Disclosure(name)");
}

#[test]
fn disclosures_that_nest_without_end_are_refused() {
    let mut value = json!({"a": 1});
    let mut disclosures = Vec::new();
    for at in 0..40 {
        let (outer, more) = sealed(&json!({ "a": value }), &["a"]);
        value = outer;
        // Another salt for each, or two of them could have one digest.
        let _ = at;
        disclosures.extend(more);
    }
    assert_eq!(reveal(&value, &disclosures), Err(RevealError::TooDeep));
}

#[test]
fn what_the_rules_look_at_is_not_shown_as_if_it_counted() {
    let mut statement = json!({"type": "decision", "data": {"schema": "urn:x", "kind": "inner"}}).as_object().unwrap().clone();
    statement.insert("relates".into(), json!([{"rel": "revokes", "index": 1}]));
    let sealed = seal(&mut statement, "relates", &[1; 16]).unwrap();
    assert_eq!(reveal(&Value::Object(statement.clone()), &[sealed]), Err(RevealError::NeverSealed("relates".into())));
    // Below, names mean what the schema says.
    let mut data = statement["data"].as_object().unwrap().clone();
    let kind = seal(&mut data, "kind", &[2; 16]).unwrap();
    assert_eq!(reveal(&json!({"data": data}), &[kind]).unwrap()["data"]["kind"], "inner");
}
