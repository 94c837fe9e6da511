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
use std::time::Duration;

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
    /// A write has begun or ended since the fetch began.
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
}

impl Store {
    /// Creates an empty store.
    ///
    /// `capacity` bounds what all entries weigh together, in bytes of body, fields and bookkeeping. `longest_life` is
    /// when memory of an entry is reclaimed at the latest; it is no lifetime.
    #[must_use]
    pub fn new(capacity: u64, longest_life: Duration, metrics: &StoreMetrics) -> Self {
        let evictions = metrics.evictions.clone();
        let entries = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &CacheKey, entry: &Arc<Entry>| entry.weight())
            .time_to_live(longest_life.max(Duration::from_secs(1)))
            .eviction_listener(move |_, _, cause| evictions.count(cause))
            .build();
        Self { entries, fence: Arc::new(Fence::new()) }
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

    /// Stores `entry` unless a write has moved the generations under which it was fetched.
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
        self.entries.insert(key, entry);
        Ok(())
    }

    /// Returns how many responses are held and what they weigh in bytes. Both lag a little behind the truth.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}
