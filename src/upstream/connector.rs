//! Connections to the upstream: TCP and TLS together within one time limit.
//!
//! The TCP connector has a limit of its own, but a handshake that stalls after TCP has connected would escape it.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower::Service;

use crate::config;
use crate::pem::{self, TlsError};
use crate::telemetry::metrics::{Certificate, TlsMetrics};

/// Whom TLS to the upstream trusts, and what it shows.
#[derive(Debug)]
pub struct Trust {
    /// As the library wants it.
    pub client: ClientConfig,
    /// How long the certificate of each file that ends first is valid, since 1970.
    lives: [(Certificate, Option<Range<Duration>>); 2],
}

impl Trust {
    /// Reads the files: the platform's roots or, on a system that has none, those that Mozilla trusts, unless there is a
    /// file of authorities.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file cannot be used.
    pub fn of(settings: &config::Upstream) -> Result<Self, TlsError> {
        let mut lives = [(Certificate::UpstreamCa, None), (Certificate::UpstreamClient, None)];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions");
        let trusting = match &settings.ca_file {
            Some(path) => {
                const SETTING: &str = "upstream.ca_file";
                let authorities = pem::certificates(SETTING, path, &pem::read(SETTING, path)?)?;
                lives[0].1 = pem::next_to_end(&authorities);
                builder.with_root_certificates(pem::roots(SETTING, authorities)?)
            }
            // They take as long to read as all else at the start together.
            None if settings.url.scheme() == Some(&Scheme::HTTP) => builder.with_webpki_roots(),
            None => builder.clone().with_native_roots().unwrap_or_else(|_| builder.with_webpki_roots()),
        };
        let Some((certificate, key)) = settings.client_certificate.as_deref().zip(settings.client_key.as_deref())
        else {
            return Ok(Self { client: trusting.with_no_client_auth(), lives });
        };
        const CERTIFICATE: &str = "upstream.client_certificate";
        const KEY: &str = "upstream.client_key";
        let chain = pem::certificates(CERTIFICATE, certificate, &pem::read(CERTIFICATE, certificate)?)?;
        lives[1].1 = pem::first_to_end(&chain);
        let key = pem::private_key(KEY, key, &pem::read(KEY, key)?.into())?;
        let together = "upstream.client_certificate with upstream.client_key";
        let client = trusting.with_client_auth_cert(chain, key).map_err(|error| pem::unusable(together, error))?;
        Ok(Self { client, lives })
    }

    /// It is in use from now on.
    pub fn used(&self, metrics: &TlsMetrics) {
        self.lives.iter().for_each(|(certificate, life)| metrics.used(*certificate, life.clone()));
    }
}

/// Why there is no connection, in the words of whichever library.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections within a time limit.
#[derive(Debug, Clone)]
pub struct TimedConnector {
    inner: HttpsConnector<HttpConnector>,
    limit: Duration,
}

/// The limit was reached.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection within {0:?}")]
pub struct ConnectTimeout(pub Duration);

impl TimedConnector {
    /// Creates a connector. Over TLS it offers no protocol (ALPN, RFC 7301), so that HTTP/1.1 is spoken: see
    /// [`pool`](super::pool).
    #[must_use]
    pub fn new(limit: Duration, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let inner =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Self { inner, limit }
    }
}

impl Service<Uri> for TimedConnector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = Source;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Source>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Source>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(target));
        let limit = self.limit;
        Box::pin(async move { connecting.await.map_err(|_| ConnectTimeout(limit))? })
    }
}
