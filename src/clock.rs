//! The one source of time: monotonic for lifetimes and waits, wall for what is said to others and what they say.
//!
//! Nothing else in the crate may ask the system for the time. Monotonic time is tokio's, so a test that pauses and advances
//! it moves all of the gateway together.
//!
//! What a newcomer would get wrong: to read wall time once and to count on from there. A machine may start with a wrong
//! clock and be set right an hour later; then all that is said is an hour wrong until the next restart. So wall time is
//! asked for anew each time, and no wait and no lifetime is counted in it but one: the end that a credential names for
//! itself is a date, and is held against the date of the moment.
//!
//! While a machine is suspended, monotonic time stands still (on Linux; tokio offers no other). What was stored before it
//! slept is for that long older than its `Age` says, and may be answered until the rest of its lifetime is over; time-outs
//! run for the rest of theirs. Servers do not sleep, and a virtual machine that is stopped and taken up again mostly has its
//! monotonic clock stopped with it, so there is nothing that could be counted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall: Wall,
}

/// Where wall time comes from.
#[derive(Debug, Clone, Copy)]
enum Wall {
    System,
    /// It moves with tokio's clock from that time on, but for so many seconds by which it was stepped.
    #[cfg(test)]
    Stepped(Duration, &'static std::sync::atomic::AtomicI64),
}

impl Clock {
    /// Starts a clock whose uptime is zero.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), wall: Wall::System }
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

    /// Wall time as the time since 1970, as the system has it now. It may be stepped, forward or back, at any time.
    #[must_use]
    pub fn wall(&self) -> Duration {
        match self.wall {
            Wall::System => system(),
            #[cfg(test)]
            Wall::Stepped(from, step) => {
                let (wall, step) = (from + self.uptime(), step.load(std::sync::atomic::Ordering::Relaxed));
                let by = Duration::from_secs(step.unsigned_abs());
                if step < 0 { wall - by } else { wall + by }
            }
        }
    }
}

#[cfg(test)]
impl Clock {
    /// Starts a clock whose wall time moves with tokio's clock, and can be [stepped](Self::step).
    pub(crate) fn stepped() -> Self {
        let wall = Wall::Stepped(system(), Box::leak(Box::default()));
        Self { started: Instant::now(), wall }
    }

    /// Steps wall time, of all copies, by so many seconds.
    pub(crate) fn step(&self, seconds: i64) {
        let Wall::Stepped(_, step) = self.wall else { panic!("the system's clock is not stepped here") };
        step.fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Wall time as the time since 1970, as the system has it now: for what no test has to step.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may read the system's clock")]
pub(crate) fn system() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wall_time_is_the_systems_whatever_the_time_since_the_start() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.uptime(), Duration::from_secs(3600));
        assert!(clock.wall().abs_diff(system()) < Duration::from_secs(60), "it was not read anew");
    }
}
