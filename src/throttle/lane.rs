//! One credential's lane in one class: its cells, its health, and those who wait.
//!
//! A lane knows no other lane and no clock: time is an argument. It is kept small, for there may be a hundred thousand:
//! what only troubled lanes have is in a box.

use std::time::Duration;

use super::forecast::Forecast;
use super::health::{Change, Health, Remedy, State, Verdict, projected};
use super::line::{Line, Waiting};
use super::quota::{Bucket, Quota, Special};
use super::{Class, Rank};
use crate::chathub::credential::Digest;

/// A lane. All times are those since the clock was started.
#[derive(Debug)]
pub(super) struct Lane<W> {
    pub(super) class: Class,
    /// Whose it is; `None` if it is that of all who find no lane.
    pub(super) owner: Option<Digest>,
    /// The quota, if it is not that of the class.
    special: Option<Box<Special>>,
    bucket: Bucket,
    health: Option<Box<Health>>,
    pub(super) line: Line<W>,
    /// When it is to be looked at, as noted by the [`Pacer`](super::pacer::Pacer).
    pub(super) due: Option<Duration>,
    /// It waits for its turn at the quota of all.
    pub(super) is_in_turn: bool,
    /// Nobody waited when the first of those came who wait now, and none has gone since.
    is_fresh: bool,
    /// By which settings its special quota was told, or that it has none: the number of their terms.
    pub(super) told_by: u32,
}

impl<W> Lane<W> {
    pub(super) fn new(class: Class, owner: Option<Digest>, special: Option<Special>) -> Self {
        Self {
            class,
            owner,
            special: special.map(Box::new),
            bucket: Bucket::default(),
            health: None,
            line: Line::new(),
            due: None,
            is_in_turn: false,
            is_fresh: false,
            told_by: 0,
        }
    }

    /// The terms change: `resolve` tells the quota that a credential of its own quota has by the new ones. Whether one that had
    /// none has one now is seen when it comes.
    pub(super) fn change_terms(
        &mut self,
        before: &Quota,
        after: &Quota,
        now: Duration,
        remedy: Remedy,
        resolve: impl FnOnce(Class, &Special) -> Option<Quota>,
    ) {
        let used = self.quota(before, now);
        if let Some(special) = &mut self.special {
            match resolve(self.class, special) {
                Some(quota) => special.quota = quota,
                None => self.special = None,
            }
        }
        if let Some(health) = &mut self.health {
            health.heed(now, remedy);
        }
        let quota = self.quota(after, now);
        self.bucket.change(&used, &quota, now);
    }

    /// Its credential comes, by the terms of that number: `special` tells its quota, if it has one of its own. What newer terms
    /// have told stays. Returns whether the quota is another.
    pub(super) fn update(
        &mut self,
        number: u32,
        of_class: &Quota,
        now: Duration,
        special: impl FnOnce() -> Option<Special>,
    ) -> bool {
        if self.owner.is_none() || number <= self.told_by {
            return false;
        }
        self.told_by = number;
        let before = self.quota(of_class, now);
        self.special = special().map(Box::new);
        let after = self.quota(of_class, now);
        self.bucket.change(&before, &after, now);
        before != after
    }

    /// Takes along what was used in the crowd, and the trouble that is there: some of it may have been its own.
    pub(super) fn leave_crowd(&mut self, crowd: &Self, of_class: &Quota, now: Duration) {
        self.health.clone_from(&crowd.health);
        if crowd.bucket.is_full(now) {
            return;
        }
        match self.special {
            None => self.bucket = crowd.bucket,
            Some(_) => self.drain(of_class, now),
        }
    }

    /// Returns the configured quota, given that of the class.
    pub(super) fn configured<'a>(&'a self, of_class: &'a Quota) -> &'a Quota {
        self.special.as_ref().map_or(of_class, |special| &special.quota)
    }

    /// Returns the quota of its own, if it has one.
    pub(super) fn special(&self) -> Option<Special> {
        self.special.as_deref().copied()
    }

    /// Returns the quota in force.
    pub(super) fn quota(&self, of_class: &Quota, now: Duration) -> Quota {
        self.configured(of_class).at_share(self.share(now))
    }

    /// Returns the share of the configured rate that is in force.
    pub(super) fn share(&self, now: Duration) -> f64 {
        self.health.as_ref().map_or(1.0, |health| health.share(now))
    }

    pub(super) fn state(&self) -> State {
        self.health.as_ref().map_or(State::Open, |health| health.state())
    }

    /// How many stops a request knows that goes now.
    pub(super) fn stops(&self) -> u32 {
        self.health.as_ref().map_or(0, |health| health.stops())
    }

