//! The emulator's time: real time plus an offset, so that expiry and budgets are tested without waiting.
//!
//! Everything that has to do with time reads it here, the waits included: whoever sleeps on this clock wakes when it is
//! advanced past the deadline. What a newcomer would get wrong: a frozen clock never ends a sleep by itself.

#![allow(clippy::disallowed_methods, reason = "this is the emulator's clock, the one place that reads the real time")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::shared::lock;

/// A handle to the one clock of an emulator; clones show and move the same time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    reading: Arc<Mutex<Reading>>,
    moved: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct Reading {
    /// Time since the Unix epoch at `since`.
    base: Duration,
    /// `None` while the clock is frozen.
    since: Option<Instant>,
}

impl Reading {
    fn now(&self) -> Duration {
        self.base + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Clock {
    pub(super) fn new() -> Self {
        let base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reading = Reading { base, since: Some(Instant::now()) };
        Self { reading: Arc::new(Mutex::new(reading)), moved: Arc::new(watch::Sender::new(())) }
    }

    /// The time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        lock(&self.reading).now()
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        lock(&self.reading).base += by;
        self.moved.send_replace(());
    }

    /// Sets the time, which may go back.
    pub(crate) fn set(&self, since_epoch: Duration) {
        let mut reading = lock(&self.reading);
        reading.base = since_epoch;
        reading.since = reading.since.map(|_| Instant::now());
        drop(reading);
        self.moved.send_replace(());
    }

    /// Stops the clock: from now on only [`advance`](Self::advance) and [`set`](Self::set) move it.
    pub(crate) fn freeze(&self) {
        let mut reading = lock(&self.reading);
        reading.base = reading.now();
        reading.since = None;
    }

    /// Lets a frozen clock run on.
    pub(crate) fn resume(&self) {
        let mut reading = lock(&self.reading);
        reading.base = reading.now();
        reading.since = Some(Instant::now());
        drop(reading);
        self.moved.send_replace(());
    }

    /// Whether the clock stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        lock(&self.reading).since.is_none()
    }

    /// Waits until this clock has gone `length` further; returns at once for zero.
    pub(super) async fn sleep(&self, length: Duration) {
        if length.is_zero() {
            return;
        }
        let deadline = self.now() + length;
        let mut moved = self.moved.subscribe();
        loop {
            let left = deadline.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left), if !self.is_frozen() => {}
                _ = moved.changed() => {}
            }
        }
    }
}
