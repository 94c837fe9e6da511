//! Who goes when: the lanes of all credentials, the quota of all together, and what each newcomer is told.
//!
//! It is a machine without clock, lock or task: time is an argument, and what is to be done about it an answer. So every
//! promise can be tested to the nanosecond. [`Limiter`](super::Limiter) gives it a clock, a lock and a timer.
//!
//! A newcomer goes at once if nobody waits in its lane and the cells are there. Otherwise the wait is predicted, and
//! decides: it waits, or it is refused and told when it would not be. What a newcomer to this code would get wrong: a
//! prediction that later arrivals can break. Here they queue behind, and a write that goes ahead of reads checks what
//! each of them was promised; only the upstream, by refusing, and other terms can break a promise, and then all who wait
//! are judged anew.
//!
//! Where there is a quota for all, the lanes whose time has come share it in turns: one with a long line delays each other
//! by one request, not by its line. A write of a lane in which nobody waited goes ahead. A prediction counts the lanes
//! that wait when it is made; if more come later, waits grow, and whoever has waited for `throttle.max_wait` is refused.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::health::{Change, Remedy, Verdict};
use super::quota::{Bucket, Quota, Special};
use super::refusal::{Refusal, Rejection};
use super::table::{LaneId, Place, Table};
use super::turns::Turns;
use super::{Class, Rank};
use crate::chathub::credential::Digest;
use crate::wire::RateLimit;

mod change;
mod going;
mod queue;
mod vacancy;

/// What the machine is set to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The quota of each class, in the order of [`Class::ALL`].
    pub quotas: [Quota; Class::ALL.len()],
    /// The quota of all credentials and classes together, if there is one.
    pub upstream: Option<Quota>,
    /// The longest a request waits.
    pub max_wait: Duration,
    /// How many may wait in all.
    pub max_waiting: usize,
    /// How many may wait in one lane.
    pub max_waiting_per_lane: usize,
    /// How many lanes of their own credentials have in a class.
    pub max_lanes: usize,
    /// The longest that one refusal of the upstream stops a lane.
    pub max_stop: Duration,
    /// Repeated refusals lower a lane's rate.
    pub is_adaptive: bool,
}

/// A request that asks to go upstream.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Its class.
    pub class: Class,
    /// Whose quota it uses.
    pub owner: Digest,
    /// Its rank.
    pub rank: Rank,
    /// Where it comes from.
    pub peer: IpAddr,
    /// Its connection is new, or the throttle has had no part in its answers for [`REST`](crate::wire::REST).
    pub is_rested: bool,
}

/// What a newcomer is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Go.
    Go(Pass),
    /// Wait: you go within this time.
    Wait(Ticket, Duration),
    /// You would have to wait too long.
    Refused(Refusal),
}

/// Which lane a newcomer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its credential's.
    Own,
    /// Its credential's, which had none before.
    New,
    /// The crowd's, since there are as many lanes as there may be.
    Crowd,
}

/// Leave to go, and what is needed to tell what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The class.
    pub class: Class,
    /// Whose quota was used; `None` if it was that of all who have none.
    pub owner: Option<Digest>,
    /// How many stops of its lane the request knows.
    pub knows: u32,
    /// The others wait for what comes of it.
    pub is_probe: bool,
    /// The quota that was used, if it was one of its own.
    pub special: Option<Special>,
    /// What is left.
    pub rate_limit: RateLimit,
}

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    lane: LaneId,
    number: u64,
}

/// What became of one who waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// Go.
    Go(Pass),
    /// The upstream has stopped the lane, the terms have changed, or others' turns came first, and the wait would be too long.
    Refused(Refusal),
}

/// Those whose waiting has ended, in order.
pub type Released<W> = Vec<(W, Release)>;

/// What there is of a class, for those who watch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// Requests that wait.
    pub waiting: usize,
    /// Credentials with a lane of their own.
    pub lanes: usize,
}

/// The trouble there is in a class, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trouble {
    /// Lanes that the upstream has stopped.
    pub stopped: usize,
    /// Lanes with a lowered rate.
    pub lowered: usize,
    /// The lowest share of its rate that a lane has.
    pub lowest: f64,
}

