//! A log of statements with its registrars and issuers, and their statements.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::LazyLock;

use decision::statement::{Draft, Statement};
use log_server::data_dir::DataDir;
use log_server::store::{LedgerRows, RocksOptions, RocksStore, Store};
use serde_json::{Value, json};
use tlog::Hash;
use tlog::key::{Algorithm, KeyName, SigningKey};

use crate::process::{Answer, Connection, ORIGIN, good};

/// Shared, since secret keys cannot be copied.
pub(crate) type Key = Rc<SigningKey>;

/// When all statements are issued: when the tests began.
pub(crate) static ISSUED: LazyLock<String> = LazyLock::new(|| in_seconds(0));

/// The time in so many seconds.
pub(crate) fn in_seconds(seconds: i64) -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap().to_string()
}

pub(crate) fn key(name: &str, seed: u8) -> Key {
    Rc::new(SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap())
}

pub(crate) fn vkey(key: &Key) -> String {
    key.verifier_key().to_string()
}

pub(crate) fn registrars() -> Vec<Key> {
    (1..4).map(|seed| key(&format!("registrar-{seed}.example"), seed)).collect()
}

/// The first key of an issuer.
pub(crate) fn planning() -> Key {
    key("planning.example", 10)
}

/// Creates a log of statements in `dir`, of which two of three registrars register issuers.
pub(crate) fn init_statements(dir: &Path) {
    let home = dir.parent().unwrap();
    let files: Vec<PathBuf> = registrars().iter().map(|key| write_vkey(home, key)).collect();
    let mut args = vec!["init", "--dir", dir.to_str().unwrap(), "--origin", ORIGIN, "--threshold", "2", "--registrar"];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    good(&args);
}

/// Writes a verifier key into a file of its own.
pub(crate) fn write_vkey(home: &Path, key: &Key) -> PathBuf {
    let file = home.join(format!("{}.vkey", key.verifier_key().name().as_str().replace('/', "-")));
    std::fs::write(&file, format!("{}\n", vkey(key))).unwrap();
    file
}

pub(crate) fn signed(statement: &Value, keys: &[&Key]) -> Statement {
    Draft::from_json(statement).unwrap().sign(&keys.iter().map(|key| &***key).collect::<Vec<_>>()).unwrap()
}

/// The statement with one member set.
pub(crate) fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement.as_object_mut().unwrap().insert(name.into(), value);
    statement
}

pub(crate) fn decision_of(issuer: &str, kind: &str, seq: u64) -> Value {
    json!({"type": "decision", "log": ORIGIN, "issuer": issuer, "issued": *ISSUED, "series": "2026", "seq": seq, "kind": kind,
        "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"})
}

pub(crate) fn decision(seq: u64) -> Value {
    decision_of("planning.example", "planning.permit", seq)
}

pub(crate) fn annotation(kind: &str, seq: u64) -> Value {
    json!({"type": "annotation", "log": ORIGIN, "issuer": "planning.example", "issued": *ISSUED, "series": "2026", "seq": seq, "kind": kind})
}

pub(crate) fn registration(issuer: &str, keys: &[&Key], kinds: &[&str]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| vkey(key)).collect();
    json!({"type": "issuer", "log": ORIGIN, "issuer": issuer, "issued": *ISSUED, "names": {"en": issuer}, "keys": keys, "kinds": kinds})
}

pub(crate) fn key_change(action: &str, key: &Key) -> Value {
    json!({"type": "key", "log": ORIGIN, "issuer": "planning.example", "issued": *ISSUED, "action": action, "key": vkey(key)})
}

/// The registration of an issuer, signed by two registrars and its key.
pub(crate) fn registered(issuer: &str, key: &Key, kinds: &[&str]) -> Vec<u8> {
    let registrars = registrars();
    signed(&registration(issuer, &[key], kinds), &[&registrars[0], &registrars[1], key]).to_bytes()
}

/// How a statement relates to an entry that was published.
pub(crate) fn relation(rel: &str, index: u64, entry: &[u8]) -> Value {
    json!([{"rel": rel, "index": index, "leaf": Hash::leaf(entry).to_hex()}])
}

/// Bytes as `POST /add-batch` takes them.
pub(crate) fn batch(entries: &[Vec<u8>]) -> Vec<u8> {
    let one = |entry: &Vec<u8>| [&u16::try_from(entry.len()).unwrap().to_be_bytes(), entry.as_slice()].concat();
    entries.iter().flat_map(one).collect()
}

/// Publishes what must be admitted, and gives its index.
pub(crate) fn admitted(connection: &mut Connection, entry: &[u8]) -> u64 {
    let answer = connection.request("POST", "/add", entry).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().trim_end().parse().unwrap()
}

/// The status of an answer, and its problem's short name, if it is one.
pub(crate) fn outcome(answer: &Answer) -> (u16, String) {
    if answer.status == 200 {
        return (200, String::new());
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], answer.status);
    (answer.status, problem["type"].as_str().unwrap().strip_prefix("urn:acta:problem:").unwrap().to_owned())
}

/// How many entries the log has.
pub(crate) fn size(connection: &mut Connection) -> u64 {
    connection.get("/checkpoint").unwrap().text().lines().nth(1).unwrap().parse().unwrap()
}

/// The rows of the ledger of a log that is not running.
pub(crate) fn ledger(dir: &Path) -> LedgerRows {
    let store = RocksStore::open_read_only(&DataDir::new(dir).db(), RocksOptions::default()).unwrap();
    let mut rows = Vec::new();
    let visit = &mut |key: &[u8], row: &[u8]| {
        rows.push((key.to_vec(), row.to_vec()));
        true
    };
    store.ledger_scan(visit).unwrap();
    rows
}
