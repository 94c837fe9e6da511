//! Messages as every layer sees them: [`Request`], [`Response`], [`Body`], and the fields that belong to the wire.
//!
//! A newcomer would reach for `http::Response` alone. Ours carries an [`Account`] beside the message: what happened to
//! the request on its way. It is turned into `Cache-Status`, the access log and metrics in one place, at the edge, so
//! no layer formats a field or a label for itself.

pub mod account;
pub mod body;
pub mod cache_control;
pub mod cache_status;
pub mod event_stream;
pub mod hop_by_hop;
pub mod interim;
pub mod max_forwards;
pub mod number;
pub mod octets;
pub mod problem;
pub mod rate_limit;
pub mod request;
pub mod request_id;
pub mod whole;

pub use account::Account;
pub use body::{Body, BodyError};
pub use interim::Interim;
pub use rate_limit::RateLimit;
pub use request::{Request, RequestParts};
pub use request_id::RequestId;

use std::time::Duration;

/// How long a connection rests that keeps to a `Retry-After`, which is never shorter.
pub const REST: Duration = Duration::from_secs(1);

/// A response on its way to the client.
#[derive(Debug)]
pub struct Response {
    /// Status, fields and content.
    pub message: http::Response<Body>,
    /// What happened to the request.
    pub account: Account,
}

impl Response {
    /// Returns `message` with an account that says nothing yet.
    #[must_use]
    pub fn new(message: http::Response<Body>) -> Self {
        Self { message, account: Account::default() }
    }
}
