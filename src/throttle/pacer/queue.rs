//! The waiting: when somebody would go, whether that is soon enough, and what it is told.

use std::time::Duration;

use super::vacancy::Foreseen;
use super::{Arrival, Ask, Pacer, Rank, Refusal, Rejection, Release, Released, Ticket};
use crate::throttle::line::Waiting;
use crate::throttle::refusal::Room;
use crate::throttle::table::LaneId;
use crate::wire::REST;

/// Why somebody may not wait, and how long that lasts if no other comes.
type Objection = (Duration, Rejection);

impl<W> Pacer<W> {
    pub(super) fn queue(&mut self, id: LaneId, ask: &Ask, now: Duration, wake: impl FnOnce() -> W) -> Arrival {
        let (place, wait) = self.place_for(id, ask.rank, now);
        let objections = self.objections(id, ask, now, place, &mut Foreseen::default());
        if let Some((_, rejection)) = objections.first() {
            return Arrival::Refused(self.refusal(id, now, *rejection, &objections));
        }
        let predicted = self.room().promise(ask.rank, wait, self.pace(id, now), self.others_turns());
        let (number, deadline) = (self.next_number, now + self.terms.max_wait);
        self.next_number += 1;
        let Ask { owner, rank, peer, .. } = *ask;
        let waiting = Waiting { number, owner, rank, peer, promise: now + predicted, deadline, wake: wake() };
        self.table.lane_mut(id).join(place, waiting);
        self.waiting[ask.class as usize] += 1;
        self.look_when_due(id, now);
        Arrival::Wait(Ticket { lane: id, number }, predicted)
    }

    /// Returns the place that a newcomer would have, and how long it would wait there.
    fn place_for(&self, id: LaneId, rank: Rank, now: Duration) -> (usize, Duration) {
        let goes = |nth| self.projected(id, now, nth) + self.others_turns();
        let place = self.table.lane(id).line.place_for(rank, goes);
        (place, self.until(id, now, place))
    }

    /// Returns when the `nth` of those who wait in a lane goes, the first being 0, as far as can be known now.
    pub(super) fn projected(&self, id: LaneId, now: Duration, nth: usize) -> Duration {
        let own = self.table.lane(id).projected(&self.of_class(id), now, nth);
        // Each lane that waits goes once before this one's next, and no more can be ahead than wait.
        let turns = (nth + 1).saturating_mul(self.lanes_in_line(id)) - 1;
        own.max(self.cell_of_all(now, turns.min(self.total_waiting())))
    }

    /// Returns when there is a cell of the quota of all, if so many take one before.
    fn cell_of_all(&self, now: Duration, ahead: usize) -> Duration {
        let Some(quota) = &self.terms.upstream else { return now };
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        self.upstream.next(quota).max(now).saturating_add(quota.period().saturating_mul(ahead))
    }

    /// Judges all who wait in a lane anew, since the upstream has stopped it or the terms have changed. Those who would wait
    /// too long are refused for that reason.
    pub(super) fn judge_anew(&mut self, id: LaneId, now: Duration, why: Rejection, released: &mut Released<W>) {
        let of_class = self.of_class(id);
        let lane = self.table.lane_mut(id);
        let refused = lane.judge_anew(&of_class, now);
        self.waiting[lane.class as usize] -= refused.len();
        self.turn_away(id, refused, now, why, released);
    }

    /// Refuses those of a lane who have waited for as long as they may.
    pub(super) fn turn_away_late(&mut self, id: LaneId, now: Duration, released: &mut Released<W>) {
        let lane = self.table.lane_mut(id);
        let late = lane.line.take_late(now);
        self.waiting[lane.class as usize] -= late.len();
        self.turn_away(id, late, now, Rejection::Outwaited, released);
    }

    /// Refuses some who have waited. Each is told when it would be let in if it came anew.
    fn turn_away(
        &self,
        id: LaneId,
        refused: Vec<Waiting<W>>,
        now: Duration,
        rejection: Rejection,
        released: &mut Released<W>,
    ) {
        // A thousand may be refused at once, and all others wait for the machine meanwhile.
        let mut foreseen = Foreseen::default();
        for Waiting { owner, rank, peer, wake, .. } in refused {
            let ask = Ask { class: self.table.lane(id).class, owner, rank, peer, is_rested: true };
            let (place, _) = self.place_for(id, rank, now);
            let objections = self.objections(id, &ask, now, place, &mut foreseen);
            let refusal = self.refusal(id, now, rejection, &objections);
            released.push((wake, Release::Refused(refusal)));
        }
    }

