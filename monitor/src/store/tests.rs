#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn new_store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap();
    (dir, store)
}

#[test]
fn a_store_of_another_format_is_refused_and_not_changed() {
    let (dir, store) = new_store();
    store.db.set_format(FORMAT_VERSION + 1);
    drop(store);
    for _ in 0..2 {
        let error = Store::open(&dir.path().join("db"), StoreOptions::default()).unwrap_err();
        assert!(matches!(error, StoreError::Format { found } if found == FORMAT_VERSION + 1), "{error}");
    }
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let (dir, store) = new_store();
    store
        .write(|txn| {
            txn.put(Family::Checks, b"a".to_vec(), b"1".to_vec());
            Ok::<_, StoreError>(())
        })
        .unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("db"), StoreOptions::default()).unwrap();
    assert_eq!(store.get(Family::Checks, b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.get(Family::Ledger, b"a").unwrap(), None);
}

#[test]
fn a_store_can_be_read_while_it_is_written_to() {
    let (dir, store) = new_store();
    let put = |store: &Store, key: &[u8]| {
        store.write(|txn| {
            txn.put(Family::Alerts, key.to_vec(), b"1".to_vec());
            Ok::<_, StoreError>(())
        })
    };
    put(&store, b"a").unwrap();
    let reader = Store::open_to_read(&dir.path().join("db"), StoreOptions::default()).unwrap();
    put(&store, b"b").unwrap();
    assert_eq!(reader.get(Family::Alerts, b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(reader.get(Family::Alerts, b"b").unwrap(), None);
    assert!(put(&reader, b"c").is_err());
}

#[test]
fn a_range_is_removed_and_what_the_batch_itself_writes_stays() {
    let (_dir, store) = new_store();
    let put = |txn: &mut Txn<'_>, key: u8| txn.put(Family::Checks, vec![key], vec![key]);
    store
        .write(|txn| {
            (0..6).for_each(|key| put(txn, key));
            Ok::<_, StoreError>(())
        })
        .unwrap();
    store
        .write(|txn| {
            txn.delete_range(Family::Checks, vec![1], vec![4]);
            put(txn, 2);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let left: Vec<Vec<u8>> = store.scan(Family::Checks, &[], 10).unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [[0], [2], [4], [5]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_batch_sees_the_rows_as_it_will_leave_them(
        before in proptest::collection::btree_map(proptest::collection::vec(0u8..3, 0..4), any::<u8>(), 0..12),
        changes in proptest::collection::vec((proptest::collection::vec(0u8..3, 0..4), proptest::option::of(any::<u8>())), 0..12),
        prefix in proptest::collection::vec(0u8..3, 0..3),
        rest in proptest::collection::vec(0u8..3, 0..3),
        limit in 1usize..8,
    ) {
        let (_dir, store) = new_store();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = before.iter().map(|(key, row)| (key.clone(), vec![*row])).collect();
        store.write(|txn| {
            before.iter().for_each(|(key, row)| txn.put(Family::Checks, key.clone(), vec![*row]));
            txn.put(Family::Ledger, vec![0], vec![0]);
            Ok::<_, StoreError>(())
        }).unwrap();
        let expected = |model: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<Row> {
            model.iter().filter(|(key, _)| key.starts_with(&prefix)).take(limit).map(|(key, row)| (key.clone(), row.clone())).collect()
        };
        store.write(|txn| {
            for (key, row) in &changes {
                match row {
                    Some(row) => { txn.put(Family::Checks, key.clone(), vec![*row]); model.insert(key.clone(), vec![*row]); }
                    None => { txn.delete(Family::Checks, key.clone()); model.remove(key); }
                }
            }
            assert_eq!(txn.scan(Family::Checks, &prefix, limit).unwrap(), expected(&model));
            let from = [prefix.as_slice(), &rest].concat();
            let after = model.iter().filter(|(key, _)| key.starts_with(&prefix) && **key >= from).take(limit);
            let after: Vec<Row> = after.map(|(key, row)| (key.clone(), row.clone())).collect();
            assert_eq!(txn.scan_from(Family::Checks, &prefix, &from, limit).unwrap(), after);
            Ok::<_, StoreError>(())
        }).unwrap();
        assert_eq!(store.scan(Family::Checks, &prefix, limit).unwrap(), expected(&model));
    }
}
