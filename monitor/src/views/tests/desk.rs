//! A monitor in front of whom others put heads.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use prometheus::Registry;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::Evidence;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, TreeSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::*;
use crate::config::LogSection;
use crate::finding::{Code, Finding};
use crate::findings::{self, events_after};
use crate::heads::fixture::{ORIGIN, Tree, keys};
use crate::heads::{Standing, note};
use crate::store::StoreOptions;

/// A monitor that follows a log in a directory, and a clock that stands still until it is moved.
pub(super) struct Desk {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Arc<Store>,
    pub(super) seconds: Arc<AtomicI64>,
    pub(super) registry: Registry,
    pub(super) section: Section,
    /// Addresses of witnesses.
    pub(super) witnesses: Vec<String>,
    /// The log's own address, if it is not the directory.
    pub(super) own: Option<String>,
}

impl Desk {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap());
        std::fs::create_dir(dir.path().join("log")).unwrap();
        let seconds = Arc::new(AtomicI64::new(1_000_000));
        Desk { dir, store, seconds, registry: Registry::new(), section: Section::default(), witnesses: Vec::new(), own: None }
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn wait(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.seconds);
        Clock::new(move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap())
    }

    /// The log's own address serves this tree at this size, and the monitor has seen its head and read `read` entries.
    pub(super) fn follow(&self, tree: &Tree, served: u64, read: u64) {
        tree.serve(&self.path("log"), served, &tree.head(served));
        let mut log = logs::register(&self.store, ORIGIN).unwrap();
        tree.follow(&self.store, log.number, read);
        log.size = TreeSize::new(read);
        log.head = Some(tree.head(served));
        let (head, now) = (tree.log_head(served), self.clock().now());
        self.store
            .write(|txn| {
                log.write(txn);
                note(txn, log.number, &head, now, &Source::Log).map(|_| ())
            })
            .unwrap();
    }

    pub(super) fn views(&self) -> Views {
        let mut policy = format!("log {}\n", keys()[0]);
        for (number, witness) in self.witnesses.iter().enumerate() {
            policy += &format!("witness w{number} {} {witness}\n", witness_key(number).verifier_key());
        }
        policy += "quorum none\n";
        std::fs::write(self.path("policy"), policy).unwrap();
        let url = self.own.clone().unwrap_or_else(|| self.path("log").to_str().unwrap().to_owned());
        let log = LogSection { policy: self.path("policy"), url, ..LogSection::default() };
        // Counters of one desk go on.
        let metrics = Metrics::new(&self.registry).unwrap_or_else(|_| Metrics::new(&Registry::new()).unwrap());
        let parts = Parts {
            store: Arc::clone(&self.store),
            evidence: self.path("evidence"),
            receipts: self.path("receipts"),
            settings: self.section.clone().validate().unwrap(),
            logs: log.validate().unwrap(),
            authorities: Vec::new(),
            clock: self.clock(),
            metrics,
        };
        Views::new(parts).unwrap()
    }

    /// All open findings by code, each with its evidence verified as anybody would.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        for event in events_after(&self.store, 0, 1000).unwrap() {
            let finding = findings::finding(&self.store, event.finding).unwrap().unwrap();
            if finding.resolved.is_none() && !found.contains(&finding) {
                found.push(finding);
            }
        }
        for name in found.iter().filter_map(|finding| finding.evidence.as_ref()) {
            let bytes = crate::evidence::read(&self.path("evidence"), name).unwrap().unwrap();
            Evidence::parse(&bytes).unwrap().verify(&keys()).unwrap();
        }
        found
    }

    pub(super) fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = self.findings().into_iter().map(|finding| finding.code).collect();
        codes.sort_by_key(ToString::to_string);
        codes
    }

    pub(super) fn standing(&self, head: &SignedCheckpoint) -> Option<Standing> {
        let seen = heads::all(&self.store, 0).unwrap();
        seen.into_iter().find(|seen| seen.head.checkpoint() == head.checkpoint()).map(|seen| seen.standing)
    }
}

pub(super) fn witness_key(number: usize) -> SigningKey {
    let name = KeyName::new(&format!("w{number}.example")).unwrap();
    SigningKey::from_seed(name, Algorithm::CosignatureEd25519, &[u8::try_from(number).unwrap() + 9; 32]).unwrap()
}

/// Answers every request with these bytes, head and body; without end if `again` says so.
pub(super) async fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
                let _ = stream.write_all(&answer(&line)).await;
                while endless && stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            });
        }
    });
    url
}

pub(super) fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len()).as_bytes(), body].concat()
}

/// Somebody who shows one head of the log and nothing else.
pub(super) async fn showing(head: &SignedCheckpoint) -> String {
    let bytes = head.to_bytes();
    let hash = Hash::sha256(ORIGIN.as_bytes()).to_hex();
    let fits = move |line: &str| {
        line.starts_with(&format!("GET /{hash}/checkpoint ")) || line.starts_with(&format!("GET /gossip/{hash}/checkpoint "))
    };
    server(move |line| if fits(line) { http("200 OK", "", &bytes) } else { http("404 Not Found", "", b"") }, false).await
}
