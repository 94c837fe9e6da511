//! What goes upstream: waiting for a turn, and the exchange.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use super::requests::InFlight;
use super::{Catalogue, Counters, Counters2, Gauges, Histograms};
use crate::chathub::Route;
use crate::telemetry::label::{StatusClass, words};
use crate::throttle::Class;

/// An exchange with the upstream crosses the internet: no use below a millisecond.
const UPSTREAM_SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// At 5/s a place in the queue is worth 0.2 s; the longest wait is 15 s by default.
const WAIT_SECONDS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

words! {
    /// What the throttle decided on a request.
    Decision {
        /// It went at once.
        Admitted = "admitted",
        /// It waited for its turn and went.
        Waited = "waited",
        /// It was refused: its turn would have come too late.
        Rejected = "rejected",
        /// In observe mode: it would have waited.
        WouldWait = "would_wait",
        /// In observe mode: it would have been refused.
        WouldReject = "would_reject",
    }
}

/// Waiting for a turn.
#[derive(Debug, Clone)]
pub struct ThrottleMetrics(Arc<Throttles>);

#[derive(Debug)]
struct Throttles {
    decisions: Counters2<Class, Decision>,
    wait: Histograms<Class>,
    waiting: Gauges<Class>,
    lanes: Gauges<Class>,
    crowded: Counters<Class>,
}

impl ThrottleMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Throttles {
            decisions: all.counters2(
                "throttle_decisions_total",
                "Requests bound upstream, by what the throttle decided.",
                ["class", "decision"],
            ),
            wait: all.histograms(
                "throttle_wait_seconds",
                "How long requests waited that had to.",
                "class",
                &WAIT_SECONDS,
            ),
            waiting: all.gauges("throttle_waiting", "Requests waiting for their turn now.", "class"),
            lanes: all.gauges("throttle_credentials", "Credentials with a quota of their own in memory.", "class"),
            crowded: all.counters(
                "throttle_crowded_total",
                "Requests that shared a quota because throttle.max_credentials were busy.",
                "class",
            ),
        }))
    }

    /// The throttle has decided.
    pub fn decided(&self, class: Class, decision: Decision, waited: Duration) {
        self.0.decisions.of(class, decision).inc();
        if decision == Decision::Waited {
            self.0.wait.observe(class, waited);
        }
    }

    /// A request waits while the value lives.
    #[must_use]
    pub fn waiting(&self, class: Class) -> InFlight {
        InFlight::new(self.0.waiting.of(class))
    }

    /// There are now so many lanes.
    pub fn lanes(&self, class: Class, lanes: usize) {
        self.0.lanes.of(class).set(i64::try_from(lanes).unwrap_or(i64::MAX));
    }

    /// A request found no lane of its own.
    pub fn crowded(&self, class: Class) {
        self.0.crowded.of(class).inc();
    }
}

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

    /// A read is sent again.
    pub fn retried(&self) {
        self.0.retries.inc();
    }
}
