//! Whether a connection has rested: that the throttle has had no part in its answers for a while.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

use crate::wire::{Account, REST};

/// How long the throttle has had no part in what a connection is answered: whoever was told to wait and does is told from
/// whoever asks on and on. Answers from memory do not count; they are free.
#[derive(Debug)]
pub(super) struct Rest {
    opened: Instant,
    /// When the last answer was given that the throttle had a part in, in milliseconds since then and one; zero if the
    /// connection is rested.
    answered: AtomicU64,
}

impl Rest {
    pub(super) fn new() -> Self {
        Self { opened: Instant::now(), answered: AtomicU64::new(0) }
    }

    /// Notes an answer. Whoever was answered from memory was not told to wait.
    pub(super) fn note(&self, account: &Account) {
        if account.turn.is_some() || account.rate_limit.is_some() {
            self.begins(Instant::now());
        }
    }

    fn begins(&self, now: Instant) {
        self.answered.store(self.millis(now) + 1, Relaxed);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.answered.load(Relaxed) {
            0 => true,
            answered => {
                let is_over = u128::from((self.millis(now) + 1).saturating_sub(answered)) >= REST.as_millis();
                if is_over {
                    // So that the next request need not reckon.
                    self.answered.store(0, Relaxed);
                }
                is_over
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_rested_while_it_is_new_and_after_a_second() {
        let rest = Rest::new();
        let is_over = || rest.is_over(Instant::now());
        assert!(is_over());
        for _ in 0..2 {
            rest.begins(Instant::now());
            assert!(!is_over());
            advance(REST - std::time::Duration::from_millis(1)).await;
            assert!(!is_over());
            advance(std::time::Duration::from_millis(1)).await;
            assert!(is_over());
        }
    }
}
