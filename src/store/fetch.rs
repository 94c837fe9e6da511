//! The ticket of a request for a list that goes forward: what to store the answer under, and what must not have moved.

use std::sync::Arc;

use super::fence::{Held, Stamp};
use super::key::CacheKey;

/// Travels in the request's extensions from the cache to the layers that share and store the answer.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub(super) held: Arc<Held>,
    /// Fetches that began later have a greater number.
    pub order: u64,
    /// The client wants an answer newer than its question: no running fetch will do.
    pub is_refresh: bool,
}

impl Fetch {
    /// What the answer is stored under.
    #[must_use]
    pub fn key(&self) -> CacheKey {
        self.held.key
    }

    /// What was known before the fetch began.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.held.stamp
    }

    /// Returns whether this request may have what `running` brings.
    #[must_use]
    pub fn may_share(&self, running: &Self) -> bool {
        !self.is_refresh && self.key() == running.key() && self.stamp().may_share(&running.stamp())
    }
}
