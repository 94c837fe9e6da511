//! How long a client may be waited for, when it must send or take bytes that somebody wants.
//!
//! What a newcomer would get wrong: a timeout that each byte begins anew. A client that sends one byte in every period
//! then stays for ever, and a thousand of them hold a thousand connections. So the time runs down while the client is
//! waited for, and the bytes that it moves pay it back at a rate: whoever keeps up that rate is never late, and whoever
//! stalls is late after the whole time. While nobody waits, as when it is the upstream that is slow, it does not run.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that is used: an instant cannot be moved by any duration.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time that one client has left.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    most: Duration,
    left: Duration,
    /// Bytes a second that pay it back; zero if any byte pays all.
    rate: u64,
    waiting: Option<Instant>,
}

impl Allowance {
    /// Returns a time that is at most, and at first, `most`; `rate` bytes a second pay it back, or any if that is zero.
    pub(crate) fn new(most: Duration, rate: u64) -> Self {
        let most = most.min(MAX_TIME);
        Self { most, left: most, rate, waiting: None }
    }

    /// Notes that the client is waited for, and returns until when.
    pub(crate) fn waits(&mut self, now: Instant) -> Instant {
        *self.waiting.get_or_insert(now) + self.left
    }

    /// Notes that the client has moved so many bytes. `now` is asked only if it was waited for.
    #[inline]
    pub(crate) fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.waiting.take() {
            self.pay_back(bytes, now().saturating_duration_since(since));
        }
    }

    fn pay_back(&mut self, bytes: usize, waited: Duration) {
        let earned = match self.rate {
            0 => self.most,
            rate => Duration::from_millis((bytes as u64).saturating_mul(1000) / rate),
        };
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }

    /// Gives all of it back: something new begins.
    pub(crate) fn renew(&mut self) {
        self.left = self.most;
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets a client move so many bytes in every period, and returns after how many of them it is late, if ever.
    fn late_after(rate: u64, bytes: usize, period: Duration) -> Option<u32> {
        let mut allowance = Allowance::new(30 * SECOND, rate);
        let mut now = Instant::now();
        (0..100_000).find(|_| {
            let deadline = allowance.waits(now);
            now += period;
            allowance.moved(bytes, || now);
            deadline < now
        })
    }

    #[test]
    fn whoever_keeps_up_the_rate_is_never_late() {
        assert_eq!(late_after(240, 240, SECOND), None);
        assert_eq!(late_after(240, 24 * 240, 24 * SECOND), None);
    }

    #[test]
    fn whoever_sends_a_byte_now_and_then_is_late_after_about_the_whole_time() {
        assert_eq!(late_after(240, 1, SECOND), Some(30));
        assert_eq!(late_after(240, 120, SECOND), Some(59), "half the rate, twice the time");
    }

    #[test]
    fn without_a_rate_any_byte_is_enough_and_a_pause_is_not() {
        assert_eq!(late_after(0, 1, 29 * SECOND), None);
        assert_eq!(late_after(0, 1, 31 * SECOND), Some(0));
    }

    #[test]
    fn what_comes_unasked_earns_nothing_and_costs_nothing() {
        let mut allowance = Allowance::new(30 * SECOND, 240);
        allowance.moved(1 << 20, || unreachable!("nobody waits"));
        let now = Instant::now();
        assert_eq!(allowance.waits(now), now + 30 * SECOND);
        assert_eq!(allowance.waits(now + SECOND), now + 30 * SECOND, "it is one wait");
    }
}
