//! What reached the upstream and how it answered, moment by moment.

use std::ops::Sub;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::support::emulator::Emulator;

/// How often is counted.
const STEP: Duration = Duration::from_millis(250);

/// What the upstream did with requests that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Any answer but a 429.
    pub(crate) answered: u64,
    /// 429.
    pub(crate) refused: u64,
}

/// Counts since a beginning, one for each step.
#[derive(Debug)]
pub(crate) struct Timeline {
    points: Vec<(Duration, Counts)>,
}

impl Counts {
    /// Since the upstream's start.
    pub(crate) fn of(chathub: &Emulator) -> Self {
        let mut counts = Self::default();
        for tally in chathub.tallies() {
            match tally.outcome.as_str() {
                "429" => counts.refused += tally.requests,
                "dropped" | "abandoned" => {}
                _ => counts.answered += tally.requests,
            }
        }
        counts
    }

    /// The share of 429s; none of nothing.
    pub(crate) fn refused_share(self) -> f64 {
        self.refused as f64 / (self.answered + self.refused).max(1) as f64
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { answered: self.answered - earlier.answered, refused: self.refused - earlier.refused }
    }
}

impl Timeline {
    /// Counts for so long, from now.
    pub(crate) async fn record(chathub: &Emulator, length: Duration) -> Self {
        let began = Instant::now();
        let mut points = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            sleep_until(began + at).await;
            points.push((began.elapsed(), Counts::of(chathub)));
            if at >= length {
                return Self { points };
            }
            at = length.min(at + STEP);
        }
    }

    /// All of it, and how long it truly was.
    pub(crate) fn whole(&self) -> (Duration, Counts) {
        self.from(Duration::ZERO)
    }

    /// The same from a moment to the end.
    pub(crate) fn from(&self, moment: Duration) -> (Duration, Counts) {
        let (first, last) = (self.at(moment), self.points.last().copied().unwrap_or_default());
        (last.0 - first.0, last.1 - first.1)
    }

    /// The 429s of each of `parts` equal parts.
    pub(crate) fn refused_in_parts(&self, parts: u32) -> Vec<u64> {
        let length = self.points.last().map_or(Duration::ZERO, |point| point.0);
        let counts: Vec<_> = (0..=parts).map(|part| self.at(length * part / parts).1).collect();
        counts.windows(2).map(|pair| (pair[1] - pair[0]).refused).collect()
    }

    /// From when on every window of this length has less than this share of 429s, if there is such a moment.
    pub(crate) fn settled(&self, window: Duration, share: f64) -> Option<Duration> {
        let last = self.points.last()?.0;
        let starts = self.points.iter().rev().filter(|point| point.0 + window <= last);
        let is_calm = |start: &&(Duration, Counts)| (self.at(start.0 + window).1 - start.1).refused_share() < share;
        starts.take_while(is_calm).last().map(|start| start.0)
    }

    /// The first point that is not before a moment, or the last.
    fn at(&self, moment: Duration) -> (Duration, Counts) {
        let found = self.points.iter().find(|point| point.0 >= moment).or(self.points.last());
        found.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One answer each second for so long, and a 429 at each of these seconds.
    fn timeline(length: u64, refused: &[u64]) -> Timeline {
        let counts = |now| Counts { answered: now, refused: refused.iter().filter(|at| **at < now).count() as u64 };
        Timeline { points: (0..=length).map(|now| (Duration::from_secs(now), counts(now))).collect() }
    }

    #[test]
    fn it_is_settled_after_the_last_window_with_too_many_429s() {
        let window = Duration::from_secs(10);
        let settled = |timeline: &Timeline| timeline.settled(window, 0.01).map(|moment| moment.as_secs());

        assert_eq!(settled(&timeline(60, &[])), Some(0));
        assert_eq!(settled(&timeline(60, &[3, 20])), Some(21));
        assert_eq!(settled(&timeline(60, &[55])), None, "the last window has one");
        assert_eq!(settled(&timeline(5, &[])), None, "no window fits in");
    }

    #[test]
    fn the_parts_make_up_the_whole() {
        let timeline = timeline(60, &[0, 1, 31]);
        assert_eq!(timeline.refused_in_parts(2), [2, 1]);
        assert_eq!(timeline.whole().1.refused, 3);
        assert_eq!(timeline.from(Duration::from_secs(30)).1.answered, 30);
    }
}
