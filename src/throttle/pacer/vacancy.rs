//! When so many of those who wait will have gone, of whichever lanes.
//!
//! A newcomer would ask when one goes: where more wait than there are places for whoever asks, since writes may have more
//! of them than reads, that is too early. And he would sort all who wait by when they go. They are played ahead instead,
//! in the order of their lanes, and only as far as need be. Only refusals pay for it, and what they pay is bounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Pacer;
use crate::throttle::forecast::Forecast;
use crate::throttle::quota::{Bucket, Quota};
use crate::throttle::table::LaneId;

/// No more goings than these are played ahead, which takes some hundred microseconds; for one it is less than one. As many as
/// may wait by the defaults are never too many: a quarter of the places is for writes alone.
const MOST_PLAYED: usize = 4096;

/// Lanes that are played ahead, those first whose next can go first.
#[derive(Debug, Default)]
struct Ahead {
    lanes: Vec<(Forecast, usize)>,
    /// When the next of each can go, and its place among them. Of those that are ready the first is first in turn.
    ready: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Ahead {
    fn add(&mut self, ready: Duration, forecast: Forecast, waiting: usize) {
        self.ready.push(Reverse((ready, self.lanes.len())));
        self.lanes.push((forecast, waiting));
    }

    fn first(&self) -> Option<Duration> {
        self.ready.peek().map(|Reverse((ready, _))| *ready)
    }

    /// The next goes as soon as it is ready, but not before that time. Returns when.
    fn go(&mut self, earliest: Duration) -> Option<Duration> {
        let Reverse((ready, place)) = self.ready.pop()?;
        let at = ready.max(earliest);
        let (forecast, waiting) = &mut self.lanes[place];
        forecast.go(at);
        *waiting -= 1;
        if *waiting > 0 {
            self.ready.push(Reverse((forecast.next(), place)));
        }
        Some(at)
    }
}

/// The quota of all, played ahead.
#[derive(Debug)]
struct Together {
    quota: Quota,
    bucket: Bucket,
}

/// What was reckoned of when so many will have gone: it holds until somebody comes, goes or leaves. Those who are refused
/// together are told of one or two such numbers.
#[derive(Debug, Default)]
pub(super) struct Foreseen(Vec<(usize, Duration)>);

impl Foreseen {
    /// Returns how long until so many have gone, reckoned once.
    pub(super) fn until_gone<W>(&mut self, pacer: &Pacer<W>, count: usize, now: Duration) -> Duration {
        if let Some((_, until)) = self.0.iter().find(|(known, _)| *known == count) {
            return *until;
        }
        let until = pacer.until_gone(count, now);
        self.0.push((count, until));
        until
    }
}

#[cfg(test)]
std::thread_local! {
    /// How often it was reckoned.
    pub(super) static RECKONED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl<W> Pacer<W> {
    /// Returns how long until so many of those who wait have gone, if nobody comes or leaves. If they are too many to be
    /// played ahead, that is when all will have.
    fn until_gone(&self, count: usize, now: Duration) -> Duration {
        #[cfg(test)]
        RECKONED.with(|count| count.set(count.get() + 1));
        if count > MOST_PLAYED {
            return self.terms.max_wait;
        }
        let mut together = self.terms.upstream.map(|quota| Together { quota, bucket: self.upstream });
        let mut ahead = Ahead::default();
        // More than are to go cannot have their turn before.
        for id in self.turns.in_order().take(count) {
            self.add_to(&mut ahead, id, Duration::ZERO, now);
        }
        let mut due = self.due.iter().filter(|(_, id)| !self.table.lane(*id).is_in_turn).peekable();
        let mut at = now;
        for _ in 0..count {
            // Whose time comes later than that of the next cannot be the next.
            while let Some((due, id)) = due.next_if(|(due, _)| ahead.first().is_none_or(|first| *due <= first)) {
                self.add_to(&mut ahead, *id, *due, now);
            }
            let cell = together.as_ref().map_or(now, |all| all.bucket.next(&all.quota).max(now));
            let Some(gone) = ahead.go(cell) else { break };
            at = gone;
            if let Some(all) = &mut together {
                all.bucket.take(&all.quota, at);
            }
        }
        at.saturating_sub(now)
    }

    fn add_to(&self, ahead: &mut Ahead, id: LaneId, ready: Duration, now: Duration) {
        let lane = self.table.lane(id);
        let forecast = lane.forecast(&self.of_class(id), now);
        ahead.add(ready.max(forecast.next()), forecast, lane.line.len());
    }
}
