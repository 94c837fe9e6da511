//! Clients' connections, and the log of what came by them.

use prometheus::{IntCounter, IntGauge};

use super::Catalogue;
use super::requests::InFlight;

/// Clients' connections.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    /// Threads that serve.
    pub workers: IntGauge,
    open: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Connections that had to wait because `server.max_connections` were open.
    pub full: IntCounter,
    /// Times accepting failed, as when file descriptors run out.
    pub accept_errors: IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            workers: all.gauge("workers", "Threads that serve clients' connections."),
            open: all.gauge("connections", "Clients' connections open now."),
            accepted: all.counter("connections_total", "Clients' connections accepted."),
            full: all.counter(
                "connections_full_total",
                "Connections that had to wait because server.max_connections were open.",
            ),
            accept_errors: all.counter(
                "accept_errors_total",
                "Times accepting a connection failed, as when file descriptors run out.",
            ),
        }
    }

    /// A connection is open while the value lives.
    #[must_use]
    pub fn opened(&self) -> InFlight {
        self.accepted.inc();
        InFlight::new(&self.open)
    }
}

/// The access log itself.
#[derive(Debug, Clone)]
pub struct AccessLogMetrics {
    /// Lines that were not written because the log could not keep up.
    pub dropped: IntCounter,
}

impl AccessLogMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            dropped: all
                .counter("access_log_dropped_total", "Access log lines dropped because writing could not keep up."),
        }
    }
}
