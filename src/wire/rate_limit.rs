//! `RateLimit` and `RateLimit-Policy`: what is left of a quota, for clients that pace themselves
//! (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! A newcomer would look for a window in which a count starts anew. GCRA has none: what is left (`r`) are the cells there
//! are, and it is for the time (`t`) until the whole burst is there again. If none is left since others wait, or since the
//! upstream has stopped the credential, it is the time until one more would go. A client that keeps to it never waits.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::number::put_number;

/// The field's name (section 4 of the draft).
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The field's name (section 3 of the draft).
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left of the quotas that a request used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The credential's own.
    pub own: Limit,
    /// That of all credentials together, if there is one.
    pub shared: Option<Limit>,
}

/// What is left of one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The name of its policy.
    pub name: &'static str,
    /// Requests in each window in the long run.
    pub quota: u32,
    /// The window, not zero.
    pub window_seconds: u32,
    /// Requests that can go at once.
    pub left: u32,
    /// How long they are to last.
    pub lasts_seconds: u32,
}

impl RateLimit {
    /// Says that nothing is left, for so long: what stands beside `Retry-After` must not last longer than that (section 6).
    #[must_use]
    pub fn with_nothing_left_for(self, wait: Duration) -> Self {
        let lasts_seconds = u32::try_from(whole_seconds(wait).max(1)).unwrap_or(u32::MAX);
        Self { own: Limit { left: 0, lasts_seconds, ..self.own }, ..self }
    }

    /// Says that what is left lasts no longer than that, for the same reason.
    #[must_use]
    pub fn lasting_at_most(self, wait: Duration) -> Self {
        let most = u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX);
        Self { own: Limit { lasts_seconds: self.own.lasts_seconds.min(most), ..self.own }, ..self }
    }

    /// Adds both fields. The upstream's own may stand there already; both are lists.
    pub fn write(&self, fields: &mut HeaderMap) {
        fields.append(RATELIMIT_POLICY, self.list(Limit::put_policy));
        fields.append(RATELIMIT, self.list(Limit::put_limit));
    }

    fn list(&self, put: impl Fn(&Limit, &mut BytesMut)) -> HeaderValue {
        let mut value = BytesMut::with_capacity(64);
        put(&self.own, &mut value);
        if let Some(shared) = &self.shared {
            value.put_slice(b", ");
            put(shared, &mut value);
        }
        HeaderValue::from_maybe_shared(value.freeze()).expect("words and digits are visible ASCII")
    }
}

impl Limit {
    fn put_policy(&self, into: &mut BytesMut) {
        self.put_name(into);
        put_parameter(into, b";q=", self.quota);
        put_parameter(into, b";w=", self.window_seconds);
    }

    fn put_limit(&self, into: &mut BytesMut) {
        self.put_name(into);
        put_parameter(into, b";r=", self.left);
        put_parameter(into, b";t=", self.lasts_seconds);
    }

    fn put_name(&self, into: &mut BytesMut) {
        into.put_u8(b'"');
        into.put_slice(self.name.as_bytes());
        into.put_u8(b'"');
    }
}

fn put_parameter(into: &mut BytesMut, name: &[u8], value: u32) {
    into.put_slice(name);
    put_number(into, u64::from(value));
}

/// Rounds up: a client that obeys is never early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rate_limit: RateLimit) -> [String; 2] {
        let mut fields = HeaderMap::new();
        rate_limit.write(&mut fields);
        [RATELIMIT_POLICY, RATELIMIT].map(|name| fields[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn both_fields_are_lists_of_named_quotas() {
        let own = Limit { name: "operator", quota: 5, window_seconds: 1, left: 4, lasts_seconds: 1 };
        let alone = RateLimit { own, shared: None };
        assert_eq!(written(alone), [r#""operator";q=5;w=1"#, r#""operator";r=4;t=1"#]);
        let shared = Limit { name: "upstream", quota: 50, window_seconds: 1, left: 0, lasts_seconds: 2 };
        let both = RateLimit { own, shared: Some(shared) };
        let [policy, limit] = written(both);
        assert_eq!(policy, r#""operator";q=5;w=1, "upstream";q=50;w=1"#);
        assert_eq!(limit, r#""operator";r=4;t=1, "upstream";r=0;t=2"#);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }
}
