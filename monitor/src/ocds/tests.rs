#![allow(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::{Value, json};

use super::*;
use crate::fixture::{Bench, decision, raised};

const SCHEMA: &str = "https://standard.open-contracting.org/schema/1__1__5/release-schema.json";

fn check(section: Section) -> Box<dyn Check> {
    all(&section.validate().unwrap()).remove(0)
}

fn award(issuer: &str, release: Value) -> Value {
    let mut data = json!({"schema": SCHEMA});
    let Value::Object(release) = release else { panic!("an object") };
    data.as_object_mut().unwrap().extend(release);
    decision(json!({"issuer": issuer, "kind": "procurement.award", "data": data}))
}

/// What a monitor with the usual settings says of one release.
fn flags(release: Value) -> Vec<String> {
    flags_with(Section::default(), release)
}

fn flags_with(section: Section, release: Value) -> Vec<String> {
    let outcome = Bench::new().entry(&*check(section), &award("roads.example", release));
    raised(&outcome).into_iter().map(|(code, _)| code).collect()
}

fn bid(status: &str, tenderer: &str, amount: f64) -> Value {
    json!({"status": status, "tenderers": [{"id": tenderer}], "value": {"amount": amount, "currency": "GBP"}})
}

fn bids(ocid: &str, winner: &str, bids: &[Value]) -> Value {
    json!({"ocid": ocid, "bids": {"details": bids}, "awards": [{"status": "active", "suppliers": [{"id": winner}]}]})
}

#[test]
fn r003_a_short_time_to_bid() {
    let period = |start: &str, end: &str| json!({"ocid": "o1", "tender": {"tenderPeriod": {"startDate": start, "endDate": end}}});
    assert_eq!(flags(period("2026-03-15T00:00:00Z", "2026-03-20T00:00:00Z")), ["ocds.R003"]);
    // An hour is missing to the fifteenth whole day, by the clocks of two zones.
    assert_eq!(flags(period("2026-03-01T12:00:00+01:00", "2026-03-16T10:00:00Z")), ["ocds.R003"]);
    assert_eq!(flags(period("2026-03-01T12:00:00+01:00", "2026-03-16T11:00:00Z")), [""; 0]);
    assert_eq!(flags(period("2026-03-20T00:00:00Z", "2026-03-15T00:00:00Z")), ["ocds.R003"], "it ends before it begins");
    assert_eq!(flags(period("yesterday", "2026-03-20T00:00:00Z")), [""; 0]);
    let section = Section { submission_days_of: [("Simplified".into(), 3)].into(), ..Section::default() };
    let mut simplified = period("2026-03-15T00:00:00Z", "2026-03-20T00:00:00Z");
    simplified["tender"]["procurementMethodDetails"] = json!("Simplified");
    assert_eq!(flags_with(section, simplified), [""; 0]);
}

#[test]
fn r018_a_single_bidder_where_there_should_be_competition() {
    let tender = |method: &str, count: Value| json!({"ocid": "o1", "tender": {"procurementMethod": method, "numberOfTenderers": count}});
    assert_eq!(flags(tender("open", json!(1))), ["ocds.R018"]);
    assert_eq!(flags(tender("selective", json!(1))), ["ocds.R018"]);
    for (method, count) in [("open", json!(2)), ("open", json!(0)), ("direct", json!(1)), ("open", json!("1")), ("open", json!(-1))] {
        assert_eq!(flags(tender(method, count.clone())), [""; 0], "{method} {count}");
    }
    let section = Section { competitive_methods: vec!["limited".into()], ..Section::default() };
    assert_eq!(flags_with(section, tender("limited", json!(1))), ["ocds.R018"]);
}

#[test]
fn r028_the_same_price_of_different_bidders() {
    let release = |details: &[Value]| json!({"ocid": "o1", "bids": {"details": details}});
    assert_eq!(flags(release(&[bid("valid", "a", 100.0), bid("disqualified", "b", 100.0)])), ["ocds.R028"]);
    assert_eq!(flags(release(&[bid("valid", "a", 100.0), bid("valid", "b", 101.0)])), [""; 0]);
    assert_eq!(flags(release(&[bid("valid", "a", 100.0), bid("valid", "a", 100.0)])), [""; 0], "one bidder, twice");
    assert_eq!(flags(release(&[bid("valid", "a", 100.0), bid("withdrawn", "b", 100.0)])), [""; 0], "taken back");
    let mut other_currency = bid("valid", "b", 100.0);
    other_currency["value"]["currency"] = json!("EUR");
    assert_eq!(flags(release(&[bid("valid", "a", 100.0), other_currency])), [""; 0]);
    let section = Section { fixed_prices: vec!["Lottery".into()], ..Section::default() };
    let mut lottery = release(&[bid("valid", "a", 100.0), bid("valid", "b", 100.0)]);
    lottery["tender"] = json!({"procurementMethodDetails": "Lottery"});
    assert_eq!(flags_with(section, lottery.clone()), [""; 0]);
    assert_eq!(flags(lottery), ["ocds.R028"]);
}

