//! Lets a request join a running fetch, or fetch in a task that others may join.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use super::flight::{Arrival, Flying, Passenger, Seat};
use super::layer::CollapseLayer;
use crate::chathub::RoutedRequest;
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::store::{Entry, Fetch};
use crate::telemetry::metrics::FollowerOutcome;
use crate::wire::Response;
use crate::wire::cache_status::{Forward, Outcome};

/// How often a request waits for the fetch of another, and so how often those who waited in vain elect a new leader,
/// before it fetches for itself.
const MOST_ELECTIONS: usize = 3;

/// The service of [`CollapseLayer`].
#[derive(Debug, Clone)]
pub struct Collapse<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<CollapseLayer>,
}

impl<S> Service<RoutedRequest> for Collapse<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: RoutedRequest) -> Self::Future {
        let Some(fetch) = request.head.extensions.get::<Fetch>() else {
            return Either::Left(self.inner.call(request));
        };
        // Boarded here, not in the future: a request takes part from the moment it comes.
        let seat = self.board(fetch, None);
        let this = self.clone();
        match seat {
            Seat::Leader(passenger, flying) => Either::Right(Box::pin(lead(this.inner, request, passenger, flying))),
            Seat::Follower(passenger) => Either::Right(Box::pin(this.follow(request, passenger))),
        }
    }
}

impl<S> Collapse<S> {
    fn board(&self, fetch: &Fetch, in_vain: Option<&Passenger>) -> Seat {
        let seat = self.settings.flights.board(fetch, in_vain);
        match seat {
            Seat::Leader(..) => self.settings.metrics.flights.inc(),
            Seat::Follower(_) => self.settings.metrics.followers.inc(),
        }
        seat
    }

    /// Waits for the flight. If it is lost or takes too long, the first of those who waited leads a new one.
    async fn follow(self, mut request: RoutedRequest, mut passenger: Passenger) -> Result<Response, Error>
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
    {
        for _ in 0..MOST_ELECTIONS {
            let arrival = timeout(self.settings.timeout, passenger.arrival()).await;
            let outcome = match &arrival {
                Ok(Arrival::Shared(entry)) if self.settings.store.may_share(entry) => FollowerOutcome::Shared,
                Ok(Arrival::Private) => FollowerOutcome::Private,
                Ok(Arrival::Shared(_) | Arrival::Lost) => FollowerOutcome::Lost,
                Err(_) => FollowerOutcome::TimedOut,
            };
            self.settings.metrics.followed(outcome);
            match (outcome, arrival) {
                (FollowerOutcome::Shared, Ok(Arrival::Shared(entry))) => {
                    return Ok(shared(&entry, self.settings.clock));
                }
                (FollowerOutcome::Private, _) => break,
                _ => {}
            }
            match self.board(&self.ticket_anew(&mut request), Some(&passenger)) {
                Seat::Leader(own, flying) => {
                    // Nobody may be left who waits for the old one.
                    drop(passenger);
                    return lead(self.inner, request, own, flying).await;
                }
                Seat::Follower(next) => passenger = next,
            }
        }
        drop(passenger);
        self.fetch_alone(request).await
    }

    async fn fetch_alone(self, mut request: RoutedRequest) -> Result<Response, Error>
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
    {
        let key = self.ticket_anew(&mut request).key();
        let mut result = self.inner.oneshot(request).await;
        let brought = brought(&mut result);
        if is_list(&result) {
            self.settings.flights.answered(&key, brought.as_ref());
        }
        result
    }

    /// Gives the request a ticket of this moment: its own tells of moves that it need not fear any more.
    fn ticket_anew(&self, request: &mut RoutedRequest) -> Fetch {
        let old = request.head.extensions.remove::<Fetch>().expect("whoever follows has a ticket");
        let fetch = self.settings.store.begin_fetch(old.key(), old.is_refresh);
        request.head.extensions.insert(fetch.clone());
        fetch
    }
}

/// Fetches in a task of its own, so that the fetch outlives its first client.
async fn lead<S>(inner: S, request: RoutedRequest, passenger: Passenger, flying: Flying) -> Result<Response, Error>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut result = inner.oneshot(request).await;
        flying.land(brought(&mut result), is_list(&result));
        // The leader may have gone.
        drop(answer.send(result));
    });
    passenger.fetched_by(task.abort_handle());
    answered.await.unwrap_or_else(|_| Err(Cause::Internal.into()))
}

/// Takes what a fetch brought for others out of its answer.
fn brought(result: &mut Result<Response, Error>) -> Option<Arc<Entry>> {
    result.as_mut().ok()?.message.extensions_mut().remove()
}

/// Returns whether somebody is given a list, as far as the status tells.
fn is_list(result: &Result<Response, Error>) -> bool {
    result.as_ref().is_ok_and(|response| response.message.status().is_success())
}

fn shared(entry: &Entry, clock: Clock) -> Response {
    let mut response = Response::new(entry.to_response(entry.age(clock.now())));
    response.account.cache.outcome = Outcome::Forwarded { reason: Forward::UriMiss, stored: false, collapsed: true };
    response
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
