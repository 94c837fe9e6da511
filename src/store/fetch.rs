//! The ticket of a request for a list that goes forward: what to store the answer under, and what must not have moved.

use super::fence::Stamp;
use super::key::CacheKey;

/// Travels in the request's extensions from the cache to the layers that share and store the answer.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    /// What the answer is stored under.
    pub key: CacheKey,
    /// The generations before the fetch began.
    pub stamp: Stamp,
    /// Fetches that began later have a greater number.
    pub order: u64,
    /// The client wants an answer newer than its question: no running fetch will do.
    pub is_refresh: bool,
}
