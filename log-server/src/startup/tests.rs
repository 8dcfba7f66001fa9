#![allow(clippy::unwrap_used, reason = "a test may fail")]

use bytes::Bytes;
use tlog::checkpoint::{Checkpoint, Origin};
use tlog::key::{Algorithm, KeyName, SigningKey};

use super::*;
use crate::fixture::{Fixture, ORIGIN, empty_tree, entry, fill, identity, key};
use crate::store::{Admits, Identity, MemoryStore};

/// What starting the log of 300 entries says after `damage` was done to its store.
async fn after(damage: impl FnOnce(&MemoryStore)) -> Result<(), StartupError> {
    let (fixture, store) = Fixture::new();
    fill_kept(&fixture, &store, 300).await;
    let reopened = store.reopen();
    damage(&reopened);
    fixture.start(reopened).map(drop)
}

/// Fills a store that stays with the caller: the log runs on copies, one after the other.
async fn fill_kept(fixture: &Fixture, store: &MemoryStore, count: u64) {
    let (log, mut write_side) = fixture.start(store.reopen()).unwrap();
    for outcome in log.add_batch((0..count).map(entry)).await {
        outcome.unwrap();
    }
    log.close();
    write_side.ended().await.unwrap();
    store.become_copy_of(log.store());
}

#[tokio::test]
async fn an_undamaged_log_starts() {
    after(|_| ()).await.unwrap();
}

#[tokio::test]
async fn a_changed_entry_at_the_end_is_refused() {
    let refusal = after(|store| store.overwrite_entry(299, entry(0))).await.unwrap_err();
    assert!(matches!(refusal, StartupError::EntryDiffers { index } if index.as_u64() == 299), "{refusal}");
}

#[tokio::test]
async fn a_missing_entry_at_the_end_is_refused() {
    let refusal = after(|store| store.lose_entry(299)).await.unwrap_err();
    assert!(matches!(refusal, StartupError::ExtentDiffers { entries: 299, .. }), "{refusal}");
}

#[tokio::test]
async fn a_missing_entry_before_the_end_is_refused() {
    let refusal = after(|store| store.lose_entry(290)).await.unwrap_err();
    assert!(matches!(refusal, StartupError::Store(StoreError::Damaged(Damage::MissingEntry(290)))), "{refusal}");
}

#[tokio::test]
async fn an_entry_beyond_the_head_is_refused() {
    let refusal = after(|store| store.overwrite_entry(300, entry(300))).await.unwrap_err();
    assert!(matches!(refusal, StartupError::ExtentDiffers { entries: 301, .. }), "{refusal}");
}

#[tokio::test]
async fn a_missing_tile_of_the_right_edge_is_refused() {
    let refusal = after(|store| store.lose_tile(1, 0)).await.unwrap_err();
    assert!(matches!(refusal, StartupError::Store(StoreError::Damaged(Damage::BrokenTile { level: 1, .. }))), "{refusal}");
}

#[tokio::test]
async fn a_changed_tile_of_the_right_edge_is_refused() {
    let refusal = after(|store| store.overwrite_hash(1, 0, 0, Hash::EMPTY_TREE)).await.unwrap_err();
    assert!(matches!(refusal, StartupError::RootDiffers { .. }), "{refusal}");
}

#[tokio::test]
async fn another_head_than_the_log_signed_is_refused() {
    let refusal = after(|store| store.set_tree(empty_tree())).await.unwrap_err();
    assert!(matches!(refusal, StartupError::ExtentDiffers { .. }), "an old head over newer rows: {refusal}");
    let refusal = after(|store| {
        let mut tree = store.tree().unwrap();
        tree.root = Hash::EMPTY_TREE;
        store.set_tree(tree);
    });
    assert!(matches!(refusal.await, Err(StartupError::HeadNotSigned)));
    let refusal = after(|store| {
        let mut tree = store.tree().unwrap();
        let mut bytes = tree.checkpoint.to_vec();
        let last = bytes.len() - 3;
        bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
        tree.checkpoint = bytes.into();
        store.set_tree(tree);
    });
    assert!(matches!(refusal.await, Err(StartupError::HeadNotSigned)));
}

/// A head of so many entries and this root, signed by this key.
fn signed(size: u64, root: Hash, key: &SigningKey) -> Bytes {
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), root);
    SignedCheckpoint::sign(&checkpoint, &[key]).unwrap().to_bytes().into()
}

