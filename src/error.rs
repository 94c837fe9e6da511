//! Every reason for which the gateway answers by itself.
//!
//! An error is made where the cause is known and turned into an answer in one place, `edge/rescue.rs`. It knows its
//! status and a fixed word; it never holds a target, a field's value or content.

use std::time::Duration;

use http::StatusCode;

use crate::invalidation::outcome::Outcome;
use crate::server::framing::Fault;
use crate::throttle::{Refusal, Rejection};
use crate::upstream::UpstreamError;
use crate::wire::account::{Spent, Turn};
use crate::wire::cache_status::{Detail, Forward};
use crate::wire::{Account, BodyError};

/// Returns what an error says and what it says of its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        next = cause.source();
    }
    said
}

/// Why a request ended without an answer of the upstream.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Error {
    /// The cause.
    #[source]
    pub cause: Cause,
    /// Why the request was on its way forward when it failed, if it was.
    pub forward: Option<Forward>,
    /// What is known of the write that the request is, if it had begun.
    pub write: Option<Outcome>,
    /// Where its time went, if it came so far. In a box, for an error is a part of every result.
    pub spent: Option<Box<Spent>>,
}

/// The causes.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The bytes of the head are no request that this gateway accepts.
    #[error("{0}")]
    Framing(Fault),
    /// CONNECT or TRACE.
    #[error("this method is not forwarded")]
    MethodRefused,
    /// A credential field stands there twice.
    #[error("a credential field is repeated")]
    RepeatedCredential,
    /// The client's content broke, stalled or is too long.
    #[error("receive the client's content")]
    Content(#[source] BodyError),
    /// Over quota.
    #[error(transparent)]
    Throttled(#[from] Refusal),
    /// The exchange with the upstream failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// As many requests are on their way as may be.
    #[error("the gateway is at its limit")]
    Overloaded,
    /// A fault of the gateway itself.
    #[error("the request's task ended without an answer")]
    Internal,
}

impl<C: Into<Cause>> From<C> for Error {
    fn from(cause: C) -> Self {
        Self { cause: cause.into(), forward: None, write: None, spent: None }
    }
}

impl Error {
    /// Notes why the request went forward, if that is how it failed.
    #[must_use]
    pub fn forwarded(mut self, reason: Forward) -> Self {
        if matches!(self.cause, Cause::Upstream(_)) {
            self.forward = Some(reason);
        }
        self
    }

    /// Notes what is known of the write.
    #[must_use]
    pub fn of_write(mut self, outcome: Outcome) -> Self {
        self.write = Some(outcome);
        self
    }

    /// Notes how the request came to its turn to go upstream, or waited for it.
    #[must_use]
    pub fn after_turn(mut self, turn: Turn) -> Self {
        self.spent.get_or_insert_default().turn = Some(turn);
        self
    }

    /// Notes how long the upstream had been asked for.
    #[must_use]
    pub fn after_upstream(mut self, time: Duration) -> Self {
        self.spent.get_or_insert_default().upstream_time = Some(time);
        self
    }

    /// Notes what the account of an answer tells whose content failed.
    #[must_use]
    pub fn after_answer(mut self, account: &Account) -> Self {
        let Account { turn, upstream_time, .. } = *account;
        self.spent = Some(Box::new(Spent { turn, upstream_time }));
        self
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.cause {
            Cause::Framing(fault) => fault.status(),
            Cause::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Cause::RepeatedCredential => StatusCode::BAD_REQUEST,
            Cause::Content(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::Content(BodyError::ClientTimeout) => StatusCode::REQUEST_TIMEOUT,
            Cause::Content(_) => StatusCode::BAD_REQUEST,
            Cause::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Cause::Upstream(error) => error.status(),
            Cause::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the fixed word for labels, logs and the problem's `type`.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.cause {
            Cause::Framing(fault) => match fault {
                Fault::Malformed(_) => Reason::Malformed,
                Fault::HeadTooLarge | Fault::TooManyFields => Reason::HeadTooLarge,
                Fault::TargetTooLong => Reason::TargetTooLong,
                Fault::HeadTimeout => Reason::HeadTimeout,
                Fault::TooManyConnections => Reason::TooManyConnections,
            },
            Cause::MethodRefused => Reason::MethodRefused,
            Cause::RepeatedCredential => Reason::RepeatedCredential,
            Cause::Content(BodyError::TooLarge { .. }) => Reason::ContentTooLarge,
            Cause::Content(BodyError::ClientTimeout) => Reason::ContentTimeout,
            Cause::Content(_) => Reason::ContentBroken,
            Cause::Throttled(_) => Reason::Throttled,
            Cause::Upstream(error) => error.reason(),
            Cause::Overloaded => Reason::Overloaded,
            Cause::Internal => Reason::Internal,
        }
    }

    /// Returns the `Cache-Status` detail.
    #[must_use]
    pub fn detail(&self) -> Detail {
        if let Some(detail) = self.write.and_then(Outcome::detail) {
            return detail;
        }
        match &self.cause {
            Cause::Framing(_) | Cause::MethodRefused | Cause::RepeatedCredential | Cause::Overloaded => Detail::Refused,
            Cause::Content(BodyError::TooLarge { .. }) => Detail::Refused,
            Cause::Content(_) => Detail::ClientFailed,
            Cause::Throttled(refusal) => refusal.rejection.into(),
            Cause::Upstream(_) => Detail::UpstreamFailed,
            Cause::Internal => Detail::Internal,
        }
    }

    /// Returns how long the client should wait before it asks again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Throttled(refusal) => Some(refusal.retry_after),
            Cause::Overloaded | Cause::Framing(Fault::TooManyConnections) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// Returns whether the connection must not be used again after the answer, because it is unknown where on it the
    /// next request begins; behind a `CONNECT` may stand what its client takes for the inside of a tunnel (RFC 9931).
    #[must_use]
    pub fn closes_connection(&self) -> bool {
        matches!(self.cause, Cause::Framing(_) | Cause::Content(_) | Cause::MethodRefused)
    }
}

impl From<Rejection> for Detail {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::TooLong | Rejection::Outwaited | Rejection::Unfair | Rejection::NoSpareCell => Self::Throttled,
            Rejection::LineFull | Rejection::Full => Self::QueueFull,
            Rejection::Stopped => Self::CoolingDown,
        }
    }
}