    /// Refuses somebody, who would be let in when all objections are over.
    fn refusal(&self, id: LaneId, now: Duration, rejection: Rejection, objections: &[Objection]) -> Refusal {
        let retry_after = objections.iter().map(|(lasts, _)| *lasts).max().unwrap_or_default();
        let class = self.table.lane(id).class;
        let rate_limit = self.rate_limit(id, now).with_nothing_left_for(retry_after);
        Refusal { class, rejection, retry_after, rate_limit: Some(rate_limit) }
    }

    /// Refuses background work: it does not wait.
    pub(super) fn no_spare_cell(&self, id: LaneId, now: Duration) -> Refusal {
        let lane = self.table.lane(id);
        let (_, retry_after) = lane.left(&self.of_class(id), now);
        Refusal { class: lane.class, rejection: Rejection::NoSpareCell, retry_after, rate_limit: None }
    }

    /// Returns why a newcomer may not wait that would have that place.
    fn objections(
        &self,
        id: LaneId,
        ask: &Ask,
        now: Duration,
        place: usize,
        foreseen: &mut Foreseen,
    ) -> Vec<Objection> {
        let lane = self.table.lane(id);
        let (line, room, until) = (&lane.line, self.room(), |nth| self.until(id, now, nth));
        let mut objections = Vec::new();
        let too_long = self.too_long(id, ask.rank, now, place);
        if !too_long.is_zero() {
            let is_stopped = lane.is_stopped(now);
            objections.push((too_long, if is_stopped { Rejection::Stopped } else { Rejection::TooLong }));
        }
        if ask.rank == Rank::Write {
            let too_many = room.too_many_writes(line, until);
            objections.extend((!too_many.is_zero()).then_some((too_many, Rejection::TooLong)));
        }
        let places = |most| room.places(ask, line, most);
        if let Some(over) = line.len().checked_sub(places(self.terms.max_waiting_per_lane)) {
            objections.push((until(over), Rejection::LineFull));
        }
        if self.total_waiting() >= places(self.terms.max_waiting) {
            objections.push((self.until_enough_go(id, ask, now, place, foreseen), Rejection::Full));
        }
        // Whoever is refused for another reason is to come back when this is none.
        let wait = until(place);
        if !(objections.is_empty() && room.is_fair(ask, wait, line)) {
            objections.push((room.fair_after_rest(ask, wait, line, until), Rejection::Unfair));
        }
        objections
    }

    /// Returns how long until a place is no longer too far behind, if no other comes. A place in one lane comes nearer as
    /// time passes. Where lanes take turns it comes nearer as all who wait go, or as those before it in its lane do.
    fn too_long(&self, id: LaneId, rank: Rank, now: Duration, place: usize) -> Duration {
        let room = self.room();
        let own = self.table.lane(id).projected(&self.of_class(id), now, place).saturating_sub(now);
        let own = room.excess(rank, own);
        if room.excess(rank, self.until(id, now, place)) <= own {
            return own;
        }
        let all = room.excess(rank, self.cell_of_all(now, self.total_waiting()).saturating_sub(now));
        let lanes = self.lanes_in_line(id);
        let is_near = |gone: &usize| {
            let turns = (place - gone + 1).saturating_mul(lanes);
            room.excess(rank, self.cell_of_all(now, turns).saturating_sub(self.cell_of_all(now, 0))).is_zero()
        };
        let after = |gone: usize| gone.checked_sub(1).map_or(Duration::ZERO, |last| self.until(id, now, last));
        own.max((0..=place).find(is_near).map_or(all, |gone| all.min(after(gone))))
    }

    /// Returns how long until so many have gone, of whichever lanes, that one more may wait, if no other comes: whoever obeys
    /// will have rested then.
    fn until_enough_go(&self, id: LaneId, ask: &Ask, now: Duration, place: usize, foreseen: &mut Foreseen) -> Duration {
        let (rested, total) = (Ask { is_rested: true, ..*ask }, self.total_waiting());
        let places = self.room().places(&rested, &self.table.lane(id).line, self.terms.max_waiting);
        if places == 0 {
            // It cannot wait, only go at once.
            return foreseen.until_gone(self, total, now).max(self.until(id, now, place));
        }
        let rest = if ask.is_rested { Duration::ZERO } else { REST };
        foreseen.until_gone(self, (total + 1).saturating_sub(places), now).max(rest)
    }

    fn room(&self) -> Room {
        Room { max_wait: self.terms.max_wait }
    }

    fn until(&self, id: LaneId, now: Duration, nth: usize) -> Duration {
        self.projected(id, now, nth).saturating_sub(now)
    }

    /// How many lanes have somebody who waits, this one included in any case.
    fn lanes_in_line(&self, id: LaneId) -> usize {
        self.due.len() + usize::from(self.table.lane(id).due.is_none())
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
