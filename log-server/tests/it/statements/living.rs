//! The life of statements: sent again, in batches, with what they depend on, and what the log says of them.

use serde_json::{Value, json};

use crate::process::{Connection, Server};
use crate::world::*;

/// A running log with one issuer, which has two keys. Everything ends when it is dropped.
struct Desk {
    connection: Connection,
    planning: Key,
    second: Key,
    server: Server,
    home: tempfile::TempDir,
}

impl Desk {
    fn open(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("log");
        init_statements(&dir);
        let file = home.path().join("acta-log.toml");
        std::fs::write(&file, config).unwrap();
        let server = Server::start(&dir, &["--config", file.to_str().unwrap()]);
        let (planning, second) = (planning(), key("planning.example/second", 11));
        let registration = registration("planning.example", &[&planning, &second], &["planning.*"]);
        let registrars = registrars();
        let mut connection = server.connect();
        admitted(&mut connection, &signed(&registration, &[&registrars[0], &registrars[2], &planning, &second]).to_bytes());
        Desk { connection, planning, second, server, home }
    }

    fn add(&mut self, statement: &Value) -> u64 {
        let entry = self.entry(statement);
        admitted(&mut self.connection, &entry)
    }

    fn entry(&self, statement: &Value) -> Vec<u8> {
        signed(statement, &[&self.planning]).to_bytes()
    }

    fn offer(&mut self, entry: &[u8]) -> (u16, String) {
        outcome(&self.connection.request("POST", "/add", entry).unwrap())
    }

