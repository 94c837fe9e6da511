//! Waiting for a turn to go upstream, and what the upstream's refusals do.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Gauge, IntGauge};

use super::{Catalogue, Counters, Counters2, Floats, Gauges, Histograms};
use crate::telemetry::label::words;
use crate::throttle::pacer::{Count, Terms, Trouble};
use crate::throttle::{Class, Rejection, Verdict};

/// At 5/s a place in the line is worth 0.2 s. The longest wait is 15 s by default, three quarters of it for reads, and an hour
/// at the most: a quantile cannot exceed the last bound, and an alert asks for one near `throttle.max_wait`.
const WAIT_SECONDS: [f64; 14] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 7.5, 10.0, 12.0, 15.0, 30.0, 60.0, 300.0];

words! {
    /// What the throttle decided on a request.
    Decision {
        /// It went at once.
        Admitted = "admitted",
        /// It waited for its turn and went.
        Waited = "waited",
        /// It was refused, for a reason that `throttle_rejections_total` tells.
        Rejected = "rejected",
        /// It was background work for which there was no spare cell.
        Skipped = "skipped",
        /// In observe mode: it would have waited.
        WouldWait = "would_wait",
        /// In observe mode: it would have been refused.
        WouldReject = "would_reject",
    }
}

words! {
    /// What the upstream answered that stopped a credential.
    StopCause {
        /// 429.
        TooMany = "429",
        /// 503.
        Unavailable = "503",
    }
}

words! {
    /// Whose requests share a quota: those of a credential in one class, or all of them.
    QuotaClass {
        /// [`Class::Operator`].
        Operator = "operator",
        /// [`Class::Login`].
        Login = "login",
        /// [`Class::Other`].
        Other = "other",
        /// All credentials and classes together.
        Upstream = "upstream",
    }
}

/// Waiting for a turn.
#[derive(Debug, Clone)]
pub struct ThrottleMetrics(Arc<Throttles>);

#[derive(Debug)]
struct Throttles {
    decisions: Counters2<Class, Decision>,
    rejections: Counters<Rejection>,
    wait: Histograms<Class>,
    late: Counters<Class>,
    waiting: Gauges<Class>,
    lanes: Gauges<Class>,
    crowded: Counters<Class>,
    stops: Counters2<Class, StopCause>,
    decreases: Counters<Class>,
    stopped: Gauges<Class>,
    lowered: Gauges<Class>,
    share: Floats<Class>,
    settings: Set,
}

/// What the settings say, for alerts to compare with.
#[derive(Debug)]
struct Set {
    max_wait: Gauge,
    rate: Floats<QuotaClass>,
    burst: Gauges<QuotaClass>,
}

impl Set {
    fn new(all: &Catalogue) -> Self {
        Self {
            max_wait: all.float("throttle_max_wait_seconds", "How long a request may wait (throttle.max_wait)."),
            rate: all.floats(
                "throttle_quota_rate",
                "Requests a second that the settings let go upstream in the long run; 0: there is no such quota.",
                "class",
            ),
            burst: all.gauges(
                "throttle_quota_burst",
                "Requests that the settings let go upstream at once after a rest; 0: there is no such quota.",
                "class",
            ),
        }
    }
}

impl ThrottleMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        let new = Self(Arc::new(Throttles {
            decisions: all.counters2(
                "throttle_decisions_total",
                "Requests bound upstream, by what the throttle decided.",
                ["class", "decision"],
            ),
            rejections: all.counters(
                "throttle_rejections_total",
                "Requests that the throttle refused, or would have in observe mode, by reason.",
                "reason",
            ),
            wait: all.histograms(
                "throttle_wait_seconds",
                "How long requests waited that had to.",
                "class",
                &WAIT_SECONDS,
            ),
            late: all.counters(
                "throttle_late_total",
                "Requests that waited longer than was predicted when they came, by 20 ms or more.",
                "class",
            ),
            waiting: all.gauges("throttle_waiting", "Requests waiting for their turn now.", "class"),
            lanes: all.gauges("throttle_credentials", "Credentials with a quota of their own in memory.", "class"),
            crowded: all.counters(
                "throttle_crowded_total",
                "Requests that shared a quota because throttle.max_credentials were busy.",
                "class",
            ),
            stops: all.counters2(
                "throttle_stops_total",
                "Times a 429 or 503 of the upstream stopped a credential's class.",
                ["class", "status"],
            ),
            decreases: all.counters(
                "throttle_rate_decreases_total",
                "Times repeated 429s of the upstream lowered a credential's rate.",
                "class",
            ),
            stopped: all.gauges("throttle_stopped", "Credentials that the upstream has stopped now.", "class"),
            lowered: all.gauges("throttle_lowered", "Credentials with a lowered rate now.", "class"),
            share: all.floats(
                "throttle_rate_share",
                "The lowest rate that a credential has now, as a share of what is configured.",
                "class",
            ),
            settings: Set::new(all),
        }));
        Class::ALL.iter().for_each(|class| new.0.share.of(*class).set(1.0));
        new
    }

    /// These are the terms from now on.
    pub fn set_terms(&self, terms: &Terms) {
        self.0.settings.max_wait.set(terms.max_wait.as_secs_f64());
        let quotas = terms.quotas.iter().map(Some).chain([terms.upstream.as_ref()]);
        for (class, quota) in QuotaClass::ALL.iter().zip(quotas) {
            self.0.settings.rate.of(*class).set(quota.map_or(0.0, |quota| quota.period().as_secs_f64().recip()));
            self.0.settings.burst.of(*class).set(quota.map_or(0, |quota| quota.burst().get().into()));
        }
    }

    /// The throttle has decided.
    pub fn decided(&self, class: Class, decision: Decision) {
        self.0.decisions.of(class, decision).inc();
    }

    /// A request was refused, or would have been.
    pub fn rejected(&self, rejection: Rejection) {
        self.0.rejections.of(rejection).inc();
    }

    /// A request has waited, and perhaps for longer than it was told.
    pub fn waited(&self, class: Class, waited: Duration, is_late: bool) {
        self.0.wait.observe(class, waited);
        self.0.late.of(class).inc_by(u64::from(is_late));
    }

    /// A request found no lane of its own.
    pub fn crowded(&self, class: Class) {
        self.0.crowded.of(class).inc();
    }

    /// There is now so much of a class.
    pub fn counted(&self, class: Class, count: &Count) {
        set(self.0.waiting.of(class), count.waiting);
        set(self.0.lanes.of(class), count.lanes);
    }

    /// There is now so much trouble in a class.
    pub fn troubled(&self, class: Class, trouble: &Trouble) {
        set(self.0.stopped.of(class), trouble.stopped);
        set(self.0.lowered.of(class), trouble.lowered);
        self.0.share.of(class).set(trouble.lowest);
    }

    /// The upstream has stopped a credential's class.
    pub fn stopped(&self, class: Class, verdict: Verdict, is_lowered: bool) {
        let cause = match verdict {
            Verdict::Unavailable(_) => StopCause::Unavailable,
            Verdict::TooMany(_) | Verdict::Accepted => StopCause::TooMany,
        };
        self.0.stops.of(class, cause).inc();
        self.0.decreases.of(class).inc_by(u64::from(is_lowered));
    }
}

fn set(gauge: &IntGauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
