//! Requests as clients see them: how many, how long, what the cache did, what was refused.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use super::{Catalogue, Counters, Counters2, Histograms2};
use crate::chathub::Route;
use crate::error::Reason;
use crate::telemetry::label::{StatusClass, words};
use crate::wire::Account;
use crate::wire::cache_status::{CacheStatus, Detail, Forward, Outcome};

/// From a hit, which takes about a microsecond between the two heads and more if the processor is taken away, over an upstream
/// near and far, to the longest wait: the bounds name `cache.collapse_timeout`, `throttle.max_wait`, `upstream.head_timeout` and
/// `upstream.total_timeout` as they are by default, so that what meets one of them falls below it and not somewhere above.
const REQUEST_SECONDS: [f64; 18] = [
    0.000_001,
    0.000_002_5,
    0.000_01,
    0.000_1,
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
];
words! {
    /// How the cache took part in a request.
    CacheLabel {
        /// Answered from memory.
        Hit = "hit",
        /// Answered by the fetch of another request.
        Collapsed = "collapsed",
        /// Fetched.
        Forwarded = "forwarded",
        /// Answered by the gateway itself.
        Unasked = "unasked",
    }
}

impl From<&CacheStatus> for CacheLabel {
    fn from(status: &CacheStatus) -> Self {
        match status.outcome {
            Outcome::Hit { .. } => Self::Hit,
            Outcome::Forwarded { collapsed: true, .. } => Self::Collapsed,
            Outcome::Forwarded { .. } => Self::Forwarded,
            Outcome::Unasked => Self::Unasked,
        }
    }
}

words! {
    /// What looking up a list came to.
    Lookup {
        /// Answered from memory.
        Hit = "hit",
        /// Nothing was stored.
        Miss = "miss",
        /// What was stored could no longer be used.
        Stale = "stale",
        /// The client asked for a fresh answer.
        Refresh = "refresh",
        /// The request is not of the cacheable form.
        Bypass = "bypass",
    }
}

/// Requests as clients see them.
#[derive(Debug, Clone)]
pub struct RequestMetrics(Arc<Requests>);

#[derive(Debug)]
struct Requests {
    total: Counters2<Option<Route>, StatusClass>,
    duration: Histograms2<Option<Route>, CacheLabel>,
    refusals: Counters<Reason>,
    lookups: Counters2<Option<Route>, Lookup>,
    details: Counters<Detail>,
    in_flight: IntGauge,
    streaming: IntGauge,
    abandoned: IntCounter,
}

impl RequestMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Requests {
            total: all.counters2("requests_total", "Requests answered, by route and status.", ["route", "status"]),
            duration: all.histograms2(
                "request_duration_seconds",
                "Time from a request's head to its response's head, by route and the cache's part.",
                ["route", "cache"],
                &REQUEST_SECONDS,
            ),
            refusals: all.counters(
                "refusals_total",
                "Requests the gateway answered with an error itself, by reason.",
                "reason",
            ),
            lookups: all.counters2(
                "cache_lookups_total",
                "Requests by what looking them up came to; routes that are never looked up count as bypass.",
                ["route", "outcome"],
            ),
            details: all.counters(
                "cache_details_total",
                "Requests by the detail word of Cache-Status: why not a hit, why not stored.",
                "detail",
            ),
            in_flight: all.gauge("requests_in_flight", "Requests being answered now."),
            streaming: all.gauge(
                "answers_streaming",
                "Answers whose content is still passing through, event streams among them.",
            ),
            abandoned: all.counter("requests_abandoned_total", "Requests whose client left before an answer began."),
        }))
    }

    /// A request has come. [`answered`](Self::answered) or [`abandoned`](Self::abandoned) is called of each, once.
    pub fn began(&self) {
        self.0.in_flight.inc();
    }

    /// A request has got its answer's head.
    pub fn answered(&self, status: http::StatusCode, account: &Account, took: Duration) {
        let Account { route, cache, refusal, .. } = account;
        self.0.in_flight.dec();
        self.0.total.of(*route, status.into()).inc();
        self.0.duration.of(*route, cache.into()).observe(took.as_secs_f64());
        if let Some(detail) = cache.detail {
            self.0.details.of(detail).inc();
        }
        if let Some(lookup) = lookup(cache) {
            self.0.lookups.of(*route, lookup).inc();
        }
        if let Some(reason) = refusal {
            self.0.refusals.of(*reason).inc();
        }
    }

    /// An answer's content passes through while the value lives. To be called before [`answered`](Self::answered), lest
    /// there be a moment in which nobody counts it.
    #[must_use]
    pub fn streams(&self) -> InFlight {
        InFlight::new(&self.0.streaming)
    }

    /// Returns how many are being answered, those too of whose answers the content still passes through.
    #[must_use]
    pub fn under_way(&self) -> i64 {
        self.0.in_flight.get() + self.0.streaming.get()
    }

    /// A client has left before its answer began.
    pub fn abandoned(&self) {
        self.0.in_flight.dec();
        self.0.abandoned.inc();
    }
}

fn lookup(cache: &CacheStatus) -> Option<Lookup> {
    match cache.outcome {
        Outcome::Unasked => None,
        Outcome::Hit { .. } => Some(Lookup::Hit),
        Outcome::Forwarded { reason, .. } => Some(match reason {
            Forward::UriMiss => Lookup::Miss,
            Forward::Stale => Lookup::Stale,
            Forward::Request => Lookup::Refresh,
            Forward::Bypass | Forward::Method => Lookup::Bypass,
        }),
    }
}

/// Counts one thing in a gauge while it lives.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl InFlight {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
