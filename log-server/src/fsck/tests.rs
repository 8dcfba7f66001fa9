#![allow(clippy::unwrap_used, reason = "a test may fail")]

use bytes::Bytes;

use super::*;
use crate::fixture::{Fixture, entry, key};
use crate::store::MemoryStore;

/// What a check of a log of 1,000 entries in several commits says, after `damage` was done to its store.
async fn report_after(damage: impl FnOnce(&MemoryStore)) -> Report {
    let (fixture, store) = Fixture::new();
    let (log, mut write_side) = fixture.start(store).unwrap();
    for range in [0..10, 10..600, 600..1000] {
        for outcome in log.add_batch(range.map(entry)).await {
            outcome.unwrap();
        }
    }
    log.close();
    write_side.ended().await.unwrap();
    damage(log.store());
    check(log.store(), key().verifier_key(), Some(fixture.anchored()), &mut |_, _| ())
}

/// The problems, as text.
async fn problems_after(damage: impl FnOnce(&MemoryStore)) -> Vec<String> {
    report_after(damage).await.problems.iter().map(Problem::to_string).collect()
}

#[tokio::test]
async fn a_whole_log_has_no_problems_and_all_of_it_was_looked_at() {
    let report = report_after(|_| ()).await;
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.entries, 1000);
    assert!(report.heads >= 3, "{}", report.heads);
    assert_eq!(report.published, 1000);
}

/// A part of the problem's text, and the damage that causes it.
type Case<'a> = (&'a str, &'a dyn Fn(&MemoryStore));

#[tokio::test]
async fn every_kind_of_damaged_row_is_noticed() {
    let other = Hash::leaf(b"other");
    let cases: &[Case<'_>] = &[
        ("the entry at index 234 is not the one", &|store| store.overwrite_entry(234, Bytes::from_static(b"x"))),
        ("the entry at index 234 is missing", &|store| store.lose_entry(234)),
        ("the entry at index 513 is not the one", &|store| store.overwrite_hash(0, 2, 1, other)),
        ("tile 0 of level 1 holds another hash at position 1", &|store| store.overwrite_hash(1, 0, 1, other)),
        ("tile 1 of level 0 has a gap", &|store| store.lose_tile(0, 1)),
        ("the tiles of level 1 have 4 hashes instead of 3", &|store| store.insert_hashes(1, 9, 0, vec![other])),
        ("does not lead to the entry at 5", &|store| store.set_leaf(Hash::leaf(&entry(5)), None)),
        ("does not lead to the entry at 5", &|store| store.set_leaf(Hash::leaf(&entry(5)), Some(6))),
        ("1001 rows for 1000 entries", &|store| store.set_leaf(other, Some(5))),
        ("kept for size 11 cannot be read", &|store| {
            let head = store.head_from(TreeSize::new(10)).unwrap().unwrap().1;
            store.set_head(11, Some(head));
        }),
        ("kept for size 10 cannot be read", &|store| store.set_head(10, Some(Bytes::from_static(b"nonsense")))),
    ];
    for &(expected, damage) in cases {
        let problems = problems_after(damage).await;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "expected {expected:?}, found {problems:?}");
    }
}

#[tokio::test]
async fn what_no_published_head_covers_is_told() {
    let report = report_after(|store| {
        while let Some((size, _)) = store.head_from(TreeSize::ZERO).unwrap() {
            store.set_head(size.as_u64(), None);
        }
    });
    let report = report.await;
    assert_eq!((report.heads, report.published), (0, 0));
}

#[tokio::test]
async fn what_can_still_be_read_is_checked_when_a_tile_is_gone() {
    let problems = problems_after(|store| {
        store.lose_tile(0, 1);
        store.overwrite_entry(900, Bytes::from_static(b"x"));
    });
    let problems = problems.await;
    assert!(problems.iter().any(|problem| problem.contains("index 900")), "{problems:?}");
}
