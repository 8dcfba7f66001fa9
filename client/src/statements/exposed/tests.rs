#![allow(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::json;

use super::signs::{in_text, may_be_person};
use super::*;

fn decision(more: &Value) -> Map<String, Value> {
    let mut decision = json!({"type": "decision", "log": "log.example", "issuer": "a.example", "issued": "2026-03-01T09:30:00Z", "series": "2026",
        "seq": 1, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"});
    decision.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    decision.as_object().unwrap().clone()
}

/// Path, sign, and whether it can be sealed.
fn found(more: &Value) -> Vec<(String, Sign, bool)> {
    find(&decision(more), &[]).into_iter().map(|exposed| (exposed.path, exposed.sign, exposed.sealable)).collect()
}

#[test]
fn a_party_with_a_name_and_in_no_register_is_told_until_it_is_sealed() {
    let parties =
        json!({"parties": [{"role": "architect", "name": "Beam & Sons", "id": "NM-4711"}, {"role": "applicant", "name": "Ada Example"}]});
    let mut decision = decision(&parties);
    let told = find(&decision, &[]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].field.as_str(), told[0].path.as_str(), told[0].sign), ("parties[1].name", "parties[].name", Sign::Name));
    let text = told[0].to_string();
    assert!(text.contains("`parties[1].name`") && text.contains("seal = [\"parties[].name\"]"), "{text}");
    assert_eq!(find(&decision, &["parties[].name".into()]), [], "the mapping says that all may know it");
    let mapping = Mapping { seal: vec![told[0].path.clone()], ..Mapping::default() };
    assert_eq!(mapping.seal(&mut decision, &mut || [7; 16]).unwrap().len(), 2);
    assert_eq!(find(&decision, &[]), [], "what is sealed is not in the clear");
}

#[test]
fn whatever_is_advised_to_be_sealed_can_be_sealed_by_that_path_and_is_then_silent() {
    let all = json!({"applicant": {"name": "Ada Example", "email": "ada@mail.example"}, "owner": "Bo Example", "place": {"address": "tel 471234"},
        "legal_basis": ["Act 3", "ask ada@mail.example"], "data": {"schema": "urn:x", "tenants": [{"surname": "Example"}],
        "notes": ["born on 3 May 1980"]}, "text": "call +44 1624 123456"});
    let mut decision = decision(&all);
    let told = find(&decision, &[]);
    let paths: Vec<&str> = told.iter().map(|exposed| exposed.path.as_str()).collect();
    let expected =
        ["applicant.email", "applicant.name", "data.notes", "data.tenants[].surname", "legal_basis", "owner", "place.address", "text"];
    assert_eq!(paths, expected);
    assert!(told.iter().all(|exposed| exposed.sealable));
    let mapping = Mapping { seal: paths.iter().map(|path| (*path).to_owned()).collect(), ..Mapping::default() };
    assert_eq!(mapping.seal(&mut decision, &mut || [7; 16]).unwrap().len(), expected.len());
    Draft::from_json(&Value::Object(decision.clone())).unwrap();
    assert_eq!(find(&decision, &[]), []);
}

#[test]
fn what_a_decision_cannot_be_without_is_to_be_taken_out() {
    let told = find(&decision(&json!({"subject": "Roof for ada@mail.example"})), &[]);
    assert_eq!((told[0].path.as_str(), told[0].sign, told[0].sealable), ("subject", Sign::Mail, false));
    assert!(told[0].to_string().contains("take it out"), "{}", told[0]);
    // A mapping has no way to name such a member.
    assert_eq!(found(&json!({"data": {"schema": "urn:x", "a.b": "ada@mail.example"}})), [("data.a.b".into(), Sign::Mail, false)]);
    assert_eq!(found(&json!({"grid": [[{"phone": "12"}]]})), [("grid[][].phone".into(), Sign::Field, false)]);
}

