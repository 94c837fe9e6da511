//! What is kept and what hides it: stored responses, shared fetches, writes.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};

use super::requests::InFlight;
use super::{Catalogue, Counters, Counters2};
use crate::chathub::Route;
use crate::invalidation::outcome::Outcome;
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
