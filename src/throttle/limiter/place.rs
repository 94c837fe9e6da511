//! The place of one who waits: what it is told in the end, and that it is given up if its client leaves.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Admission, Admitted, LATE, Limiter};
use crate::error::Error;
use crate::telemetry::metrics::Decision;
use crate::throttle::Refusal;
use crate::throttle::pacer::{Ask, Ticket};
use crate::wire::account::Turn;

/// The place of one who waits. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct PlaceInLine {
    /// Keeps the task alive that will tell.
    pub(super) limiter: Limiter,
    pub(super) ask: Ask,
    pub(super) ticket: Ticket,
    pub(super) arrived: Instant,
    pub(super) predicted: Duration,
    /// It is no longer there to be given up.
    pub(super) is_given_up: bool,
}

impl PlaceInLine {
    pub(super) async fn wait(mut self, told: oneshot::Receiver<Result<Admission, Refusal>>) -> Result<Admitted, Error> {
        let told = told.await.expect("whoever waits is told: its place keeps the task alive");
        self.is_given_up = true;
        let shared = &self.limiter.running.shared;
        let waited = shared.clock.now() - self.arrived;
        match told {
            Ok(admission) => {
                shared.decided(&self.ask, Decision::Waited);
                shared.metrics.waited(self.ask.class, waited, waited > self.predicted + LATE);
                Ok(Admitted { waited, predicted: Some(self.predicted), ..Admitted::told(admission) })
            }
            Err(refusal) => {
                let turn = Turn { waited, predicted: Some(self.predicted) };
                Err(Error::from(shared.refused(&self.ask, refusal)).after_turn(turn))
            }
        }
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        if self.is_given_up {
            return;
        }
        let shared = &self.limiter.running.shared;
        let mut pacer = shared.lock();
        pacer.leave(shared.clock.uptime(), self.ticket);
        shared.counted(&pacer, self.ask.class);
    }
}
