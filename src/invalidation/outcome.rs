//! Whether a write that has ended can still be applied.

use crate::error::{Cause, Error};
use crate::wire::Response;

crate::telemetry::label::words! {
    /// What is known of a write when it has ended.
    Outcome {
        /// The upstream accepted it: whatever it changes is changed.
        Accepted = "accepted",
        /// The upstream refused it (3xx, 4xx), or it never reached the upstream.
        Refused = "refused",
        /// Nobody knows whether, or when, it is applied.
        Ambiguous = "ambiguous",
    }
}

impl Outcome {
    /// Judges how a write ended.
    #[must_use]
    pub fn of(result: &Result<Response, Error>) -> Self {
        match result {
            Ok(response) if response.message.status().is_success() => Self::Accepted,
            Ok(response) if response.message.status().is_server_error() => Self::Ambiguous,
            Ok(_) => Self::Refused,
            Err(error) => match &error.cause {
                Cause::Upstream(error) if error.is_before_first_byte() => Self::Refused,
                _ => Self::Ambiguous,
            },
        }
    }
}
