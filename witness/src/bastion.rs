//! Serving over an outgoing connection (C2SP https-bastion), so that the machine with the keys needs no public address.
//!
//! The witness connects to a bastion, shows a certificate of its bastion key, and then *serves* HTTP/2 on that connection: the bastion passes on
//! what it is asked for at `https://<bastion>/<SHA-256 of the bastion key, in hex>/`. The same handler answers as on the listener.
//!
//! A bastion can delay, drop and read all of it, and lie about who asks; it cannot make the witness sign what it should not, nor change what is
//! signed. Its word on the client's address is taken, since it is the only one there is.
//!
//! The connection is made again whenever it ends, after a pause that grows while that does not help.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prometheus::{IntCounter, IntGauge, Registry};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use serving::authorities::{self, AuthoritiesError};
use serving::metrics::{counter, gauge};
use serving::response::Answer;
use tlog::Hash;
use tlog::key::{SigningKey, encode_pem};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http::Site;
use crate::store::Store;

// SPEC: https-bastion §Backend to bastion connection.
const ALPN: &[u8] = b"bastion/0";

/// From the name of the bastion to the end of the TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// The first pause after a connection ended, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// A connection that lasted this long was a good one: after it the pauses begin anew.
const GOOD: Duration = Duration::from_secs(60);

/// How often a silent connection is asked whether it is still there, and how long it has for the answer.
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(15));

/// A bastion, and how to show it who one is.
#[derive(Clone)]
pub struct Bastion {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    key_hash: Hash,
}

impl std::fmt::Debug for Bastion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bastion").field("address", &self.address).field("key_hash", &self.key_hash).finish_non_exhaustive()
    }
}

/// The bastion cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BastionError {
    /// Not a name and a port.
    #[error("a bastion is given as HOST:PORT, such as bastion.example:443")]
    Address,
    /// The host's name is none.
    #[error("the bastion's host name is not valid: {0}")]
    Name(InvalidDnsNameError),
    /// The key cannot be used for a certificate.
    #[error("no certificate can be made of the bastion key: {0}; it must be an Ed25519 key, as `acta-witness init` makes it")]
    Certificate(rcgen::Error),
    /// The certificate cannot be used.
    #[error("the certificate of the bastion key cannot be used: {0}")]
    Tls(rustls::Error),
    /// The certificate authorities cannot be loaded.
    #[error("`bastion.authority`: {0}")]
    Authority(#[from] AuthoritiesError),
}

/// The name that the bastion's certificate must have, of its address, HOST:PORT.
pub(crate) fn name(address: &str) -> Result<ServerName<'static>, BastionError> {
    let (host, port) = address.rsplit_once(':').ok_or(BastionError::Address)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(BastionError::Address);
    }
    ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(BastionError::Name)
}

/// The instruments of the connection.
#[derive(Clone, Debug)]
pub struct BastionMetrics {
    /// Whether there is one: 1 or 0.
    pub connected: IntGauge,
    /// How many there were.
    pub connections_total: IntCounter,
}

impl BastionMetrics {
    /// Makes the instruments and registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(BastionMetrics {
            connected: gauge(registry, "acta_witness_bastion_connected", "Whether the bastion is connected: 1 or 0.")?,
            connections_total: counter(registry, "acta_witness_bastion_connections_total", "Connections made to the bastion.")?,
        })
    }
}

