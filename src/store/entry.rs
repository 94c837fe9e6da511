//! One stored response, held in as few bytes as it takes.
//!
//! A parsed field value keeps the whole buffer alive that it was read from, some eight kilobytes (DESIGN 10). So every
//! byte of an entry is copied, once, to its exact size, when it is stored; a hit then only counts references.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use super::content::Content;
use super::fence::{Seen, Stamp};
use super::fetch::Fetch;
use super::head::Head;
use super::key::CacheKey;
use super::pool::{Pool, Shared};
use crate::chathub::id::OperatorId;
use crate::chathub::status::StatusCounts;
use crate::wire::Body;

/// What an entry costs beyond its bytes: itself, its key, its places in the pools, and moka's bookkeeping. An estimate.
const OVERHEAD: usize = 500;
/// What an operator of a list costs: its id here, and its place in the index.
const OPERATOR_OVERHEAD: usize = 64;

/// A stored response: always a complete 200.
#[derive(Debug)]
pub struct Entry {
    head: Shared<Head>,
    content: Shared<Content>,
    /// What it is stored under.
    pub key: CacheKey,
    /// What was known before its fetch began.
    pub stamp: Stamp,
    /// When it was last found to be current.
    pub seen: Seen,
    /// The [order](super::Fetch::order) of its fetch.
    pub order: u64,
    /// When the request was sent, less the age it had then (RFC 9111 §4.2.3).
    pub generated: Instant,
    /// How long it is fresh, counted from `generated`.
    pub lifetime: Duration,
    /// When its credential ends by its own words, as the time since 1970.
    pub credential_ends: Option<Duration>,
    /// Its age in seconds when it was last fetched anew.
    refreshed_at_seconds: AtomicU32,
}

/// What entries are made of if others have the same.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    heads: Pool<Head>,
    /// What was read in lists.
    pub contents: Pool<Content>,
}

impl Pools {
    /// Returns how many different contents there are.
    pub(super) fn contents(&self) -> usize {
        self.contents.len()
    }
}

impl Entry {
    /// Keeps a response. Its fields are copied.
    #[must_use]
    pub fn new(
        pools: &Pools,
        fields: &HeaderMap,
        content: Shared<Content>,
        fetch: &Fetch,
        generated: Instant,
        lifetime: Duration,
    ) -> Self {
        Self {
            head: pools.heads.share(Head::copy(fields)),
            content,
            key: fetch.key(),
            stamp: fetch.stamp(),
            seen: Seen::never(),
            order: fetch.order,
            generated,
            lifetime,
            credential_ends: None,
            refreshed_at_seconds: AtomicU32::new(0),
        }
    }

    /// Notes when its credential ends, as the time since 1970.
    #[must_use]
    pub const fn of_credential_until(mut self, end: Option<Duration>) -> Self {
        self.credential_ends = end;
        self
    }

    /// Returns whether nobody has begun to fetch it anew within this second of its age, and notes that somebody does.
    #[must_use]
    pub fn refresh_at(&self, age: Duration) -> bool {
        let second = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        self.refreshed_at_seconds.fetch_max(second, Relaxed) < second
    }

    /// Returns the operators that it holds, in order, each once.
    #[must_use]
    pub fn operators(&self) -> &[OperatorId] {
        &self.content.operators.ids
    }

    /// Returns how many of them have which status.
    #[must_use]
    pub fn statuses(&self) -> &StatusCounts {
        &self.content.operators.statuses
    }

    /// Returns the response's age at `now` (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.generated)
    }

    /// Returns the content.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.content.bytes.clone()
    }

    /// Returns the response as it is answered at that age: as the upstream sent it, its `Age`, and room for what the edge
    /// says.
    #[must_use]
    pub fn to_response(&self, age: Duration) -> http::Response<Body> {
        let mut response = http::Response::new(Body::from(self.bytes()));
        *response.headers_mut() = self.head.at_age(age.as_secs());
        response
    }

    /// Returns whether a client could not tell the two apart but by their dates.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.content.bytes == other.content.bytes && self.head.says_the_same_as(&other.head)
    }

    /// Returns what holding the entry costs, in bytes, if it shares with no other.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let operators = self.operators().len() * OPERATOR_OVERHEAD;
        let weight = OVERHEAD + self.content.bytes.len() + operators + self.head.weight();
        u32::try_from(weight).unwrap_or(u32::MAX)
    }
}
