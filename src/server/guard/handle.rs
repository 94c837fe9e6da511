//! What the guard of a connection and the service behind it tell each other, past the server library between them.
//!
//! Both count requests, each for itself: the guard the heads that it lets through, the service its calls. The library
//! calls the service once for each head, in order, one after another; so the same number means the same request.
//!
//! What a newcomer would get wrong: an answer is given when its **body** has ended, not when its head is made. Between
//! [`Handle::begin`] and [`Handle::answered`] the connection is busy and is not closed for being idle; a stream of events
//! that is silent for an hour would be cut if it counted as answered before it ended. [`Answering`] holds that place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::server::framing::Fault;
use crate::telemetry::metrics::CloseCause;
use crate::wire::Interim;

/// The service's side of a connection's guard. Clones are the same connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The refused head, which is always the last: its number, counted from one, and why.
    fault: OnceLock<(u64, Fault)>,
    /// Requests that the service was called with.
    begun: AtomicU64,
    /// Requests whose answers have ended.
    answered: AtomicU64,
    interim: Interim,
    /// No request shall follow the next answer.
    closing: AtomicBool,
    /// A part of a head has come, and not the rest.
    head_begun: AtomicBool,
    /// The limit for which the connection was closed, if it was.
    cause: OnceLock<CloseCause>,
    /// Whether the guard waits for a decision, so that others need not take the lock.
    holding: AtomicBool,
    decision: Mutex<Decision>,
}

#[derive(Debug, Default)]
struct Decision {
    upgraded: bool,
    waker: Option<Waker>,
}

/// What became of a request that asked for another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was granted: what follows is not HTTP.
    Upgraded,
    /// It was answered like any other.
    Ordinary,
}

impl Handle {
    /// Counts a request, and returns the fault if this one stands for a head that was refused.
    ///
    /// To be called exactly once for each call of the service, before anything is done with the request: in place of a
    /// refused head the service is given a made-up one.
    pub(crate) fn begin(&self) -> Option<Fault> {
        let ordinal = self.0.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.fault.get().filter(|(faulty, _)| *faulty == ordinal).map(|(_, fault)| *fault)
    }

    /// Returns how many requests the service was called with.
    pub(crate) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Returns what is to be written before the answer.
    pub(crate) fn interim(&self) -> &Interim {
        &self.0.interim
    }

    /// Notes that no request shall follow the next answer.
    pub(crate) fn close_after_answer(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }

    /// Returns whether no request shall follow the next answer.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Returns whether a part of a head has come, of which the server library knows nothing: to it the connection is idle.
    pub(crate) fn has_head_begun(&self) -> bool {
        self.0.head_begun.load(Ordering::Relaxed)
    }

    /// Notes whether a part of a head has come, and not the rest.
    pub(super) fn head_is_begun(&self, is_begun: bool) {
        self.0.head_begun.store(is_begun, Ordering::Relaxed);
    }

    /// Notes the limit for which the connection is closed. Only the first such note counts.
    pub(crate) fn closes_for(&self, cause: CloseCause) {
        let _already_closing = self.0.cause.set(cause);
    }

    /// Returns the limit for which the connection was closed, if it was.
    pub(crate) fn closed_for(&self) -> Option<CloseCause> {
        self.0.cause.get().copied()
    }

    /// Counts an answer that has ended.
    ///
    /// If the request asked for another protocol and [`Handle::upgraded`] was not called before, this tells the guard
    /// that HTTP goes on.
    pub(crate) fn answered(&self) {
        // Sequentially consistent with `poll_decision`: either it sees the count, or this sees that it waits.
        self.0.answered.fetch_add(1, Ordering::SeqCst);
        if self.0.holding.load(Ordering::SeqCst) {
            wake(self.0.lock());
        }
    }

    /// Returns a value that calls [`Handle::answered`] when it is dropped, to be kept in the answer's body.
    pub(crate) fn answering(&self) -> Answering {
        Answering(self.clone())
    }

    /// Tells the guard that the protocol changes: with a 101, or with a 2xx for `CONNECT`. Before [`Handle::answered`].
    ///
    /// Only for a request whose `Connection` listed `upgrade`: after any other the guard held nothing back.
    pub(crate) fn upgraded(&self) {
        let mut decision = self.0.lock();
        decision.upgraded = true;
        wake(decision);
    }

    /// Notes that the request with this number stands for a refused head. Only the first such note counts.
    pub(super) fn refuse(&self, ordinal: u64, fault: Fault) {
        let _already_refused = self.0.fault.set((ordinal, fault));
    }

    /// Returns how many answers have ended.
    pub(super) fn answers(&self) -> u64 {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// Waits until it is known what became of the request with this number.
    pub(super) fn poll_decision(&self, cx: &Context<'_>, ordinal: u64) -> Poll<Outcome> {
        let mut decision = self.0.lock();
        self.0.holding.store(true, Ordering::SeqCst);
        let outcome = if decision.upgraded {
            Outcome::Upgraded
        } else if self.0.answered.load(Ordering::SeqCst) >= ordinal {
            Outcome::Ordinary
        } else {
            decision.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.0.holding.store(false, Ordering::SeqCst);
        decision.waker = None;
        Poll::Ready(outcome)
    }
}

impl Shared {
    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, Decision> {
        self.decision.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut decision: MutexGuard<'_, Decision>) {
    let waker = decision.waker.take();
    drop(decision);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// An answer that has not ended: counts as answered when dropped.
#[derive(Debug)]
#[must_use = "dropped at once it says that the answer has ended"]
pub(crate) struct Answering(Handle);

impl Answering {
    /// Returns the handle.
    pub(crate) fn handle(&self) -> &Handle {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}
