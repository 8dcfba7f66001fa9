//! HTTP/2, with and without TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use log_server::store::Fault;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serving::tls::{TlsError, TlsFiles, load as load_tls};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::{Server, entry};
use super::wire::{Client, soon};

type Sender = SendRequest<Full<Bytes>>;

async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
    let (sender, connection) = soon(handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(sender: &mut Sender, method: &str, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(format!("http://log.test{path}")).body(Full::new(body.into())).unwrap();
    soon(sender.ready()).await.unwrap();
    let (parts, body) = soon(sender.send_request(request)).await.unwrap().into_parts();
    Response::from_parts(parts, soon(body.collect()).await.unwrap().to_bytes())
}

/// A certificate for `log.test` and its key, in files.
fn certificate(dir: &TempDir) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["log.test".to_owned()]).unwrap();
    let files = TlsFiles { certificate: dir.path().join("certificate.pem"), key: dir.path().join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

async fn tls(server: &Server, certificate: &CertificateDer<'static>, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = soon(TcpStream::connect(server.address)).await.unwrap();
    let name = ServerName::try_from("log.test").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

#[tokio::test]
async fn http_2_without_tls_adds_and_reads() {
    let server = Server::start().await;
    let mut sender = over(TcpStream::connect(server.address).await.unwrap()).await;
    assert_eq!(send(&mut sender, "POST", "/add", "a").await.body(), "0\n");
    assert_eq!(send(&mut sender, "POST", "/add", vec![1; 65_535]).await.body(), "1\n");
    assert_eq!(send(&mut sender, "POST", "/add", vec![1; 65_536]).await.status(), 413);
    assert_eq!(send(&mut sender, "POST", "/add", "").await.status(), 400);
    assert_eq!(send(&mut sender, "GET", "/tile/0/000.p/2", "").await.body().len(), 64);
    assert_eq!(send(&mut sender, "GET", "/tile/0/0", "").await.status(), 404);
    let head = send(&mut sender, "HEAD", "/tile/0/000.p/2", "").await;
    assert_eq!((head.body().len(), &head.headers()["content-length"]), (0, &"64".parse().unwrap()));
    let page = send(&mut sender, "GET", "/", "").await;
    assert!(str::from_utf8(page.body()).unwrap().contains("http://log.test/add"));
}

#[tokio::test]
async fn many_requests_share_one_http_2_connection() {
    let server = Server::with(|http| http.bounds.streams = 10).await;
    let mut sender = over(TcpStream::connect(server.address).await.unwrap()).await;
    // Once the client has an answer it knows how many requests it may send at once.
    assert_eq!(send(&mut sender, "GET", "/checkpoint", "").await.status(), 200);
    let mut adding = Vec::new();
    for number in 0..200 {
        let mut sender = sender.clone();
        adding.push(tokio::spawn(async move { send(&mut sender, "POST", "/add", entry(number)).await.into_body() }));
    }
    let mut indexes = Vec::new();
    for each in adding {
        indexes.push(str::from_utf8(&each.await.unwrap()).unwrap().trim().parse::<u64>().unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<u64>>());
    assert_eq!(server.metric("acta_log_http_connections"), 1.0);
}

#[tokio::test]
async fn headers_of_http_2_are_bounded_too() {
    let server = Server::with(|http| http.bounds.headers = 8192).await;
    let mut sender = over(TcpStream::connect(server.address).await.unwrap()).await;
    // Only our own limit is asked here: this client does not look at what the server announces.
    let request = |length: usize| {
        let request = Request::builder().uri("http://log.test/checkpoint").header("x", "y".repeat(length));
        request.body(Full::<Bytes>::default()).unwrap()
    };
    assert_eq!(soon(sender.send_request(request(4000))).await.unwrap().status(), 200);
    let refused = soon(sender.send_request(request(12_000))).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431));
}

#[tokio::test]
async fn at_the_end_streams_that_have_begun_are_answered() {
    let mut server = Server::start().await;
    let sender = over(TcpStream::connect(server.address).await.unwrap()).await;
    server.log.store().plan(Fault::Block);
    let mut adding = Vec::new();
    for number in 0..10 {
        let mut sender = sender.clone();
        adding.push(tokio::spawn(async move { send(&mut sender, "POST", "/add", entry(number)).await.status() }));
    }
    server.until_metric("acta_log_http_in_flight_requests", 10.0).await;
    server.stop();
    soon(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    server.log.store().release();
    for each in adding {
        assert_eq!(soon(each).await.unwrap(), 200);
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_slow_body_of_one_stream_leaves_the_others_alone() {
    let server = Server::with(|http| http.body_timeout = Duration::from_millis(100)).await;
    let mut sender = over(TcpStream::connect(server.address).await.unwrap()).await;
    let slow = http_body_util::channel::Channel::<Bytes>::new(1);
    let (_kept_open, body) = slow;
    // A second connection of another body type, over the same server.
    let (mut slow, connection) =
        soon(handshake(TokioExecutor::new(), TokioIo::new(TcpStream::connect(server.address).await.unwrap()))).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method("POST").uri("http://log.test/add").body(body).unwrap();
    let answer = soon(slow.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert!(!answer.headers().contains_key("connection"));
    assert_eq!(send(&mut sender, "POST", "/add", "a").await.body(), "0\n");
}

#[tokio::test]
async fn tls_speaks_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let (files, certificate) = certificate(&dir);
    let server = Server::with(|http| http.tls = Some(files)).await;
    let stream = tls(&server, &certificate, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = over(stream).await;
    assert_eq!(send(&mut sender, "POST", "/add", "a").await.body(), "0\n");

    let stream = tls(&server, &certificate, b"http/1.1").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Client::over(stream);
    assert_eq!(client.post("/add", "b").await.text(), "1\n");
    assert!(client.get("/").await.text().contains("https://log.test/add"));
}

#[tokio::test]
async fn a_client_without_tls_at_a_tls_port_is_sent_away() {
    let dir = tempfile::tempdir().unwrap();
    let (files, certificate) = certificate(&dir);
    let server = Server::with(|http| {
        http.tls = Some(files);
        http.bounds.header_timeout = Duration::from_millis(100);
    })
    .await;
    let mut plain = server.connect().await;
    plain.send("GET / HTTP/1.1\r\nhost: log.test\r\n\r\n").await;
    assert!(!plain.closed().await.starts_with(b"HTTP"));
    let silent = server.connect().await;
    silent.closed().await;
    let mut client = Client::over(tls(&server, &certificate, b"http/1.1").await);
    assert_eq!(client.get("/checkpoint").await.status, 200);
}

#[tokio::test]
async fn files_that_are_not_certificate_and_key_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = certificate(&dir);
    assert!(load_tls(&files).is_ok());
    let missing = TlsFiles { certificate: dir.path().join("nowhere.pem"), ..files.clone() };
    assert!(matches!(load_tls(&missing), Err(TlsError::Certificate { path, .. }) if path == missing.certificate));
    let missing = TlsFiles { key: dir.path().join("nowhere.pem"), ..files.clone() };
    assert!(matches!(load_tls(&missing), Err(TlsError::Key { path, .. }) if path == missing.key));
    let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    assert!(matches!(load_tls(&swapped), Err(TlsError::NoCertificate { .. })));
    let other = tempfile::tempdir().unwrap();
    let (other, _) = certificate(&other);
    assert!(matches!(load_tls(&TlsFiles { key: other.key, ..files }), Err(TlsError::Pair { .. })));
}
