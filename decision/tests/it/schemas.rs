//! The published schemas (`decision/schemas/`) and the Rust types say the same.

use std::fs;
use std::path::{Path, PathBuf};

use decision::statement::{Draft, Statement};
use jsonschema::Validator;
use serde_json::{Value, json};
use tlog::tiles::Entries;

use crate::world::{ISSUED, LOG, key, vkey, with, without};

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn schema(name: &str) -> Value {
    serde_json::from_slice(&fs::read(path(&format!("schemas/{name}.schema.json"))).unwrap()).unwrap()
}

fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).unwrap()
}

const TYPES: [&str; 6] = ["charter", "registrar", "issuer", "key", "decision", "annotation"];

/// Whether Rust, and whether the schema of its type, takes a statement.
fn verdicts(statement: &Value) -> (bool, bool) {
    let name = statement["type"].as_str().unwrap_or_default();
    (Draft::from_json(statement).is_ok(), TYPES.contains(&name) && validator(name).is_valid(statement))
}

/// A statement of each type with all fields that there are.
fn maximal() -> Vec<Value> {
    let leaf = "00".repeat(32);
    let digest = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0";
    let common = |name: &str| json!({"type": name, "log": LOG, "issued": ISSUED});
    let merge = |name: &str, more: Value| {
        let mut statement = common(name);
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        statement
    };
    let relates = json!([{"rel": "refers", "index": 1, "leaf": leaf}]);
    let registrars = [vkey(&key("one.example", 1)), vkey(&key("two.example", 2))];
    vec![
        merge("charter", json!({"version": 1, "registrars": registrars, "threshold": 2, "admission": "statements"})),
        merge("registrar", json!({"registrars": registrars, "threshold": 1})),
        merge(
            "issuer",
            json!({"issuer": "planning.example", "names": {"en": "Planning", "de-CH": "Planung"}, "keys": [vkey(&key("planning.example", 3))],
                "kinds": ["planning.*", "a.b", "*"], "may_overrule": [{"issuer": "*", "kinds": ["*"]}],
                "hours": {"days": ["mon-fri"], "from": "09:00", "until": "17:30", "zone": "Europe/London"},
                "series": [{"name": "2026", "title": "All"}], "contact": "desk", "retired": true}),
        ),
        merge("key", json!({"issuer": "planning.example", "action": "retire", "key": vkey(&key("planning.example", 3)), "doubt_from": 1})),
        merge(
            "decision",
            json!({"issuer": "planning.example", "lang": "en", "series": "2026", "seq": 1, "kind": "planning.permit", "subject": "A roof",
                "outcome": "granted", "decided": "2026-03-01", "effective": "2026-03-02", "until": "2027-03-01", "unit": "Board",
                "signatories": ["Chair"], "legal_basis": ["Act, s. 1"],
                "place": {"address": "1 Quay", "point": {"type": "Point", "coordinates": [-4.5, 54]}, "_sd": [digest]},
                "parties": [{"role": "applicant", "name": "x", "id": "y", "_sd": [digest]}], "amount": {"value": "-12.50", "currency": "EUR"},
                "documents": [{"name": "Plan", "media_type": "application/pdf", "size": 1, "sha256": leaf, "url": "https://x.example/1"}],
                "relates": relates, "data": {"schema": "x"}, "_sd": [digest]}),
        ),
        merge(
            "annotation",
            json!({"issuer": "planning.example", "lang": "en", "series": "2026", "seq": 2, "kind": "void", "text": "never used",
                "relates": relates}),
        ),
    ]
}

#[test]
fn what_rust_accepts_is_valid() {
    for statement in maximal() {
        assert_eq!(verdicts(&statement), (true, true), "{statement}");
    }
    let mut decisions = 0;
    for file in fs::read_dir(path("../testdata/decisions")).unwrap().map(|file| file.unwrap().path()) {
        for line in fs::read_to_string(&file).unwrap().lines().filter(|line| line.starts_with('{')) {
            let mut statement = with(serde_json::from_str(line).unwrap(), "log", json!(LOG));
            statement.as_object_mut().unwrap().remove("relates");
            assert_eq!(verdicts(&statement), (true, true), "{statement}");
            decisions += 1;
        }
    }
    for file in fs::read_dir(path("../testdata/statements")).unwrap().map(|file| file.unwrap().path()) {
        let bytes = fs::read(&file).unwrap();
        let Some(end) = bytes.windows(5).position(|window| window == b"\n---\n") else { continue };
        for statement in Entries::new(&bytes[end + 5..]).filter_map(|entry| Statement::parse(entry.unwrap()).ok()) {
            assert_eq!(verdicts(&statement.json()), (true, true), "{}", statement.text());
            decisions += 1;
        }
    }
    assert!(decisions > 400, "only {decisions} statements were looked at");
}

