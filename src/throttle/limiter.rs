//! One class's lanes, bounded in number.
//!
//! A table of keys that evicts gives an evicted key a fresh burst: an attacker with many tokens gets unlimited ones.
//! So a lane leaves only when it is idle, when forgetting it changes nothing; and while the table is full of busy
//! lanes, new keys share one lane between them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::Quota;
use tokio::time::Instant;

use super::Class;
use super::lane::{Arrival, Lane};
use crate::chathub::credential::Digest;
use crate::clock::Clock;
use crate::config::Mode;
use crate::telemetry::metrics::{Decision, ThrottleMetrics};

/// How often a full table is searched for idle lanes at the most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A request was refused because its turn would have come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over the quota of class {}", class.as_str())]
pub struct Rejected {
    /// The class.
    pub class: Class,
    /// When a cell will be there for this request if no other takes it.
    pub retry_after: Duration,
}

/// The limiter of one class.
#[derive(Debug)]
pub struct Limiter {
    class: Class,
    mode: Mode,
    quota: Quota,
    max_wait: Duration,
    max_lanes: usize,
    clock: Clock,
    table: Mutex<Table>,
    shared: Arc<Lane>,
    metrics: ThrottleMetrics,
}

#[derive(Debug)]
struct Table {
    lanes: HashMap<Digest, Arc<Lane>>,
    swept: Option<Instant>,
}

/// What all classes have in common.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What becomes of requests over quota.
    pub mode: Mode,
    /// The longest a request waits.
    pub max_wait: Duration,
    /// The largest number of lanes of a class.
    pub max_lanes: usize,
    /// The time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: ThrottleMetrics,
}

impl Limiter {
    /// Creates a limiter without lanes.
    #[must_use]
    pub fn new(class: Class, quota: Quota, terms: &Terms) -> Self {
        Self {
            class,
            mode: terms.mode,
            quota,
            max_wait: terms.max_wait,
            max_lanes: terms.max_lanes,
            clock: terms.clock,
            table: Mutex::new(Table { lanes: HashMap::new(), swept: None }),
            shared: Arc::new(Lane::new(quota, terms.clock)),
            metrics: terms.metrics.clone(),
        }
    }

    /// Waits until `key` may send one request, and returns how long that took.
    ///
    /// # Errors
    ///
    /// [`Rejected`], at once, if it would take longer than `max_wait`.
    pub async fn admit(&self, key: Digest) -> Result<Duration, Rejected> {
        if self.mode == Mode::Off {
            return Ok(Duration::ZERO);
        }
        let lane = self.lane(key);
        let arrived = self.clock.now();
        let (place, predicted) = match lane.arrive() {
            Arrival::Admitted => return Ok(self.decided(Decision::Admitted, Duration::ZERO)),
            Arrival::Queued(place, predicted) => (place, predicted),
        };
        let is_refused = predicted > self.max_wait;
        if self.mode == Mode::Observe {
            let decision = if is_refused { Decision::WouldReject } else { Decision::WouldWait };
            return Ok(self.decided(decision, Duration::ZERO));
        }
        if is_refused {
            self.decided(Decision::Rejected, Duration::ZERO);
            return Err(Rejected { class: self.class, retry_after: predicted });
        }
        let _waiting = self.metrics.waiting(self.class);
        place.turn().await;
        Ok(self.decided(Decision::Waited, self.clock.now() - arrived))
    }

    /// Returns how many lanes there are.
    pub fn lanes(&self) -> usize {
        self.lock().lanes.len()
    }

    fn decided(&self, decision: Decision, waited: Duration) -> Duration {
        self.metrics.decided(self.class, decision, waited);
        waited
    }

    fn lane(&self, key: Digest) -> Arc<Lane> {
        let mut table = self.lock();
        if let Some(lane) = table.lanes.get(&key) {
            return Arc::clone(lane);
        }
        if table.lanes.len() >= self.max_lanes {
            self.sweep(&mut table);
        }
        if table.lanes.len() >= self.max_lanes {
            self.metrics.crowded(self.class);
            return Arc::clone(&self.shared);
        }
        let lane = Arc::new(Lane::new(self.quota, self.clock));
        table.lanes.insert(key, Arc::clone(&lane));
        self.metrics.lanes(self.class, table.lanes.len());
        lane
    }

    fn sweep(&self, table: &mut Table) {
        let now = self.clock.now();
        if table.swept.is_some_and(|swept| now - swept < SWEEP_INTERVAL) {
            return;
        }
        table.swept = Some(now);
        // One that somebody holds is about to be used.
        table.lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.is_idle());
        self.metrics.lanes(self.class, table.lanes.len());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        // Each change to the table is a single step, so a panic elsewhere left it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "limiter/tests.rs"]
mod tests;
