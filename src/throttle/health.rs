//! What the upstream's own refusals do to a lane: it stops, one probe reopens it, and its rate falls and recovers.
//!
//! A 429 or 503 stops the lane for as long as the upstream says, or for 1, 2, 4, 8 seconds in a row (contract section 4).
//! Then one request goes as a probe, and if it is not refused, or nothing is heard of it for a second, the others
//! follow. What a newcomer would get wrong: a dozen requests under way when the upstream's limit is met bring a dozen
//! refusals. They are one event, told apart from the next by the number of stops that a request knew when it went.
//!
//! A lane that is refused again within a minute was too fast. Its rate falls by what it really got through, and rises
//! by a constant each second until it is what was configured: additive increase, multiplicative decrease.

use std::time::Duration;

use super::quota::{Bucket, Quota};

/// How long a stop is if the upstream does not say: the first, the second in a row, … (contract section 4).
const BACKOFF: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// How long a probe is waited for. A refusal costs the upstream nothing, so it comes at once; silence is none, and a long
/// poll must not hold up a lane.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Within this time after a refusal another one means that the rate is too high; a single one may be somebody else's.
const RECENT: Duration = Duration::from_secs(60);
/// The time in which the rate rises from nothing to what is configured.
const RECOVERY: Duration = Duration::from_secs(600);
/// To what share of what got through the rate falls, so that the upstream's own bucket fills again.
const DECREASE: f64 = 0.85;
/// The most that a rate falls at once: what got through in a short time, or while little was asked, says little.
const STEEPEST: f64 = 0.5;
/// The lowest share of the configured rate.
const LOWEST: f64 = 0.01;

/// What the upstream answered, as far as pacing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not a refusal.
    Accepted,
    /// 429: too many requests, and for how long to wait if it says so.
    TooMany(Option<Duration>),
    /// 503: unavailable, and for how long to wait if it says so.
    Unavailable(Option<Duration>),
}

impl Verdict {
    /// Returns how long to wait, if that is said, if it is a refusal. Who says not at all says nothing.
    pub(super) fn refusal(self) -> Option<Option<Duration>> {
        match self {
            Self::Accepted => None,
            Self::TooMany(wait) | Self::Unavailable(wait) => Some(wait.filter(|wait| !wait.is_zero())),
        }
    }
}

/// Whether a lane is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Nothing goes until then. Once probes go, it opens at the latest at the second time.
    Stopped {
        until: Duration,
        opens: Option<Duration>,
    },
    /// A probe is under way.
    Probing {
        opens: Duration,
    },
}

/// What is done about refusals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remedy {
    /// The longest stop.
    pub(super) max_stop: Duration,
    /// Rates fall too.
    pub(super) is_adaptive: bool,
}

/// What a verdict did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// A stop has become longer.
    Extended,
    Stopped {
        is_lowered: bool,
    },
    Reopened,
}

/// The health of a lane that was refused once. All times are those since the clock was started.
#[derive(Debug, Clone)]
pub(super) struct Health {
    state: State,
    /// How often it was stopped. A request that knew fewer stops than there are tells nothing new.
    stops: u32,
    /// How many of them in a row, without a probe that was accepted in between.
    in_a_row: usize,
    refused_at: Option<Duration>,
    /// The share of the configured rate, and when it was so. It has risen since.
    share: f64,
    share_at: Duration,
    /// When the lane last opened and what went since.
    opened_at: Duration,
    sent: u32,
}

