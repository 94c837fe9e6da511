//! The phases in which a gateway ends: serving, draining, closed.
//!
//! Draining begins with readiness falling; connections are then told to end after the request they are on, and what is
//! left at the deadline is cut.

use tokio::sync::watch;

/// Where a gateway stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Accepts and answers.
    Serving,
    /// No longer ready; still accepts, for those who have not noticed yet.
    Leaving,
    /// Accepts nobody; connections end after the request they are on.
    Draining,
    /// What is left is cut.
    Closed,
}

/// Moves the gateway from phase to phase.
#[derive(Debug, Clone)]
pub struct Phases(watch::Sender<Phase>);

/// Sees the phases.
#[derive(Debug, Clone)]
pub struct PhaseWatch(watch::Receiver<Phase>);

impl Phases {
    /// Starts serving.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    /// Goes on to a later phase; never back.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let is_later = phase > *current;
            *current = phase.max(*current);
            is_later
        });
    }

    /// Returns one that sees the phases.
    #[must_use]
    pub fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.0.subscribe())
    }
}

impl Default for Phases {
    fn default() -> Self {
        Self::new()
    }
}

impl PhaseWatch {
    /// Returns the phase of this moment.
    #[must_use]
    pub fn current(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until the gateway is in `phase` or a later one. A gateway that is gone is closed.
    pub async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}
