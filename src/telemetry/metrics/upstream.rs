//! The exchange with the upstream.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use super::requests::InFlight;
use super::{Catalogue, Counters, Counters2, Gauges, Histograms};
use crate::chathub::Route;
use crate::telemetry::label::{StatusClass, words};

/// An exchange with the upstream crosses the internet: no use below a millisecond.
const UPSTREAM_SECONDS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0];
words! {
    /// How an exchange with the upstream went.
    UpstreamOutcome {
        /// 2xx.
        Success = "2xx",
        /// 1xx or 3xx.
        Other = "other",
        /// 4xx but 429.
        ClientError = "4xx",
        /// 429.
        TooManyRequests = "429",
        /// 5xx.
        ServerError = "5xx",
        /// No connection could be made.
        Unreachable = "unreachable",
        /// The connection broke.
        Broken = "broken",
        /// No answer came in time.
        Timeout = "timeout",
        /// The client broke off.
        Client = "client",
    }
}

impl From<StatusClass> for UpstreamOutcome {
    fn from(class: StatusClass) -> Self {
        match class {
            StatusClass::Success => Self::Success,
            StatusClass::Informational | StatusClass::Redirection => Self::Other,
            StatusClass::ClientError => Self::ClientError,
            StatusClass::TooManyRequests => Self::TooManyRequests,
            StatusClass::ServerError => Self::ServerError,
        }
    }
}

/// The exchange with the upstream.
#[derive(Debug, Clone)]
pub struct UpstreamMetrics(Arc<Upstreams>);

#[derive(Debug)]
struct Upstreams {
    requests: Counters2<Route, UpstreamOutcome>,
    duration: Histograms<Route>,
    in_flight: IntGauge,
    retries: IntCounter,
    shadows: IntCounter,
}

impl UpstreamMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Upstreams {
            requests: all.counters2(
                "upstream_requests_total",
                "Requests sent upstream, by route and outcome.",
                ["route", "outcome"],
            ),
            duration: all.histograms(
                "upstream_duration_seconds",
                "Time from sending a request upstream to its response's head.",
                "route",
                &UPSTREAM_SECONDS,
            ),
            in_flight: all.gauge("upstream_in_flight", "Requests sent upstream whose response's head has not come."),
            retries: all
                .counter("upstream_retries_total", "Reads sent again because their connection died before an answer."),
            shadows: all.counter(
                "shadow_fields_total",
                "Requests with a field that some servers take for a credential or for framing, such as X_Authorization_Key; it was dropped.",
            ),
        }))
    }

    /// A request goes out.
    #[must_use]
    pub fn began(&self) -> InFlight {
        InFlight::new(&self.0.in_flight)
    }

    /// A request has ended.
    pub fn ended(&self, route: Route, outcome: UpstreamOutcome, took: Duration) {
        self.0.requests.of(route, outcome).inc();
        self.0.duration.of(route).observe(took.as_secs_f64());
    }

    /// A request had a field that some would take for another.
    pub fn shadowed(&self) {
        self.0.shadows.inc();
    }

    /// A read is sent again.
    pub fn retried(&self) {
        self.0.retries.inc();
    }
}

words! {
    /// What lasts.
    StreamKind {
        /// A connection that has left HTTP, such as a WebSocket.
        Upgrade = "upgrade",
        /// Server-sent events.
        Events = "events",
        /// A long poll of the hub.
        Poll = "poll",
    }
}

/// Exchanges that last.
#[derive(Debug, Clone)]
pub struct StreamMetrics(Arc<Streams>);

#[derive(Debug)]
struct Streams {
    open: Gauges<StreamKind>,
    total: Counters<StreamKind>,
    told: Counters<StreamKind>,
}

impl StreamMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Streams {
            open: all.gauges(
                "streams",
                "Upgraded connections, event streams and long polls under way, by kind.",
                "kind",
            ),
            total: all.counters(
                "streams_total",
                "Upgraded connections, event streams and long polls begun, by kind.",
                "kind",
            ),
            told: all.counters(
                "streams_ended_total",
                "Streams whose clients were told that the gateway stops, by kind.",
                "kind",
            ),
        }))
    }

    /// A stream is open while the value lives.
    #[must_use]
    pub fn began(&self, kind: StreamKind) -> InFlight {
        self.0.total.of(kind).inc();
        InFlight::new(self.0.open.of(kind))
    }

    /// Returns how many of a kind are open.
    #[must_use]
    pub fn open(&self, kind: StreamKind) -> i64 {
        self.0.open.of(kind).get()
    }

    /// A stream's client was told that the gateway stops.
    pub fn told(&self, kind: StreamKind) {
        self.0.told.of(kind).inc();
    }
}
