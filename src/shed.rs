//! Refuses what there is no room for, at once, so that what is under way gets done.
//!
//! Beyond its capacity an upstream does not answer more, only later: the requests pile up, each waits for all that came
//! before it, and in the end every answer comes after its client has given up. With a bound on what is on its way the wait
//! is bounded too, and whoever is over it is told at once to come back.
//!
//! What a newcomer would get wrong: where this stands, and what it counts. It stands below the cache and below the
//! fetch that equal misses share: answers from memory cost the upstream nothing and are the last to go. Whoever waits
//! for a turn has left its place meanwhile (the line has a bound of its own) and is not refused when the turn has come;
//! nor does whoever sends content slowly hold one ([`Progress`](crate::upstream::body::Progress)). Hub traffic, which
//! lasts for hours, takes none.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use crate::capacity::Capacity;
use crate::chathub::{Route, RoutedRequest};
use crate::error::{Cause, Error};
use crate::wire::Response;

/// Puts a [`Shed`] in front of a service.
#[derive(Debug, Clone)]
pub struct ShedLayer {
    /// How many requests may be on their way.
    pub capacity: Capacity,
}

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed { inner, capacity: self.capacity.clone() }
    }
}

/// The service of [`ShedLayer`].
#[derive(Debug, Clone)]
pub struct Shed<S> {
    inner: S,
    capacity: Capacity,
}

impl<S> Service<RoutedRequest> for Shed<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<S::Future, Ready<Result<Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        if request.route != Route::Hub {
            request.place = self.capacity.take();
            if request.place.is_none() {
                return Either::Right(ready(Err(Cause::Overloaded.into())));
            }
        }
        Either::Left(self.inner.call(request))
    }
}
