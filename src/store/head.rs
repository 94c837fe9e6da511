//! The fields of a stored response, prepared to be answered with.
//!
//! What a newcomer would get wrong: a field's value that was parsed keeps the whole buffer alive that it was read into,
//! which is four times the size of what is stored (DESIGN 10). So values are copied, all of one head into one
//! allocation. And to add a field to a cloned map costs another allocation, so there is room for those of the gateway:
//! fields without a value, which whoever answers fills in.

use std::hash::{Hash, Hasher};

use bytes::BytesMut;
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::cache_status::CACHE_STATUS;
use crate::wire::number::to_value;
use crate::wire::rate_limit::{RATELIMIT, RATELIMIT_POLICY};
use crate::wire::request_id::X_REQUEST_ID;

/// What a field costs beyond its bytes: its place in the map and the table behind it.
const FIELD_OVERHEAD: usize = 112;

/// Room for the fields of the gateway, and one more: a full map grows even if what is inserted replaces something.
const ROOM: usize = 4;

/// The fields, with room for `Age`, `X-Request-Id` and `Cache-Status`.
pub(super) struct Head(HeaderMap);

impl Head {
    /// Copies the fields that are as true for a later answer as for this one.
    pub(super) fn copy(fields: &HeaderMap) -> Self {
        let lasting =
            || fields.iter().filter(|(name, _)| ![&AGE, &X_REQUEST_ID, &RATELIMIT, &RATELIMIT_POLICY].contains(name));
        let mut bytes = BytesMut::with_capacity(fields.values().map(HeaderValue::len).sum());
        lasting().for_each(|(_, value)| bytes.extend_from_slice(value.as_bytes()));
        let mut bytes = bytes.freeze();
        let mut head = HeaderMap::with_capacity(fields.len() + ROOM);
        for (name, value) in lasting() {
            let copied = HeaderValue::from_maybe_shared(bytes.split_to(value.len()));
            let mut copied = copied.expect("it was a field value before");
            copied.set_sensitive(value.is_sensitive());
            head.append(name, copied);
        }
        for name in [AGE, X_REQUEST_ID, CACHE_STATUS] {
            // If another cache has said something, it stays, and ours is put behind it.
            head.entry(name).or_insert(HeaderValue::from_static(""));
        }
        Self(head)
    }

    /// Returns the fields for an answer of that age in seconds. Some are still without a value.
    pub(super) fn at_age(&self, seconds: u64) -> HeaderMap {
        let mut fields = self.0.clone();
        // Found by a walk, which is shorter than a hash.
        if let Some((_, age)) = fields.iter_mut().find(|(name, _)| **name == AGE) {
            *age = to_value(seconds);
        }
        fields
    }

    /// Returns whether a client could not tell the two apart but by their dates.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let is_lasting = |field: &(&HeaderName, &HeaderValue)| field.0 != DATE;
        self.0.iter().filter(is_lasting).eq(other.0.iter().filter(is_lasting))
    }

    /// Returns what it costs, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD).sum()
    }
}

/// Field by field, in order, as they are hashed.
impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().eq(other.0.iter())
    }
}

impl Eq for Head {}

impl Hash for Head {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (name, value) in &self.0 {
            (name, value).hash(state);
        }
    }
}
