//! The phases in which a gateway ends: serving, draining, closed.
//!
//! Stopping begins with readiness falling; connections are then told to end after the request they are on, and what is
//! left at the deadline is cut.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;
use tokio::task::coop::unconstrained;

crate::telemetry::label::words! {
    /// Where a gateway stands in its life.
    #[derive(PartialOrd, Ord)]
    Phase {
        /// Accepts and answers.
        Serving = "serving",
        /// No longer ready; still accepts, for those who have not noticed yet.
        Leaving = "leaving",
        /// Accepts nobody; connections end after the request they are on.
        Draining = "draining",
        /// What is left is cut.
        Closed = "closed",
    }
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

    /// Does what [`reached`](Self::reached) does, for who is polled again and again in between.
    pub(crate) fn reached_seldom(self, phase: Phase) -> impl Future<Output = Self> {
        let watch = self.clone();
        let mut watching = self;
        let inner = async move {
            watching.reached(phase).await;
            watching
        };
        // A task that has used up its share of time would not be let in to ask, and would count as one that has asked.
        Seldom { inner: unconstrained(inner), watch, asked_by: None }
    }

    /// Waits until the gateway drains.
    pub async fn draining(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until the gateway is in `phase` or a later one. A gateway that is gone is closed.
    pub async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}

pin_project_lite::pin_project! {
    /// A connection's task is woken for each request, and waits for the phase beside it. The wait would be asked each
    /// time; but it has asked to be woken already, by the same task, and has nothing to say while no phase has moved.
    struct Seldom<F> {
        #[pin]
        inner: F,
        watch: PhaseWatch,
        asked_by: Option<Waker>,
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let asks_again = this.asked_by.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        // A sender that is gone has moved.
        if asks_again && matches!(this.watch.0.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        *this.asked_by = Some(cx.waker().clone());
        this.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::task::coop;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_seldom_is_woken_in_whichever_task_he_asked_last() {
        let phases = Phases::new();
        let mut waiting = Box::pin(phases.watch().reached_seldom(Phase::Draining));
        for _ in 0..3 {
            assert!((&mut waiting).now_or_never().is_none(), "nothing has moved");
        }
        phases.enter(Phase::Leaving);
        assert!((&mut waiting).now_or_never().is_none(), "another phase");
        let waiting = tokio::spawn(waiting);
        tokio::task::yield_now().await;
        phases.enter(Phase::Draining);
        assert_eq!(waiting.await.unwrap().current(), Phase::Draining);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_seldom_is_woken_though_his_share_of_time_was_used_up_when_he_asked() {
        let phases = Phases::new();
        let waiting = phases.watch().reached_seldom(Phase::Draining);
        let waiting = tokio::spawn(async move {
            while coop::has_budget_remaining() {
                coop::consume_budget().await;
            }
            waiting.await
        });
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        phases.enter(Phase::Draining);
        let woken = tokio::time::timeout(Duration::from_secs(1), waiting).await;
        assert_eq!(woken.expect("he is woken").unwrap().current(), Phase::Draining);
    }

    #[tokio::test]
    async fn a_gateway_that_is_gone_ends_the_waiting() {
        let phases = Phases::new();
        let waiting = tokio::spawn(phases.watch().reached_seldom(Phase::Closed));
        tokio::task::yield_now().await;
        drop(phases);
        waiting.await.unwrap();
    }
}
