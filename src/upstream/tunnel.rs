//! Upgrades: a connection that stops speaking HTTP, as SignalR's WebSocket does (RFC 9110 §7.8, contract 1.9).
//!
//! `Upgrade` ends at one connection, so a gateway must ask for it anew on its own, and join the two connections once
//! the upstream has agreed. From then on bytes pass as they come; there is no limit of time. When the gateway stops, the
//! client of a WebSocket is told so between two frames; it says goodbye to the upstream itself.

use std::io;
use std::pin::pin;

use futures_util::future::{Either, select};
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::streams::{Kind, Streaming};
use super::websocket::{Frames, GOING_AWAY};
use crate::phase::PhaseWatch;

/// What is read at once, in each direction.
const BUFFER: usize = 8 << 10;

/// A client's wish to leave HTTP.
#[derive(Debug)]
pub struct Tunnel {
    client: OnUpgrade,
    protocol: HeaderValue,
}

impl Tunnel {
    /// Takes the wish out of a request, if it has one that can be granted: one protocol, named in `Connection` too, and
    /// that is WebSocket. Another one, such as `h2c`, would carry requests past the cache, the throttle and the fence.
    pub fn wished<B>(request: &mut http::Request<B>) -> Option<Self> {
        let protocol = request.headers().get(UPGRADE)?;
        let is_granted = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
        if !is_granted || !request.headers().get_all(CONNECTION).iter().any(lists_upgrade) {
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
    pub fn join(self, upstream: OnUpgrade, streams: &Streaming) {
        let streaming = streams.begin(Kind::Upgrade);
        let phases = streaming.phases();
        tokio::spawn(async move {
            let joined = match futures_util::future::try_join(self.client, upstream).await {
                Ok((client, upstream)) => pass(client, upstream, phases).await,
                Err(error) => return tracing::debug!(%error, "an upgrade was not completed"),
            };
            match joined {
                // How a tunnel ends is the affair of its two ends.
                Ok(End::Theirs) => {}
                Ok(End::Ours) => streaming.was_told(),
                Err(error) => tracing::debug!(%error, "a tunnel broke"),
            }
        });
    }
}

/// Who ended a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Theirs,
    /// The client was told that the gateway stops.
    Ours,
}

/// Passes bytes both ways until both sides have closed. The client is told when the gateway stops.
async fn pass(client: Upgraded, upstream: Upgraded, phases: PhaseWatch) -> io::Result<End> {
    let (mut from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let up = async {
        copy(&mut from_client, &mut to_upstream).await?;
        to_upstream.shutdown().await
    };
    let down = async {
        let end = copy_frames(&mut from_upstream, &mut to_client, phases).await?;
        to_client.shutdown().await.map(|()| end)
    };
    match select(pin!(up), pin!(down)).await {
        Either::Left((closed, down)) => {
            closed?;
            down.await
        }
        // Both have said goodbye, and this side has closed: what the client's socket does now is its own affair.
        Either::Right((Ok(End::Ours), _)) => Ok(End::Ours),
        Either::Right((end, up)) => {
            let end = end?;
            up.await.map(|()| end)
        }
    }
}

async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read]).await?,
        }
    }
}

/// Passes frames on to a client until the upstream closes, or until the gateway drains and no frame is half passed. Then
/// the client is told, and what the upstream still sends is dropped, up to its own goodbye.
async fn copy_frames(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut phases: PhaseWatch,
) -> io::Result<End> {
    let mut buffer = vec![0; BUFFER];
    let mut frames = Frames::default();
    let mut draining = pin!(phases.draining());
    loop {
        let read = match frames.may_begin() {
            false => from.read(&mut buffer).await?,
            true => match select(pin!(from.read(&mut buffer)), draining.as_mut()).await {
                Either::Left((read, _)) => read?,
                Either::Right(_) => break,
            },
        };
        if read == 0 {
            return Ok(End::Theirs);
        }
        to.write_all(&buffer[..read]).await?;
        frames.follow(&buffer[..read]);
    }
    to.write_all(&GOING_AWAY).await?;
    while from.read(&mut buffer).await? > 0 {}
    Ok(End::Ours)
}

fn lists_upgrade(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}
