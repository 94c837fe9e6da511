//! The pooled client and the address it talks to.

use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connector::{Protocols, TimedConnector};
use crate::wire::Body;

/// All requests share one HTTP/2 connection. Without pings, one that has silently died would fail them until the
/// kernel gives it up, a quarter of an hour later.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long a ping may take before its connection counts as dead.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What the client is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme and authority of the upstream.
    pub url: Uri,
    /// The longest that TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; less than the upstream keeps it (contract section 4).
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept.
    pub pool_max_idle: usize,
    /// Whom TLS trusts.
    pub trust: ClientConfig,
}

type Pool = legacy::Client<TimedConnector, Body>;

/// A pool of connections to one upstream. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool,
    /// For upgrades, which HTTP/2 does not have, and for exchanges that last: on a shared HTTP/2 connection they would
    /// take the streams that all others need.
    apart: Pool,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
}

impl Client {
    /// Creates a client without connections.
    ///
    /// # Panics
    ///
    /// If the URL has no scheme or authority: checked by `Config`.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let parts = settings.url.clone().into_parts();
        let authority = parts.authority.expect("upstream.url has a host: checked by Config");
        let scheme = parts.scheme.expect("upstream.url has a scheme: checked by Config");
        let host = host(&scheme, &authority);
        let pool = |protocols| {
            pool(settings, TimedConnector::new(settings.connect_timeout, settings.trust.clone(), protocols))
        };
        Self { pool: pool(Protocols::All), apart: pool(Protocols::Http1), scheme, authority, host }
    }

    /// Returns the `Host` that the upstream is to see.
    #[must_use]
    pub fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// Returns the upstream's address with the path and query of `target`, to the byte.
    #[must_use]
    pub fn address(&self, target: &Uri) -> Uri {
        let path = target.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).expect("scheme, authority and path are all there")
    }

    /// Sends a request.
    pub fn send(&self, request: http::Request<Body>) -> legacy::ResponseFuture {
        self.pool.request(request)
    }

    /// Sends a request that may last, or leave HTTP, on an HTTP/1.1 connection of its own.
    pub fn send_apart(&self, request: http::Request<Body>) -> legacy::ResponseFuture {
        self.apart.request(request)
    }
}

fn pool(settings: &Settings, connector: TimedConnector) -> Pool {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle_timeout)
        .pool_max_idle_per_host(settings.pool_max_idle)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}

/// The authority without its port where that is the scheme's own (RFC 9110 §7.2).
fn host(scheme: &Scheme, authority: &Authority) -> HeaderValue {
    let is_default = matches!((scheme.as_str(), authority.port_u16()), ("http", Some(80)) | ("https", Some(443)));
    let host = if is_default { authority.host() } else { authority.as_str() };
    HeaderValue::from_str(host).expect("an authority is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::connector;

    fn client(url: &'static str) -> Client {
        Client::new(&Settings {
            url: Uri::from_static(url),
            connect_timeout: Duration::from_secs(1),
            pool_idle_timeout: Duration::from_secs(1),
            pool_max_idle: 1,
            trust: connector::trust(),
        })
    }

    #[tokio::test]
    async fn a_target_is_forwarded_to_the_byte() {
        let client = client("https://chatapi.smsbat.com");
        for target in ["/api/./operator?a='b'&&c", "/api/x/../operator", "//a//%2f?", "/%7E~\\|", "*"] {
            let address = client.address(&target.parse().unwrap());
            assert_eq!(address.path_and_query().unwrap().as_str(), target);
            assert_eq!(address.host(), Some("chatapi.smsbat.com"));
        }
    }

    #[tokio::test]
    async fn the_authority_of_an_absolute_target_does_not_choose_the_upstream() {
        let address = client("http://127.0.0.1:9").address(&"http://elsewhere/api/operator?a".parse().unwrap());
        assert_eq!(address, "http://127.0.0.1:9/api/operator?a");
    }

    #[tokio::test]
    async fn host_has_no_default_port() {
        assert_eq!(client("https://a:443").host(), "a");
        assert_eq!(client("https://a:444").host(), "a:444");
        assert_eq!(client("http://a:80").host(), "a");
        assert_eq!(client("http://a:443").host(), "a:443");
    }
}