#[tokio::test]
async fn a_published_head_that_is_none_of_this_log_is_refused() {
    let other_key = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let right = |store: &MemoryStore| store.tree().unwrap().root;
    let changes: [&dyn Fn(&MemoryStore) -> Bytes; 4] = [
        &|_| Bytes::from_static(b"nonsense"),
        &|store| signed(300, right(store), &other_key),
        &|store| signed(299, right(store), &key()),
        &|_| signed(300, Hash::EMPTY_TREE, &key()),
    ];
    for change in changes {
        let refusal = after(|store| store.set_head(300, Some(change(store)))).await.unwrap_err();
        assert!(matches!(refusal, StartupError::BadPublishedHead { size } if size.as_u64() == 300), "{refusal}");
    }
    after(|store| store.set_head(300, Some(signed(300, right(store), &key())))).await.unwrap();
}

#[tokio::test]
async fn a_published_head_beyond_the_newest_is_refused_and_one_before_it_is_not() {
    let refusal = after(|store| store.set_head(301, Some(signed(301, Hash::EMPTY_TREE, &key())))).await.unwrap_err();
    assert!(matches!(refusal, StartupError::ExtentDiffers { published: Some(301), .. }), "{refusal}");
    after(|store| store.set_head(300, None)).await.unwrap();
}

#[tokio::test]
async fn a_store_behind_its_anchor_is_refused() {
    let (fixture, store) = Fixture::new();
    let older = store.reopen();
    fill(&fixture, store, 10).await;
    let refusal = fixture.start(older).map(drop).unwrap_err();
    assert!(matches!(refusal, StartupError::BehindAnchor { stored, anchored } if (stored.as_u64(), anchored.as_u64()) == (0, 10)));
}

#[tokio::test]
async fn a_store_ahead_of_its_anchor_starts_and_moves_it() {
    let (fixture, store) = Fixture::new();
    fill_kept(&fixture, &store, 10).await;
    fixture.anchor_at(&empty_tree());
    let (log, _write_side) = fixture.start(store.reopen()).unwrap();
    assert_eq!(log.published().size().as_u64(), 10);
    assert_eq!(fixture.anchored().size.as_u64(), 10);
}

#[tokio::test]
async fn another_history_of_the_same_length_is_refused() {
    let (fixture, store) = Fixture::new();
    fill_kept(&fixture, &store, 10).await;
    let mut tree = store.tree().unwrap();
    tree.root = Hash::EMPTY_TREE;
    fixture.anchor_at(&tree);
    let refusal = fixture.start(store.reopen()).map(drop).unwrap_err();
    assert!(matches!(refusal, StartupError::AnchorRootDiffers { size } if size.as_u64() == 10));
}

#[tokio::test]
async fn another_name_or_key_is_refused() {
    let (fixture, _) = Fixture::new();
    let named = Identity { origin: "other.test".into(), ..identity() };
    let refusal = fixture.start(MemoryStore::create(named, empty_tree())).map(drop).unwrap_err();
    assert!(matches!(refusal, StartupError::OtherOrigin { .. }));
    let other = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    assert_ne!(other.verifier_key(), key().verifier_key());
    let keyed = Identity { verifier_key: other.verifier_key().to_string(), ..identity() };
    let refusal = fixture.start(MemoryStore::create(keyed, empty_tree())).map(drop).unwrap_err();
    assert!(matches!(refusal, StartupError::OtherKey { .. }));
}

#[tokio::test]
async fn a_ledger_that_is_not_drawn_from_all_entries_is_refused() {
    let statements = Identity { admits: Admits::Statements, ..identity() };
    for (stood_at, starts) in [(None, false), (Some(TreeSize::ZERO), true), (Some(TreeSize::new(1)), false)] {
        let (fixture, _) = Fixture::new();
        let store = MemoryStore::create(statements.clone(), empty_tree());
        store.set_ledger_size(stood_at);
        match fixture.start(store).map(drop) {
            Ok(()) => assert!(starts, "started with a ledger at {stood_at:?}"),
            Err(refusal) => {
                assert!(!starts && matches!(refusal, StartupError::LedgerDiffers { ledger, .. } if ledger == stood_at), "{refusal}");
                assert!(refusal.to_string().contains("acta-log rebuild-ledger"), "{refusal}");
            }
        }
    }
}
