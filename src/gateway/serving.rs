//! What a worker does with its listener: accepts, agrees on TLS, and serves each connection in a task of its own.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::config;
use crate::lifecycle::Lifecycle;
use crate::phase::PhaseWatch;
use crate::server::connection;
use crate::server::framing::Limits;
use crate::server::listener::{Listener, Place, Places};
use crate::server::tls::{Acceptor, Files, Io};
use crate::stack::{Current, Stack};
use crate::tally::Tally;
use crate::telemetry::metrics::{CloseCause, Metrics};

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Serving {
    /// As they are now; a connection keeps those with which it began.
    pub(super) settings: Arc<RwLock<Arc<connection::Settings>>>,
    pub(super) tls: Option<Acceptor>,
    pub(super) places: Places,
    /// How many listeners share the port with those of other gateways, if others may be there.
    pub(super) shared_by: Option<u32>,
    pub(super) lifecycle: Lifecycle,
    pub(super) connections: Tally,
}

impl Serving {
    /// Accepts until the gateway drains, and serves each connection in a task that this does not wait for.
    pub(super) async fn run(self, listener: TcpListener, stack: Current<impl Stack>) {
        let metrics = self.settings().metrics.clone();
        let mut listener = Listener::new(listener, self.places.clone(), metrics);
        if let Some(own) = self.shared_by {
            listener = listener.shared_by(own);
        }
        let serve = |stream, peer: SocketAddr, place: Place| {
            let (stack, settings, tls, phases) =
                (stack.follow(), self.settings(), self.tls.clone(), self.lifecycle.watch());
            let open = (settings.metrics.opened(), self.connections.begin());
            tokio::spawn(async move {
                if let Some(io) = agree(stream, tls, &place, &settings, phases.clone()).await {
                    let (refusal, held) = (place.refusal, Box::new((open, place)));
                    connection::serve(io, held, peer.ip(), refusal, stack, &settings, phases).await;
                }
            });
        };
        listener.run(self.lifecycle.watch(), serve).await;
    }

    fn settings(&self) -> Arc<connection::Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes TLS of a connection if that is spoken. Nobody who is to be refused is given a handshake.
async fn agree(
    stream: TcpStream,
    tls: Option<Acceptor>,
    place: &Place,
    settings: &connection::Settings,
    mut phases: PhaseWatch,
) -> Option<Io> {
    if place.refusal.is_some() {
        settings.metrics.closed(CloseCause::Peer);
    }
    let Some(tls) = tls else { return Some(Io::Plain(stream)) };
    if place.refusal.is_some() {
        return None;
    }
    let last_call = async {
        phases.draining().await;
        sleep(connection::LAST_CALL).await;
    };
    let accepted = connection::until(pin!(tls.accept(stream, settings.limits.head_timeout)), last_call).await?;
    let accepted = accepted.inspect_err(|error| {
        tracing::debug!(%error, "no TLS with a client");
        settings.metrics.closed(CloseCause::Handshake);
    });
    accepted.ok()
}

pub(super) fn connection_settings(server: &config::Server, metrics: &Metrics) -> connection::Settings {
    connection::Settings {
        limits: Limits {
            max_head: server.max_head,
            max_fields: server.max_fields,
            max_target: server.max_target,
            head_timeout: server.head_timeout,
            idle_timeout: server.idle_timeout,
            body_timeout: server.body_timeout,
            send_timeout: server.send_timeout,
            min_rate: server.min_rate,
        },
        max_requests: server.max_requests_per_connection.map_or(u64::MAX, |most| most.get() as u64),
        max_streams: server.max_streams,
        max_resets: server.max_resets,
        max_control_frames: server.max_control_frames,
        metrics: metrics.connections.clone(),
    }
}

pub(super) fn tls_files(server: &config::Server) -> Option<Files> {
    let (certificate, key) = server.tls_certificate.clone().zip(server.tls_key.clone())?;
    Some(Files { certificate, key, client_ca: server.tls_client_ca.clone() })
}
