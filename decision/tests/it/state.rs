//! The ledger as bytes.

use serde_json::json;
use tlog::TreeSize;

use crate::world::{World, key, signed, with};
use decision::ledger::{Fold, LedgerRead, MemoryLedger, Overlay, SnapshotError};

/// A log with some of everything in it.
fn busy() -> World {
    let mut world = World::new();
    let planning = world.planning.clone();
    let first = world.decide(1);
    world.decide(7);
    let second = key("planning.example/2", 40);
    world.good(&world.key_change("add", &second), &[&planning, &second]);
    world.good(&world.judgment(1, "revokes", first), &[&world.court.clone()]);
    world.good(&world.decision(2), &[&second]);
    world.good(&world.key_change("retire", &second), &[&second]);
    world.good(&world.annotation("close", 8), &[&planning]);
    world
}

#[test]
fn the_same_entries_give_the_same_bytes() {
    let world = busy();
    let mut again = Fold::new(world.fold.rules().clone());
    for entry in world.entries() {
        assert_eq!(again.push(entry).unwrap(), None);
    }
    assert_eq!(again.ledger().snapshot(again.size().as_u64()), world.fold.ledger().snapshot(world.next()));
}

#[test]
fn what_was_prepared_by_an_old_ledger_is_decided_by_the_new_one() {
    let world = busy();
    let empty = Fold::new(world.fold.rules().clone());
    // All of them before the first is taken: no key is known yet.
    let prepared: Vec<_> = world.entries().iter().map(|entry| empty.prepare(entry).unwrap()).collect();
    let mut fold = empty.clone();
    for prepared in prepared {
        assert_eq!(fold.push_prepared(&prepared).unwrap(), None);
    }
    assert_eq!(fold.ledger(), world.fold.ledger());

    // A key that was in force when the statement was verified, and is not when its turn comes.
    let mut world = World::new();
    let planning = world.planning.clone();
    let late = world.fold.prepare(&signed(&world.decision(1), &[&planning]).to_bytes()).unwrap();
    world.good(&world.key_change("retire", &planning), &[&planning]);
    assert_eq!(world.fold.push_prepared(&late).unwrap().unwrap().reason.name(), "retired-key");
}

#[test]
fn a_snapshot_is_read_as_it_was_written_and_refused_when_anything_changed() {
    let world = busy();
    let bytes = world.fold.ledger().snapshot(world.next());
    let (ledger, size) = MemoryLedger::from_snapshot(&bytes).unwrap();
    assert_eq!((&ledger, size), (world.fold.ledger(), world.next()));
    let mut resumed = Fold::resume(world.fold.rules().clone(), ledger, TreeSize::new(size));
    assert_eq!(resumed.push(&signed(&world.decision(3), &[&world.planning.clone()]).to_bytes()).unwrap(), None);
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(MemoryLedger::from_snapshot(&changed).is_err(), "byte {at}");
        assert!(MemoryLedger::from_snapshot(&bytes[..at]).is_err(), "cut at {at}");
    }
    let newer = String::from_utf8_lossy(&bytes[..24]).replace("v1", "v2");
    assert_eq!(MemoryLedger::from_snapshot(newer.as_bytes()), Err(SnapshotError::OtherFormat));
}

#[test]
fn an_overlay_shows_what_is_on_top_and_below() {
    let mut world = World::new();
    let statement = signed(&world.decision(1), &[&world.planning.clone()]);
    let below = world.fold.ledger().clone();
    let prepared = world.fold.prepare(&statement.to_bytes()).unwrap();
    let changes = world.fold.rules().decide(&below, tlog::LeafIndex::new(world.next()), &prepared).unwrap().unwrap();
    let mut overlay = Overlay::new(&below);
    overlay.apply(changes);
    world.good(&world.decision(1), &[&world.planning.clone()]);
    for (key, row) in world.fold.ledger().rows() {
        assert_eq!(overlay.get(key).unwrap().unwrap(), row);
    }
    assert_eq!(below.rows().count() + overlay.into_rows().len(), world.fold.ledger().rows().count());
}

#[test]
fn entries_that_are_no_statements_count_and_change_nothing() {
    let mut world = World::new();
    let mut fold = world.fold.clone();
    for bytes in [b"".as_slice(), b"hello", b"{}\n\n", &[0xff; 100]] {
        assert!(fold.push(bytes).unwrap().is_some());
    }
    assert_eq!(fold.size().as_u64(), world.next() + 4);
    assert_eq!(fold.ledger(), world.fold.ledger());
    let decision = with(world.decision(1), "subject", json!("Another roof"));
    assert_eq!(fold.push(&signed(&decision, &[&world.planning.clone()]).to_bytes()).unwrap(), None);
    world.decide(1);
}
