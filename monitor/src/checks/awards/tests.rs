use serde_json::{Value, json};

use super::super::testing::{World, with};
use super::*;

const ISSUER: &str = "works.example";

#[allow(clippy::needless_pass_by_value, reason = "it is made for this call")]
fn award(world: &World, seq: u64, party: Value, decided: &str) -> Value {
    let decision = with(world.decision(ISSUER, "2026", seq), "kind", "procurement.award".into());
    let decision = with(with(decision, "outcome", "direct-award".into()), "parties", json!([party]));
    with(decision, "decided", decided.into())
}

fn supplier(name: &str) -> Value {
    json!({"role": "Supplier", "name": name})
}

#[test]
fn the_third_direct_award_to_one_party_within_the_time_is_found() {
    let mut world = World::new("");
    for (seq, name, decided, found) in [
        (1, "Quayside Works Ltd.", "2025-03-01", 0),
        (2, "Other Works Ltd.", "2025-04-01", 0),
        (3, "QUAYSIDE WORKS, LIMITED", "2025-06-01", 0),
        (4, "Quayside Works Ltd.", "2026-03-02", 0), // 366 days after the first
        (5, "Quayside Works Ltd.", "2026-02-01", 1), // published late: three from June to March
        (6, "Quayside Works Ltd.", "2026-02-02", 1),
    ] {
        let award = award(&world, seq, supplier(name), decided);
        world.publish(award);
        assert_eq!(world.found(&Code::REPEATED_AWARD).len(), found, "{seq}");
    }
    let raised = world.one(&Code::REPEATED_AWARD);
    assert_eq!((raised.group.as_str(), raised.indexes.as_slice()), (ISSUER, &[2, 3, 4][..]));
    assert!(raised.text.contains("3 times from 2025-06-01 to 2026-03-02"), "{}", raised.text);
    assert_eq!(world.at("2027-03-02T23:59:59Z").tick().found(&Code::REPEATED_AWARD).len(), 1);
    assert_eq!(world.at("2027-03-03T00:00:00Z").tick().found(&Code::REPEATED_AWARD).len(), 0);
}

