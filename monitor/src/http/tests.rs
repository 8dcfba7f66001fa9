#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod openapi;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::alert::{self, MuteDir, NewMute};
use crate::check::Outcome;
use crate::finding::{Code, Raised};
use crate::stored_log::{self, StoredLog, key};
use crate::{findings, search};

/// What strangers may write.
const HOSTILE: &str = "<script>alert(1)</script> \"'&{findings}\u{202e}";

/// A monitor's listener over a store.
struct Running {
    address: std::net::SocketAddr,
    log: StoredLog,
    hash: Hash,
    dir: TempDir,
    store: Arc<Store>,
    _stop: watch::Sender<()>,
}

/// An answer as it came.
struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A log with something of everything: governance, decisions of all standings, an annotation, a refused entry, one that is no statement,
/// and findings that are open, resolved, and rest on evidence.
fn world() -> (TempDir, Arc<Store>, StoredLog) {
    let (dir, store) = stored_log::store();
    let mut log = StoredLog::new(&store, "log.example");
    let money = json!({"value": "10000.50", "currency": "GBP"});
    let first = log.decide(1, json!({"amount": money, "subject": HOSTILE, "lang": "en"}));
    log.decide(2, json!({"relates": log.relates("revokes", first), "outcome": "revoked"}));
    log.annotate(3, json!({"text": "Read the plan again"}));
    log.decide(4, json!({"relates": log.relates("supersedes", first)}));
    log.push(b"no statement".to_vec());
    let (registrar, planning) = (key("registrar.example"), key("planning.example"));
    let vkey = planning.verifier_key().to_string();
    log.sign(json!({"type": "key", "issuer": "planning.example", "action": "retire", "key": vkey, "doubt_from": 0}), &[&registrar]);
    let ended = json!({"type": "issuer", "issuer": "harbour.example", "names": {"en": "Harbour Office"}, "keys": [], "kinds": ["*"],
        "retired": true});
    log.sign(ended, &[&registrar]);
    log.store();
    crate::logs::register(&store, "new.example").unwrap();
    let say = |second: i64, outcome| {
        let now = Timestamp::from_second(1_800_000_000 + second).unwrap();
        store.write(|txn| findings::record(txn, "log.example", now, outcome)).unwrap();
    };
    let mut outcome = Outcome::default();
    outcome.raise(Raised::new(Code::GAP, "planning.example", "2026/9", format!("Missing: {HOSTILE}")).at([3, 4]));
    outcome.raise(Raised::new(Code::GAP, "harbour.example", "2026/10", "Missing."));
    say(0, outcome);
    let mut outcome = Outcome::default();
    outcome.clear(Code::GAP, "2026/10");
    let fork = Raised::new(Code::LOG_FORK, "", "fork", "Two histories.");
    outcome.raise(Raised { evidence: Some("unproven-x.json".into()), ..fork });
    say(60, outcome);
    (dir, store, log)
}

