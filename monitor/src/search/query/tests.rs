#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Vec<Clause> {
    Query::parse(text).unwrap().clauses
}

fn clause(what: What) -> Clause {
    Clause { excluded: false, what }
}

fn refused(text: &str) -> (usize, String) {
    let error = Query::parse(text).unwrap_err();
    (error.at, error.reason.to_string())
}

#[test]
fn words_phrases_fields_and_ranges_are_told_apart() {
    assert_eq!(
        parsed("roof \"Ballacraine Farm\" kind:planning.* -status:revoked party:\"A & B\" amount:>=10 13/45"),
        [
            clause(What::Text(TextField::All, "roof".into())),
            clause(What::Text(TextField::All, "Ballacraine Farm".into())),
            clause(What::Exact(ExactField::Kind, "planning.*".into())),
            Clause { excluded: true, what: What::Exact(ExactField::Status, "revoked".into()) },
            clause(What::Text(TextField::Party, "A & B".into())),
            clause(What::Range(RangeField::Amount, 100_000, i64::MAX)),
            clause(What::Text(TextField::All, "13/45".into())),
        ]
    );
    assert_eq!(parsed(" \t\u{3000}"), []);
    assert_eq!(parsed("currency:gbp"), [clause(What::Exact(ExactField::Currency, "GBP".into()))]);
    assert_eq!(parsed("issued:1970-01-02T00:00:01Z"), [clause(What::Range(RangeField::Issued, 86_401, 86_401))], "a value with colons");
    assert_eq!(parsed("one\"two three\"").len(), 2, "a quotation mark ends a word");
    let asked = Query::parse("roof").unwrap().and("decided", "2024..2025").unwrap();
    assert!(asked.has_words() && asked.clauses.len() == 2);
    assert!(!Query::parse("kind:* -roof").unwrap().has_words());
}

#[test]
fn errors_point_at_what_is_wrong_and_say_what_to_write() {
    for (text, at, says) in [
        ("roof \"farm", 5, "not closed"),
        ("é é isuer:x", 4, "there is no field of that name; there are text, subject"),
        ("http://roof.example", 0, "quotation marks"),
        ("roof issuer:", 5, "nothing follows the colon"),
        ("roof -", 5, "no letter and no digit"),
        ("\"\"", 0, "no letter and no digit"),
        ("issuer:https", 0, ""),
        ("issuer:Planning", 0, "named like a web address"),
        ("kind:planning.permit.*.x", 0, "planning.*"),
        ("kind:plan*", 0, "planning.*"),
        ("series:a/b", 0, "2026-appeals"),
        ("type:thing", 0, "one of decision"),
        ("status:valid", 0, "in-force"),
        ("currency:EURO", 0, "three letters"),
        ("lang:!", 0, "such as en"),
        ("number:-1", 0, "digits"),
        ("amount:1,000", 0, "decimal number"),
        ("decided:01.03.2024", 0, "2026-03-01"),
        ("published:soon", 0, "2026-03-01T09:30:00Z"),
        ("amount:20..10", 0, "lesser value first"),
    ] {
        if says.is_empty() {
            assert!(Query::parse(text).is_ok(), "{text}");
            continue;
        }
        let (found, reason) = refused(text);
        assert_eq!(found, at, "{text}");
        assert!(reason.contains(says), "{text}: {reason}");
    }
}

#[test]
fn a_query_is_bounded() {
    assert_eq!(Query::parse(&"a".repeat(MAX_QUERY + 1)).unwrap_err().reason, QueryErrorReason::TooLong);
    let most = "a ".repeat(MAX_CLAUSES);
    let query = Query::parse(&most).unwrap();
    assert_eq!(query.clone().and("kind", "a"), Err(QueryErrorReason::TooManyParts));
    let error = Query::parse(&format!("{most}b")).unwrap_err();
    assert_eq!((error.at, error.reason), (2 * MAX_CLAUSES, QueryErrorReason::TooManyParts));
    assert_eq!(Query::default().and("text", &"a".repeat(MAX_QUERY + 1)), Err(QueryErrorReason::TooLong));
}

proptest! {
    #[test]
    fn whatever_is_asked_is_parsed_or_refused_at_a_character_of_it(text in ".*") {
        match Query::parse(&text) {
            Ok(query) => prop_assert!(query.clauses.len() <= MAX_CLAUSES),
            Err(error) => prop_assert!(error.at <= text.chars().count()),
        }
    }

    #[test]
    fn so_is_what_looks_like_a_query(text in "(-?(text|party|kind|amount|decided|issued|number|lang|log)?:?\"?(>|<|>=|\\.\\.)?[a-z0-9é.\\- :]{0,12}\"? ?){0,8}") {
        if let Err(error) = Query::parse(&text) {
            prop_assert!(error.at <= text.chars().count() && !error.to_string().is_empty());
        }
    }
}
