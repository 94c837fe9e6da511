//! What a gateway can be asked from outside while it runs: how it is, to leave, to end.
//!
//! Signals ask to end, too; but a container without a shell has nothing that could send one to another's process, and no
//! signal asks to leave without ending. *Leaving* is what a load balancer or a mesh needs before the end: readiness has
//! fallen, connections are told to close after their next answer, and whoever comes nevertheless is served.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::phase::{Phase, PhaseWatch, Phases};
use crate::tally::Tally;

/// The life of one gateway. Clones are the same.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    phases: Phases,
    left: Arc<OnceLock<Instant>>,
    quit: Arc<Notify>,
    hurry: Arc<Notify>,
    under_way: UnderWay,
}

/// What a gateway that stops waits for.
#[derive(Debug, Clone, Default)]
pub struct UnderWay {
    /// Clients' connections, those too that have left HTTP.
    pub connections: Tally,
    /// Writes, those too whose clients have left.
    pub writes: Tally,
}

impl UnderWay {
    /// Waits until there is none. Call it when nobody is accepted any more.
    pub async fn ended(&self) {
        self.connections.ended().await;
        self.writes.ended().await;
    }
}

impl Lifecycle {
    /// A gateway that serves.
    #[must_use]
    pub fn new(under_way: UnderWay) -> Self {
        Self { phases: Phases::new(), left: Arc::default(), quit: Arc::default(), hurry: Arc::default(), under_way }
    }

    /// Returns one that sees the phases.
    #[must_use]
    pub fn watch(&self) -> PhaseWatch {
        self.phases.watch()
    }

    /// Goes on to a later phase; never back.
    pub fn enter(&self, phase: Phase) {
        self.phases.enter(phase);
    }

    /// Leaves: readiness falls. Returns when that was, the first time.
    pub fn leave(&self) -> Instant {
        let left = *self.left.get_or_init(Instant::now);
        self.phases.enter(Phase::Leaving);
        left
    }

    /// Asks the gateway to end as a signal does.
    pub fn quit(&self) {
        self.quit.notify_one();
    }

    /// Asks the gateway not to wait for `server.drain_delay` when it ends, or no longer: nobody is coming any more.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Waits until somebody has asked the gateway not to wait.
    pub async fn was_asked_to_hurry(&self) {
        self.hurry.notified().await;
    }

    /// Waits until somebody has asked the gateway to end.
    pub async fn was_asked_to_quit(&self) {
        self.quit.notified().await;
    }

    /// Returns how the gateway is, as JSON. `requests` are those that are being answered.
    #[must_use]
    pub fn state(&self, requests: i64) -> String {
        let UnderWay { connections, writes } = &self.under_way;
        let state = serde_json::json!({
            "phase": self.phases.watch().current().as_str(),
            "requests": requests.max(0),
            "writes": writes.count(),
            "connections": connections.count(),
        });
        format!("{state}\n")
    }
}
