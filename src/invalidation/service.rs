//! Sends a write in a task of its own, behind the fence.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower::{Service, ServiceExt};

use super::layer::InvalidationLayer;
use super::outcome::Outcome;
use crate::chathub::{Groups, RoutedRequest};
use crate::error::{Cause, Error};
use crate::store::fence::Write;
use crate::tally::UnderWay;
use crate::telemetry::metrics::{InFlight, InvalidationMetrics, Scope};
use crate::wire::Response;

/// The service of [`InvalidationLayer`].
#[derive(Debug, Clone)]
pub struct Invalidation<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<InvalidationLayer>,
}

impl<S> Service<RoutedRequest> for Invalidation<S>
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
        if !request.route.is_write() {
            return Either::Left(self.inner.call(request));
        }
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Either::Right(Box::pin(Arc::clone(&self.settings).write(inner, request)))
    }
}

impl InvalidationLayer {
    async fn write<S>(self: Arc<Self>, inner: S, mut request: RoutedRequest) -> Result<Response, Error>
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
    {
        let groups = request.head.extensions.remove().unwrap_or_else(|| Groups::of(request.route));
        let (answer, answered) = oneshot::channel();
        let metrics = self.metrics.clone();
        let pending = self.begin(&request, &groups);
        let exchange = inner.oneshot(request);
        tokio::spawn(async move {
            // A panic below is one more way to end without knowing the outcome.
            let result = AssertUnwindSafe(exchange).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Cause::Internal.into()));
            let outcome = Outcome::of(&result);
            pending.end(outcome);
            // Only now is the answer released.
            if answer.send(told(result, outcome)).is_err() {
                metrics.abandoned();
            }
        });
        answered.await.unwrap_or_else(|_| told(Err(Cause::Internal.into()), Outcome::Aborted))
    }

    fn begin(&self, request: &RoutedRequest, groups: &Groups) -> Pending {
        let write = self.store.fence().begin_write(groups);
        let scope = match groups {
            Groups::None => Scope::Nothing,
            Groups::All => Scope::All,
            _ if write.claim().is_precise() => Scope::Organizations,
            _ => Scope::OperatorLists,
        };
        self.metrics.begun(request.route, scope);
        Pending {
            write: Some(write),
            in_flight: Some((self.writes.begin(), self.metrics.in_flight())),
            quarantine: self.quarantine,
            metrics: self.metrics.clone(),
        }
    }
}

/// A write that has begun. If this is dropped before it is told how the write ended, the outcome is unknown.
struct Pending {
    write: Option<Write>,
    in_flight: Option<(UnderWay, InFlight)>,
    quarantine: std::time::Duration,
    metrics: InvalidationMetrics,
}

impl Pending {
    /// Ends the write; its answer may be released afterwards.
    fn end(mut self, outcome: Outcome) {
        self.leave(outcome);
    }

    fn leave(&mut self, outcome: Outcome) {
        let Some(mut write) = self.write.take() else {
            return;
        };
        self.metrics.ended(outcome);
        // A write that changes no list leaves nothing in doubt that is stored here.
        if outcome.is_in_doubt() && !write.claim().is_empty() {
            write.doubt();
            self.quarantine(write);
        }
        self.in_flight = None;
    }

    /// Keeps the groups hidden for as long as the upstream may still apply the write.
    fn quarantine(&self, write: Write) {
        let (counted, time) = (self.metrics.quarantined(), self.quarantine);
        // Without a runtime the process ends, and what is stored with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(time).await;
                drop((write, counted));
            });
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.leave(Outcome::Aborted);
    }
}

/// Adds to an answer what is known of the write.
fn told(result: Result<Response, Error>, outcome: Outcome) -> Result<Response, Error> {
    match result {
        Ok(mut response) => {
            response.account.cache.detail = outcome.detail();
            Ok(response)
        }
        Err(error) => Err(error.of_write(outcome)),
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
