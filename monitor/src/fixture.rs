//! What tests of checks need: a log in a temporary store, and statements for it.

#![allow(clippy::unwrap_used, reason = "only tests are in here")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use decision::ledger::Finding as Refusal;
use decision::statement::{Draft, Statement};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::logs;
use crate::store::{Store, StoreError, StoreOptions};

/// A log that is followed in a test.
pub(crate) struct Bench {
    pub(crate) store: Arc<Store>,
    /// When entries are published.
    pub(crate) time: Timestamp,
    next: u64,
    _dir: TempDir,
}

/// A decision of planning.example with these members besides the needed ones, or instead of them.
pub(crate) fn decision(members: Value) -> Value {
    let mut all = json!({"type": "decision", "log": "log.example", "issuer": "planning.example", "issued": "2026-03-01T09:30:00Z",
        "series": "2026", "seq": 1, "kind": "planning.permit", "subject": "A fence", "outcome": "granted", "decided": "2026-03-01"});
    let Value::Object(members) = members else { panic!("an object") };
    all.as_object_mut().unwrap().extend(members);
    all
}

/// The statement with these members, signed by nobody known.
pub(crate) fn statement(members: &Value) -> Statement {
    let issuer = members["issuer"].as_str().unwrap();
    let key = SigningKey::from_seed(KeyName::new(issuer).unwrap(), Algorithm::Ed25519, &[3; 32]).unwrap();
    Draft::from_json(members).unwrap().sign(&[&key]).unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(dir.path(), StoreOptions::default()).unwrap());
        logs::register(&store, "log.example").unwrap();
        Bench { store, time: "2026-03-02T12:00:00Z".parse().unwrap(), next: 0, _dir: dir }
    }

    /// What a check says of the next entry.
    pub(crate) fn entry(&mut self, check: &dyn Check, members: &Value) -> Outcome {
        self.judged(check, Some(&statement(members)), None)
    }

    /// The same of an entry that is no statement, or that the log should have refused.
    pub(crate) fn judged(&mut self, check: &dyn Check, statement: Option<&Statement>, refusal: Option<&Refusal>) -> Outcome {
        let bytes = statement.map_or_else(|| b"noise".to_vec(), Statement::to_bytes);
        let entry = Judged {
            log: "log.example",
            index: LeafIndex::new(self.next),
            leaf: Hash::leaf(&bytes),
            bytes: &bytes,
            statement,
            refusal,
            related: &[],
            published: Published { earliest: None, latest: self.time },
        };
        self.next += 1;
        let mut outcome = Outcome::default();
        let ran: Result<(), StoreError> = self.store.write(|txn| check.entry(&mut Rows::new(txn, 0, check.name()), &entry, &mut outcome));
        ran.unwrap();
        outcome
    }
}

/// The codes and subjects of what was raised.
pub(crate) fn raised(outcome: &Outcome) -> Vec<(String, String)> {
    outcome.raised().iter().map(|raised| (raised.code.to_string(), raised.subject.clone())).collect()
}

/// A server that answers each request by what `answer` makes of its first line, and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                        match stream.read(&mut buffer).await {
                            Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                            _ => return,
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let reply = answer(request.lines().next().unwrap_or_default());
                    seen.lock().unwrap().push(request);
                    // Whoever cut the answer off is gone.
                    let _ = stream.write_all(&reply).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Server { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.requests().len()
    }

    /// The requests with their headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
