//! TLS of the public listener: certificate and key from PEM files, HTTP/2 and HTTP/1.1 by ALPN.
//!
//! Whoever holds the key file can pose as this server. That breaks nothing that is signed or hashed, but what is added could be dropped
//! on the way.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

/// The files of the TLS certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// `[tls]`, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// PEM file with the certificate and its chain; empty: no TLS.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Certificate without key or key without certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`tls.certificate` and `tls.key` belong together: write the paths of both files, or of neither to serve without TLS")]
pub struct HalfTls;

impl TlsSection {
    /// The files, if there are any.
    pub fn files(&self) -> Result<Option<TlsFiles>, HalfTls> {
        let path = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        match (path(&self.certificate), path(&self.key)) {
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
            (None, None) => Ok(None),
            _ => Err(HalfTls),
        }
    }
}

/// The files of `[tls]` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate file cannot be read or has something broken in it.
    #[error("the certificate file {path} cannot be read; `tls.certificate` names a PEM file with the certificate and its chain")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The certificate file has no certificate.
    #[error("the certificate file {path} has no certificate; it needs a block that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// The key file cannot be read or has no key.
    #[error("the key file {path} cannot be read; `tls.key` names a PEM file with the certificate's private key")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificate and the key of `[tls]` cannot be used together; check that the key is the certificate's own")]
    Pair {
        /// Why.
        source: rustls::Error,
    },
}

/// Reads the files and makes the server's side of TLS 1.2 and 1.3.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let broken = |source| TlsError::Certificate { path: files.certificate.clone(), source };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.certificate).map_err(broken)?.collect::<Result<_, _>>().map_err(broken)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: files.certificate.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Key { path: files.key.clone(), source })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| TlsError::Pair { source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
