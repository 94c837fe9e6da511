//! Stored responses, bounded by size, and the fence that tells which of them may still be used.
//!
//! Cache, collapse and invalidation meet only here. The thing to know: *nothing is ever searched for and deleted*. A
//! write moves a number, and every stored response that was fetched under the old number is unusable from that instant
//! on, wherever it lies; the memory it holds is reclaimed when it is replaced or ages out.

pub mod entry;
pub mod fence;
pub mod fetch;
pub mod key;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};

pub use entry::Entry;
pub use fence::{Fence, Stamp};
pub use fetch::Fetch;
pub use key::CacheKey;

use crate::telemetry::metrics::StoreMetrics;

/// Why an entry was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A write was going on when the fetch began or is going on now.
    WriteInFlight,
    /// A write has begun or ended since the fetch began, or another fetch that began later is stored already.
    Overtaken,
}

/// What is stored for a key.
#[derive(Debug)]
pub enum Found {
    /// A response, fetched under the present generation. Whether it is fresh is for the caller to say.
    Current(Arc<Entry>),
    /// A response that a write has hidden.
    Hidden,
    /// Nothing.
    Absent,
}

/// The store. One per process, shared by all layers.
#[derive(Debug)]
pub struct Store {
    entries: moka::sync::Cache<CacheKey, Arc<Entry>>,
    fence: Arc<Fence>,
    fetches: AtomicU64,
}

impl Store {
    /// Creates an empty store.
    ///
    /// `capacity` bounds what all entries weigh together, in bytes of body, fields and bookkeeping. The memory of an
    /// entry is reclaimed at the latest after twice the `longest_life`: until then a request is told that what it wants
    /// has expired, not that it never was there.
    #[must_use]
    pub fn new(capacity: u64, longest_life: Duration, metrics: &StoreMetrics) -> Self {
        let evictions = metrics.evictions.clone();
        let entries = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &CacheKey, entry: &Arc<Entry>| entry.weight())
            .time_to_live(longest_life.max(Duration::from_secs(1)) * 2)
            .eviction_listener(move |_, _, cause| evictions.count(cause))
            .build();
        Self { entries, fence: Arc::new(Fence::new()), fetches: AtomicU64::new(0) }
    }

    /// Returns the fence.
    #[must_use]
    pub fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    /// Looks a key up, under the generations of this instant.
    #[must_use]
    pub fn find(&self, key: &CacheKey) -> Found {
        match self.entries.get(key) {
            Some(entry) if self.fence.is_current(key, &entry.stamp) => Found::Current(entry),
            Some(_) => Found::Hidden,
            None => Found::Absent,
        }
    }

    /// Begins a fetch. Call it before the fetch's first await.
    #[must_use]
    pub fn begin_fetch(&self, key: CacheKey, is_refresh: bool) -> Fetch {
        let order = self.fetches.fetch_add(1, Ordering::Relaxed);
        Fetch { key, stamp: self.fence.stamp(&key), order, is_refresh }
    }

    /// Stores `entry` unless a write has moved the generations under which it was fetched, or what is stored was
    /// fetched later.
    ///
    /// A write that comes between the comparison and the insertion does no harm: the entry carries its stamp, and
    /// [`find`](Self::find) compares it again. The comparison here only keeps an older answer from taking the place of
    /// a newer one and says why.
    ///
    /// # Errors
    ///
    /// [`Refusal`], and nothing is stored.
    pub fn publish(&self, key: CacheKey, entry: Arc<Entry>) -> Result<(), Refusal> {
        if !entry.stamp.is_quiet() {
            return Err(Refusal::WriteInFlight);
        }
        if !self.fence.is_current(&key, &entry.stamp) {
            return Err(Refusal::Overtaken);
        }
        let stored = self.entries.entry(key).and_compute_with(|current| match current {
            Some(current) if self.is_newer(&key, current.value(), &entry) => Op::Nop,
            _ => Op::Put(entry),
        });
        match stored {
            CompResult::Unchanged(_) | CompResult::StillNone(_) => Err(Refusal::Overtaken),
            CompResult::Inserted(_) | CompResult::ReplacedWith(_) | CompResult::Removed(_) => Ok(()),
        }
    }

    /// Two fetches of one key may run at once, if one of them is a refresh; the later began with newer data.
    fn is_newer(&self, key: &CacheKey, current: &Entry, other: &Entry) -> bool {
        current.order > other.order && self.fence.is_current(key, &current.stamp)
    }

    /// Returns how many responses are held and what they weigh in bytes. Both lag a little behind the truth.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}
