//! How those of one lane go on if nobody comes or leaves: its cells and its stop, copied, to be played ahead.
//!
//! [`projected`](super::health::projected) answers that in one step while nobody but the lane decides. Where lanes take
//! turns at the quota of all, one that goes later than it could may have its next cell later too. A newcomer would add
//! up delays; here each going is played as it will be, on a copy.

use std::time::Duration;

use super::health::{PATIENCE, State};
use super::quota::{Bucket, Quota};

/// A lane that is played ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forecast {
    bucket: Bucket,
    quota: Quota,
    stop: Option<Stop>,
}

/// Until when nothing goes, and when the lane opens at the latest, if that is known.
#[derive(Debug, Clone, Copy)]
struct Stop {
    until: Duration,
    opens: Option<Duration>,
}

impl Forecast {
    pub(super) fn new(state: State, mut bucket: Bucket, quota: Quota) -> Self {
        let stop = match state {
            State::Open => None,
            State::Stopped { until, opens } => Some(Stop { until, opens }),
            State::Probing { opens } => {
                bucket.drain(&quota, opens);
                None
            }
        };
        Self { bucket, quota, stop }
    }

    /// Returns when the next can go. That may be in the past.
    pub(super) fn next(&self) -> Duration {
        let until = self.stop.map_or(Duration::ZERO, |stop| stop.until);
        self.bucket.next(&self.quota).max(until)
    }

    /// One goes, at a time not before [`next`](Self::next). If it is a probe, nothing is heard of it.
    pub(super) fn go(&mut self, at: Duration) {
        self.bucket.take(&self.quota, at);
        if let Some(stop) = self.stop.take() {
            self.bucket.drain(&self.quota, stop.opens.unwrap_or(at + PATIENCE));
        }
    }
}
