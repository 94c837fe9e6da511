//! `Cache-Control` (RFC 9111 §5.2): the directives that this gateway acts on.
//!
//! Unreadable input is never an error here: a directive that is not understood is skipped, and a number that is not
//! one counts as zero, which is the cautious side (RFC 9111 §4.2.1).

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

/// What a message's `Cache-Control` fields say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Nothing of this exchange may be stored.
    pub no_store: bool,
    /// A stored response must not be used without asking the origin.
    pub no_cache: bool,
    /// The response is for one user.
    pub private: bool,
    /// Seconds for which a response is fresh, or for which a request accepts it.
    pub max_age: Option<Duration>,
    /// As `max_age`, for shared caches, and stronger.
    pub s_maxage: Option<Duration>,
}

impl CacheControl {
    /// Reads all `Cache-Control` fields; with none, `Pragma: no-cache` counts as `no-cache` (RFC 9111 §5.4).
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Self {
        let mut all = Self::default();
        if !fields.contains_key(CACHE_CONTROL) {
            all.no_cache = fields.get_all(PRAGMA).iter().any(|value| lists(value.as_bytes(), b"no-cache"));
            return all;
        }
        for value in fields.get_all(CACHE_CONTROL) {
            split(value.as_bytes()).for_each(|directive| all.add(directive));
        }
        all
    }

    fn add(&mut self, directive: &[u8]) {
        let (name, argument) = match memchr::memchr(b'=', directive) {
            Some(at) => (directive[..at].trim_ascii(), Some(directive[at + 1..].trim_ascii())),
            None => (directive, None),
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("private") {
            self.private = true;
        } else if is("max-age") {
            self.max_age = Some(shorter(self.max_age, seconds(argument)));
        } else if is("s-maxage") {
            self.s_maxage = Some(shorter(self.s_maxage, seconds(argument)));
        }
    }
}

/// Reads delta-seconds (RFC 9111 §1.2.2): digits, perhaps quoted; too large is the largest, anything else is zero.
fn seconds(argument: Option<&[u8]>) -> Duration {
    let digits = argument.unwrap_or_default();
    let digits = digits.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let number = digits.iter().fold(0_u64, |sum, digit| (sum * 10 + u64::from(digit - b'0')).min(u64::from(u32::MAX)));
    Duration::from_secs(number)
}

fn shorter(before: Option<Duration>, now: Duration) -> Duration {
    before.map_or(now, |before| before.min(now))
}

/// Splits a list at commas that stand outside quoted strings.
fn split(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(move |byte| {
            let ends = *byte == b',' && !quoted;
            if *byte == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && *byte == b'\\' && !escaped;
            ends
        })
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

fn lists(value: &[u8], member: &[u8]) -> bool {
    split(value).any(|found| found.eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> CacheControl {
        let fields = values.iter().map(|value| (CACHE_CONTROL, http::HeaderValue::from_static(value))).collect();
        CacheControl::of(&fields)
    }

    #[test]
    fn directives_are_read_from_all_fields_in_any_case() {
        let all = read(&["No-Store, MAX-AGE=5", "private=\"set-cookie, no-cache\""]);
        assert!(all.no_store && all.private);
        assert!(!all.no_cache, "a quoted word is no directive");
        assert_eq!(all.max_age, Some(Duration::from_secs(5)));
    }

    #[test]
    fn the_shorter_of_two_ages_counts() {
        assert_eq!(read(&["max-age=9, max-age=3"]).max_age, Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_unreadable_age_counts_as_zero() {
        for value in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x"] {
            assert_eq!(read(&[value]).max_age, Some(Duration::ZERO), "{value}");
        }
    }

    #[test]
    fn an_age_beyond_all_bounds_is_the_largest() {
        assert_eq!(read(&["s-maxage=99999999999999999999999"]).s_maxage, Some(Duration::from_secs(u32::MAX.into())));
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let pragma = (PRAGMA, http::HeaderValue::from_static("no-cache"));
        let alone: HeaderMap = [pragma.clone()].into_iter().collect();
        assert!(CacheControl::of(&alone).no_cache);
        let beside = [pragma, (CACHE_CONTROL, http::HeaderValue::from_static("max-age=1"))].into_iter().collect();
        assert!(!CacheControl::of(&beside).no_cache);
    }
}
