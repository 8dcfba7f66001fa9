//! Whose certificates are believed where a server itself connects to others: the web's authorities, and those that its operator adds.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// A file of certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// It cannot be read.
    #[error("the file of certificate authorities {} cannot be read as PEM certificates: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// There is none in it.
    #[error("the file of certificate authorities {} holds no certificate; it should contain a line -----BEGIN CERTIFICATE-----", .0.display())]
    None(PathBuf),
    /// A certificate in it is none of an authority.
    #[error("the file of certificate authorities {} has a certificate that cannot be used as an authority: {error}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rustls::Error,
    },
}

/// The web's authorities, and those in the PEM file `more`.
pub fn load(more: Option<&Path>) -> Result<RootCertStore, AuthoritiesError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(path) = more else { return Ok(roots) };
    let unreadable = |error| AuthoritiesError::Read { path: path.to_owned(), error };
    let known = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots.add(certificate).map_err(|error| AuthoritiesError::Unusable { path: path.to_owned(), error })?;
    }
    if roots.len() == known { Err(AuthoritiesError::None(path.to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_without_an_authority_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authorities.pem");
        assert!(!load(None).unwrap().is_empty());
        assert!(matches!(load(Some(&path)), Err(AuthoritiesError::Read { .. })));
        std::fs::write(&path, "no certificate\n").unwrap();
        assert!(matches!(load(Some(&path)), Err(AuthoritiesError::None(_))));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(load(Some(&path)), Err(AuthoritiesError::Unusable { .. })));
    }
}
