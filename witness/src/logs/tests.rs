#![allow(clippy::unwrap_used, reason = "tests")]

use tlog::key::{Algorithm, KeyName, SigningKey};

use super::*;

fn key(origin: &str, seed: u8) -> VerifierKey {
    let key = SigningKey::from_seed(KeyName::new(origin).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap();
    key.verifier_key().clone()
}

fn policy(keys: &[VerifierKey]) -> String {
    let logs: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    format!("{logs}quorum none\n")
}

fn keys_of(logs: &Logs, origin: &str) -> Option<usize> {
    logs.get(&OriginHash::of_text(origin)).map(|log| log.keys().len())
}

#[test]
fn files_and_directories_are_read_together() {
    let dir = tempfile::tempdir().unwrap();
    let (file, more) = (dir.path().join("policy"), dir.path().join("more"));
    fs::create_dir(&more).unwrap();
    fs::write(&file, policy(&[key("a.example", 1), key("b.example", 2)])).unwrap();
    fs::write(more.join("a"), policy(&[key("a.example", 3), key("a.example", 1)])).unwrap();
    for passing in [".hidden", "a~", "a.policy.7.tmp"] {
        fs::write(more.join(passing), "no policy").unwrap();
    }
    let logs = Logs::load(vec![file, more]).unwrap();
    assert_eq!(logs.current().len(), 2);
    assert_eq!(keys_of(&logs, "a.example"), Some(2), "an old and a new key, each once");
    assert_eq!(keys_of(&logs, "b.example"), Some(1));
    assert_eq!(keys_of(&logs, "c.example"), None);
}

#[test]
fn a_broken_file_changes_nothing_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, policy(&[key("a.example", 1)])).unwrap();
    let logs = Logs::load(vec![dir.path().to_owned()]).unwrap();
    fs::write(dir.path().join("b"), "log nonsense\nquorum none\n").unwrap();
    fs::write(&path, policy(&[key("c.example", 1)])).unwrap();
    let error = logs.reload().unwrap_err().to_string();
    assert!(error.contains("/b: line 1"), "{error}");
    assert_eq!((keys_of(&logs, "a.example"), keys_of(&logs, "c.example")), (Some(1), None), "not half of it");
    fs::remove_file(dir.path().join("b")).unwrap();
    assert_eq!(logs.reload().unwrap(), 1);
    assert_eq!((keys_of(&logs, "a.example"), keys_of(&logs, "c.example")), (None, Some(1)));
}

#[test]
fn a_missing_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Logs::load(vec![dir.path().join("nothing")]), Err(LogsError::Read { .. })));
}

#[test]
fn logs_are_added_and_removed_by_their_origin() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let Added::New(first) = add(&logs, key("a.example", 1), Some("https://a.example")).unwrap() else { panic!("it is new") };
    assert_eq!(add(&logs, key("a.example", 1), None).unwrap(), Added::Known(first.clone()));
    assert_eq!(add(&logs, key("a.example", 1), Some("https://a.example")).unwrap(), Added::Known(first.clone()));
    let elsewhere = add(&logs, key("a.example", 1), Some("https://b.example"));
    assert!(matches!(elsewhere, Err(EditError::OtherAddress { known: Some(known), .. }) if *known == *"https://a.example"));
    let Added::New(second) = add(&logs, key("a.example", 2), None).unwrap() else { panic!("it is another key") };
    add(&logs, key("b.example", 3), None).unwrap();
    assert_eq!(keys_of(&Logs::load(vec![logs.clone()]).unwrap(), "a.example"), Some(2));

    let Removed(mut removed) = remove(&logs, "a.example").unwrap();
    removed.sort();
    let mut both = vec![first, second];
    both.sort();
    assert_eq!(removed, both);
    assert!(matches!(remove(&logs, "a.example"), Err(EditError::Unknown { .. })));
    assert_eq!(Logs::load(vec![logs.clone()]).unwrap().current().len(), 1);

    fs::write(logs.join("mine"), policy(&[key("c.example", 4), key("d.example", 5)])).unwrap();
    assert!(matches!(remove(&logs, "c.example"), Err(EditError::Shared { .. })));
}
