#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn each_deviation_has_its_reason() {
    for (text, reason) in [
        ("", NotCanonical::Malformed(0)),
        ("x", NotCanonical::Malformed(0)),
        ("[]", NotCanonical::NotAnObject),
        ("null", NotCanonical::NotAnObject),
        ("{", NotCanonical::Malformed(1)),
        ("{}{}", NotCanonical::MoreThanOne(2)),
        (" {}", NotCanonical::Space(0)),
        ("{} ", NotCanonical::Space(2)),
        ("{ }", NotCanonical::Space(1)),
        ("{\"a\": 1}", NotCanonical::Space(5)),
        ("{\"a\":1,}", NotCanonical::Malformed(7)),
        ("{\"a\":[1,]}", NotCanonical::Malformed(8)),
        ("{\"a\":1,\"a\":2}", NotCanonical::Duplicate(7)),
        ("{\"b\":1,\"a\":2}", NotCanonical::Unsorted(7)),
        ("{\"a\":\"\\u0041\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\/\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\u000A\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\u000a\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\ud83d\\ude00\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\ud83d\"}", NotCanonical::Escape(6)),
        ("{\"a\":\"\\x\"}", NotCanonical::Malformed(6)),
        ("{\"a\":\"\t\"}", NotCanonical::Malformed(6)),
        ("{\"a\":\"", NotCanonical::Malformed(6)),
        ("{\"a\":\"\\", NotCanonical::Malformed(6)),
        ("{\"a\":\"\\u00", NotCanonical::Malformed(6)),
        ("{\"a\":01}", NotCanonical::Malformed(5)),
        ("{\"a\":-}", NotCanonical::Malformed(5)),
        ("{\"a\":1.}", NotCanonical::Malformed(5)),
        ("{\"a\":1.0}", NotCanonical::Number(5)),
        ("{\"a\":-0}", NotCanonical::Number(5)),
        ("{\"a\":1e2}", NotCanonical::Number(5)),
        ("{\"a\":1E21}", NotCanonical::Number(5)),
        ("{\"a\":1e999}", NotCanonical::Malformed(5)),
        ("{\"a\":9007199254740992}", NotCanonical::Inexact(5)),
        ("{\"a\":-9007199254740993}", NotCanonical::Inexact(5)),
        ("{\"a\":123456789012345678901234567890}", NotCanonical::Inexact(5)),
        ("{\"a\":nul}", NotCanonical::Malformed(5)),
        ("{\"a\":True}", NotCanonical::Malformed(5)),
        ("{a:1}", NotCanonical::Malformed(1)),
    ] {
        assert_eq!(check(text), Err(reason), "{text}");
        assert!(NotCanonical::NAMES.contains(&reason.name()));
    }
}

#[test]
fn names_sort_by_utf_16_and_are_compared_without_their_escapes() {
    // U+1F600 is D83D DE00 in UTF-16 and so comes before U+FB33; in UTF-8 it is the other way round.
    assert_eq!(check("{\"\u{1f600}\":1,\"\u{fb33}\":2}"), Ok(()));
    assert_eq!(check("{\"\u{fb33}\":1,\"\u{1f600}\":2}"), Err(NotCanonical::Unsorted(9)));
    assert_eq!(check("{\"\\n\":1,\"\\r\":2,\"1\":3}"), Ok(()));
    assert_eq!(check("{\"1\":3,\"\\n\":1}"), Err(NotCanonical::Unsorted(7)));
}

#[test]
fn nesting_ends_at_its_bound() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
    assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(NotCanonical::TooDeep(5 + MAX_DEPTH - 1)));
    assert!(matches!(check(&nested(100_000)), Err(NotCanonical::TooDeep(_))));
    let mut deep = json!(1);
    for _ in 0..MAX_DEPTH + 1 {
        deep = json!({"a": deep});
    }
    assert!(matches!(to_string(&deep), Err(NotCanonical::TooDeep(_))));
}

#[test]
fn a_value_that_would_be_rounded_is_refused() {
    assert_eq!(to_string(&json!({"a": u64::MAX})), Err(NotCanonical::Inexact(0)));
    assert_eq!(to_string(&json!({"a": [i64::MIN]})), Err(NotCanonical::Inexact(0)));
    assert_eq!(to_string(&json!({"a": MAX_EXACT})).unwrap(), "{\"a\":9007199254740991}");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| json!(number)),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        "[a-c\\\\\"\u{1}\n\u{e9}\u{fb33}\u{1f600}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-c\\\\\"\u{1}\u{e9}\u{fb33}\u{1f600}]{0,3}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What `check` says, by parsing and printing.
fn is_canonical_by_printing(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object() && to_string(&value).is_ok_and(|printed| printed == text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_printed_is_canonical_and_two_printers_agree(value in values()) {
        let object = json!({ "v": value });
        // A float that is an integer beyond exact ones is printed without an exponent, and then is refused.
        if let Ok(text) = to_string(&object) {
            prop_assert_eq!(check(&text), Ok(()));
            prop_assert_eq!(&serde_jcs::to_string(&object).unwrap(), &text);
            // -0.0 and 0 are one number here, so values are compared as printed.
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(to_string(&again).unwrap(), text);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_exactly_if_it_matters(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>(), what in 0..3) {
        let Ok(text) = to_string(&json!({ "v": value })) else { return Ok(()) };
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match what {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => { bytes.remove(at); }
        }
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert_eq!(check(&text).is_ok(), is_canonical_by_printing(&text), "{}", text);
        }
    }
}
