//! What every store has to keep, run on each of them.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn hash(name: &str) -> OriginHash {
    OriginHash::of_text(name)
}

fn row(size: u64) -> Row {
    let latest = Latest { size: TreeSize::new(size), root: Hash::leaf(&size.to_be_bytes()) };
    Row { latest, at: NonZeroU64::new(size + 1).unwrap(), note: Bytes::from(format!("a note of {size}\n")) }
}

fn all(store: &impl Store) -> Vec<(OriginHash, Row)> {
    let mut rows = Vec::new();
    store.scan(&mut |log, row| rows.push((log, row))).unwrap();
    rows
}

/// Promises of [`Store`]; `reopen` is what a restart does.
fn holds<S: Store>(store: S, reopen: impl Fn(S) -> S) {
    assert_eq!(store.row(&hash("a")).unwrap(), None);
    assert!(all(&store).is_empty());
    store.commit(&[(hash("a"), row(1)), (hash("b"), row(7)), (hash("c"), row(0))]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(store.row(&hash("a")).unwrap(), Some(row(1)), "visible once commit has returned");
    store.commit(&[(hash("a"), row(2))]).unwrap();
    // The later of two rows of one log in a commit counts.
    store.commit(&[(hash("c"), row(3)), (hash("c"), row(4))]).unwrap();

    let store = reopen(store);
    assert_eq!(store.row(&hash("a")).unwrap(), Some(row(2)));
    assert_eq!(store.row(&hash("d")).unwrap(), None);
    let mut expected = vec![(hash("a"), row(2)), (hash("b"), row(7)), (hash("c"), row(4))];
    expected.sort_by_key(|(log, _)| *log);
    assert_eq!(all(&store), expected);
}

#[test]
fn memory() {
    holds(MemoryStore::default(), |store| store.reopen());
}

#[test]
fn rocks() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };
    holds(RocksStore::create(dir.path(), options, "keys").unwrap(), |store| {
        drop(store);
        RocksStore::open(dir.path(), options).unwrap()
    });
    let store = RocksStore::open(dir.path(), options).unwrap();
    assert_eq!(store.keys().unwrap(), "keys");
    assert!(matches!(RocksStore::create(dir.path(), options, "others"), Err(StoreError::Database(_))), "nothing is created over it");
    store.set_format(FORMAT_VERSION + 1);
    drop(store);
    assert!(matches!(RocksStore::open(dir.path(), options), Err(StoreError::Format { found }) if found == FORMAT_VERSION + 1));
}

#[test]
fn rows_are_read_as_they_were_written_and_nothing_else_is_a_row() {
    let bytes = row(5).encode();
    assert_eq!(Row::decode(&bytes), Ok(row(5)));
    for length in 0..48 {
        assert_eq!(Row::decode(&bytes[..length]), Err(Damage::MalformedRow), "{length}");
    }
    // What this version has written, every later one reads.
    assert_eq!((&bytes[..8], &bytes[8..40]), ([0, 0, 0, 0, 0, 0, 0, 5].as_slice(), row(5).latest.root.as_bytes().as_slice()));
    assert_eq!((&bytes[40..48], &bytes[48..]), ([0, 0, 0, 0, 0, 0, 0, 6].as_slice(), b"a note of 5\n".as_slice()));
    let mut timeless = bytes;
    timeless[40..48].fill(0);
    assert_eq!(Row::decode(&timeless), Err(Damage::MalformedRow));
    assert_eq!(row(5).signed(), Err(Damage::MalformedRow), "its note is none");
}

#[test]
fn the_hash_of_an_origin_has_one_spelling() {
    let log = hash("example.com/log");
    let text = log.to_string();
    assert_eq!(OriginHash::from_hex(&text), Some(log));
    for other in [&text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replacen(&text[..2], "é", 1), ""] {
        assert_eq!(OriginHash::from_hex(other), None, "{other}");
    }
}
