//! Each part's metrics, with the one or two things the part says to them.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use super::{Catalogue, Counters, Counters2, Gauges, Histograms, Histograms2};
use crate::chathub::Route;
use crate::error::Reason;
use crate::invalidation::outcome::Outcome;
use crate::telemetry::label::{StatusClass, words};
use crate::throttle::Class;
use crate::wire::cache_status::{self, CacheStatus, Detail, Forward};

/// From a hit (tens of microseconds) to the longest wait plus the slowest upstream.
const REQUEST_SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// An exchange with the upstream crosses the internet: no use below a millisecond.
const UPSTREAM_SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// At 5/s a place in the queue is worth 0.2 s; the longest wait is 15 s by default.
const WAIT_SECONDS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

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
            cache_status::Outcome::Hit { .. } => Self::Hit,
            cache_status::Outcome::Forwarded { collapsed: true, .. } => Self::Collapsed,
            cache_status::Outcome::Forwarded { .. } => Self::Forwarded,
            cache_status::Outcome::Unasked => Self::Unasked,
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
        }))
    }

    /// A request has come.
    pub fn began(&self) -> InFlight {
        InFlight::new(&self.0.in_flight)
    }

    /// A request has got its answer's head.
    pub fn answered(&self, route: Option<Route>, status: http::StatusCode, cache: &CacheStatus, took: Duration) {
        self.0.total.of(route, status.into()).inc();
        self.0.duration.of(route, cache.into()).observe(took.as_secs_f64());
        if let Some(detail) = cache.detail {
            self.0.details.of(detail).inc();
        }
        if let Some(lookup) = lookup(cache) {
            self.0.lookups.of(route, lookup).inc();
        }
    }

    /// The gateway answered with an error.
    pub fn refused(&self, reason: Reason) {
        self.0.refusals.of(reason).inc();
    }
}

fn lookup(cache: &CacheStatus) -> Option<Lookup> {
    match cache.outcome {
        cache_status::Outcome::Unasked => None,
        cache_status::Outcome::Hit { .. } => Some(Lookup::Hit),
        cache_status::Outcome::Forwarded { reason, .. } => Some(match reason {
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
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

words! {
    /// Why a stored response left.
    EvictionCause {
        /// Its memory was reclaimed by age.
        Expired = "expired",
        /// Room was needed.
        Size = "size",
        /// A newer one took its place.
        Replaced = "replaced",
        /// It was removed.
        Explicit = "explicit",
    }
}

/// Evictions by cause.
#[derive(Debug, Clone)]
pub struct Evictions(Arc<Counters<EvictionCause>>);

impl Evictions {
    /// Counts one.
    pub fn count(&self, cause: moka::notification::RemovalCause) {
        use moka::notification::RemovalCause;
        let cause = match cause {
            RemovalCause::Expired => EvictionCause::Expired,
            RemovalCause::Explicit => EvictionCause::Explicit,
            RemovalCause::Replaced => EvictionCause::Replaced,
            RemovalCause::Size => EvictionCause::Size,
        };
        self.0.of(cause).inc();
    }
}

/// Stored responses.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    /// Why they left.
    pub evictions: Evictions,
    /// How many there are.
    pub entries: IntGauge,
    /// What they weigh.
    pub size: IntGauge,
    /// What they may weigh.
    pub capacity: IntGauge,
}

impl StoreMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            evictions: Evictions(Arc::new(all.counters(
                "cache_evictions_total",
                "Stored responses that left memory, by cause.",
                "cause",
            ))),
            entries: all
                .gauge("cache_entries", "Stored responses, those hidden by a write and not yet replaced included."),
            size: all.gauge("cache_size_bytes", "What the stored responses weigh."),
            capacity: all.gauge("cache_capacity_bytes", "What the stored responses may weigh (cache.capacity)."),
        }
    }
}

/// Shared fetches.
#[derive(Debug, Clone)]
pub struct CollapseMetrics {
    /// Fetches begun.
    pub flights: IntCounter,
    /// Requests that joined one.
    pub followers: IntCounter,
}

impl CollapseMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            flights: all.counter("flights_total", "Fetches of lists begun."),
            followers: all.counter("followers_total", "Requests that joined a running fetch."),
        }
    }
}

words! {
    /// How much a write hides.
    Scope {
        /// No list.
        Nothing = "nothing",
        /// The lists of the organizations it names.
        Organizations = "organizations",
        /// Every list.
        All = "all",
    }
}

/// Writes and what they hide.
#[derive(Debug, Clone)]
pub struct InvalidationMetrics(Arc<Invalidations>);

#[derive(Debug)]
struct Invalidations {
    begun: Counters2<Route, Scope>,
    ended: Counters<Outcome>,
    quarantined: IntGauge,
}

impl InvalidationMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Invalidations {
            begun: all.counters2(
                "invalidations_total",
                "Writes sent upstream, by route and what they hid.",
                ["cause", "scope"],
            ),
            ended: all.counters("writes_total", "Writes ended, by what is known of them.", "outcome"),
            quarantined: all.gauge(
                "quarantined_writes",
                "Writes of unknown outcome whose lists are neither stored nor answered from memory now.",
            ),
        }))
    }

    /// A write goes out.
    pub fn begun(&self, route: Route, scope: Scope) {
        self.0.begun.of(route, scope).inc();
    }

    /// A write has ended.
    pub fn ended(&self, outcome: Outcome) {
        self.0.ended.of(outcome).inc();
    }

    /// A write is in quarantine while the value lives.
    #[must_use]
    pub fn quarantined(&self) -> InFlight {
        InFlight::new(&self.0.quarantined)
    }
}

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

/// Clients' connections.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    open: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Times the listener waited because `server.max_connections` were open.
    pub full: IntCounter,
    /// Times accepting failed, as when file descriptors run out.
    pub accept_errors: IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            open: all.gauge("connections", "Clients' connections open now."),
            accepted: all.counter("connections_total", "Clients' connections accepted."),
            full: all
                .counter("connections_full_total", "Times accepting paused because server.max_connections were open."),
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
