//! `Cache-Status` (RFC 9211): what the cache did with a request, and in one fixed word why.
//!
//! `fwd` is set only if the request went forward. One that the gateway refused was neither hit nor forwarded, so its
//! field has a `detail` alone (RFC 9211 §2).

use bytes::BufMut;
use http::{HeaderName, HeaderValue};

use super::number::put_number;
use crate::telemetry::label::words;

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Longer than any value, in bytes.
const LONGEST: usize = 128;

words! {
    /// Why a request went forward (RFC 9211 §2.2).
    Forward {
        /// The cache was not asked: the request is of no cacheable form. `detail` says which.
        Bypass = "bypass",
        /// The method is not one that can be answered from memory.
        Method = "method",
        /// Nothing is stored for it.
        UriMiss = "uri-miss",
        /// What is stored may no longer be used. `detail` says why.
        Stale = "stale",
        /// The request asked for a fresh answer.
        Request = "request",
    }
}

words! {
    /// Why the cache did what it did: one closed set of words for all reasons.
    Detail {
        // Requests that are not of the cacheable form.
        /// No route of the gateway stores its answers.
        Route = "route",
        /// The target is another spelling of a list's canonical target.
        Target = "target",
        /// There is no credential, or not one that can be read.
        NoCredential = "no-credential",
        /// Both credential fields are there.
        TwoCredentials = "two-credentials",
        /// `Cookie` is there.
        Cookie = "cookie",
        /// `Origin` is there.
        Origin = "origin",
        /// `Range` is there.
        Range = "range",
        /// `If-Match` or another precondition is there.
        Conditional = "conditional",
        /// `Accept` asks for something else than the common form.
        Accept = "accept",
        /// `Accept-Charset` is there.
        AcceptCharset = "accept-charset",
        /// `X-HTTP-Method-Override` or `X-Original-URL`, or another of their kind, is there.
        Override = "override",
        /// The request has content.
        Content = "content",
        /// The request says `no-store`.
        RequestNoStore = "request-no-store",
        /// The lifetime of this route, or the capacity, is set to zero.
        Disabled = "disabled",

        // Stored responses that may not be used.
        /// The stored response outlived its lifetime.
        Expired = "expired",
        /// A write went through the gateway since it was fetched.
        Invalidated = "invalidated",
        /// The request says `no-cache` or `max-age=0`, or an age below that of what is stored.
        NoCache = "no-cache",

        // Answers that were not stored.
        /// The status is not 200.
        Status = "status",
        /// The content type is not JSON, or there is a content coding.
        ContentType = "content-type",
        /// The content is not the array that the route promises.
        Shape = "shape",
        /// The content is longer than `cache.max_body`.
        TooLarge = "too-large",
        /// As many bytes of lists are held while they are fetched as `cache.fetch_buffer` allows.
        NoRoom = "no-room",
        /// `Set-Cookie` is there.
        SetCookie = "set-cookie",
        /// The upstream says `no-store`.
        NoStore = "no-store",
        /// The upstream says `private`.
        Private = "private",
        /// The upstream says `no-cache`, or gives it no lifetime.
        NoLifetime = "no-lifetime",
        /// `Vary` names something that the key does not hold.
        Vary = "vary",
        /// The credential has run out.
        TokenExpired = "token-expired",
        /// A write was going on.
        WriteInFlight = "write-in-flight",
        /// A write has ended in doubt a short while ago, and the upstream may still apply it.
        Quarantined = "quarantined",
        /// A write went through the gateway while the answer was fetched.
        Overtaken = "overtaken",

        // Writes, by what is known of them when they have ended.
        /// The upstream refused the write.
        WriteRefused = "write-refused",
        /// The write never reached the upstream.
        WriteUnsent = "write-unsent",
        /// The upstream failed at the write (5xx) and may have applied it or apply it yet.
        WriteFailed = "write-failed",
        /// The upstream did not answer the write in time and may have applied it or apply it yet.
        WriteTimedOut = "write-timed-out",
        /// The connection broke before the write was answered: it may have been applied.
        WriteBroken = "write-broken",
        /// The client broke off the write's content, of which the upstream may have a part.
        WriteCutShort = "write-cut-short",
        /// The gateway failed while the write was on its way: it may have been applied.
        WriteAborted = "write-aborted",

        // Requests that the gateway answered itself.
        /// Refused: over quota, and the wait would be too long.
        Throttled = "throttled",
        /// Refused: as many wait already as may.
        QueueFull = "queue-full",
        /// Refused: the upstream has refused this credential, which is stopped for a while.
        CoolingDown = "cooling-down",
        /// Refused: malformed, over a limit, or not to be forwarded.
        Refused = "refused",
        /// Answered: its client lets no gateway pass it on.
        MaxForwards = "max-forwards",
        /// The upstream could not be reached, broke off or took too long.
        UpstreamFailed = "upstream-failed",
        /// The client broke off its own content.
        ClientFailed = "client-failed",
        /// A fault of the gateway itself.
        Internal = "internal",
    }
}

