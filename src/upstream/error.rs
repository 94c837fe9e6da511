//! How an exchange with the upstream can fail, and what is then known of the request.

use http::StatusCode;

use crate::error::Reason;
use crate::wire::BodyError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the upstream gave no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made. Nothing was sent.
    #[error("connect to the upstream")]
    Unreachable(#[source] Source),
    /// No connection was made within `upstream.connect_timeout`. Nothing was sent.
    #[error("connect to the upstream in time")]
    ConnectTimeout,
    /// The connection broke after the request, or a part of it, may have gone out, and before a response head.
    #[error("get a response from the upstream")]
    Broken {
        /// What the client library said.
        #[source]
        source: Source,
        /// The request may have changed something.
        is_write: bool,
    },
    /// No response head came within `upstream.head_timeout`, or `upstream.total_timeout` if that is shorter and the answer
    /// is one that the gateway reads whole.
    #[error("get a response from the upstream in time")]
    HeadTimeout {
        /// The request may have changed something.
        is_write: bool,
    },
    /// The content of an answer that the gateway reads whole broke off.
    #[error("read the upstream's content whole")]
    Content(#[source] BodyError),
    /// An answer that the gateway reads whole took longer than `upstream.total_timeout`, connecting included.
    #[error("read the upstream's content in time")]
    ContentTimeout,
}

impl UpstreamError {
    /// Returns whether it is certain that not a byte of the request was sent.
    #[must_use]
    pub const fn is_before_first_byte(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::ConnectTimeout)
    }

    /// Returns whether a read that failed so may be sent again: its connection died before an answer began.
    #[must_use]
    pub const fn is_dead_connection(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    /// Returns the status of the gateway's answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout
            | Self::HeadTimeout { .. }
            | Self::ContentTimeout
            | Self::Content(BodyError::UpstreamTimeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable(_) | Self::Broken { .. } | Self::Content(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Returns the fixed word.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unreachable(_) | Self::ConnectTimeout => Reason::UpstreamUnreachable,
            Self::Broken { is_write: true, .. } | Self::HeadTimeout { is_write: true } => Reason::OutcomeUnknown,
            Self::HeadTimeout { .. } | Self::ContentTimeout | Self::Content(BodyError::UpstreamTimeout) => {
                Reason::UpstreamTimeout
            }
            Self::Broken { .. } | Self::Content(_) => Reason::UpstreamBroken,
        }
    }
}
