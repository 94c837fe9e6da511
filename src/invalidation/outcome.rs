//! What is known of a write when it has ended, and whether it can still be applied.

use crate::error::{Cause, Error};
use crate::upstream::UpstreamError;
use crate::wire::Response;
use crate::wire::cache_status::Detail;

crate::telemetry::label::words! {
    /// What is known of a write when it has ended. The last five leave it in doubt.
    Outcome {
        /// The upstream accepted it (2xx): whatever it changes is changed.
        Accepted = "accepted",
        /// The upstream refused it (3xx, 4xx).
        Refused = "refused",
        /// No connection could be made: it never reached the upstream.
        Unsent = "unsent",
        /// The upstream failed (5xx).
        Failed = "failed",
        /// The upstream did not answer in time.
        TimedOut = "timed_out",
        /// The connection broke before an answer.
        Broken = "broken",
        /// The client broke off the content after a part of it had gone out.
        CutShort = "cut_short",
        /// The gateway failed, or was stopped, before an answer.
        Aborted = "aborted",
    }
}

impl Outcome {
    /// Judges how a write ended.
    #[must_use]
    pub fn of(result: &Result<Response, Error>) -> Self {
        match result {
            Ok(response) if response.message.status().is_success() => Self::Accepted,
            Ok(response) if response.message.status().is_server_error() => Self::Failed,
            Ok(_) => Self::Refused,
            Err(error) => match &error.cause {
                Cause::Upstream(error) if error.is_before_first_byte() => Self::Unsent,
                Cause::Upstream(UpstreamError::HeadTimeout { .. } | UpstreamError::ContentTimeout) => Self::TimedOut,
                Cause::Upstream(_) => Self::Broken,
                Cause::Content(_) => Self::CutShort,
                _ => Self::Aborted,
            },
        }
    }

    /// Returns whether the upstream may have applied the write, or apply it yet, though it did not say so.
    #[must_use]
    pub const fn is_in_doubt(self) -> bool {
        match self {
            Self::Accepted | Self::Refused | Self::Unsent => false,
            Self::Failed | Self::TimedOut | Self::Broken | Self::CutShort | Self::Aborted => true,
        }
    }

    /// Returns the `Cache-Status` detail of the write's own answer, if there is something to say.
    #[must_use]
    pub const fn detail(self) -> Option<Detail> {
        match self {
            Self::Accepted => None,
            Self::Refused => Some(Detail::WriteRefused),
            Self::Unsent => Some(Detail::WriteUnsent),
            Self::Failed => Some(Detail::WriteFailed),
            Self::TimedOut => Some(Detail::WriteTimedOut),
            Self::Broken => Some(Detail::WriteBroken),
            Self::CutShort => Some(Detail::WriteCutShort),
            Self::Aborted => Some(Detail::WriteAborted),
        }
    }
}