#[test]
fn r030_the_winner_was_late() {
    let release = |received: &str, status: &str, supplier: &str, award: &str| {
        json!({"ocid": "o1", "tender": {"tenderPeriod": {"endDate": "2026-03-15T12:00:00Z"}},
            "bids": {"details": [{"status": status, "date": received, "tenderers": [{"id": "w"}]}]},
            "awards": [{"status": award, "suppliers": [{"id": supplier}]}]})
    };
    assert_eq!(flags(release("2026-03-15T12:00:01Z", "valid", "w", "active")), ["ocds.R030"]);
    assert_eq!(flags(release("2026-03-15T12:00:00Z", "valid", "w", "active")), [""; 0]);
    // Later by its text, earlier by its time.
    assert_eq!(flags(release("2026-03-15T13:00:00+02:00", "valid", "w", "active")), [""; 0]);
    assert_eq!(flags(release("2026-03-16T00:00:00Z", "disqualified", "w", "active")), [""; 0]);
    assert_eq!(flags(release("2026-03-16T00:00:00Z", "valid", "other", "active")), [""; 0], "late, and did not win");
    assert_eq!(flags(release("2026-03-16T00:00:00Z", "valid", "w", "cancelled")), [""; 0]);
}

/// Thirty processes in which the second price is between 5 and 7 percent above the winning one.
fn usual(bench: &mut Bench, check: &dyn Check) {
    for number in 0..30_u32 {
        let second = 105.0 + f64::from(number % 5) / 2.0;
        let release = bids(&format!("usual-{number}"), "w", &[bid("valid", "w", 100.0), bid("valid", "l", second)]);
        let said = bench.entry(check, &award("roads.example", release));
        assert_eq!(raised(&said), [], "{number}");
    }
}

#[test]
fn r024_prices_unusually_close() {
    let (mut bench, check) = (Bench::new(), check(Section::default()));
    let close = |ocid: &str| bids(ocid, "w", &[bid("valid", "w", 100.0), bid("valid", "l", 101.0)]);
    assert_eq!(raised(&bench.entry(&*check, &award("roads.example", close("early")))), [], "too little is known yet");
    usual(&mut bench, &*check);
    let said = bench.entry(&*check, &award("roads.example", close("late")));
    assert_eq!(raised(&said), [("ocds.R024".to_owned(), "roads.example late".to_owned())]);
    assert!(said.raised()[0].text.contains("1.00 %"), "{}", said.raised()[0].text);
    for (why, release) in [
        ("usual", bids("n1", "w", &[bid("valid", "w", 100.0), bid("valid", "l", 106.0)])),
        ("the lowest did not win", bids("n2", "w", &[bid("valid", "w", 100.0), bid("valid", "l", 99.0)])),
        ("the second is not valid", bids("n3", "w", &[bid("valid", "w", 100.0), bid("disqualified", "l", 101.0)])),
        ("nobody else", bids("n4", "w", &[bid("valid", "w", 100.0)])),
        ("won for nothing", bids("n5", "w", &[bid("valid", "w", 0.0), bid("valid", "l", 0.5)])),
    ] {
        assert_eq!(raised(&bench.entry(&*check, &award("roads.example", release))), [], "{why}");
    }
    let mut pending = close("n6");
    pending["awards"] = json!([{"status": "active", "suppliers": [{"id": "w"}]}, {"status": "pending", "suppliers": [{"id": "l"}]}]);
    let mut two_winners = close("n7");
    two_winners["awards"][0]["suppliers"] = json!([{"id": "w"}, {"id": "x"}]);
    let mut together = close("n8");
    together["bids"]["details"][1]["tenderers"] = json!([{"id": "l"}, {"id": "x"}]);
    for release in [pending, two_winners, together] {
        assert_eq!(raised(&bench.entry(&*check, &award("roads.example", release.clone()))), [], "{release}");
    }
    let given = Section { close_price: 0.02, ..Section::default() };
    assert_eq!(flags_with(given, close("o1")), ["ocds.R024"]);
}

