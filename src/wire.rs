//! Messages as every layer sees them: [`Request`], [`Response`], [`Body`], and the fields that belong to the wire.
//!
//! A newcomer would reach for `http::Response` alone. Ours carries an [`Account`] beside the message: what happened to
//! the request on its way. It is turned into `Cache-Status`, the access log and metrics in one place, at the edge, so
//! no layer formats a field or a label for itself.

pub mod account;
pub mod body;
pub mod cache_control;
pub mod cache_status;
pub mod hop_by_hop;
pub mod number;
pub mod octets;
pub mod problem;
pub mod rate_limit;
pub mod request_id;

pub use account::Account;
pub use body::{Body, BodyError};
pub use rate_limit::RateLimit;
pub use request_id::RequestId;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::server::framing::Fault;

/// How long a connection rests that keeps to a `Retry-After`, which is never shorter.
pub const REST: Duration = Duration::from_secs(1);

/// A request as the edge sees it.
#[derive(Debug)]
pub struct Request {
    /// Method, target as received, and fields.
    pub head: http::request::Parts,
    /// Content, not yet read.
    pub body: Body,
    /// The address of the client's end of the connection.
    pub peer: IpAddr,
    /// When it came.
    pub arrived: Instant,
    /// Its connection is new, or the throttle has had no part in its answers for [`REST`].
    pub is_rested: bool,
    /// Taken from the client's `X-Request-Id`, or made.
    pub id: RequestId,
    /// What is wrong with the bytes that stood where this request stands, if anything. The head is then a placeholder.
    pub fault: Option<Fault>,
}

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