    /// Returns whether the upstream has stopped the lane, and not even a probe may go.
    pub(super) fn is_stopped(&self, now: Duration) -> bool {
        match self.state() {
            State::Open => false,
            State::Stopped { until, .. } => until > now,
            State::Probing { .. } => true,
        }
    }

    /// Returns whether the upstream has refused the lane of late.
    pub(super) const fn is_troubled(&self) -> bool {
        self.health.is_some()
    }

    /// Returns whether forgetting the lane would change nothing for anybody.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        // Trouble that is over has been forgotten before.
        self.line.is_empty() && self.bucket.is_full(now) && self.health.is_none()
    }

    /// Brings the lane to the present: a probe is not waited for for ever.
    pub(super) fn settle(&mut self, of_class: &Quota, now: Duration) {
        let opened = self.health.as_mut().and_then(|health| health.settle(now));
        if let Some(at) = opened {
            self.drain(of_class, at);
        }
    }

    /// Returns when the next of the lane can go.
    pub(super) fn next(&self, of_class: &Quota, now: Duration) -> Duration {
        let next = self.bucket.next(&self.quota(of_class, now));
        match self.state() {
            State::Open => next,
            State::Stopped { until, .. } => next.max(until),
            State::Probing { opens } => opens,
        }
    }

    /// Returns whether one may go now.
    pub(super) fn is_open(&self, of_class: &Quota, now: Duration) -> bool {
        self.next(of_class, now) <= now
    }

    /// Returns when the `nth` of those who wait goes, as far as this lane is concerned.
    pub(super) fn projected(&self, of_class: &Quota, now: Duration, nth: usize) -> Duration {
        projected(self.state(), &self.bucket, &self.quota(of_class, now), now, nth)
    }

    /// Returns the lane as it is, to be played ahead.
    pub(super) fn forecast(&self, of_class: &Quota, now: Duration) -> Forecast {
        Forecast::new(self.state(), self.bucket, self.quota(of_class, now))
    }

    /// Takes out those who would go only after their deadline.
    pub(super) fn judge_anew(&mut self, of_class: &Quota, now: Duration) -> Vec<Waiting<W>> {
        let (state, quota) = (self.state(), self.quota(of_class, now));
        let bucket = &self.bucket;
        self.line.judge_anew(|nth| projected(state, bucket, &quota, now, nth))
    }

    /// Somebody joins the line.
    pub(super) fn join(&mut self, place: usize, waiting: Waiting<W>) {
        self.is_fresh |= self.line.is_empty();
        self.line.insert(place, waiting);
    }

    /// Returns whether its next is a write of a credential of which nobody waited before.
    pub(super) fn begins_with_a_write(&self) -> bool {
        self.is_fresh && self.line.front().is_some_and(|next| next.rank == Rank::Write)
    }

    /// One goes, whose cell counts from that time. Returns whether it is a probe.
    pub(super) fn go(&mut self, of_class: &Quota, at: Duration) -> bool {
        let quota = self.quota(of_class, at);
        self.is_fresh = false;
        self.bucket.take(&quota, at);
        self.health.as_mut().is_some_and(|health| health.went(at))
    }

    /// Returns how many cells are left, and how long until the whole burst is there.
    pub(super) fn left(&self, of_class: &Quota, now: Duration) -> (u32, Duration) {
        (self.bucket.cells(&self.quota(of_class, now), now), self.bucket.until_full(now))
    }

    /// Returns whether a cell would be lost if nobody took it.
    pub(super) fn overflows(&self, now: Duration) -> bool {
        self.line.is_empty() && self.bucket.is_full(now) && self.state() == State::Open
    }

    /// The upstream has answered a request that knew so many stops.
    pub(super) fn answered(
        &mut self,
        of_class: &Quota,
        now: Duration,
        knew: u32,
        verdict: Verdict,
        remedy: Remedy,
    ) -> Change {
        if self.health.is_none() && verdict == Verdict::Accepted {
            return Change::Nothing;
        }
        let configured = *self.configured(of_class);
        let health = self.health.get_or_insert_with(|| Box::new(Health::good(now)));
        let change = health.answered(now, knew, verdict, &configured, remedy);
        if change == Change::Reopened {
            self.drain(of_class, now);
        }
        change
    }

    pub(super) fn lost_probe(&mut self, now: Duration) {
        if let Some(health) = &mut self.health {
            health.lost_probe(now);
        }
    }

    /// Forgets trouble that is over. Returns whether it did.
    pub(super) fn recover(&mut self, now: Duration) -> bool {
        let is_over = self.health.as_ref().is_some_and(|health| health.is_good(now));
        if is_over {
            self.health = None;
        }
        is_over
    }

    /// A lane that opens has no burst: it was just told that it was too fast.
    fn drain(&mut self, of_class: &Quota, now: Duration) {
        let quota = self.quota(of_class, now);
        self.bucket.drain(&quota, now);
    }
}