/// Whoever may publish at all could else have every unusual price of everybody taken for usual.
#[test]
fn nobody_moves_what_is_usual_for_another_issuer() {
    let (mut bench, check) = (Bench::new(), check(Section::default()));
    usual(&mut bench, &*check);
    for number in 0..100 {
        let same = bids(&format!("flood-{number}"), "w", &[bid("valid", "w", 100.0), bid("valid", "l", 100.0)]);
        bench.entry(&*check, &award("flood.example", same));
    }
    let late = bids("late", "w", &[bid("valid", "w", 100.0), bid("valid", "l", 101.0)]);
    let said = bench.entry(&*check, &award("roads.example", late));
    assert_eq!(raised(&said), [("ocds.R024".to_owned(), "roads.example late".to_owned())]);
}

#[test]
fn a_new_release_takes_the_place_of_the_old_one_and_of_nobody_elses() {
    let (mut bench, check) = (Bench::new(), check(Section { close_price: 0.02, ..Section::default() }));
    let release = |second: f64| bids("o1", "w", &[bid("valid", "w", 100.0), bid("valid", "l", second)]);
    assert_eq!(bench.entry(&*check, &award("roads.example", release(101.0))).raised().len(), 1);
    let cleared =
        |outcome: &Outcome| outcome.cleared().iter().any(|(code, subject)| *code == Code::OCDS_R024 && subject == "roads.example o1");
    assert!(!cleared(&bench.entry(&*check, &award("other.example", release(150.0)))));
    assert!(cleared(&bench.entry(&*check, &award("roads.example", release(150.0)))));
}

#[test]
fn r038_unusually_many_bids_are_disqualified() {
    let (mut bench, check) = (Bench::new(), check(Section::default()));
    let release = |ocid: &str, buyer: &str, outcomes: &[(&str, &str)]| {
        let details: Vec<_> = outcomes.iter().map(|(status, who)| json!({"status": status, "tenderers": [{"id": who}]})).collect();
        json!({"ocid": ocid, "buyer": {"id": buyer}, "bids": {"details": details}})
    };
    // Thirty buyers with two processes each; every second one disqualified one bid of four. All bidders are others.
    for buyer in 0..30 {
        for process in 0..2 {
            let status = if buyer % 2 == 0 && process == 0 { "disqualified" } else { "valid" };
            let (ocid, id) = (format!("{buyer}-{process}"), format!("b{buyer}"));
            let said = bench.entry(
                &*check,
                &award("roads.example", release(&ocid, &id, &[(status, &format!("x{ocid}")), ("valid", &format!("y{ocid}"))])),
            );
            assert_eq!(raised(&said), [], "{ocid}");
        }
    }
    let many = |ocid: &str| release(ocid, "harsh", &[("disqualified", "p"), ("disqualified", "q"), ("valid", "r")]);
    assert_eq!(raised(&bench.entry(&*check, &award("roads.example", many("h1")))), [], "of one process nothing is said");
    let said = bench.entry(&*check, &award("roads.example", many("h2")));
    assert_eq!(raised(&said), [("ocds.R038".to_owned(), "buyer roads.example harsh".to_owned())]);
    assert!(said.raised()[0].text.starts_with("Of 6 bids, 4 were disqualified"), "{}", said.raised()[0].text);
    // What was corrected is not the case any more.
    let mended = |ocid: &str| release(ocid, "harsh", &[("valid", "p"), ("valid", "q"), ("valid", "r")]);
    let said = bench.entry(&*check, &award("other.example", mended("h2")));
    assert!(!said.cleared().iter().any(|(_, subject)| subject.contains("roads.example")), "nobody else can: {:?}", said.cleared());
    bench.entry(&*check, &award("roads.example", mended("h1")));
    let said = bench.entry(&*check, &award("roads.example", mended("h2")));
    assert!(said.cleared().iter().any(|(_, subject)| subject == "buyer roads.example harsh") && said.raised().is_empty());
    // Nobody else can say something of this issuer's buyers.
    let said = bench.entry(&*check, &award("other.example", many("h3")));
    assert!(!raised(&said).iter().any(|(_, subject)| subject.contains("roads.example")), "{:?}", raised(&said));
}