async fn run(change: impl FnOnce(&mut Settings)) -> Running {
    let (dir, store, log) = world();
    let mut settings = Settings { limit: None, ..Settings::default() };
    change(&mut settings);
    let search = Arc::new(Search::new(dir.path().join("search"), search::Settings::default()));
    let (stop, shutdown) = watch::channel(());
    let (mutes, alert_metrics, clock) = (Mutes::default(), alert::Metrics::new(&Registry::new()).unwrap(), Clock::system());
    let mute = NewMute {
        codes: "log.*".parse().unwrap(),
        log: None,
        group: None,
        up_to: None,
        reason: "Known".into(),
        until: Timestamp::MAX - Duration::from_secs(1),
    };
    MuteDir::of(dir.path()).add(&mute, clock.now()).unwrap();
    let alerts = alert::Parts {
        store: Arc::clone(&store),
        settings: alert::Settings::default(),
        state: dir.path().to_owned(),
        mutes: mutes.clone(),
        metrics: alert_metrics.clone(),
        clock: clock.clone(),
    };
    tokio::spawn(alert::run(alerts, shutdown.clone()));
    let parts = Parts {
        streams: Streams::new(Arc::clone(&store), mutes.clone(), alert_metrics, clock.clone(), shutdown.clone()),
        mutes: mutes.clone(),
        url: None,
        clock,
        store: Arc::clone(&store),
        search: Arc::clone(&search),
        evidence: dir.path().join("evidence"),
        settings,
        metrics: metrics(&Registry::new()).unwrap(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(search::run(Arc::clone(&store), Arc::clone(&search), shutdown.clone()));
    let mut stopping = shutdown;
    tokio::spawn(serve(Arc::new(Site::new(parts)), listener, None, async move { while stopping.changed().await.is_ok() {} }));
    let running = Running { address, log, hash: Hash::sha256(b"log.example"), dir, store, _stop: stop };
    // The index and the alerts come up beside the listener.
    while alert::newest(&running.store, 10).unwrap().len() < 3 || mutes.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while search.is_enabled() && search.indexed(0) != Some(u64::try_from(running.log.entries.len()).unwrap()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running
}

impl Running {
    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = str::from_utf8(&answer[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Reply { status, headers: headers.collect(), body: answer[end + 4..].to_vec() }
    }
}

#[test]
fn each_path_has_one_meaning() {
    let log = Hash::sha256(b"log.example");
    assert_eq!(Target::parse(&format!("/gossip/{log}/checkpoint")), Some(Target::Gossip(log)));
    assert_eq!(Target::parse("/api/v1/logs"), Some(Target::Api(Resource::Logs)));
    assert_eq!(Target::parse("/openapi.json"), Some(Target::OpenApi));
    let upper = log.to_hex().to_uppercase();
    for path in [
        "",
        "//",
        "/index.html",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/logs",
        "/API/v1/logs",
        "/gossip/",
        &format!("/gossip/{upper}/checkpoint"),
        &format!("/gossip/{log}"),
        &format!("/gossip/{log}/checkpoint/"),
        "/evidence",
        "/metrics",
        "/healthz",
    ] {
        assert_eq!(Target::parse(path), None, "{path}");
    }
}

#[tokio::test]
async fn alerts_are_a_feed_and_a_stream_that_goes_on() {
    let running = run(|_| {}).await;
    let reply = running.get("/feed.atom").await;
    assert_eq!((reply.status, reply.headers["content-type"].as_str()), (200, "application/atom+xml; charset=utf-8"));
    assert!(reply.text().contains("<feed xmlns=\"http://www.w3.org/2005/Atom\">"), "{}", reply.text());
    let head = running.ask("HEAD", "/events", "").await;
    assert_eq!((head.status, head.headers["content-type"].as_str(), head.body.len()), (200, "text/event-stream", 0));
    assert!(!head.headers.contains_key("content-length"));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let mut buffer = [0; 4096];
    while !answer.contains("id: 1\nevent: alert\ndata: {\"number\":1,") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(answer.contains("cache-control: no-store\r\n") && answer.contains("nosniff\r\n"), "{answer}");
    drop(running); // the monitor stops
    while stream.read(&mut buffer).await.unwrap() > 0 {}
}

#[tokio::test]
async fn everything_is_inert_and_may_be_read_by_every_site() {
    let running = run(|_| {}).await;
    for path in ["/", "/api/v1/findings", "/api/v1/search?q=script", &format!("/api/v1/decisions/{}/3", running.hash), "/openapi.json"] {
        let reply = running.get(path).await;
        assert_eq!((reply.status, reply.headers["x-content-type-options"].as_str()), (200, "nosniff"), "{path}");
        assert_eq!(reply.headers["access-control-allow-origin"], "*", "{path}");
        let html = reply.headers["content-type"].starts_with("text/html");
        assert_eq!(html, path == "/");
        if html {
            assert!(reply.headers["content-security-policy"].starts_with("default-src 'none'; style-src 'sha256-"));
            assert!(!reply.text().contains("<script") && !reply.text().contains('\u{202e}'), "{}", reply.text());
            assert!(reply.text().contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&#39;&amp;{findings}\u{fffd}"));
        }
    }
    let reply = running.get("/api/v1/search?q=script").await;
    assert_eq!(reply.json()["hits"][0]["subject"], HOSTILE, "as data it is whole");
}

#[tokio::test]
async fn head_says_what_get_would_and_a_known_version_is_not_sent_again() {
    let running = run(|_| {}).await;
    for path in ["/", "/api/v1/logs", "/openapi.json", &format!("/gossip/{}/checkpoint", running.hash)] {
        let got = running.get(path).await;
        let head = running.ask("HEAD", path, "").await;
        assert_eq!((head.status, head.body.len(), head.headers["content-length"].parse()), (200, 0, Ok(got.body.len())), "{path}");
        assert_eq!(head.headers["etag"], got.headers["etag"]);
        for tag in [got.headers["etag"].clone(), format!("W/{}", got.headers["etag"]), format!("\"x\", {}", got.headers["etag"])] {
            let again = running.ask("GET", path, &format!("If-None-Match: {tag}\r\n")).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        }
        assert_eq!(running.ask("GET", path, "If-None-Match: \"other\"\r\n").await.status, 200);
    }
    assert_eq!(running.ask("HEAD", "/api/v1/nothing", "").await.status, 404);
}

#[tokio::test]
async fn heads_and_evidence_are_given_to_others() {
    let running = run(|_| {}).await;
    let head = running.get(&format!("/gossip/{}/checkpoint", running.hash)).await;
    let note = tlog::checkpoint::SignedCheckpoint::parse(&head.body).unwrap();
    assert_eq!(note.checkpoint().size().as_u64(), u64::try_from(running.log.entries.len()).unwrap());
    assert_eq!(
        running.get(&format!("/gossip/{}/checkpoint", Hash::sha256(b"new.example"))).await.json()["type"],
        "urn:acta:problem:no-head"
    );
    let unknown = Hash::sha256(b"other.example");
    assert_eq!(running.get(&format!("/gossip/{unknown}/checkpoint")).await.json()["type"], "urn:acta:problem:unknown-log");
    std::fs::write(running.dir.path().join("secret"), "x").unwrap();
    for path in ["..%2fsecret", "../secret", "%00", "x", "", "unproven-x.json", "../evidence/../secret"] {
        let reply = running.get(&format!("/evidence/{path}")).await;
        assert_eq!(reply.json()["type"], "urn:acta:problem:unknown-evidence", "{path}");
    }
}

#[tokio::test]
async fn alerts_are_listed_with_how_they_stand_and_whether_they_are_muted() {
    let running = run(|_| {}).await;
    let alerts = running.get("/api/v1/alerts").await.json();
    let of = |group: &str| alerts["alerts"].as_array().unwrap().iter().find(|alert| alert["group"] == group).unwrap().clone();
    assert_eq!(
        (&of("planning.example")["open"], &of("harbour.example")["open"], &of("")["muted"]["reason"]),
        (&json!(1), &json!(0), &json!("Known"))
    );
    assert_eq!(running.get("/api/v1/alerts?state=resolved").await.json()["alerts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn findings_are_selected_and_come_in_pages() {
    let running = run(|_| {}).await;
    let subjects = |reply: Reply| -> Vec<String> {
        let json = reply.json();
        json["findings"].as_array().unwrap().iter().map(|finding| finding["subject"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("", vec!["fork", "2026/10", "2026/9"]),
        ("?state=open", vec!["fork", "2026/9"]),
        ("?state=resolved", vec!["2026/10"]),
        ("?severity=critical", vec!["fork"]),
        ("?severity=info", vec!["fork", "2026/10", "2026/9"]),
        ("?code=log.*", vec!["fork"]),
        ("?code=log.fork", vec!["fork"]),
        ("?code=process.*&state=open", vec!["2026/9"]),
        ("?issuer=planning.example", vec!["2026/9"]),
        ("?index=4", vec!["2026/9"]),
        ("?log=other.example", vec![]),
        ("?since=2027-01-15T08:00:30Z", vec!["fork"]),
        ("?since=2030-01-01", vec![]),
    ] {
        assert_eq!(subjects(running.get(&format!("/api/v1/findings{query}")).await), expected, "{query}");
    }
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = running.get(&format!("/api/v1/findings?limit=1{cursor}")).await;
        let next = reply.json()["next"].as_str().map(str::to_owned);
        all.extend(subjects(reply));
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, ["fork", "2026/10", "2026/9"]);
    let found = running.get("/api/v1/findings?severity=critical").await.json()["findings"][0].clone();
    assert_eq!(running.get(&format!("/api/v1/findings/{}", found["id"].as_str().unwrap())).await.json(), found);
}

#[tokio::test]
async fn a_mistake_in_a_request_is_told_and_not_passed_over() {
    let running = run(|_| {}).await;
    for (path, parameter, says) in [
        ("findings?isuer=x", "isuer", "there are code, severity"),
        ("findings?severity=bad", "severity", "critical"),
        ("findings?state=closed", "state", "resolved"),
        ("findings?code=process.*.x", "code", "acta-monitor codes"),
        ("findings?cursor=0", "cursor", "next"),
        ("findings?since=soon", "since", "2026-03-01T09:30:00Z"),
        ("findings?limit=501", "limit", "500"),
        ("logs?limit=1", "limit", "no parameters"),
        ("issuers?cursor=x", "cursor", "next"),
        ("search?q=%22roof", "q", "quotation mark"),
        ("search?issuer=Planning", "issuer", "web address"),
        ("search?from=soon", "from", "2026-03-01"),
        ("search?order=best", "order", "newest"),
        ("search?cursor=10001", "cursor", "10000"),
    ] {
        let reply = running.get(&format!("/api/v1/{path}")).await;
        let problem = reply.json();
        assert_eq!((reply.status, problem["parameter"].as_str()), (400, Some(parameter)), "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
    }
    assert_eq!(running.get("/api/v1/search?q=a+%22roof").await.json()["at"], 2);
    let reply = running.ask("POST", "/api/v1/logs", "Content-Length: 0\r\n").await;
    assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET, HEAD"));
}
