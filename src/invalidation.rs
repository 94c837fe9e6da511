//! Before and after every write: hides what it makes stale, and sees the write through (DESIGN 4).
//!
//! Two layers: [`InspectionLayer`] learns from a write's content what it makes stale; [`InvalidationLayer`] fences it.
//! The second stands *below* the throttle, at the last step before the upstream, and that is why three rules need no
//! code: a write that waits for its turn hides nothing yet, one that is refused hides nothing at all, and a client that
//! leaves while its write waits takes it back. From there on the write is a task of its own; no client can stop it.

pub mod inspect;
pub mod layer;
pub mod outcome;
pub mod service;

pub use inspect::InspectionLayer;
pub use layer::InvalidationLayer;

use tokio::sync::watch;

/// The writes that have not ended, so that a gateway that stops can wait for those whose clients have left.
#[derive(Debug, Clone)]
pub struct WritesInFlight(watch::Sender<usize>);

/// A write that has not ended, while it lives.
#[derive(Debug)]
pub struct WriteUnderWay(watch::Sender<usize>);

impl WritesInFlight {
    /// Starts with none.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Counts a write for as long as the value lives.
    #[must_use]
    pub fn begin(&self) -> WriteUnderWay {
        self.0.send_modify(|count| *count += 1);
        WriteUnderWay(self.0.clone())
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until none is left. Call it when no new one can come.
    pub async fn ended(&self) {
        // It fails only if the sender has gone, and that is here.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Default for WritesInFlight {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WriteUnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
