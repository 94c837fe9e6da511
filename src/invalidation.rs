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

use std::convert::Infallible;

use tokio::sync::mpsc;

/// The writes that have not ended, so that a gateway that stops can wait for those whose clients have left.
#[derive(Debug)]
pub struct WritesInFlight {
    own: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

/// Counts writes for [`WritesInFlight`].
#[derive(Debug, Clone)]
pub struct WriteCounter(mpsc::WeakSender<Infallible>);

impl WritesInFlight {
    /// Starts with none.
    #[must_use]
    pub fn new() -> Self {
        let (own, ended) = mpsc::channel(1);
        Self { own, ended }
    }

    /// Returns what counts them.
    #[must_use]
    pub fn counter(&self) -> WriteCounter {
        WriteCounter(self.own.downgrade())
    }

    /// Waits until none is left. Call it when no new one can come.
    pub async fn ended(self) {
        let Self { own, mut ended } = self;
        drop(own);
        // Nothing is ever sent: this is the end of the last sender.
        let _ = ended.recv().await;
    }
}

impl Default for WritesInFlight {
    fn default() -> Self {
        Self::new()
    }
}

impl WriteCounter {
    /// Counts a write for as long as the value lives.
    #[must_use]
    pub fn begin(&self) -> Option<mpsc::Sender<Infallible>> {
        self.0.upgrade()
    }
}
