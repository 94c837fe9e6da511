//! Clients' connections, and the log of what came by them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use super::requests::InFlight;
use super::{Catalogue, Counters, Floats};
use crate::telemetry::label::words;

words! {
    /// The limit for which the gateway closed a client's connection. Heads and content that were late or too large are
    /// answered, and count as refusals.
    CloseCause {
        /// It sent no request within `server.head_timeout` of its opening.
        Silent = "silent",
        /// It sent no further request within `server.idle_timeout`.
        Idle = "idle",
        /// It did not take its answers within `server.send_timeout`.
        Untaken = "untaken",
        /// It has sent `server.max_requests_per_connection`.
        Requests = "max-requests",
        /// Its address had `server.max_connections_per_peer` already.
        Peer = "max-per-peer",
        /// It took back more than `server.max_resets` requests within a second.
        Resets = "max-resets",
        /// It sent more than `server.max_control_frames` within a second.
        ControlFrames = "max-control-frames",
        /// Its TLS handshake failed, or was not done within `server.head_timeout`.
        Handshake = "tls-handshake",
    }
}

/// Clients' connections.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    /// Threads that serve.
    pub workers: IntGauge,
    open: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Operators' connections that were closed at once because `admin.max_connections` were open.
    pub admin_refused: IntCounter,
    /// Connections that had to wait because `server.max_connections` were open.
    pub full: IntCounter,
    /// Times accepting failed, as when file descriptors run out.
    pub accept_errors: IntCounter,
    closed: Arc<Counters<CloseCause>>,
    streams: IntGauge,
    /// HTTP/2 requests that their clients took back.
    pub resets: IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            workers: all.gauge("workers", "Threads that serve clients' connections."),
            open: all.gauge("connections", "Clients' connections open now."),
            accepted: all.counter("connections_total", "Clients' connections accepted."),
            admin_refused: all.counter(
                "admin_connections_refused_total",
                "Operators' connections closed at once because admin.max_connections were open.",
            ),
            full: all.counter(
                "connections_full_total",
                "Connections that had to wait because server.max_connections were open.",
            ),
            accept_errors: all.counter(
                "accept_errors_total",
                "Times accepting a connection failed, as when file descriptors run out.",
            ),
            closed: Arc::new(all.counters(
                "connections_closed_total",
                "Clients' connections that the gateway closed for a limit, by which one.",
                "cause",
            )),
            streams: all.gauge("http2_streams", "Requests over HTTP/2 whose answers have not ended."),
            resets: all.counter("http2_resets_total", "Requests over HTTP/2 that their clients took back."),
        }
    }

    /// A connection was closed for a limit.
    pub fn closed(&self, cause: CloseCause) {
        self.closed.of(cause).inc();
    }

    /// A request over HTTP/2 is under way while the value lives.
    #[must_use]
    pub fn stream(&self) -> InFlight {
        InFlight::new(&self.streams)
    }

    /// A connection is open while the value lives.
    #[must_use]
    pub fn opened(&self) -> InFlight {
        self.accepted.inc();
        InFlight::new(&self.open)
    }
}

words! {
    /// What came of new files.
    ReloadOutcome {
        /// They are in use.
        Done = "done",
        /// They are wrong, and the old ones go on.
        Failed = "failed",
    }
}

words! {
    /// What certificates of a file are for.
    Certificate {
        /// Shown to clients: `server.tls_certificate`.
        Server = "server",
        /// Of the authorities of clients' certificates: `server.tls_client_ca`.
        ServerClientCa = "server_client_ca",
        /// Of the authorities of the upstream's certificate: `upstream.ca_file`.
        UpstreamCa = "upstream_ca",
        /// Shown to the upstream: `upstream.client_certificate`.
        UpstreamClient = "upstream_client",
    }
}

/// Certificates that are in use, to whichever side.
#[derive(Debug, Clone)]
pub struct TlsMetrics {
    reloads: Arc<Counters<ReloadOutcome>>,
    failed: IntGauge,
    begins: Arc<Floats<Certificate>>,
    ends: Arc<Floats<Certificate>>,
}

impl TlsMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            reloads: Arc::new(all.counters(
                "tls_reloads_total",
                "Times the files of server.tls_certificate changed, by what came of it.",
                "outcome",
            )),
            failed: all.gauge(
                "tls_reload_failed",
                "1 while the files of server.tls_certificate cannot be used and those before go on, otherwise 0.",
            ),
            begins: Arc::new(all.floats(
                "tls_certificate_begin_timestamp_seconds",
                "When the certificate that ends first in a file in use became valid, since 1970; 0: there is no such file.",
                "certificate",
            )),
            ends: Arc::new(all.floats(
                "tls_certificate_expiry_timestamp_seconds",
                "When the first of the certificates in a file that is in use ends, since 1970; 0: there is no such file.",
                "certificate",
            )),
        }
    }

    /// These certificates are in use from now on; so long the first of them to end is valid, since 1970.
    pub fn used(&self, certificate: Certificate, validity: Option<Range<Duration>>) {
        let Range { start, end } = validity.unwrap_or_default();
        self.begins.of(certificate).set(start.as_secs_f64());
        self.ends.of(certificate).set(end.as_secs_f64());
    }

    /// The files have changed.
    pub fn reloaded(&self, outcome: ReloadOutcome) {
        self.reloads.of(outcome).inc();
        self.failed.set((outcome == ReloadOutcome::Failed).into());
    }
}

/// The access log itself.
#[derive(Debug, Clone)]
pub struct AccessLogMetrics {
    /// Lines that were not written: the log could not keep up, or writing failed.
    pub dropped: IntCounter,
    /// Lines of hits that were left out, as `log.access_hit_percent` asks.
    pub skipped: IntCounter,
}

impl AccessLogMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            dropped: all.counter(
                "access_log_dropped_total",
                "Access log lines dropped because writing could not keep up, or failed.",
            ),
            skipped: all
                .counter("access_log_skipped_total", "Access log lines of hits left out (log.access_hit_percent)."),
        }
    }
}
