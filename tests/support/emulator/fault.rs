//! What should go wrong with the next requests.
//!
//! Faults stand in a queue and are matched in order. Two kinds behave differently: of those that decide the outcome
//! (a status, a dropped connection, a cut body) a request takes the first that matches and leaves the others to its
//! successors; those that only add something (latency, fields) all apply at once. Beside the queue there may be
//! chances, which befall requests by lot; what is queued comes first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Content};
use super::body::{Ending, Hangup};
use super::endpoint::Endpoint;
use super::random::Random;
use super::refusal::{Refusal, TOO_MANY};
use super::shared::lock;
use super::switches::{Switches, millis};
use super::token::TokenFault;

/// One thing that goes wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fault {
    /// Waits before the request is applied.
    LatencyBefore(#[serde(with = "millis")] Duration),
    /// Waits after it was applied, before the answer.
    LatencyAfter(#[serde(with = "millis")] Duration),
    /// Closes the connection without applying the request.
    DropBefore,
    /// Applies the request and closes the connection without an answer.
    DropAfter,
    /// Closes the connection in the middle of the answer's body.
    CutBody,
    /// Sends half of the answer's body and then nothing, leaving the connection open.
    HangInBody,
    /// Answers with a status instead of applying the request; 429 with its documented body.
    StatusBefore(u16),
    /// Applies the request and answers with a status.
    StatusAfter(u16),
    /// Applies only the first so many items of a synchronize and answers 500.
    PartialSynchronize(usize),
    /// Answers 200 with an HTML page, as a proxy in between might; nothing is applied.
    Html,
    /// Answers 401 as for a revoked token.
    Unauthorized,
    /// Answers 200 with a JSON array of so many bytes; the request is applied.
    Large(usize),
    /// Adds fields to the answer.
    Fields(Vec<(String, String)>),
}

impl Fault {
    fn decides(&self) -> bool {
        !matches!(self, Self::LatencyBefore(_) | Self::LatencyAfter(_) | Self::Fields(_))
    }
}

/// Which requests a fault befalls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// Every request that reaches an endpoint.
    Any,
    /// Those to one endpoint.
    Only(Endpoint),
}

impl Target {
    pub(super) fn covers(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == endpoint,
        }
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self::Only(endpoint)
    }
}

impl From<Option<Endpoint>> for Target {
    fn from(endpoint: Option<Endpoint>) -> Self {
        endpoint.map_or(Self::Any, Self::Only)
    }
}

/// A fault that befalls requests by lot.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    /// Which requests.
    pub(crate) target: Target,
    /// How many of a thousand.
    pub(crate) per_thousand: u32,
    /// What befalls them. A latency is the longest there is: how long each one lasts is drawn too.
    pub(crate) fault: Fault,
}

impl Chance {
    fn draw(&self, endpoint: Endpoint, random: &mut Random) -> Option<Fault> {
        if !self.target.covers(endpoint) || !random.happens(self.per_thousand) {
            return None;
        }
        let mut part = |length: Duration| length.mul_f64(random.below(1001) as f64 / 1000.0);
        Some(match &self.fault {
            Fault::LatencyBefore(longest) => Fault::LatencyBefore(part(*longest)),
            Fault::LatencyAfter(longest) => Fault::LatencyAfter(part(*longest)),
            other => other.clone(),
        })
    }
}

/// Chances, and the lots that are drawn.
#[derive(Debug)]
struct Lottery {
    chances: Vec<Chance>,
    random: Random,
}

/// A fault in the queue.
#[derive(Clone, Debug)]
struct Queued {
    target: Target,
    fault: Fault,
    /// How often it still applies; `None` is until cleared.
    left: Option<u32>,
}

/// The queue of faults.
#[derive(Debug, Default)]
pub(super) struct Faults {
    queue: Mutex<Vec<Queued>>,
    lottery: Mutex<Option<Lottery>>,
    /// Spares the common case the lock.
    is_used: AtomicBool,
}

impl Faults {
    pub(super) fn add(&self, target: Target, fault: Fault, times: Option<u32>) {
        lock(&self.queue).push(Queued { target, fault, left: times });
        self.is_used.store(true, Ordering::Release);
    }

    pub(super) fn leave_to_chance(&self, seed: u64, chances: Vec<Chance>) {
        *lock(&self.lottery) = Some(Lottery { chances, random: Random::seeded(seed) });
        self.is_used.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        lock(&self.queue).clear();
        *lock(&self.lottery) = None;
        self.is_used.store(false, Ordering::Release);
    }

