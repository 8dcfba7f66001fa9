#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let example = include_str!("../../acta-witness.example.toml");
    assert_eq!(file(example), File::default());
    let mut written: toml::Table = toml::from_str(example).unwrap();
    let all = toml::Table::try_from(File::default()).unwrap();
    for (section, keys) in &all {
        let of_example = written.remove(section).unwrap();
        let names = |keys: &toml::Value| keys.as_table().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&of_example), names(keys), "[{section}]");
    }
    assert!(written.is_empty());
}

#[test]
fn the_defaults_make_sense() {
    let config = Config::default();
    assert!(config.cosigner.rate.is_some() && config.http.limit.is_none() && config.policies.is_empty());
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    for (text, says) in [
        ("[limits]\npending = \"1 KiB\"", "`limits.pending` is too small"),
        ("[limits]\ncheckpoints_burst = 0", "`limits.checkpoints_burst` is 0"),
        ("[limits]\nrequests_per_second = 1\nrequests_burst = 0", "`limits.requests_burst` is 0"),
        ("[http]\nmax_requests = 0", "`http.max_requests` is 0"),
        ("[http]\nbody_memory = \"1 KiB\"", "`http.body_memory` is too small"),
        ("[http]\nheader_timeout = \"0s\"", "`http.header_timeout` is 0"),
        ("[evidence]\nmax_bytes = \"1 KiB\"", "`evidence.max_bytes` is too small"),
        ("[store]\ncache = \"1 KiB\"", "`store.cache` is too small"),
        ("[ops]\nlisten = \"9091\"", "`ops.listen` is not an address"),
        ("[ops]\nlisten = \"127.0.0.1:8081\"", "the same address"),
        ("[bastion]\naddress = \"https://bastion.example\"", "HOST:PORT"),
        ("[tls]\nkey = \"key.pem\"", "belong together"),
        ("[messages]\nlevel = \"witness=loud\"", "`messages.level`"),
    ] {
        let error = file(text).validate(Flags::default()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(toml::from_str::<File>("[limit]\npending = \"1 MiB\"").is_err(), "an unknown key");
}

#[test]
fn flags_come_before_the_file() {
    let written = file("[witness]\npolicies = [\"a\"]\n[ops]\nlisten = \"127.0.0.1:1\"");
    assert_eq!(written.clone().validate(Flags::default()).unwrap().policies, [PathBuf::from("a")]);
    let flags =
        Flags { listen: None, ops_listen: Some("127.0.0.1:2".parse().unwrap()), policies: vec!["b".into(), "c".into()], bastion: None };
    let config = written.validate(flags).unwrap();
    assert_eq!(config.policies, [PathBuf::from("b"), PathBuf::from("c")]);
    assert_eq!(config.ops_listen, Some("127.0.0.1:2".parse().unwrap()));
}
