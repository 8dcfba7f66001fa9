#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;
use crate::alert::fixture::{World, at};
use crate::finding::Code;

fn world_with_one() -> World {
    let mut world = World::new(&[("a", Severity::Info), ("b", Severity::Info)], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    world.group(0);
    world
}

fn failed() -> Tried {
    Err("no\u{1b} answer".to_owned())
}

#[test]
fn a_try_that_fails_is_repeated_ever_later_and_given_up_and_can_be_asked_for_again() {
    let world = world_with_one();
    let (channel, store) = (&world.channels[0], &world.store);
    let (mut now, mut pauses, first) = (at(0), Vec::new(), world.waiting(0)[0].clone());
    for attempt in 1..=5 {
        let next = channel.next(store, now, 1).unwrap().unwrap();
        assert_eq!((next[0].id, next[0].attempts), (first.id, attempt - 1));
        channel.record(store, &next, &failed(), now).unwrap();
        if let Some(waiting) = world.waiting(0).first() {
            assert_eq!(channel.next(store, now, 1).unwrap(), Err(Some(waiting.not_before)), "not before its time");
            pauses.push(waiting.not_before.duration_since(now).as_millis());
            now = waiting.not_before;
        }
    }
    for (place, pause) in pauses.iter().enumerate() {
        let longest = 1000_i128 << place;
        assert!((longest / 2..=longest).contains(pause), "{pauses:?}");
    }
    let dead = dead(store, 10).unwrap();
    assert_eq!((dead.len(), dead[0].id, dead[0].attempts, dead[0].error.as_deref()), (1, first.id, 5, Some("no\u{fffd} answer")));
    assert_eq!(world.metrics.dead.with_label_values(&["a"]).get(), 1);
    assert_eq!(world.metrics.deliveries.with_label_values(&["a", "failed"]).get(), 5);
    assert_eq!(world.metrics.deliveries.with_label_values(&["a", "given-up"]).get(), 1);
    assert!(!world.channels[1].requeue(store, first.id, now).unwrap(), "it is another channel's");
    assert!(channel.requeue(store, first.id, now).unwrap());
    assert_eq!((world.waiting(0)[0].id, world.waiting(0)[0].attempts), (first.id, 0));
    assert_eq!((world.metrics.dead.with_label_values(&["a"]).get(), world.metrics.waiting.with_label_values(&["a"]).get()), (0, 1));
    assert_eq!(world.waiting(1).len(), 1, "the other channel has its own");
}

#[test]
fn a_delivery_is_given_up_when_it_is_too_old() {
    let world = world_with_one();
    let channel = &world.channels[0];
    let next = channel.next(&world.store, at(86_400), 1).unwrap().unwrap();
    assert_eq!(world.metrics.oldest.with_label_values(&["a"]).get(), 86_400);
    channel.record(&world.store, &next, &failed(), at(86_400)).unwrap();
    assert_eq!(dead(&world.store, 10).unwrap().len(), 1);
}

#[test]
fn deliveries_of_a_channel_leave_in_their_order_also_when_the_first_fails() {
    let mut world = world_with_one();
    world.raise(0, &Code::GAP, "y.example", ["2026/2"]);
    world.group(0);
    let channel = &world.channels[0];
    let next = channel.next(&world.store, at(0), 1).unwrap().unwrap();
    channel.record(&world.store, &next, &failed(), at(0)).unwrap();
    assert!(channel.next(&world.store, at(0), 1).unwrap().is_err(), "the second waits for the first");
    let again = channel.next(&world.store, at(1), 10).unwrap().unwrap();
    assert_eq!((again.len(), again[0].id), (2, next[0].id));
}

#[test]
fn a_clock_that_was_wrong_does_not_stop_deliveries_for_ever() {
    let world = world_with_one();
    let channel = &world.channels[0];
    let next = channel.next(&world.store, at(1_000_000_000), 1).unwrap().unwrap();
    channel.record(&world.store, &[Delivery { queued: at(1_000_000_000), ..next[0].clone() }], &failed(), at(1_000_000_000)).unwrap();
    assert!(channel.next(&world.store, at(100), 1).unwrap().is_ok());
}

#[test]
fn what_waits_for_a_channel_that_is_gone_is_given_up_and_kept() {
    let world = world_with_one();
    give_up_strangers(&world.store, &world.channels[1..], at(1)).unwrap();
    assert_eq!((world.waiting(0).len(), world.waiting(1).len()), (0, 1));
    assert!(dead(&world.store, 10).unwrap()[0].error.as_deref().unwrap().contains("not configured"));
}

#[test]
fn requests_are_files_that_are_removed_when_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let requests = Requests::of(dir.path());
    assert!(requests.read().unwrap().is_empty());
    let id: DeliveryId = "00112233445566778899aabbccddeeff".parse().unwrap();
    requests.ask(id).unwrap();
    requests.ask(id).unwrap();
    std::fs::write(dir.path().join("requeue/other"), "").unwrap();
    assert_eq!(requests.read().unwrap(), [id]);
    requests.done(id).unwrap();
    assert!(requests.read().unwrap().is_empty());
    for bad in ["", "00", "../../../../etc/passwd", "00112233445566778899AABBCCDDEEFF"] {
        assert_eq!(bad.parse::<DeliveryId>(), Err(MalformedDeliveryId));
    }
}
