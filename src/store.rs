//! Stored responses, bounded by size, and the fence that tells which of them may still be used.
//!
//! Cache, collapse and invalidation meet only here. The thing to know: *nothing is ever searched for and deleted*. A
//! write moves a number, and every stored response that was fetched before is unusable from that instant on, wherever it
//! lies; the memory it holds is reclaimed when it is replaced or ages out.

mod content;
pub mod entry;
pub mod fence;
pub mod fetch;
mod head;
pub mod key;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};

pub use entry::{Entry, Pools};
pub use fence::{Fence, Refusal, Stamp};
pub use fetch::Fetch;
pub use key::CacheKey;

use key::Digested;

use crate::telemetry::metrics::StoreMetrics;

/// What is stored for a key.
#[derive(Debug)]
pub enum Found {
    /// A response that no write has hidden. Whether it is fresh is for the caller to say.
    Current(Arc<Entry>),
    /// A response that a write has hidden.
    Hidden,
    /// Nothing.
    Absent,
}

/// The store. One per process, shared by all layers.
#[derive(Debug)]
pub struct Store {
    entries: moka::sync::Cache<CacheKey, Arc<Entry>, Digested>,
    longest_life: LongestLife,
    fence: Arc<Fence>,
    fetches: AtomicU64,
    pools: Pools,
}

impl Store {
    /// Creates an empty store.
    ///
    /// `capacity` bounds what all entries weigh together, in bytes of body, fields and bookkeeping. The memory of an
    /// entry is reclaimed at the latest after twice the `longest_life` at the time it was stored: until then a request is
    /// told that what it wants has expired, not that it never was there.
    #[must_use]
    pub fn new(capacity: u64, longest_life: Duration, metrics: &StoreMetrics) -> Self {
        let fence = Arc::new(Fence::new());
        let (registered, evictions) = (Arc::clone(&fence), metrics.evictions.clone());
        // Whatever way an entry takes out of the store, it comes by here, once.
        let left = move |key: Arc<CacheKey>, entry: Arc<Entry>, cause: RemovalCause| {
            registered.remove(&key, entry.operators());
            evictions.count(cause);
        };
        let longest_life = LongestLife::new(longest_life);
        let entries = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &CacheKey, entry: &Arc<Entry>| entry.weight())
            .expire_after(longest_life.clone())
            .eviction_listener(left)
            .build_with_hasher(Digested);
        Self { entries, longest_life, fence, fetches: AtomicU64::new(0), pools: Pools::default() }
    }

    /// From now on that is the longest that an entry is fresh.
    pub fn set_longest_life(&self, life: Duration) {
        self.longest_life.set(life);
    }

    /// Returns the fence.
    #[must_use]
    pub fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    /// Returns what entries share.
    #[must_use]
    pub const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Looks a key up, as things stand at this instant.
    #[must_use]
    pub fn find(&self, key: &CacheKey) -> Found {
        match self.entries.get(key) {
            Some(entry) if self.is_usable(key, &entry) => Found::Current(entry),
            Some(_) => Found::Hidden,
            None => Found::Absent,
        }
    }

    fn is_usable(&self, key: &CacheKey, entry: &Entry) -> bool {
        self.fence.is_usable(key, &entry.stamp, &entry.seen)
    }

    /// Begins a fetch. Call it before the fetch's first await.
    #[must_use]
    pub fn begin_fetch(&self, key: CacheKey, is_refresh: bool) -> Fetch {
        let order = self.fetches.fetch_add(1, Ordering::Relaxed);
        Fetch { held: Arc::new(self.fence.begin_fetch(key)), order, is_refresh }
    }

    /// Stores what a fetch brought, unless a write has moved its groups since it began, or what is stored was fetched
    /// later.
    ///
    /// A write that comes between the judgement and the insertion does no harm: the entry carries its stamp, and
    /// [`find`](Self::find) compares it again.
    ///
    /// # Errors
    ///
    /// Why nothing is stored.
    pub fn publish(&self, entry: &Arc<Entry>) -> Result<(), Refusal> {
        let key = entry.key;
        // Without capacity nothing is inserted, and so nothing would ever leave.
        if self.entries.policy().max_capacity() == Some(0) {
            return Err(Refusal::NoCapacity);
        }
        // Registered before it is inserted and removed after it has left: the index is never behind the entries.
        self.fence.land(&key, &entry.stamp, entry.operators())?;
        let stored = self.entries.entry(key).and_compute_with(|current| match current {
            Some(current) if self.is_newer(&key, current.value(), entry) => Op::Nop,
            _ => Op::Put(Arc::clone(entry)),
        });
        match stored {
            CompResult::Unchanged(_) | CompResult::StillNone(_) => {
                self.fence.remove(&key, entry.operators());
                Err(Refusal::Overtaken)
            }
            CompResult::Inserted(_) | CompResult::ReplacedWith(_) | CompResult::Removed(_) => Ok(()),
        }
    }

    /// Returns whether whoever joined the fetch of `entry` may have it, now that it has ended. That it could not be stored
    /// is no reason against it: who joined knew of no move of its groups. A switch that passed it over is one.
    #[must_use]
    pub fn may_share(&self, entry: &Entry) -> bool {
        !self.fence.has_switched(&entry.key, &entry.stamp, entry.operators())
    }

    /// Two fetches of one key may run at once, if one of them is a refresh; the later began with newer data.
    fn is_newer(&self, key: &CacheKey, current: &Entry, other: &Entry) -> bool {
        current.order > other.order && self.is_usable(key, current)
    }

    /// Returns how much is held. Entries and weight lag a little behind the truth.
    #[must_use]
    pub fn size(&self) -> Size {
        self.entries.run_pending_tasks();
        let (groups, operators) = self.fence.size();
        Size {
            entries: self.entries.entry_count(),
            weight: self.entries.weighted_size(),
            contents: self.pools.contents(),
            groups,
            operators,
        }
    }
}

/// The longest that an entry is fresh, as it is set now. Clones share it.
#[derive(Debug, Clone)]
struct LongestLife(Arc<AtomicU64>);

impl LongestLife {
    fn new(life: Duration) -> Self {
        let longest = Self(Arc::default());
        longest.set(life);
        longest
    }

    fn set(&self, life: Duration) {
        self.0.store(u64::try_from(life.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns when the memory of an entry is reclaimed, counted from when it was stored.
    fn reclaimed_after(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed)).max(Duration::from_secs(1)) * 2
    }
}

impl Expiry<CacheKey, Arc<Entry>> for LongestLife {
    fn expire_after_create(&self, _: &CacheKey, _: &Arc<Entry>, _: std::time::Instant) -> Option<Duration> {
        Some(self.reclaimed_after())
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        _: &Arc<Entry>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.reclaimed_after())
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Stored responses.
    pub entries: u64,
    /// What they weigh, in bytes.
    pub weight: u64,
    /// Different contents that they have.
    pub contents: usize,
    /// Groups with a record in the fence.
    pub groups: usize,
    /// Operators in the index.
    pub operators: usize,
}

#[cfg(test)]
#[path = "store/tests.rs"]
mod tests;
