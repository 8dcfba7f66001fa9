//! Numbers: each used once, within the window, and none after the last.

use serde_json::json;

use crate::world::{World, with};

#[test]
fn numbers_come_in_any_order_and_none_twice() {
    let mut world = World::new();
    for seq in [3, 1, 10_001, 2, 5_000, 10_000, 4] {
        world.decide(seq);
        assert_eq!(world.offer(&with(world.decision(seq), "subject", json!("Another")), &[&world.planning.clone()]), Some("number-used"));
    }
}

#[test]
fn a_number_is_at_most_ten_thousand_above_the_contiguous_ones() {
    let mut world = World::new();
    assert_eq!(world.offer(&world.decision(10_001), &[&world.planning.clone()]), Some("number-too-high"));
    world.decide(10_000);
    world.decide(1);
    world.decide(10_001);
    assert_eq!(world.offer(&world.decision(10_002), &[&world.planning.clone()]), Some("number-too-high"));
}

#[test]
fn series_of_one_issuer_and_of_two_do_not_touch() {
    let mut world = World::new();
    world.decide(1);
    world.good(&with(world.decision(1), "series", json!("2027")), &[&world.planning.clone()]);
    world.good(&world.decision_of("court.example", "judgment", 1), &[&world.court.clone()]);
}

#[test]
fn after_a_close_only_gaps_are_filled() {
    let mut world = World::new();
    world.decide(1);
    world.decide(4);
    assert_eq!(world.offer(&world.annotation("close", 3), &[&world.planning.clone()]), Some("closed-too-low"));
    world.good(&world.annotation("close", 6), &[&world.planning.clone()]);
    assert_eq!(world.offer(&world.decision(7), &[&world.planning.clone()]), Some("series-closed"));
    assert_eq!(world.offer(&world.annotation("close", 5), &[&world.planning.clone()]), Some("closed-too-low"));
    assert_eq!(world.offer(&world.annotation("close", 8), &[&world.planning.clone()]), Some("series-closed"));
    world.good(&world.annotation("void", 2), &[&world.planning.clone()]);
    world.decide(3);
    world.decide(5);
    assert_eq!(world.offer(&world.decision(7), &[&world.planning.clone()]), Some("series-closed"));
}
