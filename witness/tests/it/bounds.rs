//! Clients that are slow, greedy or many.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tlog::key::Algorithm;
use witness::config::Config;
use witness::cosigner::{Clock, Cosigner, Parts};
use witness::evidence::Evidences;
use witness::http::{Site, metrics, serve};
use witness::keys::Keys;
use witness::logs::{LogSet, Logs};
use witness::metrics::Metrics;
use witness::store::{Fault, MemoryStore};

use crate::fixture::TestLog;
use crate::process::{Server, follow, head, init, keys, read_answer};

fn server(dir: &Path, log: &TestLog, config: &str) -> Server {
    let witness = dir.join("w");
    init(&witness);
    follow(&witness, log);
    let path = dir.join("config.toml");
    fs::write(&path, config).unwrap();
    Server::start(&witness, &["--config", path.to_str().unwrap()])
}

#[test]
fn a_slow_body_is_cut_off_and_a_short_one_changes_nothing() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let server = server(dir.path(), &log, "[http]\nbody_timeout = \"300ms\"");
    let body = log.request(0, 3);
    let mut stream = server.connect();
    stream.write_all(&[&head("POST", "/add-checkpoint", "", body.len()), &body[..9]].concat()).unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));

    let mut stream = server.connect();
    stream.write_all(&[&head("POST", "/add-checkpoint", "", body.len()), &body[..9]].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    drop(stream);
    assert_eq!(server.add(&log.request(1, 3)).body, "0\n", "nothing was cosigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_hangs_a_log_is_told_to_come_back_and_what_it_asked_for_is_done_later() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let mut config = Config::default();
    config.http.answer_timeout = Duration::from_millis(200);
    let (registry, store) = (prometheus::Registry::new(), Arc::new(MemoryStore::default()));
    let (cosigner, write_side) = Cosigner::start(Parts {
        store: Arc::clone(&store),
        keys: Keys::new(vec![crate::fixture::key("witness.test/w", Algorithm::CosignatureEd25519, 4)]).unwrap(),
        logs: Arc::new(Logs::fixed(LogSet::new(log.keys()))),
        evidence: Evidences::new(dir.path().to_owned(), config.evidence),
        clock: Clock::system(),
        metrics: Arc::new(Metrics::new(&registry).unwrap()),
        options: config.cosigner,
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = Arc::new(Site::new(cosigner, config.http, metrics(&registry).unwrap()));
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(site, listener, None, async move { drop(stopping.await) }));
    let add = async |body: Vec<u8>| {
        let ask = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(&[head("POST", "/add-checkpoint", "", body.len()), body].concat()).unwrap();
            read_answer(&mut stream)
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    };

    store.plan(Fault::Block);
    let late = add(log.request(0, 3)).await;
    assert_eq!((late.status, late.header("retry-after")), (503, Some("10")));
    store.release();
    // It waits for the lock of its log until that is stored.
    assert_eq!(add(log.request(0, 9)).await.body, "3\n");
    drop(stop);
    served.await.unwrap();
    write_side.close().await.unwrap();
}

#[test]
fn slow_headers_are_cut_off() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let server = server(dir.path(), &log, "[http]\nheader_timeout = \"300ms\"");
    let mut stream = server.connect();
    stream.write_all(b"POST /add-checkpoint HTTP/1.1\r\nHost: w").unwrap();
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
    server.until("it is counted", |server| server.metric("acta_witness_http_connections_cut_total") == 1);
}

#[test]
fn a_log_and_a_client_that_ask_too_often_are_told_when_to_come_back() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let limits = "[limits]\ncheckpoints_per_second = 1\ncheckpoints_burst = 1\nrequests_per_second = 1\nrequests_burst = 3";
    let server = server(dir.path(), &log, limits);
    server.add(&log.request(0, 3)).assert_cosigned(&log, 3, &keys(&dir.path().join("w")));
    let log_too_often = server.add(&log.request(3, 9));
    assert_eq!((log_too_often.status, log_too_often.header("retry-after")), (429, Some("1")));
    assert!(log_too_often.body.contains("this log"), "{}", log_too_often.body);
    let all: Vec<_> = (0..4).map(|_| server.get("/")).collect();
    let refused = all.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.body.contains("your address"), "{}", refused.body);
}

#[test]
fn over_tls_it_answers_as_without() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let witness = dir.path().join("w");
    init(&witness);
    follow(&witness, &log);
    let certified = rcgen::generate_simple_self_signed(["witness.test".to_owned()]).unwrap();
    let (certificate, key, config) = (dir.path().join("cert.pem"), dir.path().join("key.pem"), dir.path().join("tls.toml"));
    fs::write(&certificate, certified.cert.pem()).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    fs::write(&config, format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")).unwrap();
    let server = Server::start(&witness, &["--config", config.to_str().unwrap()]);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = std::sync::Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let connection = rustls::ClientConnection::new(client, "witness.test".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, server.connect());
    let body = log.request(0, 3);
    stream.write_all(&[head("POST", "/add-checkpoint", "", body.len()), body].concat()).unwrap();
    read_answer(&mut stream).assert_cosigned(&log, 3, &keys(&witness));
}