crate::telemetry::label::words! {
    /// The fixed word of each cause.
    Reason {
        /// The head is malformed.
        Malformed = "malformed-request",
        /// The head has too many bytes or fields.
        HeadTooLarge = "head-too-large",
        /// The target is too long.
        TargetTooLong = "target-too-long",
        /// The head did not arrive in time.
        HeadTimeout = "head-timeout",
        /// CONNECT or TRACE.
        MethodRefused = "method-refused",
        /// A credential field stands there twice.
        RepeatedCredential = "repeated-credential",
        /// The content is too long.
        ContentTooLarge = "content-too-large",
        /// The content did not arrive in time.
        ContentTimeout = "content-timeout",
        /// The content broke off.
        ContentBroken = "content-broken",
        /// Over quota.
        Throttled = "throttled",
        /// No connection to the upstream could be made.
        UpstreamUnreachable = "upstream-unreachable",
        /// The upstream broke off.
        UpstreamBroken = "upstream-broken",
        /// The upstream took too long.
        UpstreamTimeout = "upstream-timeout",
        /// A write may or may not have been applied.
        OutcomeUnknown = "outcome-unknown",
        /// As many requests are on their way as may be.
        Overloaded = "overloaded",
        /// The client's address has as many connections as it may.
        TooManyConnections = "too-many-connections",
        /// A fault of the gateway itself.
        Internal = "internal-error",
    }
}

impl Reason {
    /// Says, to the person who reads the answer, what happened and what to do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Malformed => "The request is not well-formed HTTP/1.1, or its length is in doubt; mend the client.",
            Self::HeadTooLarge => {
                "The request's fields are too many or too long; send less, or raise server.max_head or server.max_fields."
            }
            Self::TargetTooLong => "The request's target is too long; shorten it, or raise server.max_target.",
            Self::HeadTimeout => "The request's head did not arrive within server.head_timeout; send it at once.",
            Self::MethodRefused => "CONNECT and TRACE are not forwarded; use another method.",
            Self::RepeatedCredential => "Authorization or X-Authorization-Key is there more than once; send it once.",
            Self::ContentTooLarge => "The content is longer than server.max_body; send less, or raise the limit.",
            Self::ContentTimeout => "The content did not arrive within server.body_timeout; send it without pauses.",
            Self::ContentBroken => {
                "The content ended before it was complete or is badly framed; send the request again, whole."
            }
            Self::Throttled => "Too many requests for this credential; wait as Retry-After says.",
            Self::UpstreamUnreachable => {
                "No connection to the upstream could be made and nothing was sent; try again, and check upstream.url and the network."
            }
            Self::UpstreamBroken => "The upstream broke off before its answer was complete; try again.",
            Self::UpstreamTimeout => "The upstream did not answer in time; try again later.",
            Self::OutcomeUnknown => {
                "The upstream gave no answer to this write, which may or may not have been applied; read before you repeat it."
            }
            Self::Overloaded => {
                "As many requests are on their way as server.max_in_flight allows, and nothing was sent; wait as Retry-After says."
            }
            Self::TooManyConnections => {
                "There are too many connections from this address; use fewer, or raise server.max_connections_per_peer."
            }
            Self::Internal => "The gateway failed; its log has the reason under this request's id.",
        }
    }
}