#[test]
fn only_direct_awards_to_the_same_party_count() {
    let direct =
        json!({"schema": "https://standard.open-contracting.org/1.1/en/release-schema.json", "tender": {"procurementMethod": "direct"}});
    let quoted = json!({"schema": "x", "title": r#"","procurementMethod":"direct","#});
    let release = |data: &Value| (vec![("outcome", "awarded".into()), ("data", data.clone())], supplier("A B"));
    for (members, party, found) in [
        (vec![], supplier("A B"), 1),
        (vec![("outcome", "awarded".into())], supplier("A B"), 0),
        (release(&direct).0, release(&direct).1, 1),
        (release(&quoted).0, release(&quoted).1, 0),
        (vec![("kind", "procurement.direct-award".into()), ("outcome", "x".into())], supplier("A B"), 1),
        (vec![("kind", "planning.permit".into())], supplier("A B"), 0),
        (vec![], json!({"role": "loser", "name": "A B"}), 0),
        (vec![], json!({"role": "supplier", "_sd": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}), 0),
    ] {
        let mut world = World::new("");
        for seq in 1..=3 {
            let decision = award(&world, seq, party.clone(), "2026-03-01");
            world.publish(members.iter().fold(decision, |decision, (name, value)| with(decision, name, value.clone())));
        }
        assert_eq!(world.found(&Code::REPEATED_AWARD).len(), found, "{members:?} {party}");
    }
}

#[test]
fn parties_are_known_by_their_number_and_corrections_are_no_awards() {
    let mut world = World::new("");
    for seq in 1..=3 {
        let other = award(&world, seq, json!({"role": "supplier", "name": "A B", "id": format!("NMR-{seq}")}), "2026-03-01");
        world.publish(other);
    }
    assert_eq!(world.found(&Code::REPEATED_AWARD), [""; 0]);
    for (seq, rel) in [(4, "corrects"), (5, "supersedes")] {
        let next = award(&world, seq, json!({"role": "supplier", "id": "nmr-1"}), "2026-03-01");
        let next = world.relating(next, &[(rel, 0)]);
        world.publish(next);
    }
    assert_eq!(world.found(&Code::REPEATED_AWARD), [""; 0]);
    for seq in [6, 7] {
        let next = award(&world, seq, json!({"role": "supplier", "name": "\u{202e}<b>", "id": "nmr-1"}), "2026-03-01");
        world.publish(next);
    }
    let subject = &world.one(&Code::REPEATED_AWARD).subject;
    assert!(subject.starts_with("works.example to A B ("), "{subject}");
}

#[test]
fn an_award_that_is_revoked_or_goes_to_somebody_else_is_none_any_more() {
    let other = supplier("C D");
    for (rel, party, found) in [("revokes", None, 0), ("corrects", Some(&other), 0), ("corrects", None, 1), ("supersedes", None, 1)] {
        let mut world = World::new("");
        for seq in 1..=3 {
            let award = award(&world, seq, supplier("A B"), "2026-03-01");
            world.publish(award);
        }
        assert_eq!(world.found(&Code::REPEATED_AWARD).len(), 1);
        let next = award(&world, 4, party.cloned().unwrap_or(supplier("A B")), "2026-03-01");
        let next = world.relating(if rel == "revokes" { with(next, "kind", "planning.permit".into()) } else { next }, &[(rel, 1)]);
        world.publish(next);
        assert_eq!(world.found(&Code::REPEATED_AWARD).len(), found, "{rel} {party:?}");
        // And it counts again what is awarded again.
        let more = award(&world, 5, supplier("A B"), "2026-03-01");
        world.publish(more);
        assert_eq!(world.found(&Code::REPEATED_AWARD).len(), 1, "{rel} {party:?}");
    }
}

#[test]
fn what_took_the_place_of_an_award_is_revoked_as_that_would_have_been() {
    let mut world = World::new("");
    for seq in 1..=3 {
        let award = award(&world, seq, supplier("A B"), "2026-03-01");
        world.publish(award);
    }
    let corrected = world.relating(award(&world, 4, supplier("A B"), "2026-03-01"), &[("corrects", 2)]);
    world.publish(corrected);
    let revoked = world.relating(with(world.decision(ISSUER, "2026", 5), "kind", "x.y".into()), &[("revokes", 3)]);
    world.publish(revoked);
    assert_eq!(world.found(&Code::REPEATED_AWARD), [""; 0]);
}

/// Else a contract would be given away by correcting something that nobody counts.
#[test]
fn what_becomes_a_direct_award_only_when_it_is_corrected_counts() {
    let mut world = World::new("");
    for seq in 1..=3 {
        world.decide(ISSUER, seq);
    }
    for seq in 4..=6 {
        let next = world.relating(award(&world, seq, supplier("A B"), "2026-03-01"), &[("corrects", seq - 4)]);
        world.publish(next);
    }
    assert_eq!(world.one(&Code::REPEATED_AWARD).indexes, [3, 4, 5]);
}

#[test]
fn a_second_number_under_the_same_name_does_not_end_what_was_found_of_the_first() {
    let mut world = World::new("");
    let named = |number: &str| json!({"role": "supplier", "name": "A B", "id": number});
    for (seq, number, decided) in [
        (1, "NMR-1", "2026-03-01"),
        (2, "NMR-1", "2026-03-01"),
        (3, "NMR-1", "2026-03-01"),
        // So long ago that what is found of these is over at once.
        (4, "NMR-2", "2020-03-01"),
        (5, "NMR-2", "2020-03-01"),
        (6, "NMR-2", "2020-03-01"),
    ] {
        let award = award(&world, seq, named(number), decided);
        world.publish(award);
    }
    world.tick();
    assert_eq!(world.one(&Code::REPEATED_AWARD).indexes, [0, 1, 2]);
}

#[test]
fn a_number_is_the_same_in_its_spellings() {
    for id in ["NMR-12", "nmr 12", " NMR\u{2011}12", "N\u{200b}MR/12"] {
        assert_eq!(number(id), "nmr-12", "{id:?}");
    }
    assert_ne!(number("NMR-1-2"), number("NMR-12"));
    assert_eq!(plain("Quay\u{200b}side W\u{f6}rks Ltd"), plain("QUAYSIDE WORKS"));
}

#[test]
fn a_name_is_the_same_in_its_spellings() {
    for (name, plain_name) in [
        ("Quayside Works Ltd.", "quayside works"),
        ("QUAYSIDE  WORKS, LIMITED", "quayside works"),
        ("Hafen-Bau GmbH & Co. KG", "hafen bau"),
        ("Obras S.A.", "obras"),
        ("S.A.", "sa"),
        ("Ægir's Works ApS", "aegirs works"),
    ] {
        assert_eq!(plain(name), plain_name);
    }
}
