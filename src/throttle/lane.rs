//! One credential's lane: its GCRA state and the queue of those who wait.
//!
//! The queue is a fair async mutex: whoever holds it is at the head and waits for the next cell; the others get it in
//! the order in which they asked, and one that leaves drops out of the middle without anybody noticing. No cell is
//! taken before its holder goes, so one that leaves gives back all it had.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

type Gcra = RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>;

/// The lane of one credential in one class.
#[derive(Debug)]
pub struct Lane {
    gcra: Gcra,
    clock: Clock,
    period: Duration,
    /// How long an unused lane takes to have its whole burst again.
    recovery: Duration,
    /// Held while one arrives, never across an await.
    gate: Mutex<()>,
    turn: tokio::sync::Mutex<()>,
    queued: AtomicUsize,
    /// When the head of the queue can go, in nanoseconds of the clock.
    head_goes_at: AtomicU64,
    /// When the whole burst is there again if nobody comes, in nanoseconds of the clock.
    recovered_at: AtomicU64,
}

/// What a lane says to a newcomer.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// It has taken a cell and may go.
    Admitted,
    /// It would have to wait this long; the place is its own while this value lives.
    Queued(Place<'a>, Duration),
}

/// A place in a lane's queue. Dropping it gives it up.
#[derive(Debug)]
pub struct Place<'a> {
    lane: &'a Lane,
}

impl Lane {
    /// Creates a lane with its whole burst.
    #[must_use]
    pub fn new(quota: Quota, clock: Clock) -> Self {
        let period = quota.replenish_interval();
        Self {
            gcra: RateLimiter::direct_with_clock(quota, clock),
            clock,
            period,
            recovery: period * quota.burst_size().get(),
            gate: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            queued: AtomicUsize::new(0),
            head_goes_at: AtomicU64::new(0),
            recovered_at: AtomicU64::new(0),
        }
    }

    /// Takes a cell if nobody is queued and one is there, else a place in the queue.
    pub fn arrive(&self) -> Arrival<'_> {
        // Without it, one that is just being admitted would count as queued before the next.
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = self.queued();
        let wait = match ahead {
            0 => match self.take_cell() {
                Ok(()) => return Arrival::Admitted,
                Err(wait) => wait,
            },
            _ => {
                let behind_head = self.period.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX));
                self.until_head_goes().saturating_add(behind_head)
            }
        };
        self.queued.fetch_add(1, SeqCst);
        Arrival::Queued(Place { lane: self }, wait)
    }

    /// Returns how many wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.load(SeqCst)
    }

    /// Returns whether forgetting the lane would give nobody a fresh burst.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queued() == 0 && self.now() >= self.recovered_at.load(SeqCst)
    }

    fn take_cell(&self) -> Result<(), Duration> {
        let now = self.clock.uptime();
        match self.gcra.check() {
            Ok(()) => {
                self.recovered_at.store(nanos(now + self.recovery), SeqCst);
                self.head_goes_at.store(nanos(now + self.period), SeqCst);
                Ok(())
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.clock));
                self.head_goes_at.store(nanos(now + wait), SeqCst);
                Err(wait)
            }
        }
    }

    fn until_head_goes(&self) -> Duration {
        Duration::from_nanos(self.head_goes_at.load(SeqCst).saturating_sub(self.now()))
    }

    fn now(&self) -> u64 {
        nanos(self.clock.uptime())
    }
}

impl Place<'_> {
    /// Waits for the turn and takes a cell.
    pub async fn turn(self) {
        let lane = self.lane;
        let head = lane.turn.lock().await;
        while let Err(wait) = lane.take_cell() {
            tokio::time::sleep(wait).await;
        }
        // In this order: whoever comes in between must not count one who has gone.
        drop(self);
        drop(head);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lane.queued.fetch_sub(1, SeqCst);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
