//! Writes the fields by which the gateway tells what it did: `Cache-Status`, `X-Request-Id`, `RateLimit` (DESIGN 7).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use crate::wire::cache_status::CACHE_STATUS;
use crate::wire::request_id::X_REQUEST_ID;
use crate::wire::{Request, RequestId, Response};

/// Puts an [`Explain`] in front of a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExplainLayer;

impl<S> Layer<S> for ExplainLayer {
    type Service = Explain<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Explain { inner }
    }
}

/// The service of [`ExplainLayer`].
#[derive(Debug, Clone)]
pub struct Explain<S> {
    inner: S,
}

impl<S> Service<Request> for Explain<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Explained<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = request.id.clone();
        Explained { inner: self.inner.call(request), id }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Explain`].
    pub struct Explained<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Explained<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|mut response| {
            let fields = response.message.headers_mut();
            // A cache before the upstream may have written its own; ours comes after it (RFC 9211 §2).
            fields.append(CACHE_STATUS, response.account.cache.to_value());
            fields.insert(X_REQUEST_ID, this.id.to_value());
            if let Some(rate_limit) = &response.account.rate_limit {
                rate_limit.write(fields);
            }
            response
        })
    }
}
