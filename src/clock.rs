//! The one source of time: monotonic for lifetimes and waits, wall for what is said to others.
//!
//! Both come from tokio's clock, so a test that pauses and advances it moves all of the gateway together. Nothing else
//! in the crate may ask the system for the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_wall: Duration,
}

impl Clock {
    /// Starts a clock that agrees with the system's wall clock now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may read the system's clock")]
    pub fn start() -> Self {
        let started_wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_wall }
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Time since this clock was started.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.now() - self.started
    }

    /// Returns the moment at which this clock will have run so long.
    #[must_use]
    pub fn at(&self, uptime: Duration) -> Instant {
        self.started + uptime
    }

    /// Wall time as the time since 1970. It moves with the monotonic clock, so a step of the system's clock after the
    /// start does not change how long anything lasts.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.wall_at(self.now())
    }

    /// Returns the wall time at `instant`; this clock's start if that is earlier.
    #[must_use]
    pub fn wall_at(&self, instant: Instant) -> Duration {
        self.started_wall + instant.saturating_duration_since(self.started)
    }
}
