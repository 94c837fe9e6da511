//! The operators' listener, on a port of its own: `/metrics`, `/livez`, `/readyz`, `/startupz`,
//! `/drain`, `/quit`, `/purge`.
//!
//! It answers while the data port is overloaded or drains, since that is when it is read; it shares no limit with it.

pub mod purge;
pub mod service;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

pub use purge::Access;
pub use service::Admin;

/// The longest a client of this listener may take for a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses after it failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves operators until it is dropped.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let admin = Arc::clone(&admin);
                let service = service_fn(move |request| {
                    let response = admin.answer(peer.ip(), &request);
                    async { Ok::<_, Infallible>(response) }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                // An operator that hangs up harms nobody.
                tokio::spawn(async { drop(connection.await) });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection of the admin listener failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
