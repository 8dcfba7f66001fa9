//! Relations: chains are linear, and only those who may change a decision do.

use serde_json::{Value, json};

use crate::world::{World, with};
use decision::ledger::Standing;

/// The follow-up of the authority to one of its own decisions.
fn follow_up(world: &World, seq: u64, rel: &str, index: u64) -> Value {
    with(world.decision(seq), "relates", json!([world.relation(rel, index)]))
}

#[test]
fn a_decision_stands_until_another_takes_its_place() {
    for (rel, standing) in [("corrects", Standing::Corrected), ("supersedes", Standing::Superseded), ("revokes", Standing::Revoked)] {
        let mut world = World::new();
        let first = world.decide(1);
        assert_eq!((world.status(first).standing, world.status(first).by), (Some(Standing::InForce), None));
        let second = world.good(&follow_up(&world, 2, rel, first), &[&world.planning.clone()]);
        assert_eq!((world.status(first).standing, world.status(first).by), (Some(standing), Some(second)));
        assert_eq!(world.status(second).standing, Some(Standing::InForce));
    }
}

#[test]
fn appeals_and_mentions_change_nothing() {
    let mut world = World::new();
    let first = world.decide(1);
    for (seq, rel) in [(1, "appeals"), (2, "refers")] {
        world.good(&world.judgment(seq, rel, first), &[&world.court.clone()]);
    }
    assert_eq!(world.status(first).standing, Some(Standing::InForce));
}

#[test]
fn a_decision_has_one_successor_and_a_revoked_one_none() {
    for (first_rel, reason) in [("corrects", "has-successor"), ("supersedes", "has-successor"), ("revokes", "revoked")] {
        for rel in ["corrects", "supersedes", "revokes"] {
            let mut world = World::new();
            let first = world.decide(1);
            world.good(&follow_up(&world, 2, first_rel, first), &[&world.planning.clone()]);
            assert_eq!(world.offer(&follow_up(&world, 3, rel, first), &[&world.planning.clone()]), Some(reason), "{rel} after {first_rel}");
        }
    }
}

#[test]
fn a_chain_goes_on_from_its_end() {
    let mut world = World::new();
    let mut last = world.decide(1);
    for seq in 2..6 {
        last = world.good(&follow_up(&world, seq, "corrects", last), &[&world.planning.clone()]);
    }
    assert_eq!(world.status(last).standing, Some(Standing::InForce));
}

#[test]
fn one_decision_may_take_the_place_of_several_but_of_none_twice() {
    let mut world = World::new();
    let (one, two) = (world.decide(1), world.decide(2));
    let both = json!([world.relation("supersedes", one), world.relation("revokes", two), world.relation("refers", one)]);
    world.good(&with(world.decision(3), "relates", both), &[&world.planning.clone()]);
    assert_eq!(world.status(two).standing, Some(Standing::Revoked));
    let twice = json!([world.relation("supersedes", one), world.relation("corrects", one)]);
    let draft = decision::statement::Draft::from_json(&with(world.decision(4), "relates", twice));
    assert_eq!(draft.unwrap_err().name(), "related-twice");
}

#[test]
fn a_court_overrules_what_its_registration_lists_and_nothing_else() {
    let mut world = World::new();
    let permit = world.decide(1);
    let notice = world.good(&world.decision_of("planning.example", "planning.notice", 2), &[&world.planning.clone()]);
    let judgment = world.good(&world.judgment(1, "revokes", permit), &[&world.court.clone()]);
    assert_eq!(world.status(permit).by, Some(judgment));
    assert_eq!(world.offer(&world.judgment(2, "revokes", notice), &[&world.court.clone()]), Some("not-overruled"));
    let back = with(world.decision(3), "relates", json!([world.relation("revokes", judgment)]));
    assert_eq!(world.offer(&back, &[&world.planning.clone()]), Some("not-overruled"));
}

#[test]
fn relations_name_an_earlier_statement_by_its_leaf_hash() {
    let mut world = World::new();
    let first = world.decide(1);
    let second = world.decide(2);
    for rel in ["corrects", "supersedes", "revokes", "appeals", "refers"] {
        let relation = |index: u64, leaf: &Value| json!([{"rel": rel, "index": index, "leaf": leaf}]);
        let (leaf, other) = (world.relation(rel, first)["leaf"].clone(), world.relation(rel, second)["leaf"].clone());
        for (relates, reason) in [
            (relation(999, &leaf), "no-such-entry"),
            (relation(world.next(), &leaf), "no-such-entry"),
            (relation(first, &other), "other-entry"),
        ] {
            assert_eq!(world.offer(&with(world.decision(3), "relates", relates), &[&world.planning.clone()]), Some(reason), "{rel}");
        }
    }
    let charter = json!([world.relation("revokes", 0)]);
    assert_eq!(world.offer(&with(world.decision(3), "relates", charter), &[&world.planning.clone()]), Some("not-a-decision"));
}

#[test]
fn an_annotation_mentions_and_never_decides() {
    let mut world = World::new();
    let first = world.decide(1);
    let note = |world: &World, rel| with(world.annotation("note", 2), "relates", json!([world.relation(rel, first)]));
    for rel in ["corrects", "supersedes", "revokes"] {
        assert_eq!(world.offer(&note(&world, rel), &[&world.planning.clone()]), Some("annotation-decides"));
    }
    world.good(&note(&world, "refers"), &[&world.planning.clone()]);
}