impl Health {
    /// The health of a lane of which nothing bad is known.
    pub(super) fn good(now: Duration) -> Self {
        Self {
            state: State::Open,
            stops: 0,
            in_a_row: 0,
            refused_at: None,
            share: 1.0,
            share_at: now,
            opened_at: now,
            sent: 0,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn stops(&self) -> u32 {
        self.stops
    }

    /// Returns the share of the configured rate that may be used.
    pub(super) fn share(&self, now: Duration) -> f64 {
        let risen = now.saturating_sub(self.share_at).as_secs_f64() / RECOVERY.as_secs_f64();
        (self.share + risen).min(1.0)
    }

    /// What is done about refusals changes: nothing lasts longer than it would by the new settings.
    pub(super) fn heed(&mut self, now: Duration, remedy: Remedy) {
        if !remedy.is_adaptive {
            self.share = 1.0;
        }
        if let State::Stopped { until, .. } = &mut self.state {
            *until = (*until).min(now + remedy.max_stop);
        }
    }

    /// Returns whether forgetting it would change nothing.
    pub(super) fn is_good(&self, now: Duration) -> bool {
        let ended = match self.state {
            State::Open => Duration::ZERO,
            State::Stopped { until, .. } => until,
            State::Probing { opens } => opens,
        };
        let since = self.refused_at.map_or(ended, |at| ended.max(at));
        now.saturating_sub(since) >= RECENT && self.share(now) >= 1.0
    }

    /// Opens a lane whose probe was waited for long enough. Returns when it opened, if it did.
    pub(super) fn settle(&mut self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Probing { opens } | State::Stopped { opens: Some(opens), .. } if opens <= now => {
                self.open(opens);
                Some(opens)
            }
            _ => None,
        }
    }

    /// A request goes. Returns whether it is a probe.
    pub(super) fn went(&mut self, now: Duration) -> bool {
        self.sent = self.sent.saturating_add(1);
        let State::Stopped { opens, .. } = self.state else {
            return false;
        };
        self.state = State::Probing { opens: opens.unwrap_or(now + PATIENCE) };
        true
    }

    /// The probe came to nothing: the next one may go, but the lane opens no later.
    pub(super) fn lost_probe(&mut self, now: Duration) {
        if let State::Probing { opens } = self.state {
            self.state = State::Stopped { until: now, opens: Some(opens) };
        }
    }

    /// The upstream has answered a request that knew so many stops.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        knew: u32,
        verdict: Verdict,
        configured: &Quota,
        remedy: Remedy,
    ) -> Change {
        let Some(wait) = verdict.refusal() else {
            return self.accepted(now, knew);
        };
        if knew < self.stops {
            return self.extend(now, wait, remedy);
        }
        let wait = wait.unwrap_or(BACKOFF[self.in_a_row.min(BACKOFF.len() - 1)]);
        // That a probe is refused says nothing of the rate: it came alone.
        let is_flowing = self.state == State::Open && matches!(verdict, Verdict::TooMany(_));
        let is_too_fast = remedy.is_adaptive && is_flowing && self.is_recent(now);
        if is_too_fast {
            self.lower(now, configured);
        }
        self.stops = self.stops.wrapping_add(1);
        self.in_a_row += 1;
        self.refused_at = Some(now);
        self.state = State::Stopped { until: now + wait.min(remedy.max_stop), opens: None };
        Change::Stopped { is_lowered: is_too_fast }
    }

    /// Only the answer to a request that went since the last stop, and that is the probe, opens the lane.
    fn accepted(&mut self, now: Duration, knew: u32) -> Change {
        if knew < self.stops {
            return Change::Nothing;
        }
        self.in_a_row = 0;
        if !matches!(self.state, State::Probing { .. }) {
            return Change::Nothing;
        }
        self.open(now);
        Change::Reopened
    }

    fn extend(&mut self, now: Duration, wait: Option<Duration>, remedy: Remedy) -> Change {
        let asked = wait.map(|wait| now + wait.min(remedy.max_stop));
        match (&mut self.state, asked) {
            (State::Stopped { until, opens: None }, Some(asked)) if asked > *until => {
                *until = asked;
                Change::Extended
            }
            _ => Change::Nothing,
        }
    }

    fn open(&mut self, now: Duration) {
        self.state = State::Open;
        self.opened_at = now;
        self.sent = 0;
    }

    fn is_recent(&self, now: Duration) -> bool {
        self.refused_at.is_some_and(|at| now.saturating_sub(at) < RECENT)
    }

    /// Lowers the rate to a share of what got through since the lane opened.
    fn lower(&mut self, now: Duration, configured: &Quota) {
        let share = self.share(now);
        let open_for = now.saturating_sub(self.opened_at).max(configured.period());
        let got_through = f64::from(self.sent) * configured.period().as_secs_f64() / open_for.as_secs_f64();
        let lowered = (got_through * DECREASE).clamp(share * STEEPEST, share * DECREASE);
        self.share = lowered.max(LOWEST);
        self.share_at = now;
    }
}

/// Returns when the `nth` of those who wait goes, the first being 0, if nobody comes or leaves.
pub(super) fn projected(state: State, bucket: &Bucket, quota: &Quota, now: Duration, nth: usize) -> Duration {
    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
    let later = |by: u32| quota.period().saturating_mul(by);
    match state {
        State::Open => now.max(bucket.next(quota).saturating_add(later(nth))),
        State::Stopped { until, opens } => {
            let probe = now.max(until).max(bucket.next(quota));
            match nth {
                0 => probe,
                // The bucket is empty when it opens.
                _ => opens.unwrap_or(probe + PATIENCE).saturating_add(later(nth)),
            }
        }
        State::Probing { opens } => now.max(opens.saturating_add(later(nth.saturating_add(1)))),
    }
}
