//! The rate limit, one budget per company (contract 4).
//!
//! "Burst 75 requests/second" has two readings, and both are here. A newcomer would build a bucket of 75 that fills with 50
//! a second and call it the strict one: it lets 125 through in its first second. The strict window lets 75, and the
//! average beside it is kept by such a bucket. Refused requests cost nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::switches::millis;
use super::token::CompanyId;

/// How often a company may call.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub(crate) enum RateLimit {
    /// As often as it likes.
    Off,
    /// At most `most` in any window, and `average` a second in the long run.
    StrictWindow {
        /// Requests in any one window.
        most: u32,
        /// The length of the window.
        #[serde(rename = "windowMs", with = "millis")]
        window: Duration,
        /// Requests a second in the long run.
        average: u32,
    },
    /// A bucket of `capacity` that fills with `rate` a second.
    Bucket {
        /// Requests a second.
        rate: u32,
        /// Requests at once.
        capacity: u32,
    },
}

impl Default for RateLimit {
    /// 75 in any second, 50 on average.
    fn default() -> Self {
        Self::StrictWindow { most: 75, window: Duration::from_secs(1), average: 50 }
    }
}

/// The budgets of all companies; requests without a known company share one.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    budgets: HashMap<Option<CompanyId>, Budget>,
}

impl Limiter {
    /// Takes one request from a budget, or says how long to wait.
    pub(super) fn take(&mut self, limit: RateLimit, company: Option<CompanyId>, now: Duration) -> Result<(), Duration> {
        let budget = self.budgets.entry(company).or_default();
        match limit {
            RateLimit::Off => Ok(()),
            RateLimit::Bucket { rate, capacity } => budget.take_from_bucket(rate, capacity, now),
            RateLimit::StrictWindow { most, window, average } => {
                budget.check_window(most, window, now)?;
                budget.take_from_bucket(average, most, now)?;
                budget.accepted.push_back(now);
                Ok(())
            }
        }
    }

    /// Forgets what was spent, as after a change of the limit.
    pub(super) fn reset(&mut self) {
        self.budgets.clear();
    }
}

#[derive(Debug, Default)]
struct Budget {
    /// When the accepted requests of the current window came.
    accepted: VecDeque<Duration>,
    /// How much of the bucket is gone, and when that was true.
    spent: f64,
    counted_at: Duration,
}

impl Budget {
    fn check_window(&mut self, most: u32, window: Duration, now: Duration) -> Result<(), Duration> {
        while self.accepted.front().is_some_and(|first| *first + window <= now) {
            self.accepted.pop_front();
        }
        if self.accepted.len() < most as usize {
            return Ok(());
        }
        Err(self.accepted.front().map_or(window, |first| (*first + window).saturating_sub(now)))
    }

    fn take_from_bucket(&mut self, rate: u32, capacity: u32, now: Duration) -> Result<(), Duration> {
        let refilled = now.saturating_sub(self.counted_at).as_secs_f64() * f64::from(rate);
        self.spent = (self.spent - refilled).max(0.0);
        self.counted_at = now;
        let over = self.spent + 1.0 - f64::from(capacity);
        // The margin absorbs the rounding of `f64`, not a request.
        if over > 1e-6 {
            return Err(Duration::from_secs_f64(over / f64::from(rate.max(1))));
        }
        self.spent += 1.0;
        Ok(())
    }
}
