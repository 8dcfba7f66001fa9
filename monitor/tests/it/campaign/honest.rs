//! The counterpart of all lies: a real log with three real witnesses, under load, about which there is nothing to say.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tlog::key::SigningKey;

use crate::process::{acta_monitor, api, beside, get};
use crate::world::{issuer, registrar, sign};

const ORIGIN: &str = "log.test/honest";

/// How many statements are sent at once.
const AT_ONCE: u64 = 64;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The log, and all who have to do with it.
struct Honest {
    dir: TempDir,
    log: processes::Server,
    _witnesses: Vec<processes::Server>,
}

impl Honest {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("registrar.vkey"), format!("{}\n", registrar().verifier_key())).unwrap();
        let (home, registrar_key) = (path("log"), path("registrar.vkey"));
        let init = ["init", "--dir", text(&home), "--origin", ORIGIN, "--threshold", "1", "--registrar", text(&registrar_key)];
        beside("acta-log").good(&init);
        let key = fs::read_to_string(path("log/log.vkey")).unwrap();
        fs::write(path("followed"), format!("log {key}quorum none\n")).unwrap();
        let (mut policy, mut witnesses) = (String::new(), Vec::new());
        for number in 1..=3 {
            let home = path(&format!("w{number}"));
            beside("acta-witness").good(&["init", "--name", &format!("w{number}.test"), "--dir", text(&home)]);
            let witness = beside("acta-witness").serve(&home, &["--policy", text(&path("followed"))]);
            let keys = fs::read_to_string(home.join("witness.vkey")).unwrap();
            policy += &format!("witness w{number} {} {}\n", keys.lines().next().unwrap(), witness.url);
            witnesses.push(witness);
        }
        policy += "group all 2 w1 w2 w3\nquorum all\n";
        fs::write(path("of-log"), format!("log {key}{policy}")).unwrap();
        let log = beside("acta-log").serve(&home, &["--policy", text(&path("of-log"))]);
        fs::write(path("policy"), format!("log {} {}\n{policy}", key.trim_end(), log.url)).unwrap();
        Honest { dir, log, _witnesses: witnesses }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A monitor that looks often, and waits for nothing.
    fn monitor(&self) -> processes::Server {
        let (state, policy, config) = (self.path("state"), self.path("policy"), self.path("monitor.toml"));
        acta_monitor().good(&["init", "--state", text(&state), "--policy", text(&policy), "--config", text(&self.path("unused.toml"))]);
        let settings = format!(
            "[monitor]\nstate = {state:?}\n[[log]]\npolicy = {policy:?}\ninterval = \"200ms\"\nunreachable_after = \"5s\"\nwitness_after = \"30s\"\n\
             [gossip]\ninterval = \"500ms\"\nrollback_after = \"5s\"\nunproven_after = \"5s\"\n[checks]\ngap_after = \"60s\"\n"
        );
        fs::write(&config, settings).unwrap();
        acta_monitor().serve_config(&config, &[])
    }
}

/// Sends a request, and gives the answer's status line and body.
fn send(to: SocketAddr, path: &str, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(to).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: log\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// Publishes statements, asking again for those that the log had no room for.
fn publish(to: SocketAddr, entries: &[Vec<u8>]) {
    let (begun, mut rest) = (Instant::now(), entries.to_vec());
    loop {
        let batch = rest.iter().flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes(), entry.as_slice()].concat());
        let (status, body) = send(to, "/add-batch", &batch.collect::<Vec<u8>>());
        if status.contains(" 200 ") {
            // For each entry a line: its index, or why it has none.
            let mut lines = body.lines().map(|line| line.parse::<u64>().is_ok());
            rest.retain(|_| !lines.next().unwrap());
        }
        if rest.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the log does not take them: {status} {body}");
        std::thread::sleep(Duration::from_millis(50)); // as a client does that was told to come again
    }
}

fn now() -> (String, String) {
    let now = jiff::Timestamp::now();
    (now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), now.strftime("%Y-%m-%d").to_string())
}

fn registration(key: &SigningKey) -> Vec<u8> {
    let (registrar, (issued, _)) = (registrar(), now());
    let statement = json!({"type": "issuer", "log": ORIGIN, "issuer": "planning.example", "issued": issued,
        "names": {"en": "Planning Authority"}, "keys": [key.verifier_key().to_string()], "kinds": ["planning.*"]});
    sign(&statement, &[&registrar, key])
}

fn decision(key: &SigningKey, seq: u64) -> Vec<u8> {
    let (issued, decided) = now();
    let statement = json!({"type": "decision", "log": ORIGIN, "issuer": "planning.example", "issued": issued, "series": "2026", "seq": seq,
        "kind": "planning.permit", "subject": format!("A roof at {seq} Harbour Street"), "outcome": "granted", "decided": decided});
    sign(&statement, &[key])
}

/// `ACTA_HONEST_SECONDS` says for how long; 10 if nobody says so.
#[test]
fn about_an_honest_log_under_load_there_is_nothing_to_say() {
    let seconds = std::env::var("ACTA_HONEST_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let (honest, key) = (Honest::new(), issuer());
    publish(honest.log.address, &[registration(&key)]);
    let monitor = honest.monitor();
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let entries: Vec<Vec<u8>> = (sent + 1..=sent + AT_ONCE).map(|seq| decision(&key, seq)).collect();
        publish(honest.log.address, &entries);
        sent += AT_ONCE;
    }
    // The charter and the registration are entries as well.
    let all = format!("acta_monitor_cursor{{log=\"{ORIGIN}\"}} {}", sent + 2);
    let waited = Instant::now();
    while !get(monitor.operations, "/metrics").lines().any(|line| line == all) {
        assert!(
            waited.elapsed() < Duration::from_secs(120),
            "never: {all}; {}; {}",
            get(monitor.operations, "/metrics"),
            monitor.messages()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{sent} statements in {seconds} s, and all of them read {:?} later", waited.elapsed());
    let answer = api(&monitor, "/api/v1/findings?limit=500");
    let found: Vec<&Value> = answer["findings"].as_array().unwrap().iter().filter(|one| one["severity"] != "info").collect();
    assert_eq!(found, Vec::<&Value>::new(), "{}", monitor.messages());
    println!("{} MB of memory at most", monitor.peak_memory() >> 20);
}
