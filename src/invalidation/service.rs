//! Sends a write in a task of its own, between two raises of the fence.

use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use tokio::sync::oneshot;
use tower::{Service, ServiceExt};

use super::layer::InvalidationLayer;
use super::outcome::Outcome;
use crate::chathub::{Groups, RoutedRequest};
use crate::error::{Cause, Error};
use crate::store::fence::Write;
use crate::telemetry::metrics::Scope;
use crate::wire::Response;

/// The service of [`InvalidationLayer`].
#[derive(Debug, Clone)]
pub struct Invalidation<S> {
    pub(super) inner: S,
    pub(super) settings: InvalidationLayer,
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
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        if !request.route.is_write() {
            return Either::Left(inner.call(request));
        }
        Either::Right(Box::pin(self.settings.clone().write(inner, request)))
    }
}

impl InvalidationLayer {
    async fn write<S>(self, inner: S, mut request: RoutedRequest) -> Result<Response, Error>
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
    {
        let groups = request.head.extensions.remove().unwrap_or_else(|| Groups::of(request.route));
        let (answer, answered) = oneshot::channel();
        // A write that changes no list leaves nothing in doubt that is stored here.
        let hides = groups != Groups::None;
        let write = self.begin(&request, groups);
        let exchange = inner.oneshot(request);
        let running = self.writes.begin();
        tokio::spawn(async move {
            // A panic below is one more way to end without knowing the outcome.
            let result = std::panic::AssertUnwindSafe(exchange).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Cause::Internal.into()));
            let outcome = Outcome::of(&result);
            write.raise();
            self.metrics.ended(outcome);
            if outcome != Outcome::Ambiguous || !hides {
                drop(write);
                drop(answer.send(result));
                return;
            }
            drop(answer.send(result));
            drop(running);
            self.quarantine(write).await;
        });
        answered.await.unwrap_or_else(|_| Err(Cause::Internal.into()))
    }

    fn begin(&self, request: &RoutedRequest, groups: Groups) -> Write {
        self.metrics.begun(
            request.route,
            match &groups {
                Groups::None => Scope::Nothing,
                Groups::Organizations(_) => Scope::Organizations,
                Groups::All => Scope::All,
            },
        );
        self.store.fence().begin(groups)
    }

    /// Holds the write in flight for as long as the upstream may still apply it.
    async fn quarantine(&self, write: Write) {
        let _counted = self.metrics.quarantined();
        tokio::time::sleep(self.quarantine).await;
        drop(write);
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
