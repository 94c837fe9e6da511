//! Layers that see any request, well-formed or not, and let none end without an answer.
//!
//! From top to bottom: [`access_log`] counts and logs, [`explain`] writes the fields by which the gateway tells what it
//! did, [`rescue`] turns every failure into an answer, [`admission`] refuses what must not go further, [`routing`] finds
//! out what a request is for and who sent it. Above `rescue` nothing fails; that is in the types.

pub mod access_log;
pub mod admission;
pub mod explain;
pub mod rescue;
pub mod routing;

pub use access_log::AccessLogLayer;
pub use admission::AdmissionLayer;
pub use explain::ExplainLayer;
pub use rescue::RescueLayer;
pub use routing::RoutingLayer;

use crate::error::Error;
use crate::wire::Account;

/// A failure on its way to `rescue`, with what is known of its request.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// What happened until then.
    pub account: Box<Account>,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), account: Box::default() }
    }
}
