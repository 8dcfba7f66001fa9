//! What the rules admit, although it looks as if they might not.

use serde_json::json;

use super::Case;
use crate::world::{World, key, signed, with};

/// A decision with one member set, signed by its issuer.
fn decision(world: &World, name: &str, value: serde_json::Value) -> Vec<u8> {
    signed(&with(world.decision(1), name, value), &[&world.planning]).to_bytes()
}

pub(super) const CASES: &[Case] = &[
    ("admitted-decision", "a decision of the first number", "admitted", |world| signed(&world.decision(1), &[&world.planning]).to_bytes()),
    ("admitted-highest-number", "a number 10,000 above the contiguous ones", "admitted", |world| {
        signed(&world.decision(10_000), &[&world.planning]).to_bytes()
    }),
    ("admitted-unknown-fields", "fields that nobody knows are kept and ignored", "admitted", |world| {
        decision(world, "x-mood", json!({"a": [null, true, 1.5, -3, "x"]}))
    }),
    ("admitted-markup", "markup is text", "admitted", |world| {
        decision(world, "subject", json!("<script>alert(1)</script><img src=x onerror=y>"))
    }),
    (
        "admitted-bidi-override",
        "text is not the fold's matter: a right-to-left override is refused by admission only",
        "admitted",
        |world| decision(world, "subject", json!("roof \u{202e}foor")),
    ),
    ("admitted-not-nfc", "text is not the fold's matter: another normal form is refused by admission only", "admitted", |world| {
        decision(world, "subject", json!("cafe\u{301}"))
    }),
    ("admitted-issued-in-the-future", "the fold has no clock", "admitted", |world| {
        decision(world, "issued", json!("2999-01-01T00:00:00Z"))
    }),
    ("admitted-exact-integer", "the largest integer that all readers of JSON agree on", "admitted", |world| {
        decision(world, "x", json!(9_007_199_254_740_991_u64))
    }),
    ("admitted-numbers", "numbers in the one form that RFC 8785 gives them", "admitted", |world| {
        decision(world, "x", json!([0, -1, 1.5, 1e21, 1e-7, 0.000001, 123456789.125]))
    }),
    ("admitted-escapes", "the escapes that RFC 8785 uses, and no others", "admitted", |world| {
        decision(world, "x", json!("\"\\\u{8}\u{c}\n\r\t\u{1}\u{1f}/\u{7f}é\u{1f600}"))
    }),
    ("admitted-member-order", "members sort by UTF-16 code units, where U+FB33 comes behind U+1F600", "admitted", |world| {
        decision(world, "x", json!({"\u{1f600}": 1, "\u{fb33}": 2}))
    }),
    ("admitted-void", "an annotation fills a number that was never used", "admitted", |world| {
        world.decide(2);
        signed(&world.annotation("void", 1), &[&world.planning]).to_bytes()
    }),
    ("admitted-gap-after-close", "a gap below the last number is filled after the close", "admitted", |world| {
        let planning = world.planning.clone();
        world.good(&world.annotation("close", 3), &[&planning]);
        signed(&world.decision(2), &[&planning]).to_bytes()
    }),
    ("admitted-correction", "a correction of one's own decision", "admitted", |world| {
        let first = world.decide(1);
        signed(&with(world.decision(2), "relates", json!([world.relation("corrects", first)])), &[&world.planning]).to_bytes()
    }),
    ("admitted-overruling", "a court revokes a decision that it may overrule", "admitted", |world| {
        let first = world.decide(1);
        signed(&world.judgment(1, "revokes", first), &[&world.court]).to_bytes()
    }),
    ("admitted-appeal-of-revoked", "appeals are free, also of what was revoked", "admitted", |world| {
        let first = world.decide(1);
        let court = world.court.clone();
        world.good(&world.judgment(1, "revokes", first), &[&court]);
        signed(&world.judgment(2, "appeals", first), &[&court]).to_bytes()
    }),
    ("admitted-key-added", "a key adds another, which signs too", "admitted", |world| {
        let new = key("planning.example/new", 50);
        signed(&world.key_change("add", &new), &[&world.planning, &new]).to_bytes()
    }),
    ("admitted-new-key", "a key signs from the entry after the one that added it", "admitted", |world| {
        let (planning, new) = (world.planning.clone(), key("planning.example/new", 50));
        world.good(&world.key_change("add", &new), &[&planning, &new]);
        signed(&world.decision(1), &[&new]).to_bytes()
    }),
    ("admitted-self-retirement", "a key retires itself", "admitted", |world| {
        signed(&world.key_change("retire", &world.planning), &[&world.planning]).to_bytes()
    }),
    ("admitted-doubt", "registrars retire a key and doubt what it signed", "admitted", |world| {
        let first = world.decide(1);
        let doubt = with(world.key_change("retire", &world.planning), "doubt_from", json!(first));
        signed(&doubt, &[&world.registrars[0], &world.registrars[1]]).to_bytes()
    }),
    ("admitted-more-registrars", "more registrars sign than must", "admitted", |world| {
        let registration = world.registration("lands.example", &[], &["land.*"]);
        let [one, two, three] = [&world.registrars[0], &world.registrars[1], &world.registrars[2]];
        signed(&registration, &[one, two, three]).to_bytes()
    }),
    ("admitted-new-registrars", "registrars replace themselves", "admitted", |world| {
        let new = crate::world::vkey(&key("new.example", 51));
        let change = json!({"type": "registrar", "log": crate::world::LOG, "issued": crate::world::ISSUED, "registrars": [new],
            "threshold": 1});
        signed(&change, &[&world.registrars[0], &world.registrars[2]]).to_bytes()
    }),
];
