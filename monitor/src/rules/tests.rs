#![allow(clippy::unwrap_used, reason = "a test may fail")]

use decision::ledger::{Finding, Refusal};
use serde_json::{Value, json};
use tlog::LeafIndex;

use super::*;
use crate::check::Outcome;
use crate::finding::Severity;
use crate::fixture::{Bench, decision, raised, statement};

fn checks(text: &str) -> Vec<Box<dyn Check>> {
    all(&section(text).validate().unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn section(text: &str) -> Section {
    #[derive(serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    #[derive(Default)]
    struct File {
        rule: Vec<RuleSection>,
        watch: Vec<WatchSection>,
    }
    let File { rule, watch } = toml::from_str(text).unwrap();
    Section { rules: rule, watches: watch }
}

/// What one check says of one entry.
fn said(text: &str, members: Value) -> Outcome {
    Bench::new().entry(&*checks(text).remove(0), &decision(members))
}

#[cfg(feature = "rules")]
const SUNDAY: &str = r#"
[[rule]]
name = "sunday"
when = 'weekday(statement.decided) == 7'
severity = "warning"
text = "{issuer} decided on a Sunday, {decided}: {subject} ({unit})"
group = "{kind}"
"#;

#[cfg(feature = "rules")]
#[test]
fn a_rule_that_is_true_is_a_finding_in_its_own_words() {
    let outcome = said(SUNDAY, json!({"subject": "A fence\u{202e}"}));
    assert_eq!(raised(&outcome), [("rule.sunday".to_owned(), "0".to_owned())]);
    let finding = &outcome.raised()[0];
    assert_eq!(finding.text, "planning.example decided on a Sunday, 2026-03-01: A fence\\u{202e} (–)");
    assert_eq!((finding.severity, finding.group.as_str(), &finding.indexes[..]), (Some(Severity::Warning), "planning.permit", &[0][..]));
    assert_eq!(raised(&said(SUNDAY, json!({"decided": "2026-03-02"}))), []);
    let plain = said("[[rule]]\nname = 'x'\nwhen = 'true'", json!({}));
    let finding = &plain.raised()[0];
    assert_eq!(
        (finding.text.as_str(), finding.group.as_str()),
        ("planning.permit 2026 / 1 of planning.example: A fence", "planning.example")
    );
    assert_eq!(finding.severity, None);
}

#[cfg(feature = "rules")]
#[test]
fn a_rule_that_fails_is_told_once_a_day_for_each_issuer_and_goes_on() {
    let rule = checks("[[rule]]\nname = 'cheap'\nwhen = 'number(statement.data.price) < 5.0'").remove(0);
    let mut bench = Bench::new();
    let mut price = |day: &str, issuer: &str, price: Value| {
        bench.time = format!("{day}T12:00:00Z").parse().unwrap();
        raised(&bench.entry(&*rule, &decision(json!({"issuer": issuer, "data": {"schema": "x", "price": price}}))))
    };
    let failed = |issuer: &str| vec![("monitor.rule-failed".to_owned(), format!("cheap {issuer}"))];
    let (today, tomorrow) = ("2026-03-02", "2026-03-03");
    assert_eq!(price(today, "a.example", json!("free")), failed("a.example 2026-03-02"));
    assert_eq!(price(today, "a.example", json!(["free"])), failed("a.example 2026-03-02"), "the same finding");
    assert_eq!(price(today, "b.example", json!({})), failed("b.example 2026-03-02"));
    assert_eq!(price(tomorrow, "a.example", json!("free")), failed("a.example 2026-03-03"), "it goes on doing so");
    assert_eq!(price(today, "a.example", json!("4.5")), [("rule.cheap".to_owned(), "4".to_owned())]);
    assert_eq!(price(today, "a.example", json!(4)), [("rule.cheap".to_owned(), "5".to_owned())]);
    assert_eq!(price(today, "a.example", json!(5)), []);
}

#[cfg(feature = "rules")]
#[test]
fn refused_entries_are_looked_at_and_marked_and_noise_is_not() {
    let rule = checks("[[rule]]\nname = 'r'\nwhen = 'refused'").remove(0);
    let mut bench = Bench::new();
    let wrong = statement(&decision(json!({})));
    let refusal = Finding { index: LeafIndex::new(0), reason: Refusal::OtherLog("other.example".into()).into() };
    let outcome = bench.judged(&*rule, Some(&wrong), Some(&refusal));
    assert!(outcome.raised()[0].text.ends_with("should have refused this entry, so it has no effect."), "{outcome:?}");
    assert_eq!(raised(&bench.judged(&*rule, Some(&wrong), None)), []);
    assert_eq!(raised(&bench.judged(&*rule, None, None)), []);
}

#[test]
fn watch_lists_find_what_fits_every_line_that_is_not_empty() {
    let full = decision(json!({"kind": "planning.permit", "subject": "Extension of the Café Vieux-Port", "unit": "North",
        "parties": [{"role": "applicant", "name": "Harbour & Sons Ltd", "id": "GB-123"}],
        "place": {"address": "3, Quay Street, Douglas", "point": {"type": "Point", "coordinates": [-4.48, 54.15]}},
        "documents": [{"name": "Élévation sud", "media_type": "application/pdf", "size": 1, "sha256": "0".repeat(64)}],
        "data": {"schema": "x", "notes": ["asbestos, on the roof"]}}));
    let finds = |lines: &str| raised(&Bench::new().entry(&*checks(&format!("[[watch]]\nname = 'w'\n{lines}")).remove(0), &full)).len() == 1;
    for lines in [
        "issuers = ['other.example', 'planning.example']",
        "kinds = ['planning.*']",
        "parties = ['harbour']",
        "parties = ['gb-123']",
        "places = ['quay street']",
        "words = ['cafe']",
        "words = ['elevation SUD']",
        "words = ['asbestos']",
        "words = ['nothing', 'vieux port']",
        "near = { latitude = 54.151, longitude = -4.481, km = 0.5 }",
        "issuers = ['planning.example']\nkinds = ['planning.permit']\nwords = ['cafe']\nparties = ['sons ltd']\nplaces = ['douglas']",
    ] {
        assert!(finds(lines), "{lines}");
    }
    for lines in [
        "issuers = ['other.example']",
        "kinds = ['planning']",
        "parties = ['gb']",
        "parties = ['gb-12']",
        "parties = ['cafe']",
        "places = ['cafe']",
        "words = ['caf']",
        "words = ['2026']",
        "words = ['port vieux']",
        "near = { latitude = 54.25, longitude = -4.48, km = 5.0 }",
        "issuers = ['planning.example']\nwords = ['tea room']",
    ] {
        assert!(!finds(lines), "{lines}");
    }
    let outcome = Bench::new().entry(&*checks("[[watch]]\nname = 'w'\nseverity = 'info'\nwords = ['cafe']").remove(0), &full);
    let finding = &outcome.raised()[0];
    assert_eq!((finding.code.to_string().as_str(), finding.severity), ("watch.w", Some(Severity::Info)));
    assert!(finding.text.ends_with("Vieux-Port – it has the words “cafe”."), "{}", finding.text);
    assert_eq!(raised(&said("[[watch]]\nname = 'w'\nnear = { latitude = 0.0, longitude = 0.0, km = 1.0 }", json!({}))), []);
    assert_eq!(raised(&Bench::new().judged(&*checks("[[watch]]\nname = 'w'\nwords = ['noise']").remove(0), None, None)), []);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (text, says) in [
        ("[[watch]]\nname = 'a b'\nwords = ['x']", "a [[watch]] is called \"a b\""),
        ("[[watch]]\nname = 'w'\nwords = ['x']\n[[watch]]\nname = 'w'\nwords = ['y']", "two [[watch]] are called w"),
        ("[[watch]]\nname = 'w'", "the watch list w is empty"),
        ("[[watch]]\nname = 'w'\nwords = [' - ']", "`words` of the watch list w has something without a letter"),
        ("[[watch]]\nname = 'w'\nissuers = ['Planning Office']", "`issuers` of the watch list w: an issuer is named like a web address"),
        ("[[watch]]\nname = 'w'\nkinds = ['*.permit']", "`kinds` of the watch list w: a pattern of kinds"),
        ("[[watch]]\nname = 'w'\nnear = { latitude = 91.0, longitude = 0.0, km = 1.0 }", "`near` of the watch list w is no place"),
        ("[[watch]]\nname = 'w'\nnear = { latitude = 1.0, longitude = nan, km = 1.0 }", "`near` of the watch list w is no place"),
        ("[[rule]]\nwhen = 'true'", "a [[rule]] is called \"\""),
    ] {
        let error = section(text).validate().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    let many: String = (0..300).map(|number| format!("[[watch]]\nname = 'w{number}'\nwords = ['x']\n")).collect();
    assert_eq!(section(&many).validate().map(|_| ()).unwrap_err(), SettingsError::TooMany { section: "watch" });
}

#[cfg(feature = "rules")]
#[test]
fn rules_that_make_no_sense_are_refused_by_name_and_place() {
    for (lines, says) in [
        ("", "`when` of the rule r cannot be used: it is empty"),
        ("when = 'statement.kind ='", "`when` of the rule r cannot be used: at line 1, column"),
        (
            "when = 'statement.kin == 1'",
            "`when` of the rule r cannot be used: at column 10: a statement has no field `kin` (perhaps `kind`)",
        ),
        (
            "when = 'true'\ntext = '{subjekt}'",
            "`text` of the rule r cannot be used: there is no field {subjekt}; there are {subject}, {issuer}",
        ),
        ("when = 'true'\ntext = 'a } b'", "`text` of the rule r cannot be used: a brace has no partner"),
        ("when = 'true'\ngroup = '{kind'", "`group` of the rule r cannot be used: a brace has no partner"),
        ("when = 'true'\ntext = '{a{kind}'", "a brace has no partner"),
    ] {
        let error = section(&format!("[[rule]]\nname = 'r'\n{lines}")).validate().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(says), "{lines}: {error}");
    }
}

#[cfg(feature = "rules")]
#[test]
fn the_rules_and_lists_of_the_example_are_good_ones() {
    let file: toml::Table = toml::from_str(include_str!("../../acta-monitor.example.toml")).unwrap();
    let text = toml::to_string(&toml::Table::from_iter(file.into_iter().filter(|(key, _)| key == "rule" || key == "watch"))).unwrap();
    let checks = checks(&text);
    let find = |members: Value| -> Vec<String> {
        let all = checks.iter().flat_map(|check| raised(&Bench::new().entry(&**check, &decision(members.clone()))));
        all.map(|(code, _)| code).collect()
    };
    let award = json!({"kind": "procurement.award", "decided": "2026-03-02", "amount": {"value": "1500000", "currency": "GBP"}});
    assert_eq!(find(award.clone()), ["rule.large-award"]);
    let mut nobody = award.clone();
    nobody["parties"] = json!([{"role": "supplier", "_sd": ["A".repeat(43)]}]);
    assert_eq!(find(nobody), ["rule.large-award", "rule.award-without-name"]);
    assert_eq!(find(json!({"decided": "2026-03-01"})), ["rule.sunday"]);
    let quay = json!({"decided": "2026-03-02", "subject": "A wall on the quay", "place": {"point": {"type": "Point", "coordinates": [-4.48, 54.15]}}});
    assert_eq!(find(quay), ["watch.old-harbour"]);
    assert_eq!(find(json!({"decided": "2026-03-02"})), [""; 0]);
}
