//! The going: for whom the cells are there, and whose turn it is.

use std::time::Duration;

use super::{Pacer, Pass, Release, Released};
use crate::throttle::line::Waiting;
use crate::throttle::quota::Quota;
use crate::throttle::table::LaneId;
use crate::wire::RateLimit;

/// How late a timer may be without costing a cell: tokio's ticks are a millisecond long.
const TICK: Duration = Duration::from_millis(2);
/// Where there is a quota for all, somebody may turn out to wait too long. Less than this is the timer, or a machine that
/// was busy, and no reason to refuse at the last moment.
const LATE: Duration = Duration::from_millis(100);

impl<W> Pacer<W> {
    pub(super) fn of_class(&self, id: LaneId) -> Quota {
        self.terms.quotas[self.table.lane(id).class as usize]
    }

    pub(super) fn may_go(&self, id: LaneId, now: Duration) -> bool {
        let lane = self.table.lane(id);
        let upstream =
            self.terms.upstream.is_none_or(|quota| self.turns.is_empty() && self.upstream.next(&quota) <= now);
        upstream && lane.line.is_empty() && lane.is_open(&self.of_class(id), now)
    }

    /// Returns whether a cell of the lane, and one of the quota of all, would be lost if nobody took them.
    pub(super) fn overflows(&self, id: LaneId, now: Duration) -> bool {
        let upstream = self.terms.upstream.is_none() || self.turns.is_empty() && self.upstream.is_full(now);
        upstream && self.table.lane(id).overflows(now)
    }

    /// One of a lane goes, for whom the cells are there.
    pub(super) fn go(&mut self, id: LaneId, now: Duration) -> Pass {
        let of_class = self.of_class(id);
        let at = self.counts_from(id, now);
        if let Some(quota) = &self.terms.upstream {
            self.upstream.take(quota, at);
        }
        let lane = self.table.lane_mut(id);
        let is_probe = lane.go(&of_class, at);
        let (class, owner, knows, special) = (lane.class, lane.owner, lane.stops(), lane.special());
        Pass { class, owner, knows, is_probe, special, rate_limit: self.rate_limit(id, now) }
    }

    /// Returns from when a cell counts that somebody takes now. For one who waited that is when it was due, if that was
    /// just before: whoever wakes at a timer wakes a little late, and a burst of one would fall behind its rate by that,
    /// cell by cell. So what really goes within some time may be what is allowed within that and a tick.
    fn counts_from(&self, id: LaneId, now: Duration) -> Duration {
        let lane = self.table.lane(id);
        if lane.line.is_empty() {
            return now;
        }
        let upstream = self.terms.upstream.map_or(Duration::ZERO, |quota| self.upstream.next(&quota));
        let due = lane.next(&self.of_class(id), now).max(upstream);
        due.max(now.saturating_sub(TICK)).min(now)
    }

    /// Returns what is left of the quotas of a lane: nothing, while somebody waits or the upstream has stopped it.
    pub(super) fn rate_limit(&self, id: LaneId, now: Duration) -> RateLimit {
        let (lane, of_class) = (self.table.lane(id), self.of_class(id));
        let (left, lasts) = match lane.line.len() {
            0 if !lane.is_stopped(now) => lane.left(&of_class, now),
            all => (0, self.projected(id, now, all).saturating_sub(now)),
        };
        let shared = self.terms.upstream.map(|quota| {
            let left = if self.turns.is_empty() { self.upstream.cells(&quota, now) } else { 0 };
            quota.limit("upstream", left, self.upstream.until_full(now))
        });
        RateLimit { own: lane.configured(&of_class).limit(lane.class.as_str(), left, lasts), shared }
    }

    /// The time of a lane has come: its next goes, or takes its place among those who share the quota of all. If it has
    /// that already, some of it have waited too long.
    pub(super) fn look_at(&mut self, id: LaneId, now: Duration, released: &mut Released<W>) {
        let of_class = self.of_class(id);
        let lane = self.table.lane_mut(id);
        lane.settle(&of_class, now);
        if lane.is_in_turn {
            self.turn_away_late(id, now.saturating_sub(LATE), released);
            return self.look_when_due(id, now);
        }
        if !lane.is_open(&of_class, now) {
            return self.look_when_due(id, now);
        }
        if self.terms.upstream.is_none() {
            return self.release(id, now, released);
        }
        lane.is_in_turn = true;
        let goes_ahead = lane.begins_with_a_write();
        self.turns.push(id, goes_ahead);
        self.look_when_due(id, now);
    }

    /// The next of a lane goes, in which somebody waits.
    pub(super) fn release(&mut self, id: LaneId, now: Duration, released: &mut Released<W>) {
        // It still waits while the cell is taken, which so counts from when it was due.
        let pass = self.go(id, now);
        let next = self.pop(id);
        released.push((next.wake, Release::Go(Pass { rate_limit: self.rate_limit(id, now), ..pass })));
        self.look_when_due(id, now);
    }

    fn pop(&mut self, id: LaneId) -> Waiting<W> {
        let lane = self.table.lane_mut(id);
        self.waiting[lane.class as usize] -= 1;
        lane.line.pop().expect("a lane is looked at only while somebody waits in it")
    }

    /// Takes the lane whose turn it is, if there is a cell of the quota of all.
    pub(super) fn next_turn(&mut self, now: Duration) -> Option<LaneId> {
        let quota = self.terms.upstream?;
        if self.upstream.next(&quota) > now {
            return None;
        }
        let id = self.turns.pop()?;
        self.table.lane_mut(id).is_in_turn = false;
        Some(id)
    }

    pub(super) fn leave_turn(&mut self, id: LaneId) {
        if std::mem::take(&mut self.table.lane_mut(id).is_in_turn) {
            self.turns.remove(id);
        }
    }

    /// Notes when the lane is to be looked at: when its next may go, or if it waits for its turn, when somebody of it has
    /// waited too long; never, if nobody waits.
    pub(super) fn look_when_due(&mut self, id: LaneId, now: Duration) {
        if self.table.lane(id).line.is_empty() {
            self.leave_turn(id);
        }
        let of_class = self.of_class(id);
        let lane = self.table.lane_mut(id);
        let due = lane.line.deadline().map(|deadline| match lane.is_in_turn {
            true => deadline + LATE + TICK,
            false => lane.next(&of_class, now),
        });
        if lane.due == due {
            return;
        }
        if let Some(old) = std::mem::replace(&mut lane.due, due) {
            self.due.remove(&(old, id));
        }
        if let Some(due) = due {
            self.due.insert((due, id));
        }
    }
}
