use serde_json::{Value, json};

use super::*;
use crate::checks::testing::{World, with};

const ONE: &str = "planning.example";
const OTHER: &str = "heritage.example";

const SUBJECT: &str = "Replacement of the slate roof of the old customs house and repair of its two chimneys";
const ADDRESS: &str = "14 Tolbooth Wynd, Eskmouth EM2 4PA";

fn decision(world: &World, issuer: &str, seq: u64, subject: &str, address: &str) -> Value {
    let decision = with(world.decision(issuer, "2026", seq), "subject", subject.into());
    if address.is_empty() { decision } else { with(decision, "place", json!({"address": address})) }
}

/// Whether a decision is found to be nearly the same as that about the customs house.
fn is_found(issuer: &str, subject: &str, address: &str) -> bool {
    let mut world = World::new("");
    let one = decision(&world, ONE, 1, SUBJECT, ADDRESS);
    world.publish(one);
    let other = decision(&world, issuer, 2, subject, address);
    world.publish(other);
    !world.found(&Code::NEAR_DUPLICATE).is_empty()
}

#[test]
fn what_is_nearly_the_same_is_found_and_what_is_not_is_not() {
    let shouted = SUBJECT.to_uppercase();
    let referred = format!("NM/25/0911: {SUBJECT}");
    for (subject, address, found) in [
        (SUBJECT, ADDRESS, true),
        (&shouted, "14, tolbooth wynd; ESKMOUTH EM2-4PA", true),
        (&referred, ADDRESS, true),
        ("Replacement of the slate roof of the old customs house and repair of both its two chimneys", ADDRESS, true),
        (SUBJECT, "16 Tolbooth Wynd, Eskmouth EM2 4PA", false),
        (SUBJECT, "14 Harbour Parade, Northmere EM2 4PA", false),
        ("Conversion of the old customs house to four flats and repair of its roof", ADDRESS, false),
        ("Two replacement windows", ADDRESS, false),
    ] {
        assert_eq!(is_found(OTHER, subject, address), found, "{subject}, {address}");
        assert!(!is_found(ONE, subject, address), "of the same issuer: {subject}, {address}");
    }
}

#[test]
fn texts_that_name_no_place_and_nobody_or_have_few_words_are_not_compared() {
    let mut world = World::new("");
    for (seq, subject, address) in
        [(1, "Renewal of the annual licence to drive a hackney carriage within the district", ""), (2, "A roof", ADDRESS)]
    {
        for issuer in [ONE, OTHER] {
            let decision = decision(&world, issuer, seq, subject, address);
            world.publish(decision);
        }
    }
    let party = |decision: Value, name: &str| with(decision, "parties", json!([{"role": "applicant", "name": name}]));
    for (seq, issuer, name) in [(3, ONE, "Quayside Drive-Through Ltd"), (4, OTHER, "Eskmouth Harbour Users' Association")] {
        let decision = party(decision(&world, issuer, seq, "Licence to put tables and chairs upon the quay", ""), name);
        world.publish(decision);
    }
    assert_eq!(world.found(&Code::NEAR_DUPLICATE), [""; 0]);
    let decision = party(decision(&world, OTHER, 5, "Licence to put tables and chairs upon the quay", ""), "QUAYSIDE DRIVE-THROUGH LTD.");
    world.publish(decision);
    assert_eq!(world.found(&Code::NEAR_DUPLICATE), ["entries 4 and 6"]);
}

#[test]
fn what_refers_to_the_other_or_is_years_away_is_no_duplicate() {
    let mut world = World::new("");
    let one = decision(&world, ONE, 1, SUBJECT, ADDRESS);
    world.publish(one);
    let judgment = world.relating(decision(&world, OTHER, 1, SUBJECT, ADDRESS), &[("revokes", 0)]);
    world.publish(judgment);
    assert_eq!(world.found(&Code::NEAR_DUPLICATE), [""; 0]);
    for (seq, decided, found) in [(1, "2024-06-01", 0), (2, "2025-06-01", 1)] {
        let other = with(decision(&world, "third.example", seq, SUBJECT, ADDRESS), "decided", decided.into());
        world.publish(other);
        assert_eq!(world.found(&Code::NEAR_DUPLICATE).len(), found, "{decided}");
    }
    let annotation = world.relating(world.annotation(ONE, "2026", 9, "note"), &[("refers", 0), ("refers", 1), ("refers", 3)]);
    world.publish(annotation);
    assert_eq!(world.found(&Code::NEAR_DUPLICATE), [""; 0], "joined by an annotation");
}

#[test]
fn a_row_has_the_last_text_of_each_of_a_few_issuers() {
    let mut world = World::new("");
    for seq in 1..=20 {
        let decision = decision(&world, ONE, seq, SUBJECT, ADDRESS);
        world.publish(decision);
    }
    let rows = world.rows();
    for seq in 1..=20 {
        let decision = decision(&world, &format!("issuer-{seq}.example"), seq, SUBJECT, ADDRESS);
        world.publish(decision);
    }
    assert!(rows < 16, "{rows}");
    let longest = world.longest_row();
    assert!(longest < 64 * MAX_TEXTS * 2, "{longest}");
}

#[test]
fn likeness_is_the_share_of_common_words() {
    for (one, other, percent) in [
        (&[][..], &[][..], 0),
        (&[1], &[], 0),
        (&[1, 2, 3], &[1, 2, 3], 100),
        (&[1, 2, 3], &[2, 3, 4], 50),
        (&[1, 1, 2], &[1, 2, 2], 50),
        (&[1, 5, 9], &[2, 6, 9], 20),
    ] {
        assert_eq!(likeness(one, other), percent, "{one:?} {other:?}");
        assert_eq!(likeness(other, one), percent);
    }
}