    /// How many faults wait for requests.
    pub(super) fn len(&self) -> usize {
        lock(&self.queue).len()
    }

    /// What befalls a request that has just been read.
    pub(super) fn plan(&self, endpoint: Endpoint, switches: &Switches) -> Plan {
        let mut plan =
            Plan { latency_before: switches.latency_before, latency_after: switches.latency_after, ..Plan::default() };
        if !self.is_used.load(Ordering::Acquire) {
            return plan;
        }
        let mut queue = lock(&self.queue);
        for queued in queue.iter_mut().filter(|queued| queued.target.covers(endpoint)) {
            if queued.left != Some(0) && plan.takes(&queued.fault) {
                queued.left = queued.left.map(|left| left - 1);
            }
        }
        queue.retain(|queued| queued.left != Some(0));
        drop(queue);
        self.draw(endpoint, &mut plan);
        plan
    }

    fn draw(&self, endpoint: Endpoint, plan: &mut Plan) {
        if let Some(Lottery { chances, random }) = &mut *lock(&self.lottery) {
            for fault in chances.iter().filter_map(|chance| chance.draw(endpoint, random)) {
                plan.takes(&fault);
            }
        }
    }
}

/// What befalls one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) latency_before: Duration,
    pub(super) latency_after: Duration,
    outcome: Option<Fault>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Plan {
    /// Takes a fault up, unless the outcome is decided already.
    fn takes(&mut self, fault: &Fault) -> bool {
        if fault.decides() {
            let is_first = self.outcome.is_none();
            self.outcome.get_or_insert_with(|| fault.clone());
            return is_first;
        }
        match fault {
            Fault::LatencyBefore(length) => self.latency_before += *length,
            Fault::LatencyAfter(length) => self.latency_after += *length,
            Fault::Fields(fields) => self.fields.extend(fields.iter().filter_map(read_field)),
            _ => {}
        }
        true
    }

    /// How many items of a synchronize are applied, if not all.
    pub(super) fn partial(&self) -> Option<usize> {
        match self.outcome {
            Some(Fault::PartialSynchronize(items)) => Some(items),
            _ => None,
        }
    }

    /// The end of a request that is not to be applied.
    pub(super) fn before(&self, switches: &Switches) -> Option<Result<Answer, Hangup>> {
        let answer = match self.outcome.as_ref()? {
            Fault::DropBefore => return Some(Err(Hangup)),
            Fault::StatusBefore(status) => with_status(*status),
            Fault::Html => html(),
            Fault::Unauthorized => Refusal::Unauthorized(Some(TokenFault::Revoked.description())).into_answer(switches),
            _ => return None,
        };
        Some(Ok(self.with_fields(answer)))
    }

    /// What the answer to an applied request turns into.
    pub(super) fn after(&self, answer: Answer) -> Result<Answer, Hangup> {
        let answer = match &self.outcome {
            Some(Fault::DropAfter) => return Err(Hangup),
            Some(Fault::StatusAfter(status)) => with_status(*status),
            Some(Fault::Large(bytes)) => Answer::json_bytes(filler(*bytes).into()),
            _ => answer,
        };
        Ok(self.with_fields(answer))
    }

    /// How the body of the answer ends.
    pub(super) fn ending(&self) -> Ending {
        match self.outcome {
            Some(Fault::CutBody) => Ending::Cut,
            Some(Fault::HangInBody) => Ending::Hang,
            _ => Ending::Whole,
        }
    }

    fn with_fields(&self, mut answer: Answer) -> Answer {
        answer.fields.extend(self.fields.iter().cloned());
        answer
    }
}

fn read_field((name, value): &(String, String)) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
}

fn with_status(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match status {
        StatusCode::TOO_MANY_REQUESTS => Answer::new(status, Content::Json(TOO_MANY.into())),
        other => Answer::empty(other),
    }
}

fn html() -> Answer {
    let page = "<!DOCTYPE html><html><body><h1>Please stand by</h1></body></html>";
    Answer::new(StatusCode::OK, Content::Fixed("text/html; charset=utf-8", page.into()))
}

/// A JSON array of one string, so many bytes long but at least `[""]`.
pub(super) fn filler(bytes: usize) -> String {
    format!("[\"{}\"]", "x".repeat(bytes.saturating_sub(4)))
}
