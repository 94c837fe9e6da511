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

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Error;
use crate::wire::{Account, Response};

/// The methods by which the gateway can be asked (RFC 9110 §10.2.1). It forwards others too: the upstream knows better.
const FORWARDED: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

/// A failure on its way to `rescue`, with what is known of its request.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// What happened until then.
    pub account: Box<Account>,
}

/// What comes of a request before anything is asked. Small, since it is a part of each request's future.
#[derive(Debug)]
pub struct AtOnce(Option<Box<Result<Response, Failure>>>);

impl From<Failure> for AtOnce {
    fn from(failure: Failure) -> Self {
        Self(Some(Box::new(Err(failure))))
    }
}

impl From<Response> for AtOnce {
    fn from(response: Response) -> Self {
        Self(Some(Box::new(Ok(response))))
    }
}

impl Future for AtOnce {
    type Output = Result<Response, Failure>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(*self.0.take().expect("a future is not polled once it has ended"))
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), account: Box::default() }
    }
}
