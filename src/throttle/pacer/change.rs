//! Other terms while somebody waits.

use std::time::Duration;

use super::{Pacer, Rejection, Released, Terms};
use crate::throttle::Class;
use crate::throttle::health::Remedy;
use crate::throttle::quota::{Bucket, Quota, Special};
use crate::throttle::table::LaneId;

impl<W> Pacer<W> {
    /// From now on these terms are in force. As many cells are missing everywhere as were before; whoever waits is promised
    /// anew, and those for whom it would be too long are refused. `resolve` tells the quotas of single credentials. Returns
    /// those whose waiting has ended.
    ///
    /// It walks over all lanes, some ten nanoseconds for each: settings seldom change.
    pub fn set_terms(
        &mut self,
        now: Duration,
        terms: Terms,
        resolve: impl Fn(Class, &Special) -> Option<Quota>,
    ) -> Released<W> {
        let before = std::mem::replace(&mut self.terms, terms);
        self.table.set_max_lanes(self.terms.max_lanes);
        match (before.upstream, self.terms.upstream) {
            (Some(before), Some(after)) => self.upstream.change(&before, &after, now),
            // What went before was no concern of it.
            (None, _) | (_, None) => self.upstream = Bucket::default(),
        }
        let remedy = Remedy { max_stop: self.terms.max_stop, is_adaptive: self.terms.is_adaptive };
        let (is_shared, latest) = (self.terms.upstream.is_some(), now + self.terms.max_wait);
        let mut in_line = Vec::new();
        for (id, lane) in self.table.all_mut() {
            let (old, new) = (&before.quotas[lane.class as usize], &self.terms.quotas[lane.class as usize]);
            lane.change_terms(old, new, now, remedy, &resolve);
            if !lane.line.is_empty() {
                lane.line.end_by(latest);
                lane.is_in_turn &= is_shared && lane.is_open(new, now);
                in_line.push(id);
            }
        }
        let table = &self.table;
        self.turns.retain(|id| table.lane(id).is_in_turn);
        let mut released = std::mem::take(&mut self.ended);
        for id in in_line {
            self.pace_anew(id, now, &mut released);
        }
        released
    }

    /// The quota of a lane is another in which somebody waits.
    pub(super) fn pace_anew(&mut self, id: LaneId, now: Duration, released: &mut Released<W>) {
        if !self.table.lane(id).is_open(&self.of_class(id), now) {
            self.leave_turn(id);
        }
        self.judge_anew(id, now, Rejection::TooLong, released);
        self.look_when_due(id, now);
    }
}
