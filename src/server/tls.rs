//! TLS to clients: who we are, whom we let in, and both anew when the files change. Files that cannot be used change
//! nothing: the old certificate goes on, and metric and log tell.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::chain;
use crate::pem::{self, TlsError};
use crate::secret::Secret;
use crate::telemetry::metrics::{Certificate, ReloadOutcome, TlsMetrics};
use crate::watched;

/// The protocols that are agreed on within the handshake (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients' certificates, if clients must have one.
    pub client_ca: Option<PathBuf>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Secret,
    client_ca: Option<Vec<u8>>,
}

/// What can be made of them.
struct Usable {
    config: Arc<ServerConfig>,
    /// How long the certificate of each file that ends first is valid, since 1970.
    lives: [(Certificate, Option<Range<Duration>>); 2],
}

/// Makes TLS of connections. Clones share the certificate.
#[derive(Clone)]
pub struct Acceptor(Arc<RwLock<Arc<ServerConfig>>>);

impl Files {
    /// Reads them, and makes of them what they are for.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn check(&self) -> Result<(), TlsError> {
        self.read().map(drop)
    }

    fn look(&self) -> watched::Files {
        watched::Files::of([&self.certificate, &self.key].into_iter().chain(&self.client_ca))
    }

    /// Goes on for as long as there is an acceptor.
    async fn look_after(self, mut seen: watched::Files, metrics: TlsMetrics, current: Weak<RwLock<Arc<ServerConfig>>>) {
        loop {
            seen.change().await;
            let Some(current) = current.upgrade() else { return };
            seen = seen.now();
            match self.read() {
                Ok(usable) => {
                    *current.write().unwrap_or_else(PoisonError::into_inner) = usable.used(&metrics);
                    tracing::info!("new certificate in use");
                    metrics.reloaded(ReloadOutcome::Done);
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "new certificate refused, the old one goes on");
                    metrics.reloaded(ReloadOutcome::Failed);
                }
            }
        }
    }

    fn read(&self) -> Result<Usable, TlsError> {
        self.understand(&self.contents()?)
    }

    fn contents(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificate: pem::read("server.tls_certificate", &self.certificate)?,
            key: pem::read("server.tls_key", &self.key)?.into(),
            client_ca: self.client_ca.as_deref().map(|path| pem::read("server.tls_client_ca", path)).transpose()?,
        })
    }

    fn understand(&self, contents: &Contents) -> Result<Usable, TlsError> {
        let chain = pem::certificates("server.tls_certificate", &self.certificate, &contents.certificate)?;
        let key = pem::private_key("server.tls_key", &self.key, &contents.key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions");
        let mut lives = [(Certificate::Server, pem::first_to_end(&chain)), (Certificate::ServerClientCa, None)];
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(authorities)) => {
                const SETTING: &str = "server.tls_client_ca";
                let authorities = pem::certificates(SETTING, path, authorities)?;
                lives[1].1 = pem::next_to_end(&authorities);
                let roots = pem::roots(SETTING, authorities)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| pem::unusable(SETTING, error))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let together = "server.tls_certificate with server.tls_key";
        let mut config = builder.with_single_cert(chain, key).map_err(|error| pem::unusable(together, error))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Usable { config: Arc::new(config), lives })
    }
}

impl Usable {
    /// Tells how long it is valid and returns what it is.
    fn used(self, metrics: &TlsMetrics) -> Arc<ServerConfig> {
        self.lives.into_iter().for_each(|(certificate, life)| metrics.used(certificate, life));
        self.config
    }
}

impl Acceptor {
    /// Reads the files, and looks after them from then on. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn start(files: Files, metrics: TlsMetrics) -> Result<Self, TlsError> {
        // Before they are used, so that a change in between is seen.
        let seen = files.look();
        let acceptor = Self(Arc::new(RwLock::new(files.read()?.used(&metrics))));
        tokio::spawn(files.look_after(seen, metrics, Arc::downgrade(&acceptor.0)));
        Ok(acceptor)
    }

    /// Makes TLS of a connection, within a time limit.
    ///
    /// # Errors
    ///
    /// What the library said.
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> io::Result<Io> {
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let accepted = timeout(limit, TlsAcceptor::from(config).accept(stream)).await;
        let stream = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Io::Tls(Box::new(stream)))
    }
}

impl std::fmt::Debug for Acceptor {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

/// A client's connection. One type for both, lest all that serves it is compiled twice.
#[derive(Debug)]
pub enum Io {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over it.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls the one that it is.
macro_rules! either {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain(io) => {
                let $io = Pin::new(io);
                $call
            }
            Self::Tls(io) => {
                let $io = Pin::new(&mut **io);
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, io => io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, io => io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, io => io.poll_shutdown(cx))
    }
}
