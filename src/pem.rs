//! Certificates and keys from the files that settings name, for both sides of the gateway.
//!
//! What a newcomer would get wrong: to pass on what the library says of a key that it cannot read. It may show a part of it.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret::Secret;

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {} ({setting})", path.display())]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file holds nothing of what it should.
    #[error("find {what} in PEM in {} ({setting})", path.display())]
    Empty {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// They do not go together, or are not what they should be.
    #[error("use {setting}")]
    Unusable {
        /// The setting, or what is wrong with two.
        setting: &'static str,
        /// What the library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads a file that a setting names.
///
/// # Errors
///
/// [`TlsError`].
pub fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { setting, path: path.to_owned(), source })
}

/// Takes the certificates out of a file.
///
/// # Errors
///
/// [`TlsError`].
pub fn certificates(setting: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| unusable(setting, error))?;
    if all.is_empty() {
        return Err(TlsError::Empty { setting, path: path.to_owned(), what: "a certificate" });
    }
    Ok(all)
}

/// Takes the private key out of a file.
///
/// # Errors
///
/// [`TlsError`].
pub fn private_key(setting: &'static str, path: &Path, pem: &Secret) -> Result<PrivateKeyDer<'static>, TlsError> {
    // The library's error is not passed on: it may show what it could not read.
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| TlsError::Empty {
        setting,
        path: path.to_owned(),
        what: "a private key",
    })
}

/// Takes authorities out of a file.
///
/// # Errors
///
/// [`TlsError`].
pub fn roots(setting: &'static str, path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(setting, path, pem)? {
        roots.add(certificate).map_err(|error| unusable(setting, error))?;
    }
    Ok(roots)
}

/// Says what could not be used.
#[must_use]
pub fn unusable(setting: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TlsError {
    TlsError::Unusable { setting, source: source.into() }
}
