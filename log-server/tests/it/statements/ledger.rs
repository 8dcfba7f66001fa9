//! The ledger beside the entries: drawn anew it is the same, and a log without a whole one does not start.

use std::path::{Path, PathBuf};

use log_server::data_dir::DataDir;
use log_server::open::claim;
use log_server::rebuild::rebuild_by_chunks;
use log_server::store::{RocksOptions, RocksStore};
use serde_json::json;

use crate::process::{Server, good, refused};
use crate::world::*;

/// A log that is not running, with entries of every type, among them some that were refused.
fn lived_in() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init_statements(&dir);
    let mut server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    let (planning, registrars) = (planning(), registrars());
    let add = &mut connection;
    admitted(add, &registered("planning.example", &planning, &["planning.*"]));
    let by = |statement| signed(&statement, &[&planning]).to_bytes();
    let first = by(decision(1));
    let index = admitted(add, &first);
    admitted(add, &by(with(decision(2), "relates", relation("corrects", index, &first))));
    let third = key("planning.example/third", 30);
    admitted(add, &signed(&key_change("add", &third), &[&planning, &third]).to_bytes());
    let fewer = json!({"type": "registrar", "log": crate::process::ORIGIN, "issued": *ISSUED, "registrars": [vkey(&registrars[0])],
        "threshold": 1});
    admitted(add, &signed(&fewer, &[&registrars[0], &registrars[1]]).to_bytes());
    admitted(add, &signed(&with(key_change("retire", &third), "doubt_from", json!(2)), &[&registrars[0]]).to_bytes());
    let many: Vec<Vec<u8>> = (4..1000).map(|seq| by(decision(seq))).chain([by(with(decision(5), "outcome", json!("no")))]).collect();
    let told = add.request("POST", "/add-batch", &batch(&many)).unwrap();
    assert_eq!(told.text().lines().filter(|line| line.parse::<u64>().is_err()).collect::<Vec<_>>(), ["number-used"]);
    admitted(add, &by(annotation("void", 3)));
    admitted(add, &by(annotation("close", 1000)));
    drop(connection);
    assert_eq!(server.terminate().0, Some(0));
    (home, dir)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn drawn_anew_it_is_the_same_byte_for_byte() {
    let (_home, dir) = lived_in();
    let kept = ledger(&dir);
    assert!(kept.len() > 3000, "{} rows", kept.len());
    let told = good(&["rebuild-ledger", "--dir", text(&dir)]);
    assert!(told.contains("is drawn from 1005 entries"), "{told}");
    assert!(ledger(&dir) == kept);
    assert!(good(&["fsck", "--dir", text(&dir)]).contains("the log is whole"));
}

#[test]
fn it_is_the_same_however_often_rows_are_written_on_the_way() {
    let (_home, dir) = lived_in();
    let kept = ledger(&dir);
    // After each bundle, after two, and once at the end.
    for chunk in [0, 50_000, usize::MAX] {
        let mut log = claim(&DataDir::new(&dir), RocksOptions::default()).unwrap();
        let rebuilt = rebuild_by_chunks(&mut log.store, &log.head, chunk, &mut |_, _| ()).unwrap();
        assert_eq!((rebuilt.entries, rebuilt.refused), (1005, 0));
        drop(log);
        assert!(ledger(&dir) == kept, "{chunk}");
    }
}

#[test]
fn rows_that_were_tampered_with_are_put_right() {
    let (_home, dir) = lived_in();
    let kept = ledger(&dir);
    let store = RocksStore::open(&DataDir::new(&dir).db(), RocksOptions::default()).unwrap();
    let issuer = kept.iter().find(|(key, _)| key.starts_with(b"iplanning")).unwrap();
    store.write_ledger(&[(&issuer.0, b"other"), (b"jplanted", b"x")]).unwrap();
    store.settle().unwrap();
    drop(store);
    assert!(ledger(&dir) != kept);
    good(&["rebuild-ledger", "--dir", text(&dir)]);
    assert!(ledger(&dir) == kept);
}

#[test]
fn a_log_whose_ledger_is_being_drawn_does_not_start_until_that_is_done() {
    let (_home, dir) = lived_in();
    let kept = ledger(&dir);
    let mut store = RocksStore::open(&DataDir::new(&dir).db(), RocksOptions::default()).unwrap();
    store.clear_ledger().unwrap();
    store.write_ledger(&kept[..100].iter().map(|(key, row)| (key.as_slice(), row.as_slice())).collect::<Vec<_>>()).unwrap();
    store.settle().unwrap();
    drop(store); // as when `rebuild-ledger` is cut short
    std::fs::write(DataDir::new(&dir).db().join("ledger-rebuild.table"), vec![0xff; 1 << 20]).unwrap();
    let told = Server::try_start(&dir, &[]).map(drop).unwrap_err();
    assert!(told.contains("acta-log rebuild-ledger"), "{told}");
    assert!(refused(&["fsck", "--dir", text(&dir)]).contains("acta-log rebuild-ledger"));

    good(&["rebuild-ledger", "--dir", text(&dir)]);
    assert!(ledger(&dir) == kept);
    let server = Server::start(&dir, &[]);
    assert_eq!(size(&mut server.connect()), 1005);
}

#[test]
fn a_damaged_row_stops_the_log_and_not_before_it_matters() {
    let (_home, dir) = lived_in();
    let kept = ledger(&dir);
    let store = RocksStore::open(&DataDir::new(&dir).db(), RocksOptions::default()).unwrap();
    let series = kept.iter().find(|(key, _)| key.starts_with(b"splanning")).unwrap();
    store.write_ledger(&[(&series.0, &[0xff; 40])]).unwrap();
    store.settle().unwrap();
    drop(store);
    let mut server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    assert_eq!(connection.get("/status/5").unwrap().status, 200);
    let answer = connection.request("POST", "/add", &signed(&decision(1001), &[&planning()]).to_bytes()).unwrap();
    assert_eq!(outcome(&answer), (503, "write-failed".to_owned()));
    drop(connection);
    let (code, told) = server.wait();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("acta-log rebuild-ledger"), "{told}");
}

#[test]
fn a_backup_has_the_ledger_and_an_export_has_the_statements() {
    let (home, dir) = lived_in();
    let backup = home.path().join("backup");
    good(&["backup", "--dir", text(&dir), "--out", text(&backup)]);
    assert!(ledger(&backup) == ledger(&dir));
    let tree = home.path().join("tree");
    good(&["export", "--dir", text(&dir), "--out", text(&tree)]);
    assert!(tree.join("tile/entries/003.p/237").is_file());
}
