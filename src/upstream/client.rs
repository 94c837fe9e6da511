//! The way to the upstream: its connections, and the name by which it is called.

use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use rustls::ClientConfig;

use super::connector::TimedConnector;
use super::pool::{Pool, Room};

/// What the client is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme and authority of the upstream.
    pub url: Uri,
    /// The longest that TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; less than the upstream keeps it (contract section 4).
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept. Clients may share it.
    pub room: Room,
    /// Whom TLS trusts.
    pub trust: ClientConfig,
}

/// A way to one upstream.
#[derive(Debug)]
pub struct Client {
    pool: Pool,
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
        let authority = settings.url.authority().expect("upstream.url has a host: checked by Config");
        let scheme = settings.url.scheme().expect("upstream.url has a scheme: checked by Config");
        let connector = TimedConnector::new(settings.connect_timeout, settings.trust.clone());
        let pool = Pool::new(connector, settings.url.clone(), settings.pool_idle_timeout, settings.room.clone());
        Self { pool, host: host(scheme, authority) }
    }

    /// Returns its connections.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the `Host` that the upstream is to see.
    #[must_use]
    pub fn host(&self) -> HeaderValue {
        self.host.clone()
    }
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
            room: Room::new(1),
            trust: connector::Trust::of(&crate::config::Upstream::default()).unwrap().client,
        })
    }

    #[tokio::test]
    async fn host_has_no_default_port() {
        assert_eq!(client("https://a:443").host(), "a");
        assert_eq!(client("https://a:444").host(), "a:444");
        assert_eq!(client("http://a:80").host(), "a");
        assert_eq!(client("http://a:443").host(), "a:443");
    }
}
