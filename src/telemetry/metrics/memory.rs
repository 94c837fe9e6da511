//! What is kept and what hides it: stored responses, content that is read whole, shared fetches, writes.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};

use super::requests::InFlight;
use super::{Catalogue, Counters, Counters2};
use crate::chathub::Route;
use crate::invalidation::outcome::Outcome;
use crate::store::Size;
use crate::telemetry::label::words;

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
    entries: IntGauge,
    size: IntGauge,
    /// What they may weigh.
    pub capacity: IntGauge,
    contents: IntGauge,
    groups: IntGauge,
    operators: IntGauge,
    purges: Arc<Counters<PurgeScope>>,
}

words! {
    /// What an operator's purge hides.
    PurgeScope {
        /// The lists of one organization.
        Organization = "organization",
        /// What was fetched with one credential.
        Credential = "credential",
        /// Every list.
        All = "all",
    }
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
            contents: all.gauge(
                "cache_contents",
                "Different contents that the stored responses have; equal ones share their memory.",
            ),
            groups: all.gauge(
                "fence_groups",
                "Organizations, credentials and the like for which there is a fetch, a stored response or a write.",
            ),
            operators: all.gauge(
                "indexed_operators",
                "Operators in stored lists, by which a status write finds what it makes stale.",
            ),
            purges: Arc::new(all.counters("purges_total", "Purges by operators, by what they hid.", "scope")),
        }
    }

    /// Sets how much is held.
    pub fn measured(&self, size: &Size) {
        self.entries.set(i64::try_from(size.entries).unwrap_or(i64::MAX));
        self.size.set(i64::try_from(size.weight).unwrap_or(i64::MAX));
        self.contents.set(i64::try_from(size.contents).unwrap_or(i64::MAX));
        self.groups.set(i64::try_from(size.groups).unwrap_or(i64::MAX));
        self.operators.set(i64::try_from(size.operators).unwrap_or(i64::MAX));
    }

    /// Counts a purge.
    pub fn purged(&self, scope: PurgeScope) {
        self.purges.of(scope).inc();
    }
}

words! {
    /// What content is read whole.
    Read {
        /// That of a write, to learn what it changes.
        Write = "write",
        /// A list that may be stored.
        List = "list",
    }
}

/// Content that is read whole, of one kind.
#[derive(Debug, Clone)]
pub struct BufferMetrics {
    /// Bytes of it that are held.
    pub held: IntGauge,
    /// What found no room.
    pub full: IntCounter,
}

impl BufferMetrics {
    /// Those of writes and of lists.
    pub(super) fn both(all: &Catalogue) -> [Self; 2] {
        let held = all.gauges(
            "buffered_bytes",
            "Content of writes (cache.inspect_buffer) and of lists that are fetched (cache.fetch_buffer) that is held in memory.",
            "content",
        );
        let full = all.counters(
            "buffer_full_total",
            "Contents that found no room (cache.inspect_buffer, cache.fetch_buffer): such a write hides every list of operators, such a list is not stored.",
            "content",
        );
        [Read::Write, Read::List].map(|read| Self { held: held.of(read).clone(), full: full.of(read).clone() })
    }
}

words! {
    /// What a request got that had joined a running fetch.
    FollowerOutcome {
        /// What the fetch brought.
        Shared = "shared",
        /// Nothing: the answer was its leader's alone. It fetched for itself.
        Private = "private",
        /// Nothing: the fetch ended early or was overtaken by a write. It elected a new leader, or was elected.
        Lost = "lost",
        /// Nothing in time. It fetched for itself.
        TimedOut = "timed_out",
    }
}

/// Shared fetches.
#[derive(Debug, Clone)]
pub struct CollapseMetrics {
    /// Fetches begun.
    pub flights: IntCounter,
    /// Requests that joined one.
    pub followers: IntCounter,
    outcomes: Arc<Counters<FollowerOutcome>>,
}

impl CollapseMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            flights: all.counter("flights_total", "Fetches of lists begun."),
            followers: all.counter("followers_total", "Requests that joined a running fetch."),
            outcomes: Arc::new(all.counters(
                "follower_outcomes_total",
                "What became of requests that joined a running fetch; one that elects a new leader joins again.",
                "outcome",
            )),
        }
    }

    /// A request has waited for a fetch that it joined.
    pub fn followed(&self, outcome: FollowerOutcome) {
        self.outcomes.of(outcome).inc();
    }
}

words! {
    /// What became of a list that was to be fetched anew before its end.
    RefreshOutcome {
        /// It was.
        Refreshed = "refreshed",
        /// There was no cell that nobody else wants.
        Skipped = "skipped",
        /// The upstream did not give it.
        Failed = "failed",
    }
}

/// Lists that are fetched anew before their end.
#[derive(Debug, Clone)]
pub struct RefreshMetrics(Arc<Counters<RefreshOutcome>>);

impl RefreshMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(all.counters(
            "refreshes_total",
            "Lists that were to be fetched anew in the background (cache.refresh_ahead), by what became of that.",
            "outcome",
        )))
    }

    /// A refresh has ended.
    pub fn ended(&self, outcome: RefreshOutcome) {
        self.0.of(outcome).inc();
    }
}

words! {
    /// How much a write hides.
    Scope {
        /// No list.
        Nothing = "nothing",
        /// The lists of some organizations.
        Organizations = "organizations",
        /// Every list of operators.
        OperatorLists = "operator_lists",
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
    abandoned: IntCounter,
    in_flight: IntGauge,
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
            abandoned: all.counter("writes_abandoned_total", "Writes whose client left before the answer."),
            in_flight: all.gauge("writes_in_flight", "Writes on their way to the upstream or back."),
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

    /// A write's client has left.
    pub fn abandoned(&self) {
        self.0.abandoned.inc();
    }

    /// A write is in flight while the value lives.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        InFlight::new(&self.0.in_flight)
    }

    /// A write is in quarantine while the value lives.
    #[must_use]
    pub fn quarantined(&self) -> InFlight {
        InFlight::new(&self.0.quarantined)
    }
}
