#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let example = include_str!("../../acta-monitor.example.toml");
    let mut read = file(example);
    // A log has to be named, so the example names one; its other keys are the defaults.
    assert_eq!(read.log.len(), 1);
    let log = read.log.remove(0);
    let expected = LogSection { policy: log.policy.clone(), final_size: log.final_size, ..LogSection::default() };
    assert_eq!(log, expected);
    let mut written: toml::Table = toml::from_str(example).unwrap();
    let all = toml::Table::try_from(File::default()).unwrap();
    for (section, keys) in &all {
        let of_example = written.remove(section).unwrap_or_else(|| panic!("[{section}] is missing"));
        let names = |keys: &toml::Value| keys.as_table().map(|keys| keys.keys().cloned().collect::<Vec<_>>());
        if !keys.is_array() {
            assert_eq!(names(&of_example), names(keys), "[{section}]");
        }
    }
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    for (text, says) in [
        ("[store]\ncache = \"1 KiB\"", "`store.cache` is too small"),
        ("[ops]\nlisten = \"9091\"", "`ops.listen` is not an address"),
        ("[monitor]\nstate = \"\"", "`monitor.state` is empty"),
        ("[messages]\nlevel = \"monitor=loud\"", "`messages.level`"),
        ("[[log]]\nurl = \"http://127.0.0.1:1\"", "has no `policy`"),
        ("[[log]]\npolicy = \"/nowhere\"", "cannot be read"),
    ] {
        let error = file(text).validate().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(toml::from_str::<File>("[stores]\ncache = \"1 MiB\"").is_err(), "an unknown key");
}

const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn log(policy: &str, text: &str) -> Result<Vec<LogSettings>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy");
    std::fs::write(&path, policy).unwrap();
    let text = format!("[[log]]\npolicy = {:?}\n{text}", path.to_str().unwrap());
    file(&text).validate().map(|config| config.logs).map_err(|error| error.to_string())
}

#[test]
fn a_log_is_where_its_policy_or_its_section_says() {
    let policy = format!("log {KEY} https://log.example/foo\nquorum none\n");
    assert_eq!(log(&policy, "").unwrap()[0].location.to_string(), "https://log.example/foo");
    assert_eq!(log(&policy, "url = \"http://127.0.0.1:1\"").unwrap()[0].location.to_string(), "http://127.0.0.1:1");
    let nowhere = format!("log {KEY}\nquorum none\n");
    for (policy, text, says) in [
        (&nowhere, "", "where the log example.com/foo is"),
        (&policy, "url = \"ftp://a\"", "cannot be used"),
        (&policy, "origin = \"example.com/bar\"", "does not list"),
        (&policy, "interval = \"0s\"", "`log.interval` is 0"),
        (&policy, "zone = \"Mars/Olympus\"", "no time zone"),
        (&"quorum none\n".to_owned(), "", "lists no log"),
        (&"log x\n".to_owned(), "", "has a mistake"),
    ] {
        let error = log(policy, text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}