/// What the upstream's answer did to a lane.
#[derive(Debug)]
pub struct Answered<W> {
    /// The lane was stopped.
    pub is_stop: bool,
    /// Its rate was lowered too.
    pub is_lowered: bool,
    /// Those whose waiting has ended by it.
    pub released: Released<W>,
}

/// The machine. `W` is what is kept of one who waits, to tell it.
#[derive(Debug)]
pub struct Pacer<W> {
    terms: Terms,
    table: Table<W>,
    upstream: Bucket,
    /// Lanes whose next may go as soon as there is a cell of the quota of all.
    turns: Turns,
    /// When each lane in which somebody waits is to be looked at.
    due: BTreeSet<(Duration, LaneId)>,
    waiting: [usize; Class::ALL.len()],
    next_number: u64,
    /// Those whose waiting has ended and who are to be told when time is looked at next.
    ended: Released<W>,
}

impl<W> Pacer<W> {
    /// Creates a machine without lanes.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            table: Table::new(terms.max_lanes),
            terms,
            upstream: Bucket::default(),
            turns: Turns::default(),
            due: BTreeSet::new(),
            waiting: [0; Class::ALL.len()],
            next_number: 0,
            ended: Vec::new(),
        }
    }

    /// A request comes, by the terms of that number, which begin with 1. `special` tells the quota of its credential, if it has
    /// one of its own, and is asked for a lane that is new, or new to those terms; `wake` is called if it waits.
    pub fn arrive(
        &mut self,
        now: Duration,
        ask: &Ask,
        terms: u32,
        special: impl FnOnce() -> Option<Special>,
        wake: impl FnOnce() -> W,
    ) -> (Arrival, Found) {
        let of_class = self.terms.quotas[ask.class as usize];
        let mut special = Some(special);
        let mut ask_special = || special.take().and_then(|special| special());
        let place = self.table.place(ask.class, ask.owner, &of_class, now, &mut ask_special);
        let id = place.id();
        let lane = self.table.lane_mut(id);
        if matches!(place, Place::New(_)) {
            lane.told_by = terms;
        }
        if lane.update(terms, &of_class, now, ask_special) && !lane.line.is_empty() {
            let mut ended = std::mem::take(&mut self.ended);
            self.pace_anew(id, now, &mut ended);
            self.ended = ended;
        }
        self.table.lane_mut(id).settle(&of_class, now);
        let arrival = match ask.rank {
            Rank::Background if !self.overflows(id, now) => Arrival::Refused(self.no_spare_cell(id, now)),
            _ if self.may_go(id, now) => Arrival::Go(self.go(id, now)),
            _ => self.queue(id, ask, now, wake),
        };
        let found = match place {
            Place::Own(_) => Found::Own,
            Place::New(_) => Found::New,
            Place::Crowd(_) => Found::Crowd,
        };
        (arrival, found)
    }

    /// One who waits leaves.
    pub fn leave(&mut self, now: Duration, ticket: Ticket) {
        let Some(lane) = self.table.get_mut(ticket.lane) else { return };
        if lane.line.remove(ticket.number) {
            self.waiting[lane.class as usize] -= 1;
            self.look_when_due(ticket.lane, now);
        }
    }

    /// Time has passed. Returns those whose waiting has ended.
    pub fn advance(&mut self, now: Duration) -> Released<W> {
        let mut released = std::mem::take(&mut self.ended);
        while let Some((_, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.look_at(id, now, &mut released);
        }
        while let Some(id) = self.next_turn(now) {
            self.release(id, now, &mut released);
        }
        released
    }

    /// Returns when [`advance`](Self::advance) is to be called again, if nothing happens before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        if !self.ended.is_empty() {
            return Some(Duration::ZERO);
        }
        let lane = self.due.first().map(|(due, _)| *due);
        let turn = self.terms.upstream.filter(|_| !self.turns.is_empty()).map(|quota| self.upstream.next(&quota));
        lane.into_iter().chain(turn).min()
    }

    /// The upstream has answered a request. Returns what that changed, if it did.
    pub fn answered(&mut self, now: Duration, pass: &Pass, verdict: Verdict) -> Option<Answered<W>> {
        let id = self.lane_of(pass, now, verdict)?;
        let of_class = self.of_class(id);
        let remedy = Remedy { max_stop: self.terms.max_stop, is_adaptive: self.terms.is_adaptive };
        let lane = self.table.lane_mut(id);
        lane.settle(&of_class, now);
        let change = lane.answered(&of_class, now, pass.knows, verdict, remedy);
        let mut released = Vec::new();
        if matches!(change, Change::Stopped { .. } | Change::Extended) {
            self.table.note_trouble(id);
            self.leave_turn(id);
            self.judge_anew(id, now, Rejection::Stopped, &mut released);
        }
        self.look_when_due(id, now);
        let (is_stop, is_lowered) = match change {
            Change::Nothing => return None,
            Change::Stopped { is_lowered } => (true, is_lowered),
            Change::Extended | Change::Reopened => (false, false),
        };
        Some(Answered { is_stop, is_lowered, released })
    }

    /// Returns what is left of the quotas that a request used, if its lane is still there.
    #[must_use]
    pub fn left(&self, now: Duration, pass: &Pass) -> Option<RateLimit> {
        let id = match pass.owner {
            Some(owner) => self.table.find(pass.class, owner)?,
            None => self.table.crowd(pass.class),
        };
        Some(self.rate_limit(id, now))
    }

    /// A probe has come to nothing.
    pub fn lost_probe(&mut self, now: Duration, pass: &Pass) {
        let Some(id) = self.lane_of(pass, now, Verdict::Accepted) else {
            return;
        };
        let lane = self.table.lane_mut(id);
        if lane.stops() == pass.knows {
            lane.lost_probe(now);
            self.look_when_due(id, now);
        }
    }

    /// Returns the pass of a request that goes without leave, so that what the upstream answers it is heard all the same.
    #[must_use]
    pub fn shadow(&self, now: Duration, ask: &Ask) -> Option<Pass> {
        let id = self.table.find(ask.class, ask.owner)?;
        let (class, owner) = (ask.class, Some(ask.owner));
        let (special, knows) = (self.table.lane(id).special(), self.table.lane(id).stops());
        Some(Pass { class, owner, knows, is_probe: false, special, rate_limit: self.rate_limit(id, now) })
    }

    /// Returns the lane that a request used. One that was forgotten is made again only to note a refusal, and only if there
    /// is room: the crowd is not to be stopped for it.
    fn lane_of(&mut self, pass: &Pass, now: Duration, verdict: Verdict) -> Option<LaneId> {
        let Some(owner) = pass.owner else {
            return Some(self.table.crowd(pass.class));
        };
        let found = self.table.find(pass.class, owner);
        if found.is_some() || verdict == Verdict::Accepted {
            return found;
        }
        let of_class = self.terms.quotas[pass.class as usize];
        // The settings may have changed since it went; a lane that is made here asks anew when its credential comes.
        match self.table.place(pass.class, owner, &of_class, now, || pass.special) {
            Place::Own(id) | Place::New(id) => Some(id),
            Place::Crowd(_) => None,
        }
    }

    /// Looks at so many lanes, forgets the idle ones, and returns whether all have been looked at.
    pub fn tidy(&mut self, now: Duration, looks: usize) -> bool {
        let is_round = self.table.sweep(now, looks);
        if is_round {
            self.table.shrink();
        }
        is_round
    }

    /// Returns what there is of a class.
    #[must_use]
    pub fn count(&self, class: Class) -> Count {
        Count { waiting: self.waiting[class as usize], lanes: self.table.owners(class) }
    }

    /// Returns the trouble there is in a class.
    #[must_use]
    pub fn trouble(&self, class: Class, now: Duration) -> Trouble {
        let troubled = || self.table.troubled().filter(|lane| lane.class == class);
        Trouble {
            stopped: troubled().filter(|lane| lane.is_stopped(now)).count(),
            lowered: troubled().filter(|lane| lane.share(now) < 1.0).count(),
            lowest: troubled().map(|lane| lane.share(now)).fold(1.0, f64::min),
        }
    }
}

#[cfg(test)]
mod tests;
