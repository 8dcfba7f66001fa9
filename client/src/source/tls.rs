//! Whom to believe that a server is who it says. The log's own signatures decide what is true; TLS keeps what is read private.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::Authority;

/// Why a file of certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaFileError {
    /// It cannot be read, or is not PEM.
    #[error("the file of certificate authorities cannot be read as PEM: {0}")]
    Pem(#[source] pem::Error),
    /// There is none in it.
    #[error("the file holds no certificate; it should contain a line -----BEGIN CERTIFICATE-----")]
    Empty,
    /// One is not usable as an authority.
    #[error("a certificate in the file cannot be used as an authority: {0}")]
    Unusable(#[source] rustls::Error),
}

/// Reads the certificates of a PEM file, each checked to be usable as an authority.
pub fn read_ca_file(path: &Path) -> Result<Vec<Authority>, CaFileError> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(CaFileError::Pem)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(CaFileError::Pem)?;
    if certificates.is_empty() {
        return Err(CaFileError::Empty);
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(CaFileError::Unusable)?;
    }
    Ok(certificates)
}

/// How clients here speak TLS: they trust the web's authorities and `authorities`.
pub fn config(authorities: &[Authority]) -> ClientConfig {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // Those that do not parse were refused when their file was read.
    roots.add_parsable_certificates(authorities.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring's provider supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