#[test]
fn r038_bidders_and_procuring_entities_too() {
    let (mut bench, check) = (Bench::new(), check(Section { disqualified_share: 0.9, ..Section::default() }));
    let release = |ocid: &str| {
        let details =
            [json!({"status": "disqualified", "tenderers": [{"id": "p"}]}), json!({"status": "valid", "tenderers": [{"id": "r"}]})];
        json!({"ocid": ocid, "tender": {"procuringEntity": {"id": "e"}}, "bids": {"details": details}})
    };
    assert_eq!(raised(&bench.entry(&*check, &award("roads.example", release("o1")))), [], "one bid is too few");
    assert_eq!(raised(&bench.entry(&*check, &award("roads.example", release("o1")))), [], "the same process again is no second bid");
    let said = bench.entry(&*check, &award("water.example", release("o2")));
    assert_eq!(raised(&said), [], "nobody adds to what another issuer tells of a bidder");
    let said = bench.entry(&*check, &award("roads.example", release("o2")));
    assert_eq!(raised(&said), [("ocds.R038".to_owned(), "bidder roads.example p".to_owned())]);
    let mut bench = Bench::new();
    let half = all(&Section { disqualified_share: 0.5, ..Section::default() }.validate().unwrap()).remove(0);
    bench.entry(&*half, &award("roads.example", release("o1")));
    let said = bench.entry(&*half, &award("roads.example", release("o2")));
    assert!(raised(&said).contains(&("ocds.R038".to_owned(), "procuring entity roads.example e".to_owned())), "{:?}", raised(&said));
    assert!(!raised(&said).iter().any(|(_, subject)| subject == "bidder roads.example r"), "{:?}", raised(&said));
}

#[test]
fn what_is_no_release_is_left_alone() {
    let (mut bench, check) = (Bench::new(), check(Section::default()));
    let long = "x".repeat(300);
    for release in [
        json!({}),
        json!({"ocid": 7}),
        json!({"ocid": ""}),
        json!({"ocid": long}),
        json!({"ocid": "o", "tender": [], "bids": "none", "awards": {"status": "active"}, "buyer": 3}),
        json!({"ocid": "o", "tender": {"tenderPeriod": {"startDate": 1, "endDate": null}, "numberOfTenderers": 1.5, "procurementMethod": []}}),
        json!({"ocid": "o", "bids": {"details": [null, 1, [], {}, {"status": 1, "tenderers": [1, {}, {"id": 2}], "value": {"amount": "1"}}]}}),
        json!({"ocid": "o", "tender": {"tenderPeriod": {"startDate": "-009999-01-01T00:00:00Z", "endDate": "9999-12-31T00:00:00Z"}}}),
        json!({"ocid": "o\u{202e}\n", "bids": {"details": [bid("valid", "w", 1e308), bid("valid", "l", 1e-308)]},
            "awards": [{"status": "active", "suppliers": [{"id": "w"}]}]}),
    ] {
        assert_eq!(raised(&bench.entry(&*check, &award("roads.example", release.clone()))), [], "{release}");
    }
    let single = json!({"ocid": "o1", "tender": {"procurementMethod": "open", "numberOfTenderers": 1}});
    let mut other_schema = award("roads.example", single.clone());
    other_schema["data"]["schema"] = json!("https://example.org/docds/1");
    assert_eq!(raised(&bench.entry(&*check, &other_schema)), []);
    assert_eq!(raised(&bench.judged(&*check, None, None)), []);
    assert!(all(&Section { enabled: false, ..Section::default() }.validate().unwrap()).is_empty());
    let mut short_name = award("roads.example", single);
    short_name["data"]["schema"] = json!("OCDS-1.1");
    assert_eq!(bench.entry(&*check, &short_name).raised().len(), 1);
}

#[test]
fn the_example_has_the_defaults() {
    let file: toml::Table = toml::from_str(include_str!("../../acta-monitor.example.toml")).unwrap();
    assert_eq!(file["ocds"].clone().try_into::<Section>().unwrap(), Section::default());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for share in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
        let refused = Section { close_price: share, ..Section::default() }.validate();
        assert_eq!(refused.unwrap_err(), SettingsError::Share { key: "close_price" }, "{share}");
    }
    assert_eq!(Section { min_population: 3, ..Section::default() }.validate().unwrap_err(), SettingsError::Population);
}
