//! A witness behind a bastion: an in-process one that does what https-bastion asks of it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tlog::key::VerifierKey;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::fixture::TestLog;
use crate::process::{Answer, Server, follow, init, keys};

/// Takes any client certificate of which the client has the key; who may be a backend is decided by the key alone.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("only TLS 1.3 is spoken")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// A bastion that takes one backend at a time.
struct Bastion {
    listener: TcpListener,
    tls: TlsAcceptor,
}

/// The connection of a backend, to send requests over.
struct Backend {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
    certificate: CertificateDer<'static>,
}

impl Bastion {
    /// Listens; writes its certificate into `authority`.
    async fn start(authority: &std::path::Path, alpn: &[u8]) -> Self {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(authority, certified.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
            .with_single_cert(vec![certified.cert.der().clone()], PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        Bastion { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls: TlsAcceptor::from(Arc::new(config)) }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn accept(&self) -> Backend {
        let (stream, _) = self.listener.accept().await.unwrap();
        let stream = self.tls.accept(stream).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), Some(b"bastion/0".as_slice()));
        let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        Backend { sender, connection, certificate }
    }
}

impl Backend {
    async fn request(&mut self, method: &str, path: &str, client: &str, body: Vec<u8>) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .version(Version::HTTP_2)
            .uri(format!("https://witness.test{path}"))
            .header("x-forwarded-for", client)
            .body(Full::from(body))
            .unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn bastion_key(dir: &std::path::Path) -> VerifierKey {
    fs::read_to_string(dir.join("bastion.key.vkey")).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_passes_requests_on_and_the_witness_comes_back_to_it() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 9));
    let (witness, authority, config) = (dir.path().join("w"), dir.path().join("ca.pem"), dir.path().join("config.toml"));
    init(&witness);
    follow(&witness, &log);
    let bastion = Bastion::start(&authority, b"bastion/0").await;
    let limits = "[limits]\nrequests_per_second = 1\nrequests_burst = 3";
    fs::write(&config, format!("[bastion]\nauthority = {authority:?}\n{limits}")).unwrap();
    let address = bastion.address().to_string();
    let mut server = Server::start(&witness, &["--config", config.to_str().unwrap(), "--bastion", &address]);

    let mut backend = bastion.accept().await;
    let public = bastion_key(&witness);
    assert!(backend.certificate.windows(32).any(|window| window == public.public_key()), "it is known by its bastion key");
    let (status, body) = backend.request("POST", "/add-checkpoint", "192.0.2.1", log.request(0, 3)).await;
    Answer::new(status, &body).assert_cosigned(&log, 3, &keys(&witness));
    server.until("it says that it is connected", |server| server.operations("/readyz").status == 200);
    assert!(server.messages().contains(&tlog::Hash::sha256(public.public_key()).to_hex()), "and where it is reached");

    // Clients are told apart by what the bastion says of them.
    let statuses = async |backend: &mut Backend, client| {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(backend.request("GET", "/", client, Vec::new()).await.0);
        }
        statuses
    };
    assert!(statuses(&mut backend, "192.0.2.7").await.contains(&429));
    assert_eq!(backend.request("GET", "/", "192.0.2.8", Vec::new()).await.0, 200);

    // The bastion hangs up; the witness comes back.
    backend.connection.abort();
    let mut backend = bastion.accept().await;
    let (status, body) = backend.request("POST", "/add-checkpoint", "192.0.2.2", log.request(3, 9)).await;
    Answer::new(status, &body).assert_cosigned(&log, 9, &keys(&witness));
    assert_eq!(server.metric("acta_witness_bastion_connections_total"), 2);

    assert_eq!(tokio::task::spawn_blocking(move || server.stop()).await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bastion_is_served_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (witness, authority, config) = (dir.path().join("w"), dir.path().join("ca.pem"), dir.path().join("config.toml"));
    init(&witness);
    // Another protocol, and then a certificate that nobody vouches for.
    let other = Bastion::start(&authority, b"h2").await;
    fs::write(&config, format!("[bastion]\nauthority = {authority:?}\n")).unwrap();
    let serve = |bastion: &Bastion| {
        let address = bastion.address().to_string();
        Server::start(&witness, &["--config", config.to_str().unwrap(), "--bastion", &address])
    };
    let server = serve(&other);
    let (stream, _) = other.listener.accept().await.unwrap();
    assert!(other.tls.accept(stream).await.is_err());
    server.until("it says why", |server| server.messages().contains("not connected"));
    assert_eq!(server.operations("/readyz").status, 503);
    drop(server);

    let stranger = Bastion::start(&dir.path().join("unknown.pem"), b"bastion/0").await;
    let server = serve(&stranger);
    let (stream, _) = stranger.listener.accept().await.unwrap();
    assert!(stranger.tls.accept(stream).await.is_err());
    server.until("it says why", |server| server.messages().contains("not connected: invalid peer certificate"));
}
