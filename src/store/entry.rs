//! One stored response, held in as few bytes as it takes.
//!
//! A parsed field value keeps the whole buffer alive that it was read from, some eight kilobytes (DESIGN 10). So every
//! byte of an entry is copied, once, to its exact size, when it is stored; a hit then only counts references.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::fence::{Seen, Stamp};
use super::fetch::Fetch;
use super::key::CacheKey;
use crate::chathub::id::OperatorId;
use crate::wire::Body;

/// Room for `Age` and what the edge adds.
const FIELDS_OF_THE_EDGE: usize = 4;

/// What an entry costs beyond its bytes: itself, its key, and moka's bookkeeping. An estimate.
const OVERHEAD: usize = 400;
/// What a field costs beyond its bytes: name, value and the two allocations' heads.
const FIELD_OVERHEAD: usize = 88;
/// What an operator of a list costs: its id here, and its place in the index.
const OPERATOR_OVERHEAD: usize = 64;

/// A stored response: always a complete 200.
#[derive(Debug)]
pub struct Entry {
    fields: Box<[(HeaderName, HeaderValue)]>,
    content: Bytes,
    /// What it is stored under.
    pub key: CacheKey,
    /// The operators that it holds, in order, each once.
    pub operators: Box<[OperatorId]>,
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
    /// Its age in seconds when it was last fetched anew.
    refreshed_at_seconds: AtomicU32,
}

impl Entry {
    /// Copies a response that holds these operators, which are in order, each once.
    #[must_use]
    pub fn new(
        fields: &HeaderMap,
        content: &Bytes,
        operators: Box<[OperatorId]>,
        fetch: &Fetch,
        generated: Instant,
        lifetime: Duration,
    ) -> Self {
        let copied = fields.iter().map(|(name, value)| (name.clone(), copy(value)));
        Self {
            fields: copied.collect(),
            content: Bytes::copy_from_slice(content),
            key: fetch.key(),
            operators,
            stamp: fetch.stamp(),
            seen: Seen::never(),
            order: fetch.order,
            generated,
            lifetime,
            refreshed_at_seconds: AtomicU32::new(0),
        }
    }

    /// Returns whether nobody has begun to fetch it anew within this second of its age, and notes that somebody does.
    #[must_use]
    pub fn refresh_at(&self, age: Duration) -> bool {
        let second = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        self.refreshed_at_seconds.fetch_max(second, Relaxed) < second
    }

    /// Returns the response's age at `now` (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.generated)
    }

    /// Returns the response as it is answered at `now`: as the upstream sent it, and its `Age`.
    #[must_use]
    pub fn to_response(&self, now: Instant) -> http::Response<Body> {
        let mut response = http::Response::new(Body::from(self.content.clone()));
        let fields = response.headers_mut();
        fields.reserve(self.fields.len() + FIELDS_OF_THE_EDGE);
        for (name, value) in &self.fields {
            fields.append(name, value.clone());
        }
        fields.insert(AGE, HeaderValue::from(self.age(now).as_secs()));
        response
    }

    /// Returns whether a client could not tell the two apart but by their dates.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let is_lasting = |field: &&(HeaderName, HeaderValue)| field.0 != DATE;
        let (own, others) = (self.fields.iter().filter(is_lasting), other.fields.iter().filter(is_lasting));
        self.content == other.content && own.eq(others)
    }

    /// Returns what holding the entry costs, in bytes.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD);
        let operators = self.operators.len() * OPERATOR_OVERHEAD;
        let weight = OVERHEAD + self.content.len() + operators + fields.sum::<usize>();
        u32::try_from(weight).unwrap_or(u32::MAX)
    }
}

fn copy(value: &HeaderValue) -> HeaderValue {
    let mut copied = HeaderValue::from_bytes(value.as_bytes()).expect("it was a field value before");
    copied.set_sensitive(value.is_sensitive());
    copied
}