impl Bastion {
    /// Prepares to connect to `address`, HOST:PORT, with `key`. Certificates of the web's authorities are believed, and of those in the PEM
    /// file `authority`.
    pub fn new(address: &str, key: &SigningKey, authority: Option<&Path>) -> Result<Self, BastionError> {
        let name = name(address)?;
        let roots = authorities::load(authority)?;
        let (certificate, private) = certificate(key).map_err(BastionError::Certificate)?;
        // SPEC: https-bastion §Backend to bastion connection: TLS 1.3, an Ed25519 client certificate, ALPN bastion/0.
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate], private))
            .map_err(BastionError::Tls)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        let key_hash = Hash::sha256(key.verifier_key().public_key());
        Ok(Bastion { address: address.to_owned(), name, tls: TlsConnector::from(Arc::new(config)), key_hash })
    }

    /// The path below which the bastion passes requests on to this witness.
    pub fn path(&self) -> String {
        format!("/{}/", self.key_hash.to_hex())
    }

    /// Serves until `stopping` is closed, then answers what has begun. `streams` is how many requests may be in progress on the connection.
    pub async fn serve<S: Store>(self, site: Arc<Site<S>>, metrics: BastionMetrics, streams: u32, mut stopping: watch::Receiver<()>) {
        // Before the first try: a bastion turns away whom its operator has not allowed.
        tracing::info!(
            bastion = self.address,
            "a bastion knows this witness by {}: its operator has to allow that",
            self.key_hash.to_hex()
        );
        let mut pause = PAUSES.0;
        loop {
            let begun = Instant::now();
            let ended = tokio::select! {
                ended = self.connect() => ended,
                () = closed(&mut stopping) => return,
            };
            let ended = match ended {
                Ok((stream, peer)) => {
                    metrics.connections_total.inc();
                    metrics.connected.set(1);
                    tracing::info!(bastion = self.address, "connected; it passes on what is below {}", self.path());
                    let ended = serve_on(stream, peer, Arc::clone(&site), streams, &mut stopping).await;
                    metrics.connected.set(0);
                    ended.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            if stopping.has_changed().is_err() {
                return;
            }
            if begun.elapsed() >= GOOD {
                pause = PAUSES.0;
            }
            // Not all backends of a bastion that was restarted come back in one moment.
            let [jitter, ..] = RandomState::new().hash_one(()).to_be_bytes();
            let wait = pause.mul_f64(0.75 + f64::from(jitter) / 512.0);
            tracing::warn!(bastion = self.address, ?wait, "not connected: {}", ended.err().unwrap_or_else(|| "it hung up".to_owned()));
            tokio::select! {
                () = sleep(wait) => {}
                () = closed(&mut stopping) => return,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn connect(&self) -> io::Result<(TlsStream<TcpStream>, SocketAddr)> {
        let connect = async {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr()?;
            let stream = self.tls.connect(self.name.clone(), stream).await?;
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                return Err(io::Error::other("what is there is no bastion: it does not speak bastion/0"));
            }
            Ok((stream, peer))
        };
        timeout(CONNECT, connect).await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")))
    }
}

/// Serves one connection to its end, or, once `stopping` is closed, to the end of what has begun.
async fn serve_on<S: Store>(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    site: Arc<Site<S>>,
    streams: u32,
    stopping: &mut watch::Receiver<()>,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move {
            let client = client(request.headers()).unwrap_or(peer.ip());
            Ok::<Answer, std::convert::Infallible>(site.answer_client(client, request).await)
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(streams).keep_alive_interval(PING.0).keep_alive_timeout(PING.1);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closed(stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Whom the bastion says that it asks for.
// SPEC: https-bastion §Client to bastion requests: a single X-Forwarded-For with the client's address.
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("x-forwarded-for")?.to_str().ok()?.trim().parse().ok()
}

/// A certificate of the key, signed by itself. The bastion looks at the key alone.
fn certificate(key: &SigningKey) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let pair = KeyPair::from_pem(&encode_pem(key))?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "acta-witness");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&pair)?;
    Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(pair.serialize_der().into())))
}

/// Resolves when the other end is dropped.
async fn closed(stopping: &mut watch::Receiver<()>) {
    while stopping.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tlog::key::Algorithm;

    use super::*;
    use crate::fixture::key;

    #[test]
    fn the_certificate_holds_the_key_that_names_the_backend() {
        let key = key("witness.example/w", Algorithm::Ed25519, 5);
        let (certificate, _) = certificate(&key).unwrap();
        let public = key.verifier_key().public_key();
        assert!(certificate.as_ref().windows(public.len()).any(|window| window == public));
        let bastion = Bastion::new("bastion.example:443", &key, None).unwrap();
        assert_eq!(bastion.path(), format!("/{}/", Hash::sha256(public).to_hex()));
    }

    #[test]
    fn an_address_has_a_name_and_a_port() {
        let key = key("witness.example/w", Algorithm::Ed25519, 5);
        for good in ["bastion.example:443", "127.0.0.1:8443", "[::1]:8443"] {
            assert!(Bastion::new(good, &key, None).is_ok(), "{good}");
        }
        for bad in ["bastion.example", ":443", "bastion.example:", "bastion.example:https", "b astion:443"] {
            assert!(Bastion::new(bad, &key, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_client_is_whom_the_bastion_names() {
        let mut headers = HeaderMap::new();
        assert_eq!(client(&headers), None);
        headers.insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
        assert_eq!(client(&headers), Some("192.0.2.7".parse().unwrap()));
        headers.insert("x-forwarded-for", "unknown".parse().unwrap());
        assert_eq!(client(&headers), None);
    }
}
