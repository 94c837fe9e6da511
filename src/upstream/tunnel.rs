//! Upgrades: a connection that stops speaking HTTP, as SignalR's WebSocket does (RFC 9110 §7.8, contract 1.9).
//!
//! `Upgrade` ends at one connection, so a gateway must ask for it anew on its own, and join the two connections once
//! the upstream has agreed. From then on bytes pass as they come; there is no limit of time.

use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

/// A client's wish to leave HTTP.
#[derive(Debug)]
pub struct Tunnel {
    client: OnUpgrade,
    protocol: HeaderValue,
}

impl Tunnel {
    /// Takes the wish out of a request, if it has one that can be granted: one protocol, named in `Connection` too.
    pub fn wished<B>(request: &mut http::Request<B>) -> Option<Self> {
        let protocol = request.headers().get(UPGRADE)?;
        if !request.headers().get_all(CONNECTION).iter().any(lists_upgrade) {
            return None;
        }
        let protocol = protocol.clone();
        Some(Self { client: request.extensions_mut().remove()?, protocol })
    }

    /// Puts the wish into the request that goes out.
    pub fn ask(&self, fields: &mut HeaderMap) {
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, self.protocol.clone());
    }

    /// Joins the two connections, in a task of its own, once the client has been told.
    pub fn join(self, upstream: OnUpgrade) {
        tokio::spawn(async move {
            match futures_util::future::try_join(self.client, upstream).await {
                Ok((client, upstream)) => copy(client, upstream).await,
                Err(error) => tracing::debug!(%error, "an upgrade was not completed"),
            }
        });
    }
}

/// Either side may close; the other is then closed too. How a tunnel ends is the affair of its two ends.
async fn copy(client: Upgraded, upstream: Upgraded) {
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut upstream).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}

fn lists_upgrade(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}
