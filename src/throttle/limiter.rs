//! The pacer with a clock, a lock and a timer: what the layers ask.
//!
//! One lock holds all lanes. It is held for a step, some hundred nanoseconds or, where a long line is searched, some
//! microseconds, and never across an await; whoever waits does so outside, on a channel of its own. One task waits for
//! the next moment at which somebody may go and tells all whose time has come. What a newcomer would get wrong: a timer
//! for each who waits. Then whoever's timer fires first goes first, and two hundred heads of lines wake for each cell
//! of the quota that they share.

mod place;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::pacer::{Arrival, Ask, Found, Pacer, Pass, Release, Released, Terms};
use super::quota::{Quota, Special};
use super::{Class, Rank, Refusal, Rejection, Verdict};
use crate::clock::Clock;
use crate::config::Mode;
use crate::error::Error;
use crate::telemetry::metrics::{Decision, ThrottleMetrics};
use crate::wire::RateLimit;
use place::PlaceInLine;

/// How often idle lanes are looked for.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);
/// How many lanes are looked at while the lock is held.
const LOOKS: usize = 2048;
/// Whoever is served so much later than it was told is counted as late: more than a timer's tick and a busy moment. The
/// metric's help says so.
const LATE: Duration = Duration::from_millis(20);

/// Tells one who waits what became of it. In observe mode nobody listens.
type Wake = Option<oneshot::Sender<Result<Admission, Refusal>>>;

/// The limiter of all classes. Clones share it; dropping the last one ends its task.
#[derive(Debug, Clone)]
pub struct Limiter {
    mode: Mode,
    /// Of the terms by which those ask who have it.
    terms: u32,
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    pacer: Mutex<Pacer<Wake>>,
    /// Somebody waits for an earlier moment than the task does.
    earlier: Notify,
    clock: Clock,
    metrics: ThrottleMetrics,
}

/// Leave to go upstream. It is to be [told](Self::answered) what the upstream answered; a probe that is dropped instead
/// came to nothing, and another goes in its place.
///
/// It travels in a request's extensions, which clone what they hold; clones are one admission.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Given>);

#[derive(Debug)]
struct Given {
    shared: Arc<Shared>,
    pass: Pass,
    is_told: AtomicBool,
}

/// How a request fared that was admitted.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Leave to go; `None` where nothing is paced.
    pub admission: Option<Admission>,
    /// How long it waited.
    pub waited: Duration,
    /// How long it was told that it might have to wait, if it had to.
    pub predicted: Option<Duration>,
    /// What was left of the quotas then, if it is to be told.
    pub rate_limit: Option<RateLimit>,
}

