//! Turns every failure into an answer that says what to do. Above this layer nothing fails.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use tower::{Layer, Service};

use super::{FORWARDED, Failure};
use crate::error::{Cause, Error, chain};
use crate::wire::cache_status::{CacheStatus, Outcome};
use crate::wire::rate_limit::whole_seconds;
use crate::wire::{Request, RequestId, Response, problem};

/// Puts a [`Rescue`] in front of a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct RescueLayer;

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { inner }
    }
}

/// The service of [`RescueLayer`].
#[derive(Debug, Clone)]
pub struct Rescue<S> {
    inner: S,
}

impl<S> Service<Request> for Rescue<S>
where
    S: Service<Request, Response = Response, Error = Failure>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Rescued<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // No service below reserves anything, so none can fail to get ready; one that did would fail in its call too.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = request.id.clone();
        Rescued { inner: self.inner.call(request), id }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Rescue`].
    pub struct Rescued<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, Failure>>> Future for Rescued<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map(|result| {
            Ok(result.unwrap_or_else(|failure| {
                log(&failure.error, this.id);
                answer(failure)
            }))
        })
    }
}

/// Builds the answer.
fn answer(failure: Failure) -> Response {
    let Failure { error, account } = failure;
    let reason = error.reason();
    let mut message = match &error.cause {
        Cause::Throttled(_) => problem::too_many_requests(),
        _ => problem::response(error.status(), reason.as_str(), reason.advice()),
    };
    let fields = message.headers_mut();
    if let Some(wait) = error.retry_after() {
        // Never 0: who is told so asks again at once.
        fields.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)));
    }
    if matches!(error.cause, Cause::MethodRefused) {
        fields.insert(ALLOW, HeaderValue::from_static(FORWARDED));
    }
    if error.closes_connection() {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response { message, account: *account };
    response.account.refusal = Some(reason);
    if response.account.cache == CacheStatus::default() {
        response.account.cache = CacheStatus { outcome: Outcome::Unasked, detail: Some(error.detail()) };
    }
    if let Cause::Throttled(refusal) = &error.cause {
        response.account.rate_limit = refusal.rate_limit;
    }
    response
}

/// Failures of the upstream and of ourselves need somebody's look; what clients do wrong is in the access log.
fn log(error: &Error, id: &RequestId) {
    let chain = || chain(&error.cause);
    match &error.cause {
        Cause::Upstream(_) => tracing::warn!(request_id = id.as_str(), error = chain(), "upstream failed"),
        Cause::Internal => tracing::error!(request_id = id.as_str(), error = chain(), "gateway failed"),
        _ => tracing::debug!(request_id = id.as_str(), error = chain(), "request refused"),
    }
}
