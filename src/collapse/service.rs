//! Lets a request join a running fetch, or fetch in a task that others may join.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use tokio::sync::oneshot;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use super::flight::{Flights, Landed, Passenger, Seat};
use crate::chathub::RoutedRequest;
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::store::{Entry, Fetch};
use crate::telemetry::metrics::CollapseMetrics;
use crate::wire::Response;
use crate::wire::cache_status::{Forward, Outcome};

/// The service of [`CollapseLayer`](super::CollapseLayer). Always ready: a follower needs nothing below.
#[derive(Debug, Clone)]
pub struct Collapse<S> {
    pub(super) inner: S,
    pub(super) flights: Arc<Flights>,
    pub(super) clock: Clock,
    pub(super) metrics: CollapseMetrics,
}

impl<S> Service<RoutedRequest> for Collapse<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<Oneshot<S, RoutedRequest>, BoxFuture<'static, Result<Response, Error>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RoutedRequest) -> Self::Future {
        let inner = self.inner.clone();
        let Some(fetch) = request.head.extensions.get::<Fetch>() else {
            return Either::Left(inner.oneshot(request));
        };
        // Boarded here, not in the future: a request takes part from the moment it comes.
        let seat = self.flights.board(fetch);
        let clock = self.clock;
        match seat {
            Seat::Leader(passenger, landed) => {
                self.metrics.flights.inc();
                Either::Right(Box::pin(lead(inner, request, passenger, landed)))
            }
            Seat::Follower(passenger) => {
                self.metrics.followers.inc();
                Either::Right(Box::pin(follow(inner, request, passenger, clock)))
            }
        }
    }
}

/// Fetches in a task of its own, so that the fetch outlives its first client.
async fn lead<S>(inner: S, request: RoutedRequest, passenger: Passenger, landed: Landed) -> Result<Response, Error>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let task = tokio::spawn(async move {
        let result = inner.oneshot(request).await;
        landed.with(result.as_ref().ok().and_then(|response| response.message.extensions().get().cloned()));
        // The leader may have gone.
        drop(answer.send(result));
    });
    passenger.fetched_by(task.abort_handle());
    answered.await.unwrap_or_else(|_| Err(Cause::Internal.into()))
}

/// Waits for the flight, and fetches alone if it brings nothing for others.
async fn follow<S>(inner: S, request: RoutedRequest, passenger: Passenger, clock: Clock) -> Result<Response, Error>
where
    S: Service<RoutedRequest, Response = Response, Error = Error> + Send,
{
    let brought = passenger.landed().await;
    drop(passenger);
    match brought {
        Some(entry) => Ok(shared(&entry, clock)),
        None => inner.oneshot(request).await,
    }
}

fn shared(entry: &Entry, clock: Clock) -> Response {
    let mut response = Response::new(entry.to_response(clock.now()));
    response.account.cache.outcome = Outcome::Forwarded { reason: Forward::UriMiss, stored: false, collapsed: true };
    response
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
