//! What every store has to keep, run on each of them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

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
    assert_eq!(store.commits().unwrap(), 0);
    store.commit(&[(hash("a"), row(1)), (hash("b"), row(7)), (hash("c"), row(0))]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(store.row(&hash("a")).unwrap(), Some(row(1)), "visible once commit has returned");
    store.commit(&[(hash("a"), row(2))]).unwrap();
    // The later of two rows of one log in a commit counts.
    store.commit(&[(hash("c"), row(3)), (hash("c"), row(4))]).unwrap();

    let store = reopen(store);
    assert_eq!(store.commits().unwrap(), 3, "those with rows");
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

/// A store as the system would find it after a power cut, with the name of the file that is its write-ahead log.
fn after_a_power_cut(store: &Path, copy: &Path) -> PathBuf {
    fs::create_dir(copy).unwrap();
    for entry in fs::read_dir(store).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let logs = fs::read_dir(copy).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

#[test]
fn a_damaged_write_ahead_log_is_refused_and_one_cut_short_loses_what_was_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };
    let store = RocksStore::create(&dir.path().join("store"), options, "keys").unwrap();
    for size in 1..=20 {
        store.commit(&[(hash("a"), row(size))]).unwrap();
    }
    let whole = fs::read(after_a_power_cut(&dir.path().join("store"), &dir.path().join("whole"))).unwrap();
    let length = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let open = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let copy = dir.path().join(name);
        let log = after_a_power_cut(&dir.path().join("store"), &copy);
        let mut bytes = fs::read(&log).unwrap();
        bytes.truncate(length);
        change(&mut bytes);
        fs::write(log, bytes).unwrap();
        RocksStore::open(&copy, options).map(|store| store.row(&hash("a")).unwrap().unwrap().latest.size.as_u64())
    };
    assert_eq!(open("as it is", &|_| {}).unwrap(), 20);
    // The last record is the 20th; half of it is as if it had never been synced.
    assert_eq!(open("cut short", &|bytes| bytes.truncate(length - 40)).unwrap(), 19);
    assert_eq!(open("zeros behind", &|bytes| bytes.resize(length + 4096, 0)).unwrap(), 20);
    for (number, at) in [length / 7, length / 2, length - 60, length - 5].into_iter().enumerate() {
        let damaged = open(&number.to_string(), &|bytes| bytes[at] ^= 4);
        assert!(matches!(damaged, Err(StoreError::Database(_))), "a bit at {at} of {length}: {damaged:?}");
    }
}

#[test]
fn a_flipped_bit_in_a_table_file_gives_an_error_and_never_another_row() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };
    let store = RocksStore::create(&dir.path().join("store"), options, "keys").unwrap();
    store.commit(&[(hash("a"), row(1)), (hash("b"), row(2))]).unwrap();
    store.settle().unwrap();
    let mut errors = 0;
    for place in 0..40 {
        let copy = dir.path().join(place.to_string());
        after_a_power_cut(&dir.path().join("store"), &copy);
        // The newest table has the rows.
        let tables = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path());
        let table = tables.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).max().unwrap();
        let mut bytes = fs::read(&table).unwrap();
        let at = bytes.len() * place / 40;
        bytes[at] ^= 4;
        fs::write(table, bytes).unwrap();
        match RocksStore::open(&copy, options).and_then(|store| store.row(&hash("a"))) {
            Ok(read) => assert_eq!(read, Some(row(1)), "a bit at {at}"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 5, "{errors} of the bits were in what is read");
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
