//! The waiting: when somebody would go, whether that is soon enough, and what it is told.

use std::time::Duration;

use super::{Arrival, Ask, Pacer, Rank, Refusal, Rejection, Release, Released, Ticket};
use crate::throttle::line::Waiting;
use crate::throttle::refusal::Room;
use crate::throttle::table::LaneId;

impl<W> Pacer<W> {
    pub(super) fn queue(&mut self, id: LaneId, ask: &Ask, now: Duration, wake: impl FnOnce() -> W) -> Arrival {
        let place =
            self.table.lane(id).line.place_for(ask.rank, |nth| self.projected(id, now, nth) + self.others_turns());
        let wait = self.until(id, now, place);
        let objections = self.objections(id, ask, now, wait);
        if let Some((_, rejection)) = objections.first() {
            let retry_after = objections.iter().map(|(lasts, _)| *lasts).max().unwrap_or_default();
            return Arrival::Refused(Refusal { retry_after, ..self.refusal(id, now, *rejection) });
        }
        let predicted = self.room().promise(ask.rank, wait, self.pace(id, now), self.others_turns());
        let (number, deadline) = (self.next_number, now + self.terms.max_wait);
        self.next_number += 1;
        let Ask { owner, rank, peer, .. } = *ask;
        let waiting = Waiting { number, owner, rank, peer, promise: now + predicted, deadline, wake: wake() };
        self.table.lane_mut(id).line.insert(place, waiting);
        self.waiting[ask.class as usize] += 1;
        self.look_when_due(id, now);
        Arrival::Wait(Ticket { lane: id, number }, predicted)
    }

    /// Returns when the `nth` of those who wait in a lane goes, the first being 0, as far as can be known now.
    pub(super) fn projected(&self, id: LaneId, now: Duration, nth: usize) -> Duration {
        let own = self.table.lane(id).projected(&self.of_class(id), now, nth);
        let Some(quota) = &self.terms.upstream else { return own };
        // Each lane that waits goes once before this one's next, and no more can be ahead than wait.
        let turns = (nth + 1).saturating_mul(self.lanes_in_line(id));
        let ahead = (turns - 1).min(self.total_waiting());
        let cell = self.upstream.next(quota).max(now);
        own.max(cell.saturating_add(quota.period().saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX))))
    }

    /// Judges all who wait in a lane anew, since the upstream has stopped it.
    pub(super) fn judge_anew(&mut self, id: LaneId, now: Duration, released: &mut Released<W>) {
        let of_class = self.of_class(id);
        let lane = self.table.lane_mut(id);
        let refused = lane.judge_anew(&of_class, now);
        self.waiting[lane.class as usize] -= refused.len();
        for waiting in refused {
            released.push((waiting.wake, Release::Refused(self.refusal(id, now, Rejection::Stopped))));
        }
    }

    /// Refuses somebody, who would be let in to wait as soon as the line has room for a read.
    pub(super) fn refusal(&self, id: LaneId, now: Duration, rejection: Rejection) -> Refusal {
        let lane = self.table.lane(id);
        let retry_after = self.room().excess(Rank::Foreground, self.until(id, now, lane.line.len()));
        Refusal { class: lane.class, rejection, retry_after, rate_limit: Some(self.rate_limit(id, now)) }
    }

    /// Refuses background work: it does not wait.
    pub(super) fn no_spare_cell(&self, id: LaneId, now: Duration) -> Refusal {
        let lane = self.table.lane(id);
        let (_, retry_after) = lane.left(&self.of_class(id), now);
        Refusal { class: lane.class, rejection: Rejection::NoSpareCell, retry_after, rate_limit: None }
    }

    /// Returns why a newcomer that would wait for `wait` may not, each with how long that lasts if no other comes.
    fn objections(&self, id: LaneId, ask: &Ask, now: Duration, wait: Duration) -> Vec<(Duration, Rejection)> {
        let line = &self.table.lane(id).line;
        let (room, until) = (self.room(), |nth| self.until(id, now, nth));
        let mut objections = Vec::new();
        let too_long = room.excess(ask.rank, wait);
        if !too_long.is_zero() {
            let is_stopped = self.table.lane(id).is_stopped();
            objections.push((too_long, if is_stopped { Rejection::Stopped } else { Rejection::TooLong }));
        }
        if let Some(over) = line.len().checked_sub(self.terms.max_waiting_per_lane) {
            objections.push((until(over), Rejection::LineFull));
        }
        if self.total_waiting() >= self.terms.max_waiting {
            let one_goes = self.next_due().map_or(wait, |due| due.saturating_sub(now));
            objections.push((one_goes, Rejection::Full));
        }
        // Whoever is refused for another reason is to come back when this is none.
        if !(objections.is_empty() && room.is_fair(ask, wait, line)) {
            objections.push((room.fair_after_rest(ask, wait, line, until), Rejection::Unfair));
        }
        objections
    }

    fn room(&self) -> Room {
        Room { max_wait: self.terms.max_wait }
    }

    fn until(&self, id: LaneId, now: Duration, nth: usize) -> Duration {
        self.projected(id, now, nth).saturating_sub(now)
    }

    /// How many lanes have somebody who waits, this one included in any case.
    fn lanes_in_line(&self, id: LaneId) -> usize {
        let lane = self.table.lane(id);
        self.due.len() + self.turns.len() + usize::from(lane.due.is_none() && !lane.is_in_turn)
    }

    fn total_waiting(&self) -> usize {
        self.waiting.iter().sum()
    }

    /// What the turns of others can cost beyond what is projected: one is just going, and a write goes ahead.
    fn others_turns(&self) -> Duration {
        self.terms.upstream.map_or(Duration::ZERO, |quota| quota.period() * 2)
    }

    /// The time between two of a lane that wait.
    fn pace(&self, id: LaneId, now: Duration) -> Duration {
        self.until(id, now, 1).saturating_sub(self.until(id, now, 0))
    }
}