/// What the cache did with one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// The outcome.
    pub outcome: Outcome,
    /// Why.
    pub detail: Option<Detail>,
}

/// The three things that can happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway answered by itself without the cache.
    #[default]
    Unasked,
    /// Answered from memory.
    Hit {
        /// Whole seconds for which the stored response is still fresh.
        ttl: u64,
    },
    /// Sent forward.
    Forwarded {
        /// Why it was.
        reason: Forward,
        /// The answer is now stored.
        stored: bool,
        /// The answer was fetched for another request that was going on.
        collapsed: bool,
    },
}

impl CacheStatus {
    /// A request that went forward for `reason`.
    #[must_use]
    pub const fn forwarded(reason: Forward, detail: Option<Detail>) -> Self {
        Self { outcome: Outcome::Forwarded { reason, stored: false, collapsed: false }, detail }
    }

    /// A request that the gateway answered by itself.
    #[must_use]
    pub const fn unasked(detail: Detail) -> Self {
        Self { outcome: Outcome::Unasked, detail: Some(detail) }
    }

    /// Writes the field's value.
    #[must_use]
    pub fn to_value(self) -> HeaderValue {
        // Written here first, so that the one allocation is as long as the value.
        let mut room = [0; LONGEST];
        let mut value = room.as_mut_slice();
        value.put_slice(b"chathub-gateway");
        match self.outcome {
            Outcome::Unasked => {}
            Outcome::Hit { ttl } => {
                value.put_slice(b"; hit; ttl=");
                put_number(&mut value, ttl);
            }
            Outcome::Forwarded { reason, stored, collapsed } => {
                value.put_slice(b"; fwd=");
                value.put_slice(reason.as_str().as_bytes());
                if stored {
                    value.put_slice(b"; stored");
                }
                if collapsed {
                    value.put_slice(b"; collapsed");
                }
            }
        }
        if let Some(detail) = self.detail {
            value.put_slice(b"; detail=");
            value.put_slice(detail.as_str().as_bytes());
        }
        let written = LONGEST - value.len();
        HeaderValue::from_bytes(&room[..written]).expect("words and digits are visible ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_tells_how_long_it_stays_fresh() {
        let status = CacheStatus { outcome: Outcome::Hit { ttl: 4_307 }, detail: None };
        assert_eq!(status.to_value(), "chathub-gateway; hit; ttl=4307");
    }

    #[test]
    fn a_miss_tells_what_became_of_the_answer() {
        let outcome = Outcome::Forwarded { reason: Forward::Stale, stored: true, collapsed: true };
        let status = CacheStatus { outcome, detail: Some(Detail::Invalidated) };
        assert_eq!(status.to_value(), "chathub-gateway; fwd=stale; stored; collapsed; detail=invalidated");
    }

    #[test]
    fn a_refusal_was_neither_hit_nor_forwarded() {
        assert_eq!(CacheStatus::unasked(Detail::Throttled).to_value(), "chathub-gateway; detail=throttled");
    }

    #[test]
    fn the_longest_value_is_written_whole() {
        let longest = |words: &[&'static str]| words.iter().map(|word| word.len()).max().unwrap();
        let reasons: Vec<_> = Forward::ALL.iter().map(|reason| reason.as_str()).collect();
        let details: Vec<_> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
        let words = longest(&reasons) + longest(&details);
        assert!("chathub-gateway; fwd=; stored; collapsed; detail=".len() + words <= LONGEST);
        let status = CacheStatus { outcome: Outcome::Hit { ttl: u64::MAX }, detail: None };
        assert_eq!(status.to_value(), format!("chathub-gateway; hit; ttl={}", u64::MAX));
    }

    #[test]
    fn every_word_is_a_token_and_stands_for_one_reason() {
        let words: std::collections::HashSet<_> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
        assert_eq!(words.len(), Detail::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