impl Admitted {
    fn told(admission: Admission) -> Self {
        Self { rate_limit: Some(admission.0.pass.rate_limit), admission: Some(admission), ..Self::default() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Limiter {
    /// Starts a limiter and its task. To be called within a tokio runtime.
    #[must_use]
    pub fn start(mode: Mode, terms: Terms, clock: Clock, metrics: ThrottleMetrics) -> Self {
        metrics.set_terms(&terms);
        let pacer = Mutex::new(Pacer::new(terms));
        let shared = Arc::new(Shared { pacer, earlier: Notify::new(), clock, metrics });
        let task = tokio::spawn(Arc::clone(&shared).run()).abort_handle();
        Self { mode, terms: 1, running: Arc::new(Running { shared, task }) }
    }

    /// Puts other terms in force for all, and returns the limiter in another mode. `resolve` tells the quotas of single
    /// credentials by them. Used cells do not come back, and whoever waits goes on to wait, in whichever mode, unless that is
    /// too long by the new terms.
    #[must_use]
    pub fn renewed(&self, mode: Mode, terms: Terms, resolve: impl Fn(Class, &Special) -> Option<Quota>) -> Self {
        let shared = &self.running.shared;
        shared.metrics.set_terms(&terms);
        let mut pacer = shared.lock();
        let released = pacer.set_terms(shared.clock.uptime(), terms, resolve);
        Class::ALL.iter().for_each(|class| shared.counted(&pacer, *class));
        drop(pacer);
        shared.earlier.notify_one();
        shared.tell(released);
        Self { mode, terms: self.terms + 1, running: Arc::clone(&self.running) }
    }

    /// A request comes, and takes its place at once. `special` tells the quota of its credential, if it has one of its own.
    pub fn ask(&self, ask: &Ask, special: impl FnOnce() -> Option<Special>) -> Asked {
        let shared = &self.running.shared;
        match self.mode {
            Mode::Off => Asked(Answer::Given(Ok(Admitted::default()))),
            Mode::Observe => Asked(Answer::Given(shared.observe(ask, self.terms, special))),
            Mode::Enforce => Asked(self.enforce(ask, special)),
        }
    }

    fn enforce(&self, ask: &Ask, special: impl FnOnce() -> Option<Special>) -> Answer {
        let (shared, mut channel) = (&self.running.shared, None);
        let arrival = shared.arrive(ask, self.terms, special, || {
            let (wake, told) = oneshot::channel();
            channel = Some(told);
            Some(wake)
        });
        match arrival {
            Arrival::Go(pass) => {
                shared.decided(ask, Decision::Admitted);
                Answer::Given(Ok(Admitted::told(shared.admission(pass))))
            }
            Arrival::Refused(refusal) => Answer::Given(Err(shared.refused(ask, refusal))),
            Arrival::Wait(ticket, predicted) => {
                let (limiter, arrived) = (self.clone(), shared.clock.now());
                let place = PlaceInLine { limiter, ask: *ask, ticket, arrived, predicted, is_given_up: false };
                Answer::InLine(place, channel.expect("whoever waits was given a channel"))
            }
        }
    }
}

/// A request that has asked. Dropping it gives its place up.
#[derive(Debug)]
pub struct Asked(Answer);

#[derive(Debug)]
enum Answer {
    Given(Result<Admitted, Refusal>),
    InLine(PlaceInLine, oneshot::Receiver<Result<Admission, Refusal>>),
}

impl Asked {
    /// Returns the answer if it was given at once, or else the request's place in the line.
    pub fn at_once(self) -> Either<Result<Admitted, Refusal>, Self> {
        match self.0 {
            Answer::Given(result) => Either::Left(result),
            in_line @ Answer::InLine(..) => Either::Right(Self(in_line)),
        }
    }

    /// Waits until the request may go upstream.
    ///
    /// # Errors
    ///
    /// [`Cause::Throttled`](crate::error::Cause::Throttled): at once, if it would have to wait too long; later only if the
    /// upstream itself stops its credential, if the quotas are lowered, or if others' turns come first at the quota of all
    /// for as long as it may wait.
    pub async fn admitted(self) -> Result<Admitted, Error> {
        match self.0 {
            Answer::Given(result) => Ok(result?),
            Answer::InLine(place, told) => place.wait(told).await,
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Lets the request go, and its shadow wait as it would have.
    fn observe(
        self: &Arc<Self>,
        ask: &Ask,
        terms: u32,
        special: impl FnOnce() -> Option<Special>,
    ) -> Result<Admitted, Refusal> {
        let shadow = || self.lock().shadow(self.clock.uptime(), ask);
        let (pass, decision) = match self.arrive(ask, terms, special, || None) {
            Arrival::Go(pass) => (Some(pass), Decision::Admitted),
            Arrival::Wait(..) => (shadow(), Decision::WouldWait),
            Arrival::Refused(refusal) if ask.rank == Rank::Background => return Err(self.refused(ask, refusal)),
            Arrival::Refused(refusal) => {
                self.metrics.rejected(refusal.rejection);
                (shadow(), Decision::WouldReject)
            }
        };
        self.decided(ask, decision);
        Ok(Admitted { admission: pass.map(|pass| self.admission(pass)), ..Admitted::default() })
    }

    fn arrive(
        &self,
        ask: &Ask,
        terms: u32,
        special: impl FnOnce() -> Option<Special>,
        wake: impl FnOnce() -> Wake,
    ) -> Arrival {
        let mut pacer = self.lock();
        let next_due = pacer.next_due();
        let (arrival, found) = pacer.arrive(self.clock.uptime(), ask, terms, special, wake);
        if found == Found::New || matches!(arrival, Arrival::Wait(..)) {
            self.counted(&pacer, ask.class);
        }
        let is_earlier = pacer.next_due().is_some_and(|due| next_due.is_none_or(|next| due < next));
        drop(pacer);
        if found == Found::Crowd {
            self.metrics.crowded(ask.class);
        }
        if is_earlier {
            self.earlier.notify_one();
        }
        arrival
    }

    fn admission(self: &Arc<Self>, pass: Pass) -> Admission {
        Admission(Arc::new(Given { shared: Arc::clone(self), pass, is_told: AtomicBool::new(false) }))
    }

    fn decided(&self, ask: &Ask, decision: Decision) {
        self.metrics.decided(ask.class, decision);
    }

    fn refused(&self, ask: &Ask, refusal: Refusal) -> Refusal {
        let is_skipped = refusal.rejection == Rejection::NoSpareCell;
        self.decided(ask, if is_skipped { Decision::Skipped } else { Decision::Rejected });
        self.metrics.rejected(refusal.rejection);
        refusal
    }

    fn counted(&self, pacer: &Pacer<Wake>, class: Class) {
        self.metrics.counted(class, &pacer.count(class));
    }

    fn lock(&self) -> MutexGuard<'_, Pacer<Wake>> {
        // A panic within would be a fault of the machine; what it left is used as it is rather than to stop all.
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === the task ===

    async fn run(self: Arc<Self>) {
        let mut tidying = tokio::time::interval(TIDY_INTERVAL);
        tidying.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_tidying = false;
        loop {
            let due = self.advance();
            if is_tidying {
                // A few at a time: those whose time has come do not wait for it.
                is_tidying = !self.tidy();
                tokio::task::yield_now().await;
                continue;
            }
            let next = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.clock.at(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next => {}
                () = self.earlier.notified() => {}
                _ = tidying.tick() => is_tidying = true,
            }
        }
    }

    /// Tells all whose time has come, and returns when the next one's does.
    fn advance(self: &Arc<Self>) -> Option<Duration> {
        let mut pacer = self.lock();
        let released = pacer.advance(self.clock.uptime());
        if !released.is_empty() {
            Class::ALL.iter().for_each(|class| self.counted(&pacer, *class));
        }
        let next_due = pacer.next_due();
        drop(pacer);
        self.tell(released);
        next_due
    }

    fn tell(self: &Arc<Self>, released: Released<Wake>) {
        for (wake, release) in released {
            // A shadow has nobody who listens.
            let Some(wake) = wake else { continue };
            let told = match release {
                Release::Go(pass) => Ok(self.admission(pass)),
                Release::Refused(refusal) => Err(refusal),
            };
            // Whoever has left in this moment does not hear it; its cell is gone, and a probe says so when dropped.
            drop(wake.send(told));
        }
    }

    /// Looks for idle lanes, and returns whether all have been looked at.
    fn tidy(&self) -> bool {
        let mut pacer = self.lock();
        let now = self.clock.uptime();
        if !pacer.tidy(now, LOOKS) {
            return false;
        }
        for class in Class::ALL {
            self.counted(&pacer, *class);
            self.metrics.troubled(*class, &pacer.trouble(*class, now));
        }
        true
    }

    fn answered(self: &Arc<Self>, pass: &Pass, verdict: Verdict) -> Option<RateLimit> {
        // Nothing was wrong with the lane when it went, and nothing is now: no need for the lock.
        if pass.knows == 0 && verdict == Verdict::Accepted {
            return None;
        }
        let mut pacer = self.lock();
        let now = self.clock.uptime();
        let answered = pacer.answered(now, pass, verdict);
        let left = verdict.refusal().and_then(|wait| {
            let left = pacer.left(now, pass)?;
            Some(wait.map_or(left, |wait| left.lasting_at_most(wait)))
        });
        let Some(answered) = answered else { return left };
        self.counted(&pacer, pass.class);
        drop(pacer);
        if answered.is_stop {
            self.metrics.stopped(pass.class, verdict, answered.is_lowered);
        }
        self.earlier.notify_one();
        self.tell(answered.released);
        left
    }
}

// === impl Admission ===

impl Admission {
    /// Tells what the upstream answered. Returns what is left of the quotas after it, if it was a refusal: then what was
    /// left when the request went is no longer so.
    #[must_use]
    pub fn answered(&self, verdict: Verdict) -> Option<RateLimit> {
        self.0.is_told.store(true, Relaxed);
        self.0.shared.answered(&self.0.pass, verdict)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if *self.is_told.get_mut() || !self.pass.is_probe {
            return;
        }
        self.shared.lock().lost_probe(self.shared.clock.uptime(), &self.pass);
        self.shared.earlier.notify_one();
    }
}

#[cfg(test)]
#[path = "limiter/tests.rs"]
mod tests;