    fn batch(&mut self, entries: &[Vec<u8>]) -> Vec<String> {
        let answer = self.connection.request("POST", "/add-batch", &batch(entries)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().lines().map(str::to_owned).collect()
    }

    fn status(&mut self, index: u64) -> Value {
        let answer = self.connection.get(&format!("/status/{index}")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

#[test]
fn the_same_text_has_one_index_whoever_signed_it_and_whatever_became_of_the_key() {
    let mut desk = Desk::open("");
    let statement = decision(1);
    let index = desk.add(&statement);
    let retirement = signed(&key_change("retire", &desk.planning), &[&desk.planning]).to_bytes();
    for round in ["while the key is in force", "after it was retired"] {
        let signers: [&[&Key]; 4] =
            [&[&desk.planning], &[&desk.second], &[&desk.planning, &desk.second], &[&desk.planning, &key("nobody.example", 99)]];
        for entry in signers.map(|signers| signed(&statement, signers).to_bytes()) {
            assert_eq!(admitted(&mut desk.connection, &entry), index, "{round}");
            assert_eq!(desk.batch(&[entry]), [index.to_string()], "{round}");
        }
        admitted(&mut desk.connection, &retirement);
    }
    assert_eq!(size(&mut desk.connection), index + 2, "charter, registration, decision, retirement");
    let next = desk.entry(&decision(2));
    assert_eq!(desk.offer(&next), (403, "retired-key".to_owned()));
}

#[test]
fn one_batch_can_have_an_issuer_and_what_it_issues_in_their_order() {
    let mut desk = Desk::open("");
    let (court, new) = (key("court.example", 20), key("court.example/new", 21));
    let by = |key: &Key, seq: u64| signed(&decision_of("court.example", "judgment", seq), &[key]).to_bytes();
    let key_added = with(key_change("add", &new), "issuer", json!("court.example"));
    let entries = [
        by(&court, 1), // nobody knows it yet
        registered("court.example", &court, &["*"]),
        by(&court, 2),
        by(&new, 3), // not yet
        signed(&key_added, &[&court, &new]).to_bytes(),
        by(&new, 4),
        signed(&decision_of("other.example", "judgment", 1), &[&court]).to_bytes(),
        signed(&decision_of("court.example", "judgment", 5), &[&key("court.example/unknown", 22)]).to_bytes(),
    ];
    let lines = desk.batch(&entries);
    assert_eq!(lines, ["unregistered-issuer", "2", "3", "unknown-signer", "4", "5", "unregistered-issuer", "unknown-signer"]);
    assert_eq!(size(&mut desk.connection), 6);
}

#[test]
fn of_two_that_exclude_each_other_in_one_batch_the_first_is_admitted() {
    let mut desk = Desk::open("");
    let first = desk.add(&decision(1));
    let original = desk.entry(&decision(1));
    let entries = [
        desk.entry(&decision(2)),
        desk.entry(&with(decision(2), "subject", json!("Another roof"))),
        desk.entry(&with(decision(3), "relates", relation("corrects", first, &original))),
        desk.entry(&with(decision(4), "relates", relation("revokes", first, &original))),
        desk.entry(&decision(2)),
        desk.entry(&decision(4)),
    ];
    assert_eq!(desk.batch(&entries), ["3", "number-used", "4", "has-successor", "3", "5"]);
    let answer = desk.connection.request("POST", "/add", &entries[3]).unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&told["type"], &told["index"]), (&"urn:acta:problem:number-used".into(), &5.into()), "4 is used by now: {told}");
}

#[test]
fn a_receipt_of_a_statement_has_it_as_it_was_sent() {
    let mut desk = Desk::open("");
    let entry = desk.entry(&decision(1));
    let receipt = desk.connection.request("POST", "/add?receipt", &entry).unwrap();
    assert_eq!(receipt.status, 200);
    assert_eq!(tlog::proof::Proof::parse(&receipt.body).unwrap().extra(), Some(&entry[..]));
}

#[test]
fn the_status_of_a_decision_says_what_became_of_it_and_that_the_operator_says_so() {
    let mut desk = Desk::open("");
    let first = desk.add(&decision(1));
    let status = desk.status(first);
    assert_eq!((&status["says"], &status["standing"], &status["by"]), (&"operator".into(), &"in-force".into(), &Value::Null));
    assert_eq!((&status["log"], &status["size"], &status["index"]), (&crate::process::ORIGIN.into(), &3.into(), &first.into()));
    assert_eq!((&status["issuer"]["id"], &status["key"]["vkey"]), (&"planning.example".into(), &vkey(&desk.planning).into()));
    assert!(status["note"].as_str().unwrap().contains("--verify"), "{status}");

    let entry = desk.entry(&decision(1));
    let second = desk.add(&with(decision(2), "relates", relation("supersedes", first, &entry)));
    let status = desk.status(first);
    assert_eq!((&status["standing"], &status["by"], &status["size"]), (&"superseded".into(), &second.into(), &4.into()));
    assert!(serde_json::from_value::<decision::ledger::Status>(status).is_ok(), "it reads as a status");

    let answer = desk.connection.get(&format!("/status/{second}")).unwrap();
    let cached = answer.header("cache-control").unwrap();
    assert!(cached.contains("max-age=1"), "{cached}");
    let answer = desk.connection.get("/status/4").unwrap();
    assert_eq!(outcome(&answer), (404, "not-yet-published".to_owned()));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn an_issuer_over_its_quota_is_told_when_the_day_ends() {
    let mut desk = Desk::open("[admission]\nentries_per_issuer_per_day = 2\n");
    let first = desk.add(&decision(1));
    desk.add(&decision(2));
    let third = desk.entry(&decision(3));
    let answer = desk.connection.request("POST", "/add", &third).unwrap();
    assert_eq!(outcome(&answer), (429, "over-quota".to_owned()));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    let known = desk.entry(&decision(1));
    assert_eq!(admitted(&mut desk.connection, &known), first, "what is in the log already counts for nothing");
    let change = key_change("add", &key("planning.example/third", 30));
    let change = signed(&change, &[&desk.planning, &key("planning.example/third", 30)]).to_bytes();
    admitted(&mut desk.connection, &change);
}

#[test]
fn an_issuer_does_not_come_over_its_quota_by_one_batch() {
    let mut desk = Desk::open("[admission]\nentries_per_issuer_per_day = 2\n");
    let entries: Vec<Vec<u8>> = (1..=4).map(|seq| desk.entry(&decision(seq))).collect();
    assert_eq!(desk.batch(&entries), ["2", "3", "over-quota", "over-quota"]);
}

#[test]
fn refusals_are_counted_by_their_reason() {
    let mut desk = Desk::open("");
    let good = desk.entry(&decision(1));
    desk.batch(&[good, b"x".to_vec(), b"y".to_vec()]);
    let used = desk.entry(&with(decision(1), "subject", json!("Another roof")));
    assert_eq!(desk.offer(&used).1, "number-used");
    let metrics = Connection::to(desk.server.operations).unwrap().get("/metrics").unwrap();
    for line in ["acta_log_refused_total{reason=\"not-a-statement\"} 2\n", "acta_log_refused_total{reason=\"number-used\"} 1\n"] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
    assert!(desk.home.path().exists());
}
