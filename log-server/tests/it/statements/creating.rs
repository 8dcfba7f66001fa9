//! How a log begins: with its charter, where registrars are named.

use std::path::Path;
use std::rc::Rc;

use serde_json::Value;
use tlog::key::{Algorithm, KeyName, SigningKey};

use crate::process::{ORIGIN, Server, good, refused};
use crate::world::*;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_new_log_begins_with_its_charter() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init_statements(&dir);
    assert!(good(&["fsck", "--dir", text(&dir)]).contains("1 entries of"));
    let server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    assert_eq!(size(&mut connection), 1);
    let charter = connection.get("/tile/entries/000.p/1").unwrap();
    let statement = decision::statement::Statement::parse(&charter.body[2..]).unwrap();
    let json = statement.json();
    assert_eq!((&json["type"], &json["log"], &json["admission"]), (&"charter".into(), &ORIGIN.into(), &"statements".into()));
    assert_eq!((json["registrars"].as_array().unwrap().len(), &json["threshold"]), (3, &2.into()));
    let status: Value = serde_json::from_slice(&connection.get("/status/0").unwrap().body).unwrap();
    assert_eq!((&status["type"], &status["says"]), (&"charter".into(), &"operator".into()));
    assert!(connection.get("/").unwrap().text().contains("This log takes statements"));
}

#[test]
fn an_open_log_can_have_registrars_and_then_begins_with_its_charter_too() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    let registrar = write_vkey(home.path(), &registrars()[0]);
    good(&["init", "--dir", text(&dir), "--origin", ORIGIN, "--admission", "open", "--registrar", text(&registrar)]);
    let server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    assert_eq!(size(&mut connection), 1);
    assert_eq!(connection.add(b"any bytes"), Some(1));
    assert_eq!(outcome(&connection.get("/status/0").unwrap()), (404, "no-ledger".to_owned()));
    assert!(!connection.get("/").unwrap().text().contains("This log takes statements"));
    drop((connection, server));
    assert!(refused(&["rebuild-ledger", "--dir", text(&dir)]).contains("nothing to rebuild"));
}

#[test]
fn a_log_of_statements_without_registrars_is_refused_with_both_ways_out() {
    let home = tempfile::tempdir().unwrap();
    let told = refused(&["init", "--dir", text(&home.path().join("log")), "--origin", ORIGIN]);
    assert!(told.contains("--registrar") && told.contains("--admission open"), "{told}");
    assert!(!home.path().join("log").exists(), "and nothing is made");
}

#[test]
fn registrars_that_cannot_be_are_refused_before_anything_is_made() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    let files: Vec<_> = registrars().iter().map(|key| write_vkey(home.path(), key)).collect();
    let files: Vec<&str> = files.iter().map(|file| text(file)).collect();
    let name = KeyName::new("witness.example").unwrap();
    let witness = SigningKey::from_seed(name, Algorithm::CosignatureEd25519, &[9; 32]).unwrap();
    let witness = write_vkey(home.path(), &Rc::new(witness));
    let alias = write_vkey(home.path(), &key("alias.example", 1));
    for (more, expected) in [
        (vec!["--registrar", files[0], files[1]], "--threshold"),
        (vec!["--registrar", files[0], "--threshold", "0"], "a threshold of 0"),
        (vec!["--registrar", files[0], files[1], "--threshold", "3"], "a threshold of 3"),
        (vec!["--registrar", files[0], "--registrar", files[0], "--threshold", "1"], "have the same key"),
        (vec!["--registrar", files[0], text(&alias), "--threshold", "1"], "registrar-1.example and alias.example have the same key"),
        (vec!["--registrar", text(&witness)], "not one that signs statements"),
        (vec!["--registrar", "nowhere.vkey"], "there is no file nowhere.vkey"),
    ] {
        let told = refused(&[&["init", "--dir", text(&dir), "--origin", ORIGIN][..], &more].concat());
        assert!(told.contains(expected), "{more:?}: {told}");
        assert!(!dir.exists(), "{more:?}");
    }
}
