//! Counts every request and writes its line in the access log, when its answer has been given whole.
//!
//! An answer that is held in memory is told at once. One that streams is told when its last byte has been handed to the
//! connection, or when the client has left. A client that leaves before its answer began is told of too, with status 499:
//! what looks like silence is often a client's own time-out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::clock::Clock;
use crate::telemetry::access::{AccessLog, Line};
use crate::telemetry::metrics::{InFlight, RequestMetrics};
use crate::wire::{Body, BodyError, Request, Response};

/// Puts an [`AccessLogged`] in front of a service.
#[derive(Debug, Clone)]
pub struct AccessLogLayer {
    log: Option<AccessLog>,
    metrics: RequestMetrics,
    clock: Clock,
}

impl AccessLogLayer {
    /// Creates the layer. Without a log it only counts.
    #[must_use]
    pub const fn new(log: Option<AccessLog>, metrics: RequestMetrics, clock: Clock) -> Self {
        Self { log, metrics, clock }
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLogged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLogged { inner, settings: self.clone() }
    }
}

/// The service of [`AccessLogLayer`].
#[derive(Debug, Clone)]
pub struct AccessLogged<S> {
    inner: S,
    settings: AccessLogLayer,
}

impl<S> Service<Request> for AccessLogged<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Logged<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let began = self.settings.clock.now();
        let in_flight = self.settings.metrics.began();
        let line = self.settings.log.is_some().then(|| Line::of(&request));
        let telling = Telling { began, line, in_flight: Some(in_flight), settings: self.settings.clone() };
        Logged { inner: self.inner.call(request), telling }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`AccessLogged`].
    pub struct Logged<F> {
        #[pin]
        inner: F,
        telling: Telling,
    }
}

/// What is told of a request, once: when it is answered, or when this is dropped before.
struct Telling {
    began: Instant,
    line: Option<Line>,
    in_flight: Option<InFlight>,
    settings: AccessLogLayer,
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Logged<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = std::task::ready!(this.inner.poll(cx));
        Poll::Ready(Ok(this.telling.answered(response)))
    }
}

impl Telling {
    fn answered(&mut self, response: Response) -> Response {
        drop(self.in_flight.take());
        let AccessLogLayer { log, metrics, clock } = &self.settings;
        let status = response.message.status();
        let account = &response.account;
        metrics.answered(account.route, status, &account.cache, clock.now() - self.began);
        let (Some(log), Some(line)) = (log, self.line.take()) else { return response };
        let line = line.answered(status, account);
        told(response, Pending { log: log.clone(), line, began: self.began, clock: *clock, bytes: 0 })
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if self.in_flight.take().is_none() {
            return;
        }
        let AccessLogLayer { log, metrics, clock } = &self.settings;
        metrics.abandoned();
        if let (Some(log), Some(line)) = (log, self.line.take()) {
            log.write(&line.abandoned(), 0, clock.now() - self.began);
        }
    }
}

/// Tells now, or when the answer's content has ended.
fn told(response: Response, mut pending: Pending) -> Response {
    let Response { message, account } = response;
    if let Some(length) = message.body().exact_len().filter(|_| message.body().is_held()) {
        pending.bytes = length;
        drop(pending);
        return Response { message, account };
    }
    let message = message.map(|inner| Body::streamed(Counted { inner, pending }));
    Response { message, account }
}

/// A line that is written when this is dropped.
struct Pending {
    log: AccessLog,
    line: Line,
    began: Instant,
    clock: Clock,
    bytes: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.log.write(&self.line, self.bytes, self.clock.now() - self.began);
    }
}

/// Content that streams, and is counted.
struct Counted {
    inner: Body,
    pending: Pending,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.pending.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