#[test]
fn required_fields_are_required_by_both_and_others_by_neither() {
    for statement in maximal() {
        let name = statement["type"].as_str().unwrap().to_owned();
        let required: Vec<Value> = schema(&name)["required"].as_array().unwrap().clone();
        for field in statement.as_object().unwrap().keys() {
            let expected = !required.contains(&json!(field));
            let mut less = without(&statement, field);
            if field == "action" || field == "doubt_from" {
                less.as_object_mut().unwrap().remove("doubt_from");
            }
            assert_eq!(verdicts(&less), (expected, expected && field != "type"), "{name} without {field}");
        }
    }
}

#[test]
fn the_schemas_list_the_fields_of_the_types_and_no_others() {
    for statement in maximal() {
        let draft = Draft::from_json(&statement).unwrap();
        // What Rust knows of it, printed again: whatever it did not know is gone.
        let known = serde_json::to_value(draft.body()).unwrap();
        let listed = schema(statement["type"].as_str().unwrap());
        compare(&known, &listed, statement["type"].as_str().unwrap());
    }
}

/// Every member of `known` is a property of `listed`, and the other way round.
fn compare(known: &Value, listed: &Value, place: &str) {
    match known {
        Value::Object(members) => {
            let Some(properties) = listed["properties"].as_object() else { return };
            let names = |map: &serde_json::Map<String, Value>| {
                let mut names: Vec<String> = map.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(members), names(properties), "{place}");
            members.iter().for_each(|(name, member)| compare(member, &properties[name], &format!("{place}.{name}")));
        }
        Value::Array(values) => values.iter().for_each(|value| compare(value, &listed["items"], &format!("{place}[]"))),
        _ => assert!(listed["description"].is_string() || listed["const"].is_string() || place.contains("[]"), "{place} is explained"),
    }
}

/// What may stand nowhere, in place of anything.
fn wrong(value: &Value) -> Vec<Value> {
    let mut all =
        vec![Value::Null, json!({"a": {}}), json!(""), json!(-1), json!(1.5), json!("a\nb"), json!("x".repeat(5000)), json!([[]])];
    if let Value::Array(values) = value {
        all.push(values.iter().cycle().take(300 * usize::from(!values.is_empty())).cloned().collect());
        all.push(json!([null]));
    }
    all.retain(|wrong| {
        !matches!((wrong, value), (Value::Number(number), Value::Number(_)) if number.as_f64() == Some(1.5)) || !value.is_f64()
    });
    all
}

/// Every statement in which one value anywhere is another.
fn mutations(value: &Value, put: &dyn Fn(Value) -> Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let put_member = |new: Value| put(with(value.clone(), name, new));
                found.extend(wrong(member).into_iter().map(put_member));
                mutations(member, &put_member, found);
            }
        }
        Value::Array(values) => {
            for (at, member) in values.iter().enumerate() {
                let put_member = |new: Value| {
                    let mut values = values.clone();
                    values[at] = new;
                    put(Value::Array(values))
                };
                found.extend(wrong(member).into_iter().map(put_member));
                mutations(member, &put_member, found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_one_refuses_the_other_refuses() {
    // Beyond what a schema can say: see their descriptions.
    let beyond = ["related-twice", "bad-threshold", "repeated-key", "doubt-without-retirement", "entry-too-large"];
    let (mut looked_at, mut refused) = (0, 0);
    for statement in maximal() {
        let validator = validator(statement["type"].as_str().unwrap());
        let mut found = Vec::new();
        mutations(&statement, &|value| value, &mut found);
        for mutation in found.into_iter().filter(|mutation| mutation["type"] == statement["type"]) {
            let (rust, schema) = (Draft::from_json(&mutation), validator.is_valid(&mutation));
            looked_at += 1;
            refused += u32::from(!schema);
            match rust {
                Ok(_) => assert!(schema, "only the schema refuses {mutation}"),
                Err(error) => assert!(!schema || beyond.contains(&error.name()), "only Rust refuses ({error}) {mutation}"),
            }
        }
    }
    assert!(looked_at > 800 && refused > 700, "{refused} of {looked_at} were refused");
}
