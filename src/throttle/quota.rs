//! GCRA, the generic cell rate algorithm: how often, and how many at once.
//!
//! A [`Bucket`] is one number, the time at which it will be full again. A newcomer would look for a count of tokens and
//! a task that adds to it: both follow from that time. The arithmetic is our own, and not governor's, because here a
//! rate may be lowered while its state stays, and because whoever waits is told for how long, which takes a look at the
//! state that spends nothing. Where both can do the same they agree to the nanosecond: a test compares them.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config;
use crate::wire::rate_limit::{Limit, whole_seconds};

/// A rate and a burst. Never more than `burst` + time / `period` cells are taken in any span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    period: Duration,
    burst: NonZeroU32,
}

impl Quota {
    /// One cell each `period`, which is not zero, and `burst` of them at once after a rest. To regain a burst must not
    /// take longer than a `Duration` holds; settings are bounded to a day.
    #[must_use]
    pub const fn new(period: Duration, burst: NonZeroU32) -> Self {
        Self { period, burst }
    }

    /// Returns the time in which one cell is regained.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Returns how many cells there are after a rest.
    #[must_use]
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Returns the quota at a share of its rate, above 0 and at most 1. Below 1 it has no burst: that the rate was too high
    /// says nothing of how much may come at once. Whatever conforms to the result conforms to this quota too.
    #[must_use]
    pub fn at_share(&self, share: f64) -> Self {
        if share >= 1.0 {
            return *self;
        }
        Self { period: self.period.div_f64(share), burst: NonZeroU32::MIN }
    }

    /// Returns the time in which a whole burst is regained.
    #[must_use]
    pub fn refill(&self) -> Duration {
        self.period * self.burst.get()
    }

    /// Returns what is told of a bucket of this quota. The window is the time in which a whole burst is regained, in whole
    /// seconds, for the bucket itself has none.
    #[must_use]
    pub fn limit(&self, name: &'static str, left: u32, lasts: Duration) -> Limit {
        // A period is rounded up to a nanosecond; three a second are to be told as three a second.
        let exact = |time: Duration| time.saturating_sub(Duration::from_nanos(self.burst.get().into()));
        let window = whole_seconds(exact(self.refill())).max(1);
        let quota = (Duration::from_secs(window).as_nanos() + self.period.as_nanos() / 2) / self.period.as_nanos();
        Limit {
            name,
            quota: u32::try_from(quota).unwrap_or(u32::MAX),
            window_seconds: u32::try_from(window).unwrap_or(u32::MAX),
            left,
            lasts_seconds: u32::try_from(whole_seconds(exact(lasts))).unwrap_or(u32::MAX),
        }
    }

    /// How far ahead of its time a cell may be taken.
    fn tolerance(&self) -> Duration {
        self.period * (self.burst.get() - 1)
    }
}

impl From<&config::Quota> for Quota {
    fn from(quota: &config::Quota) -> Self {
        Self::new(quota.rate.period(), quota.burst)
    }
}

/// The quota of a single credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// What it is.
    pub quota: Quota,
    /// By which the settings know the credential: the SHA-256 of its value.
    pub sha256: [u8; 32],
}

/// The cells that are left of a quota. All times are those since the clock was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it is full again if nothing is taken; the theoretical arrival time of GCRA.
    full_at: Duration,
}

impl Bucket {
    /// Returns when the next cell can be taken. That may be in the past.
    #[must_use]
    pub fn next(&self, quota: &Quota) -> Duration {
        self.full_at.saturating_sub(quota.tolerance())
    }

    /// Takes a cell at a time not before [`next`](Self::next).
    pub fn take(&mut self, quota: &Quota, at: Duration) {
        self.full_at = self.full_at.max(at) + quota.period;
    }

    /// The quota changes: as many cells are missing as before, if it has so many.
    pub fn change(&mut self, before: &Quota, after: &Quota, now: Duration) {
        let missing = self.until_full(now);
        if missing.is_zero() || before == after {
            return;
        }
        // By seconds, and in floating point: a product of nanoseconds may be too large for either.
        let cells = missing.as_secs_f64() / before.period.as_secs_f64();
        let missing = Duration::try_from_secs_f64(after.period.as_secs_f64() * cells).unwrap_or(Duration::MAX);
        self.full_at = now + missing.min(after.refill());
    }

    /// Takes whatever is left: the next cell is one period away.
    pub fn drain(&mut self, quota: &Quota, at: Duration) {
        self.full_at = self.full_at.max(at + quota.refill());
    }

    /// Returns how many cells can be taken at once.
    #[must_use]
    pub fn cells(&self, quota: &Quota, now: Duration) -> u32 {
        let missing = self.full_at.saturating_sub(now).as_nanos().div_ceil(quota.period.as_nanos());
        quota.burst.get().saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// Returns how long it takes to be full again.
    #[must_use]
    pub const fn until_full(&self, now: Duration) -> Duration {
        self.full_at.saturating_sub(now)
    }

    /// Returns whether no cell is missing: then it is as good as new.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
#[path = "quota/tests.rs"]
mod tests;
