//! `X-Request-Id`: taken from the client if it is fit to be logged, made otherwise.
//!
//! An id is repeated in the log and in the answer, so one with odd bytes or without a bound would let a client write
//! log lines for us. Such an id is replaced, never trimmed: half an id finds nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::number::hexadecimal;

/// The field's name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client, in bytes.
const LONGEST: usize = 128;

/// The length of the ids that are made here.
const MADE: usize = 16;

/// The name of one request, in logs and in the answer. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Given(HeaderValue),
    Made([u8; MADE]),
}

impl RequestId {
    /// Returns the client's id if it has exactly one that is fit, else a new one.
    #[must_use]
    pub fn take_or_make(fields: &HeaderMap) -> Self {
        // A walk, since to look for the name would cost a hash.
        let mut given = fields.iter().filter(|(name, _)| **name == X_REQUEST_ID);
        match (given.next(), given.next()) {
            (Some((_, value)), None) if is_fit(value.as_bytes()) => Self(Id::Given(value.clone())),
            _ => Self::make(),
        }
    }

    /// Makes an id of sixteen hexadecimal digits that this process gives once.
    fn make() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mixed = mix(number.wrapping_add(process_seed()));
        Self(Id::Made(hexadecimal(mixed)))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the id's bytes, all of them visible ASCII and neither quotes nor backslashes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Id::Given(value) => value.as_bytes(),
            Id::Made(digits) => digits,
        }
    }

    /// Returns the id as a field's value.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        match &self.0 {
            Id::Given(value) => value.clone(),
            Id::Made(digits) => HeaderValue::from_bytes(digits).expect("hexadecimal digits are visible ASCII"),
        }
    }
}

fn is_fit(id: &[u8]) -> bool {
    // Without quotes and backslashes it can stand in a log as it is.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !id.is_empty() && id.len() <= LONGEST && id.iter().all(is_plain)
}

fn process_seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15))
}

/// A bijection (the finaliser of splitmix64): different numbers give different ids that do not look alike.
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(ids: &[&str]) -> HeaderMap {
        ids.iter().map(|id| (X_REQUEST_ID, HeaderValue::from_str(id).unwrap())).collect()
    }

    #[test]
    fn a_clients_id_is_kept() {
        assert_eq!(RequestId::take_or_make(&fields(&["order-17"])).as_str(), "order-17");
    }

    #[test]
    fn an_id_that_is_unfit_for_a_log_is_replaced() {
        let long = "x".repeat(LONGEST + 1);
        for unfit in [&["two words"][..], &["a\"b"], &["a\\b"], &[""], &[&long], &["a", "b"], &[]] {
            let id = RequestId::take_or_make(&fields(unfit));
            assert!(!unfit.contains(&id.as_str()), "{unfit:?}");
            assert_eq!(id.as_str().len(), 16);
        }
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(RequestId::make(), RequestId::make());
    }
}
