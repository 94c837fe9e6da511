//! Certificates made for a test, and a client that speaks TLS.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::soon;

/// An authority that vouches for whom it is asked to.
#[derive(Debug)]
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([]).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().expect("there are random numbers");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority can be made"))
    }

    /// Its own certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new one that ends with a year.
    pub(crate) fn until(year: i32) -> Self {
        Self::with(|params| params.not_after = date_time_ymd(year, 12, 31))
    }

    /// Vouches for `localhost`.
    pub(crate) fn vouch(&self) -> Identity {
        self.vouch_with(|_| ())
    }

    /// Vouches for `localhost` until the end of a year.
    pub(crate) fn vouch_until(&self, year: i32) -> Identity {
        self.vouch_with(|params| params.not_after = date_time_ymd(year, 12, 31))
    }

    /// Vouches for `localhost` from the beginning of a year until the end of another.
    pub(crate) fn vouch_within(&self, from: i32, until: i32) -> Identity {
        self.vouch_with(|params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 12, 31);
        })
    }

    fn vouch_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("the name is good");
        change(&mut params);
        let key = KeyPair::generate().expect("there are random numbers");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate can be made");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// Files of one test, in a directory of its own.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// A directory named for its test.
    pub(crate) fn of(test: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&directory).expect("the directory for tests can be written");
        Self(directory)
    }

    /// Writes a file in the place of what was there, and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        std::fs::write(&new, content).and_then(|()| std::fs::rename(&new, &path)).expect("a file can be written");
        path.to_str().expect("its name is text").to_owned()
    }
}

/// Speaks TLS to `localhost`, trusting one authority and offering protocols.
///
/// # Errors
///
/// If the handshake fails; with TLS 1.3 that a client's certificate is refused shows only when something is read.
pub(crate) async fn connect(
    address: SocketAddr,
    trusted: &Authority,
    shown: Option<&Identity>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.der().clone()).expect("the authority is good");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring supports them").with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("it is PEM");
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("it is PEM");
            builder.with_client_auth_cert(vec![certificate], key).expect("they go together")
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("the name is good");
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}
