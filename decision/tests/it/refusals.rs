//! Who may sign what.

use serde_json::json;
use tlog::note::Note;

use crate::world::{ISSUED, LOG, World, key, signed, vkey, with, without};

#[test]
fn the_charter_is_the_first_entry_and_signed_by_the_log() {
    let mut world = World::empty();
    let (log, registrar) = (world.log.clone(), world.registrars[0].clone());
    let charter = world.charter(2);
    assert_eq!(world.offer(&charter, &[&registrar]), Some("unknown-signer"));
    assert_eq!(world.offer(&charter, &[&log, &registrar]), Some("unknown-signer"));
    assert_eq!(world.offer(&with(charter.clone(), "version", json!(2)), &[&log]), Some("charter-version"));
    assert_eq!(world.offer(&world.decision(1), &[&world.planning.clone()]), Some("no-charter"));
    assert_eq!(world.offer(&world.registration("planning.example", &[], &["*"]), &[&registrar]), Some("no-charter"));
    world.good(&charter, &[&log]);
    assert_eq!(world.offer(&charter, &[&log]), Some("already-published"));
    assert_eq!(world.offer(&world.charter(1), &[&log]), Some("charter-not-first"));
}

#[test]
fn registrars_are_replaced_by_as_many_as_their_threshold() {
    let mut world = World::new();
    let [one, two, three] = [0, 1, 2].map(|at: usize| world.registrars[at].clone());
    let new = key("new.example", 20);
    let change = json!({"type": "registrar", "log": LOG, "issued": ISSUED, "registrars": [vkey(&new)], "threshold": 1});
    assert_eq!(world.offer(&change, &[&one]), Some("too-few-registrars"));
    assert_eq!(world.offer(&change, &[&one, &new]), Some("unknown-signer"), "a new one has no say yet");
    world.good(&change, &[&one, &two, &three]);
    let again = with(change, "threshold", json!(1));
    assert_eq!(world.offer(&with(again.clone(), "issued", json!("2026-03-01T09:30:01Z")), &[&one, &two]), Some("unknown-signer"));
    world.good(&world.registration("lands.example", &[], &["land.*"]), &[&new]);
}

#[test]
fn an_issuer_is_registered_by_registrars_with_keys_that_signed() {
    let mut world = World::new();
    let [one, two] = [0, 1].map(|at: usize| world.registrars[at].clone());
    let (lands, other) = (key("lands.example", 21), key("lands.example/two", 22));
    let registration = world.registration("lands.example", &[&lands], &["land.*"]);
    assert_eq!(world.offer(&registration, &[&one, &two]), Some("no-proof-of-possession"));
    assert_eq!(world.offer(&registration, &[&one, &lands]), Some("too-few-registrars"));
    assert_eq!(world.offer(&registration, &[&one, &two, &lands, &other]), Some("unknown-signer"));
    let foreign = key("court.example/x", 23);
    assert_eq!(
        world.offer(&world.registration("lands.example", &[&foreign], &["*"]), &[&one, &two, &foreign]),
        Some("key-of-another-name")
    );
    world.good(&registration, &[&one, &two, &lands]);
    let again = world.registration("lands.example", &[&lands], &["*"]);
    assert_eq!(world.offer(&again, &[&one, &two, &lands]), Some("known-key"));
    // Without keys: what it may issue is replaced, its keys stay.
    world.good(&world.registration("lands.example", &[], &["deed"]), &[&one, &two]);
    assert_eq!(world.offer(&world.decision_of("lands.example", "land.transfer", 1), &[&lands]), Some("kind-not-allowed"));
    world.good(&world.decision_of("lands.example", "deed", 1), &[&lands]);
}

#[test]
fn a_retired_issuer_issues_nothing_until_it_is_registered_again() {
    let mut world = World::new();
    let planning = world.planning.clone();
    let retired = with(world.registration("planning.example", &[], &["planning.*"]), "retired", json!(true));
    let by = world.register(&retired, &[]);
    assert_eq!(world.offer(&world.decision(1), &[&planning]), Some("retired-issuer"));
    assert_eq!(world.offer(&world.key_change("retire", &planning), &[&planning]), Some("retired-issuer"));
    world.register(&with(world.registration("planning.example", &[], &["planning.*"]), "issued", json!("2026-03-02T00:00:00Z")), &[]);
    let first = world.decide(1);
    assert!(first > by && world.status(first).issuer.unwrap().retired.is_none());
}

#[test]
fn a_decision_is_signed_by_one_key_of_its_issuer() {
    let mut world = World::new();
    let (planning, court, registrar) = (world.planning.clone(), world.court.clone(), world.registrars[0].clone());
    let decision = world.decision(1);
    assert_eq!(world.offer(&decision, &[&court]), Some("unknown-signer"));
    assert_eq!(world.offer(&decision, &[&registrar]), Some("unknown-signer"));
    assert_eq!(world.offer(&decision, &[&planning, &court]), Some("unknown-signer"));
    assert_eq!(world.offer(&decision, &[&key("planning.example", 99)]), Some("unknown-signer"), "same name, another id");
    assert_eq!(world.offer(&world.decision_of("nobody.example", "planning.permit", 1), &[&planning]), Some("unregistered-issuer"));
    assert_eq!(world.offer(&world.decision_of("planning.example", "benefit.grant", 1), &[&planning]), Some("kind-not-allowed"));
    assert_eq!(world.offer(&with(decision.clone(), "log", json!("other.example")), &[&planning]), Some("other-log"));
    let second = key("planning.example/2", 30);
    world.good(&world.key_change("add", &second), &[&planning, &second]);
    assert_eq!(world.offer(&decision, &[&planning, &second]), Some("superfluous-signature"));
    world.good(&decision, &[&planning]);
    assert_eq!(world.offer(&decision, &[&second]), Some("already-published"), "the same text signed by another key");
}

