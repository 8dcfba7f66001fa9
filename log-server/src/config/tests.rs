#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const EXAMPLE: &str = include_str!("../../acta-log.example.toml");

fn load(text: &str) -> Result<Config, ConfigError> {
    toml::from_str::<File>(text).expect("a file of the right shape").validate(Flags::default())
}

fn refusal(text: &str) -> String {
    match toml::from_str::<File>(text) {
        Ok(file) => file.validate(Flags::default()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let written: toml::Table = EXAMPLE.parse().unwrap();
    let defaults = toml::Table::try_from(File::default()).unwrap();
    assert_eq!(written, defaults);
    assert_eq!(toml::from_str::<File>(EXAMPLE).unwrap(), File::default());
}

#[test]
fn every_key_of_the_example_is_explained_above_it() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# "), "no comment above `{}`", pair[1]);
    }
}

#[test]
fn the_empty_file_is_a_configuration() {
    let config = load("").unwrap();
    assert_eq!(config.http.bounds.connections, 4096);
    assert!(config.http.limit.is_none() && config.http.tls.is_none() && config.ops.listen.is_none() && config.policy.is_none());
}

#[test]
fn flags_win_over_the_file() {
    let file: File = toml::from_str("http.listen = '127.0.0.1:1'\nops.listen = '127.0.0.1:2'\nlog.policy = '/a'").unwrap();
    let flags = Flags {
        listen: Some("127.0.0.1:3".parse().unwrap()),
        ops_listen: Some("127.0.0.1:4".parse().unwrap()),
        policy: Some(PathBuf::from("/b")),
    };
    let config = file.clone().validate(flags).unwrap();
    assert_eq!((config.http.listen.port(), config.ops.listen.unwrap().port()), (3, 4));
    assert_eq!(config.policy, Some(PathBuf::from("/b")));
    let config = file.validate(Flags::default()).unwrap();
    assert_eq!((config.http.listen.port(), config.ops.listen.unwrap().port()), (1, 2));
    assert_eq!(config.policy, Some(PathBuf::from("/a")));
}

#[test]
fn a_misspelt_key_is_an_error_that_names_it() {
    let text = refusal("[http]\nmax_conections = 5");
    assert!(text.contains("max_conections") && text.contains("line 2"), "{text}");
    assert!(refusal("[htttp]").contains("htttp"));
}

#[test]
fn a_value_that_makes_no_sense_is_refused_by_name() {
    let zeros = [
        "http.max_connections",
        "http.max_streams",
        "queue.max_entries",
        "http.max_requests",
        "http.header_timeout = '0s' #",
        "http.body_timeout = '0s' #",
        "http.idle_timeout = '0s' #",
        "http.add_timeout = '0s' #",
        "http.receipt_timeout = '0s' #",
        "http.drain_timeout = '0s' #",
        "ops.max_head_age = '0s' #",
        "limits.adds_per_second = 1\nlimits.burst",
        "limits.adds_per_second = 1\nlimits.addresses",
    ];
    for line in zeros {
        let key = line.lines().last().unwrap().split(' ').next().unwrap();
        let text = refusal(&format!("{line} = 0"));
        assert!(text.contains(&format!("`{key}` is 0")), "{text}");
    }
    for (line, key) in [
        ("http.max_connections = 1000001", "http.max_connections"),
        ("http.max_headers = '2 MiB'", "http.max_headers"),
        ("cache.checkpoint_max_age = '1h'", "cache.checkpoint_max_age"),
        ("limits.adds_per_second = 1\nlimits.addresses = 4000000000", "limits.addresses"),
    ] {
        let text = refusal(line);
        assert!(text.contains(&format!("`{key}` is too large")), "{text}");
    }
    for (line, key, least) in [
        ("http.body_memory = '8191 KiB'", "http.body_memory", "8 MiB"),
        ("http.answer_memory = '16 MiB'", "http.answer_memory", "17 MiB"),
        ("queue.max_bytes = '65535 B'", "queue.max_bytes", "64 KiB"),
        ("queue.max_bytes = '0 B'", "queue.max_bytes", "64 KiB"),
    ] {
        let text = refusal(line);
        assert!(text.contains(&format!("`{key}` is too small")) && text.contains(&format!("\"{least}\"")), "{text}");
    }
    assert!(load("http.body_memory = '8 MiB'\nhttp.answer_memory = '17 MiB'\nqueue.max_bytes = '64 KiB'").is_ok());
    assert!(refusal("messages.level = 'loud!!=='").contains("messages.level"));
    assert!(refusal("http.header_timeout = 10").contains("line 1"));
    assert!(refusal("http.header_timeout = '10 seconds'").contains("\"10s\""));
    assert!(refusal("queue.max_bytes = '64 MB'").contains("\"64 MiB\""));
    assert!(refusal("limits.trusted_proxies = ['localhost']").contains("\"10.0.0.0/8\""));
    assert!(refusal("ops.listen = 'localhost'").contains("ops.listen"));
    assert!(refusal("ops.listen = '127.0.0.1:8080'").contains("same address"));
    assert!(refusal("tls.certificate = '/c'").contains("tls.key"));
    assert!(refusal("tls.key = '/c'").contains("tls.certificate"));
    for url in ["log.example.org", "https://", "https://log.example.org/", "https:///x", "https://a b", "https://a\"b", "ftp://a"] {
        assert!(refusal(&format!("http.public_url = '{url}'")).contains("http.public_url"), "{url}");
    }
    assert!(load("http.public_url = 'https://log.example.org/a'").is_ok());
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let error = File::load(Path::new("/nonexistent/acta.toml")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/acta.toml"));
}
