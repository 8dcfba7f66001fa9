//! Witnesses over HTTP, with connections that are kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use rustls::ClientConfig;
use serving::authorities::{self, AuthoritiesError};
use tlog::policy::{Policy, PolicyName};

use super::transport::{MAX_ANSWER, Request, Response, Transport, TransportError};

/// How long a connection is kept without a request. Servers often close theirs after a minute.
const IDLE: Duration = Duration::from_secs(50);

/// The witnesses cannot be asked over HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// An address in the policy is none.
    #[error("the address of the witness {witness} is not one: write it as https://witness.example/prefix")]
    Address {
        /// What the policy calls it.
        witness: PolicyName,
    },
    /// The certificate authorities cannot be loaded.
    #[error("`witnesses.authorities`: {0}")]
    Authorities(#[from] AuthoritiesError),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(reqwest::Error),
}

/// A client that follows no redirects and believes the web's certificate authorities, and those that it is given.
///
/// What TLS adds is little: nothing that a witness says is believed without a signature. It keeps others from answering in its place,
/// which would make it look dead.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
}

impl Http {
    /// A client for the witnesses of this policy. `authorities` is a PEM file of further certificate authorities.
    pub fn new(policy: &Policy, authorities: Option<&Path>) -> Result<Self, HttpError> {
        for witness in policy.witnesses() {
            let Some(address) = witness.url() else { continue };
            let usable = Url::parse(address)
                .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none());
            if !usable {
                return Err(HttpError::Address { witness: witness.name().clone() });
            }
        }
        let client = Client::builder()
            .user_agent(concat!("acta-log/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls(authorities)?)
            // SPEC: tlog-policy: the policy says who the witness is, and no answer of anybody's changes that.
            .redirect(redirect::Policy::none())
            // Signatures do not compress, and what does not come does not have to be unpacked.
            .no_gzip()
            .no_zstd()
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            // A proxy would see the requests of all witnesses, and could stop them all.
            .no_proxy()
            .build()
            .map_err(HttpError::Setup)?;
        Ok(Http { client })
    }
}

impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let unreachable = |error: reqwest::Error| TransportError::Unreachable(Box::new(error));
        let asked = match request.body {
            Some(body) => self.client.post(&request.url).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body),
            None => self.client.get(&request.url),
        };
        let mut answer = asked.send().await.map_err(unreachable)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: answer.status().as_u16(),
            content_type: text(answer.headers(), CONTENT_TYPE.as_str()).map(str::to_owned),
            retry_after: text(answer.headers(), RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs),
            body: body.freeze(),
        })
    }
}

fn tls(more: Option<&Path>) -> Result<ClientConfig, HttpError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring's provider supports TLS 1.2 and 1.3")
        .with_root_certificates(authorities::load(more)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