#[test]
fn a_path_is_told_once_however_long_the_list() {
    let parties: Vec<Value> = (0..50).map(|n| json!({"role": "objector", "name": format!("Person {n}")})).collect();
    assert_eq!(found(&json!({"parties": parties})), [("parties[].name".into(), Sign::Name, true)]);
}

#[test]
fn names_that_say_themselves_that_they_are_those_of_bodies_are_not_told() {
    for body in [
        "Quayside Drive-Through Ltd",
        "Beam & Sons Ltd.",
        "Isolorme SAS",
        "Carrosseries Lavaudan SA",
        "Carrosseries Lavaudan S.A.",
        "Milchhof Wiekhusen eG",
        "Segelverein Kaltensee e. V.",
        "Papierwerk Kaltenwiek AG",
        "Müller GmbH & Co. KG",
        "Garrick Burgh Council",
        "Island Mutual Bank",
        "",
        "  ",
    ] {
        assert!(!may_be_person(body), "{body}");
    }
    for person in ["Ada Example", "Mario Sa", "MARIO SA", "Sa", "Trust", "Limited", "João da Silva e Sá", "李小龙"] {
        assert!(may_be_person(person), "{person}");
    }
}

#[test]
fn mail_telephone_and_birth_are_seen_in_texts() {
    for mail in ["ada@mail.example", "<ada.b+c@x-y.co.uk>", "to ada@mail.example.", "jörg@müller.example"] {
        assert_eq!(in_text(mail), [Sign::Mail], "{mail}");
    }
    for telephone in [
        "+44 1624 123456",
        "+447624123456",
        "0044 1624 12 34 56",
        "(01624) 123456",
        "01624-123456",
        "0431/123456",
        "07624 123 456",
        "Tel. 471234",
        "phone: 12345",
        "Tél. : 02.43.12.34.56",
        "+33 (0)2 43 12 34 56",
        "ring 01624 123456, please",
    ] {
        assert_eq!(in_text(telephone), [Sign::Telephone], "{telephone}");
    }
    for birth in
        ["born 1980", "Born on 3 May 1980", "geb. 3.5.80", "née Example le 3 mai 1980", "D.o.b.: 03/05/1980", "date of birth 1980-05-03"]
    {
        assert_eq!(in_text(birth), [Sign::Birth], "{birth}");
    }
    for neither in [
        "Two-storey rear extension",
        "NM/25/0911",
        "09/00821/A",
        "05/92123/REM",
        "2026-03-01",
        "01.03.2026-31.03.2026",
        "0123/2026",
        "18 000 m³ a year",
        "0.123456789",
        "-4.4812345, 54.1512345",
        "+54.1523461",
        "TH-20114",
        "12500.00",
        "IM9 1UA",
        "3 @ 4 m",
        "@council",
        "a@b",
        "100 000 000",
        "ISO 0000000001",
        "newborn unit opened in 2019",
        "s. 14",
        "at 00:00:00 to 01:00:00",
        "0 1 2 3 4 5 6 7 8 9",
        "roof (slate)",
        "a + b",
        "tel (see below)",
        "telephone exchange at 5 Quay Street",
        "stillborn",
    ] {
        assert_eq!(in_text(neither), [], "{neither}");
    }
}

#[test]
fn codes_dates_hashes_and_addresses_of_documents_are_left_alone() {
    let formal = json!({"relates": [{"rel": "refers", "index": 1, "leaf": "01624123456"}], "data": {"schema": "mailto:ada@mail.example"},
        "documents": [{"name": "plan.pdf", "media_type": "application/pdf", "size": 13, "sha256": "01624 123456"}]});
    assert_eq!(found(&formal), []);
    assert_eq!(found(&json!({"email": "", "phone": null, "applicant": {"_sd": ["x"]}})), []);
}

#[test]
fn no_text_is_too_odd_to_be_looked_at() {
    proptest::proptest!(|(text in "([0-9 +()./@-]|[a-z]|\\PC|tel|born|19){0,40}")| {
        in_text(&text);
        may_be_person(&text);
        find(&decision(&json!({"applicant": text, "text": text, text.clone(): text})), &[]);
    });
}
