//! Counts every request and writes its line in the access log, when its answer has been given whole.
//!
//! An answer that is held in memory is told at once. One that streams is told when its last byte has been handed to the
//! connection, or when the client has left. A client that leaves before its answer began is told of too, with status 499:
//! what looks like silence is often a client's own time-out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::clock::Clock;
use crate::telemetry::access::{Line, Lines, Told};
use crate::telemetry::metrics::{InFlight, RequestMetrics};
use crate::wire::cache_status::{CacheStatus, Detail};
use crate::wire::{Account, Body, BodyError, Request, Response};

/// The status in the line of a request whose client left before its answer. Nobody was ever sent it.
const CLIENT_LEFT: u16 = 499;

/// Puts an [`AccessLogged`] in front of a service.
#[derive(Debug, Clone)]
pub struct AccessLogLayer(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    log: Option<Lines>,
    metrics: RequestMetrics,
    clock: Clock,
}

impl AccessLogLayer {
    /// Creates the layer. Without a log it only counts.
    #[must_use]
    pub fn new(log: Option<Lines>, metrics: RequestMetrics, clock: Clock) -> Self {
        Self(Arc::new(Settings { log, metrics, clock }))
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLogged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLogged { inner, settings: Arc::clone(&self.0) }
    }
}

/// The service of [`AccessLogLayer`].
#[derive(Debug, Clone)]
pub struct AccessLogged<S> {
    inner: S,
    settings: Arc<Settings>,
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
        let began = request.arrived;
        self.settings.metrics.began();
        let line = self.settings.log.is_some().then(|| Line::of(&request));
        let telling = Telling { began, line, is_answered: false, settings: Arc::clone(&self.settings) };
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

impl<F: Future<Output = Result<Response, Infallible>>> Future for Logged<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = std::task::ready!(this.inner.poll(cx));
        Poll::Ready(Ok(this.telling.answered(response)))
    }
}

/// What is told of a request, once: when it is answered, or when this is dropped before.
struct Telling {
    began: Instant,
    line: Option<Line>,
    is_answered: bool,
    settings: Arc<Settings>,
}

impl Telling {
    fn answered(&mut self, response: Response) -> Response {
        self.is_answered = true;
        let Settings { log, metrics, clock } = &*self.settings;
        let (status, now) = (response.message.status(), clock.now());
        let Some(bytes) = response.message.body().held_len() else { return self.streams(response, now) };
        metrics.answered(status, &response.account, now - self.began);
        if let (Some(log), Some(line)) = (log, self.line.take()) {
            log.write(&line, &told(clock, status, &response.account, bytes, self.began, now));
        }
        response
    }

    /// Whoever waits for the gateway to be quiet must know of what streams, whether it is logged or not.
    fn streams(&mut self, response: Response, now: Instant) -> Response {
        let Response { message, account } = response;
        let (settings, streaming) = (Arc::clone(&self.settings), self.settings.metrics.streams());
        let (line, status, began) = (self.line.take(), message.status(), self.began);
        settings.metrics.answered(status, &account, now - began);
        let pending =
            Pending { settings, line, status, account: account.clone(), began, bytes: 0, _streaming: streaming };
        let message = message.map(|inner| Body::streamed(Counted { inner, pending }));
        Response { message, account }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Settings { log, metrics, clock } = &*self.settings;
        metrics.abandoned();
        if let (Some(log), Some(line)) = (log, self.line.take()) {
            let account = Account {
                route: Some(line.route()),
                cache: CacheStatus::unasked(Detail::ClientFailed),
                ..Account::default()
            };
            log.write(&line, &told(clock, CLIENT_LEFT, &account, 0, self.began, clock.now()));
        }
    }
}

fn told<'a>(
    clock: &Clock,
    status: impl Into<u16>,
    account: &'a Account,
    bytes: u64,
    began: Instant,
    now: Instant,
) -> Told<'a> {
    Told { status: status.into(), account, bytes, ended: clock.wall(), took: now - began }
}

/// An answer that streams. When this is dropped, it is no longer under way and its line is written.
struct Pending {
    settings: Arc<Settings>,
    line: Option<Line>,
    status: StatusCode,
    account: Account,
    began: Instant,
    bytes: u64,
    _streaming: InFlight,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Settings { log, clock, .. } = &*self.settings;
        if let (Some(log), Some(line)) = (log, &self.line) {
            log.write(line, &told(clock, self.status, &self.account, self.bytes, self.began, clock.now()));
        }
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