#[test]
fn a_changed_text_or_signature_is_noticed() {
    let mut world = World::new();
    let statement = signed(&world.decision(1), &[&world.planning.clone()]);
    let changed = statement.to_string().replace("granted", "refused");
    assert_eq!(world.offer_bytes(changed.as_bytes()), Some("bad-signature"));
    let mut note = Note::parse(&statement.to_bytes()).unwrap();
    let mut signature = note.signatures()[0].clone();
    signature.bytes[5] ^= 1;
    note = Note::new(note.text(), vec![signature]).unwrap();
    assert_eq!(world.offer_bytes(&note.to_bytes()), Some("bad-signature"));
}

#[test]
fn keys_are_added_by_the_issuer_or_the_registrars_with_the_new_key() {
    let mut world = World::new();
    let (planning, court) = (world.planning.clone(), world.court.clone());
    let [one, two] = [0, 1].map(|at: usize| world.registrars[at].clone());
    let new = key("planning.example/new", 31);
    let add = world.key_change("add", &new);
    assert_eq!(world.offer(&add, &[&planning]), Some("no-proof-of-possession"));
    assert_eq!(world.offer(&add, &[&new]), Some("not-signed-by-issuer"));
    assert_eq!(world.offer(&add, &[&new, &court]), Some("unknown-signer"));
    assert_eq!(world.offer(&add, &[&new, &one]), Some("too-few-registrars"));
    assert_eq!(world.offer(&add, &[&new, &one, &two, &planning]), Some("superfluous-signature"));
    assert_eq!(world.offer(&world.key_change("add", &court), &[&planning, &court]), Some("key-of-another-name"));
    assert_eq!(world.offer(&world.key_change("add", &planning), &[&planning]), Some("known-key"));
    world.good(&add, &[&new, &one, &two]);
    let newer = key("planning.example/newer", 32);
    world.good(&world.key_change("add", &newer), &[&new, &newer]);
    world.good(&world.decision(1), &[&newer]);
}

#[test]
fn a_key_retires_itself_and_registrars_retire_any() {
    let mut world = World::new();
    let planning = world.planning.clone();
    let [one, two] = [0, 1].map(|at: usize| world.registrars[at].clone());
    let second = key("planning.example/2", 33);
    world.good(&world.key_change("add", &second), &[&planning, &second]);
    assert_eq!(world.offer(&world.key_change("retire", &planning), &[&second]), Some("retires-another-key"));
    assert_eq!(world.offer(&world.key_change("retire", &key("planning.example", 99)), &[&planning]), Some("no-such-key"));
    let doubt = with(world.key_change("retire", &second), "doubt_from", json!(3));
    assert_eq!(world.offer(&doubt, &[&second]), Some("doubt-by-issuer"));
    let first = world.good(&world.decision(1), &[&second]);
    let retired_at = world.good(&world.key_change("retire", &second), &[&second]);
    // One index later it signs nothing any more; what it signed stands.
    assert_eq!(world.offer(&world.decision(2), &[&second]), Some("retired-key"));
    assert_eq!(world.status(first).key.unwrap().retired, Some(retired_at));
    assert_eq!(world.offer(&world.key_change("add", &second), &[&planning, &second]), Some("already-published"));
    let later = with(world.key_change("add", &second), "issued", json!("2026-03-02T00:00:00Z"));
    assert_eq!(world.offer(&later, &[&planning, &second]), Some("known-key"), "a retired key does not come back");
    world.good(&world.key_change("retire", &planning), &[&one, &two]);
    assert_eq!(world.offer(&world.decision(2), &[&planning]), Some("retired-key"));
}

#[test]
fn doubt_is_shown_and_takes_nothing_back() {
    let mut world = World::new();
    let planning = world.planning.clone();
    let [one, two] = [0, 1].map(|at: usize| world.registrars[at].clone());
    let before = world.decide(1);
    let after = world.decide(2);
    let doubt = |from: u64| with(world.key_change("retire", &planning), "doubt_from", json!(from));
    let (future, late, early) = (doubt(world.next()), doubt(after), doubt(before));
    assert_eq!(world.offer(&future, &[&one, &two]), Some("doubt-not-earlier"));
    world.good(&late, &[&one, &two]);
    assert_eq!([before, after].map(|index| world.status(index).key.unwrap().in_doubt), [false, true]);
    // The theft turns out to be older: the doubt reaches further back, and never less far.
    world.good(&early, &[&one, &two]);
    assert_eq!([before, after].map(|index| world.status(index).key.unwrap().in_doubt), [true, true]);
    let again = without(&with(doubt_free(&world), "issued", json!("2026-03-03T00:00:00Z")), "doubt_from");
    assert_eq!(world.offer(&again, &[&one, &two]), Some("retired-key"));
}

fn doubt_free(world: &World) -> serde_json::Value {
    with(world.key_change("retire", &world.planning), "doubt_from", json!(0))
}
