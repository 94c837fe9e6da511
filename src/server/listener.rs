//! Accepts connections within bounds.
//!
//! When all connections are taken, accepting pauses and new ones wait in the system's queue. When accepting fails for
//! want of file descriptors, it pauses too: an accept that fails at once would otherwise spin.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shutdown::{Phase, PhaseWatch};
use crate::telemetry::metrics::ConnectionMetrics;

/// How long accepting pauses after it failed for want of resources.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that may wait in the system's queue.
const BACKLOG: u32 = 1024;

/// Binds an address.
///
/// # Errors
///
/// The system's error, as when the port is taken.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A listener with a bound on its open connections.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    places: Arc<Semaphore>,
    metrics: ConnectionMetrics,
}

impl Listener {
    /// Accepts at most `max_connections` at a time.
    #[must_use]
    pub fn new(inner: TcpListener, max_connections: usize, metrics: ConnectionMetrics) -> Self {
        let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Self { inner, places, metrics }
    }

    /// Hands each connection and its place to `serve`, until the gateway drains. Those that the system has accepted for
    /// us until then are served too: their clients may have sent a request already.
    pub async fn run(self, mut phases: PhaseWatch, serve: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit)) {
        tokio::select! {
            () = phases.reached(Phase::Draining) => {}
            () = self.accept_all(&serve) => {}
        }
        while let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
            && let Some(Ok((stream, peer))) = self.inner.accept().now_or_never()
        {
            serve(stream, peer, place);
        }
    }

    async fn accept_all(&self, serve: &impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit)) {
        loop {
            let place = self.place().await;
            match self.inner.accept().await {
                Ok((stream, peer)) => {
                    // Without it a small answer may wait for the client's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    serve(stream, peer, place);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.metrics.accept_errors.inc();
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        self.metrics.full.inc();
        Arc::clone(&self.places).acquire_owned().await.expect("this semaphore is never closed")
    }
}

/// The client was gone before it was accepted; the listener itself is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
