#![allow(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::json;

use super::*;

fn reason(text: &str) -> Option<BadTextReason> {
    check(&json!({ "a": text }).to_string()).err().map(|bad| bad.reason)
}

#[test]
fn texts_that_deceive_are_refused() {
    for (text, expected) in [
        ("cafe\u{301}", BadTextReason::NotNfc),
        ("\u{212b}ngström", BadTextReason::NotNfc),
        ("a\u{0}b", BadTextReason::Control(CodePoint('\u{0}'))),
        ("a\rb", BadTextReason::Control(CodePoint('\r'))),
        ("a\u{8}b", BadTextReason::Control(CodePoint('\u{8}'))),
        ("a\u{7f}b", BadTextReason::Control(CodePoint('\u{7f}'))),
        ("a\u{9b}b", BadTextReason::Control(CodePoint('\u{9b}'))),
        ("roof \u{202e}foor", BadTextReason::Bidirectional(CodePoint('\u{202e}'))),
        ("a\u{2066}b", BadTextReason::Bidirectional(CodePoint('\u{2066}'))),
        ("per\u{200b}mit", BadTextReason::Invisible(CodePoint('\u{200b}'))),
        ("permit\u{feff}", BadTextReason::Invisible(CodePoint('\u{feff}'))),
        ("a\u{e0041}", BadTextReason::Invisible(CodePoint('\u{e0041}'))),
        ("\u{fdd0}", BadTextReason::Invisible(CodePoint('\u{fdd0}'))),
        ("\u{1fffe}", BadTextReason::Invisible(CodePoint('\u{1fffe}'))),
        ("\u{420}lanning", BadTextReason::MixedScripts(CodePoint('l'))),
        ("plаnning", BadTextReason::MixedScripts(CodePoint('а'))),
        ("ρermit", BadTextReason::MixedScripts(CodePoint('e'))),
    ] {
        assert_eq!(reason(text), Some(expected), "{text:?}");
    }
}

#[test]
fn the_languages_of_the_world_and_what_is_only_ugly_are_admitted() {
    for text in [
        "Réfection de la toiture de l'école des Peupliers, lot 1 : charpente",
        "Wasserzähler § 8, Phosphor höchstens 0.3 mg/l — 18 000 m³",
        "Решение о строительстве, участок А-14",
        "Απόφαση Α΄ βαθμού",
        "東京都知事の決定（第3号）カタカナ ABC株式会社",
        "서울특별시 결정 KT빌딩",
        "قرار رقم ١٢ بشأن \u{200f}(أ)",
        "می\u{200c}خواهم",
        "क्ष\u{200d} निर्णय",
        "⚖\u{fe0f} decision",
        "<script>alert(1)</script>",
        "damaged \u{fffd} characters",
        "line one\nline two\ttabbed",
        "Straßen\u{ad}bau",
    ] {
        assert_eq!(reason(text), None, "{text:?}");
    }
}

#[test]
fn the_field_is_named_and_what_is_in_it_shown_inert() {
    let bad = check(&json!({"parties": [{"role": "x"}, {"name": "a\u{202e}"}]}).to_string()).unwrap_err();
    assert_eq!(&*bad.field, "parties[1].name");
    assert!(bad.to_string().contains("U+202E") && !bad.to_string().contains('\u{202e}'));
    let bad = check(&json!({"a\u{202e}b": 1}).to_string()).unwrap_err();
    assert!(!bad.to_string().contains('\u{202e}'));
}

#[test]
fn every_reason_has_its_name() {
    let reasons =
        ["e\u{301}", "\u{0}", "\u{202e}", "\u{200b}", "plаn"].map(|text| check(&json!({ "a": text }).to_string()).unwrap_err().name());
    assert_eq!(reasons, BadText::NAMES);
}
