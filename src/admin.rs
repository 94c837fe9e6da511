//! The operators' listener, on a port of its own: `/metrics`, `/livez`, `/readyz`, `/startupz`,
//! `/drain`, `/quit`, `/purge`.
//!
//! It answers while the data port is overloaded or drains, since that is when it is read; it shares no limit with it.
//! What a newcomer would get wrong: to leave it without any of its own, for operators are few. In a pod anybody on the
//! network may reach it. So connections have places, and an end; and crowds from elsewhere take no place of those on this
//! machine: a probe that finds none would have the gateway killed.

pub mod purge;
pub mod service;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::server::listener::{Place, Places};

pub use purge::Access;
pub use service::Admin;

/// The longest a client of this listener may take for a head, and between two questions.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection lasts. Whoever reads metrics often keeps one, also while there is no descriptor for another.
const LIFE: Duration = Duration::from_mins(5);
/// How long accepting pauses after it failed.
const PAUSE: Duration = Duration::from_millis(50);

/// The places for operators' connections: so many for those on this machine, and as many for all others. Clones share them.
#[derive(Debug, Clone)]
pub struct OperatorPlaces {
    near: Places,
    far: Places,
}

impl OperatorPlaces {
    /// `most` connections may be open at once from this machine, and as many from elsewhere.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { near: Places::new(most, None), far: Places::new(most, None) }
    }

    /// From now on it is so many.
    pub fn set(&self, most: usize) {
        self.near.set(most, None);
        self.far.set(most, None);
    }

    fn take(&self, peer: IpAddr) -> Option<Place> {
        if purge::is_this_machine(peer) { self.near.take(peer) } else { self.far.take(peer) }
    }
}

/// Serves operators until it is dropped. Whoever finds no place is hung up on, and counted.
pub async fn serve(listener: TcpListener, places: OperatorPlaces, admin: Arc<Admin>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match places.take(peer.ip()) {
                Some(place) => {
                    let answered = answer(stream, peer.ip(), Arc::clone(&admin));
                    tokio::spawn(async {
                        answered.await;
                        drop(place);
                    });
                }
                None => admin.metrics.connections.admin_refused.inc(),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a connection of the admin listener failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers what is asked over one connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, peer: IpAddr, admin: Arc<Admin>) {
    let service = service_fn(move |request| {
        let response = admin.answer(peer, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // An operator that hangs up harms nobody.
    if timeout(LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        drop(timeout(HEAD_TIMEOUT, connection).await);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;
    use crate::lifecycle::{Lifecycle, UnderWay};
    use crate::store::Store;
    use crate::testing;

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_finish_a_question_or_take_the_answer_is_hung_up_on() {
        let metrics = testing::metrics();
        let store = Arc::new(Store::new(0, Duration::ZERO, &metrics.store));
        let access = Access::new(testing::digests().clone(), None);
        let admin = Arc::new(Admin { metrics, store, lifecycle: Lifecycle::new(UnderWay::default()), access });
        let rows = [
            ("", HEAD_TIMEOUT),
            ("GET /metrics HT", HEAD_TIMEOUT),
            ("GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n", LIFE + HEAD_TIMEOUT),
        ];
        for (said, lasts) in rows {
            let (mut operator, stream) = tokio::io::duplex(64);
            operator.write_all(said.as_bytes()).await.unwrap();
            let begun = Instant::now();

            answer(stream, IpAddr::from([10, 0, 0, 7]), Arc::clone(&admin)).await;

            assert_eq!(begun.elapsed().as_secs(), lasts.as_secs(), "{said:?}");
        }
    }
}
