#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::json;
use tlog::printable::is_printable;

use super::*;

fn vkey() -> String {
    let key =
        tlog::key::SigningKey::from_seed(tlog::key::KeyName::new("planning.example").unwrap(), tlog::key::Algorithm::Ed25519, &[1; 32]);
    key.unwrap().verifier_key().to_string()
}

fn words(statement: &Value) -> String {
    Words::of(&Draft::from_json(statement).unwrap()).lines("")
}

/// Every text and number in a value, but for those below `data` and in `_sd`, which are counted and not shown.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().filter(|(name, _)| *name != "_sd").for_each(|(_, value)| leaves(value, found)),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// One of each type, with every member that it can have.
fn statements() -> Vec<Value> {
    let common = json!({"log": "gazette.example/2026", "issued": "2026-03-01T09:30:00Z", "issuer": "planning.example"});
    let statement = |more: Value| {
        let mut statement = common.clone();
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        statement
    };
    let (leaf, digest) = ("ab".repeat(32), "A".repeat(43));
    let relates = |rel: &str, index: u64| json!({"rel": rel, "index": index, "leaf": leaf});
    vec![
        statement(
            json!({"type": "charter", "version": 1, "registrars": [vkey()], "threshold": 1, "admission": "statements", "issuer": null}),
        ),
        statement(json!({"type": "registrar", "registrars": [vkey()], "threshold": 1, "issuer": null})),
        statement(json!({"type": "issuer", "names": {"en": "Planning", "gv": "Plannal"}, "keys": [vkey()], "kinds": ["planning.*", "a.b"],
            "may_overrule": [{"issuer": "*", "kinds": ["x.y"]}, {"issuer": "b.example", "kinds": ["z", "w"]}],
            "hours": {"days": ["mon", "fri"], "from": "09:00", "until": "17:30", "zone": "Europe/London"},
            "series": [{"name": "2026"}, {"name": "2027", "title": "Later"}], "contact": "clerk@planning.example", "retired": true})),
        statement(json!({"type": "key", "action": "retire", "key": vkey(), "doubt_from": 4711})),
        statement(json!({"type": "decision", "lang": "en", "series": "2026", "seq": 42, "kind": "planning.permit", "subject": "A roof",
            "outcome": "granted", "decided": "2026-03-02", "effective": "2026-03-03", "until": "2026-03-04", "unit": "Committee",
            "signatories": ["Head", "Clerk"], "legal_basis": ["Act 1", "Act 2"],
            "place": {"address": "Quay", "point": {"type": "Point", "coordinates": [-4.5, 54.25]}, "_sd": [digest]},
            "parties": [{"role": "applicant", "_sd": [digest]}, {"role": "builder", "name": "Beam", "id": "4712"}],
            "amount": {"value": "12.50", "currency": "EUR"},
            "documents": [{"name": "p.pdf", "media_type": "application/pdf", "size": 12, "sha256": leaf, "url": "https://a.example/p.pdf"}],
            "relates": [relates("corrects", 1), relates("supersedes", 2), relates("revokes", 3), relates("appeals", 4), relates("refers", 5)],
            "data": {"schema": "https://schema.example"}, "_sd": [digest]})),
        statement(json!({"type": "annotation", "lang": "en", "series": "2026", "seq": 43, "kind": "note", "text": "A word.",
            "relates": [relates("refers", 5)]})),
    ]
}

#[test]
fn whoever_signs_sees_all_that_is_signed() {
    for mut statement in statements() {
        let kind = statement["type"].as_str().unwrap().to_owned();
        if statement["issuer"].is_null() {
            statement.as_object_mut().unwrap().remove("issuer");
        }
        let words = words(&statement);
        let mut texts = Vec::new();
        let members = statement.as_object_mut().unwrap();
        // These are said in other words.
        for other in ["type", "action", "admission", "lang"] {
            members.remove(other);
        }
        leaves(&statement, &mut texts);
        let in_words = ["*", "Point", "appeals", "refers"];
        for text in texts.iter().filter(|text| !in_words.contains(&text.as_str())) {
            assert!(words.contains(text.as_str()), "{kind}: {text} is not shown in\n{words}");
        }
        assert!(kind != "decision" || words.matches("1 sealed field").count() == 3, "{words}");
    }
}

#[test]
fn members_that_are_not_known_are_named_wherever_they_are() {
    let mut decision = statements().swap_remove(4);
    decision["mood"] = json!("good");
    decision["parties"][1]["birthday"] = json!("1815-12-10");
    decision["place"]["point"]["altitude"] = json!(3);
    decision["data"]["anything"] = json!([1]);
    decision["parties"][0]["nothing"] = json!([]);
    let words = words(&decision);
    assert!(words.contains("does not know: mood, parties[0].nothing, parties[1].birthday, place.point.altitude"), "{words}");
    assert!(!words.contains("anything"), "{words}");
}

proptest! {
    #[test]
    fn no_statement_makes_a_line_of_its_own_or_commands_the_terminal(
        texts in proptest::collection::vec("[^\\p{Cc}]{1,40}|[\u{202e}\u{2066}\u{200b}\u{feff}<>&\"\\\\]{1,20}", 8),
    ) {
        let mut decision = statements().swap_remove(4);
        let lines = words(&decision).lines().count();
        decision["subject"] = texts[0].as_str().into();
        decision["outcome"] = texts[1].as_str().into();
        decision["unit"] = texts[2].as_str().into();
        decision["signatories"] = json!([texts[3], "Clerk"]);
        decision["parties"][1]["name"] = texts[4].as_str().into();
        decision["documents"][0]["name"] = texts[5].as_str().into();
        decision["place"]["address"] = texts[6].as_str().into();
        // Text that is too long for its field is no statement.
        if let Ok(draft) = Draft::from_json(&decision) {
            let words = Words::of(&draft).lines("");
            prop_assert!(words.chars().all(|c| c == '\n' || is_printable(c)));
            prop_assert_eq!(words.lines().count(), lines);
        }
        decision[texts[7].as_str()] = json!(1);
        if let Ok(draft) = Draft::from_json(&decision) {
            let words = Words::of(&draft).lines("");
            prop_assert!(words.chars().all(|c| c == '\n' || is_printable(c)));
            prop_assert_eq!(words.lines().count(), lines + 1);
        }
    }
}

#[test]
fn members_that_are_not_known_are_told_also_if_they_are_false_or_empty() {
    let decision = json!({"type": "decision", "log": "a.example", "issued": "2026-03-01T09:30:00Z", "issuer": "b.example", "series": "2026",
        "seq": 1, "kind": "x", "subject": "A roof", "outcome": "granted", "decided": "2026-03-02", "final": false, "valid": null, "tags": [],
        "parties": [], "place": {"_sd": [], "exact": false}});
    let told = words(&decision);
    for field in ["final", "valid", "tags", "place.exact"] {
        assert!(told.contains(field), "{field}: {told}");
    }
    assert!(!told.contains("parties") && !told.contains("_sd"), "{told}");
}
