//! HTTP/1.1 to a client: hyper over the guard, and what joins its requests to the stack.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{CONNECTION, HeaderValue};
use http::{StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Settings, call_when_ready, until};
use super::framing::Limits;
use super::guard::{Answering, Guard, Handle};
use super::rest::Rest;
use crate::phase::{Phase, PhaseWatch};
use crate::stack::Stack;
use crate::telemetry::metrics::CloseCause;
use crate::wire::{Body, BodyError, Interim, Request, Response};

/// The number of fields up to which hyper parses without allocating.
const FIELDS_ON_THE_STACK: usize = 100;
/// hyper refuses a smaller read buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// Serves one connection until it ends, or until the gateway drains and the request it is on is answered.
pub(super) async fn serve<I>(
    (guard, handle): (Guard<I>, Handle),
    peer: IpAddr,
    stack: impl Stack,
    settings: &Settings,
    phases: PhaseWatch,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Answers {
        stack: RefCell::new(stack),
        peer,
        rest: Arc::new(Rest::new()),
        handle: handle.clone(),
        max_requests: settings.max_requests,
    };
    let connection = builder(&settings.limits).serve_connection(TokioIo::new(guard), service).with_upgrades();
    let mut connection = pin!(connection);
    let leaving = pin!(phases.reached_seldom(Phase::Leaving));
    let mut phases = match select(connection.as_mut(), leaving).await {
        Either::Left((ended, _)) => return ended,
        Either::Right((phases, _)) => phases,
    };
    handle.close_after_answer();
    if let Some(ended) = until(connection.as_mut(), phases.reached(Phase::Draining)).await {
        return ended;
    }
    // The library sees only whole heads, and would close on one that is on its way. Its answer is the last as it is, and if
    // the rest does not come, `Limits::head_timeout` ends it.
    if !handle.has_head_begun() {
        connection.as_mut().graceful_shutdown();
    }
    until(connection, phases.reached(Phase::Closed)).await.unwrap_or(Ok(()))
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The guard has all limits and timers of a head; hyper must refuse nothing that the guard lets through.
    builder.header_read_timeout(None);
    builder.max_buf_size((2 * limits.max_head).max(SMALLEST_BUFFER));
    if limits.max_fields > FIELDS_ON_THE_STACK {
        builder.max_headers(limits.max_fields);
    }
    builder
}

/// What the server library calls with each request of a connection, one after another.
struct Answers<S> {
    /// In a cell, since the library calls by reference: a clone for each request would cost more than a hit.
    stack: RefCell<S>,
    peer: IpAddr,
    rest: Arc<Rest>,
    handle: Handle,
    max_requests: u64,
}

impl<S: Stack> Service<http::Request<Incoming>> for Answers<S> {
    type Response = http::Response<Outgoing>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let fault = self.handle.begin();
        if self.handle.begun() >= self.max_requests {
            self.handle.closes_for(CloseCause::Requests);
            self.handle.close_after_answer();
        }
        let answering = self.handle.answering();
        let (head, incoming) = request.into_parts();
        let arrived = Instant::now();
        let mut request = Request::new(head, Body::from_client(incoming), self.peer, arrived);
        request.is_rested = self.rest.is_over(arrived);
        request.fault = fault;
        // HTTP/1.0 knows none (RFC 9110 §15.2).
        request.interim = (request.head.version == Version::HTTP_11).then(|| self.handle.interim().clone());
        let inner = call_when_ready(&mut *self.stack.borrow_mut(), request);
        Answer { inner, answering: Some(answering), rest: Arc::clone(&self.rest) }
    }
}

pin_project_lite::pin_project! {
    /// The answer to one request.
    struct Answer<F> {
        #[pin]
        inner: F,
        answering: Option<Answering>,
        rest: Arc<Rest>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answer<F> {
    type Output = Result<http::Response<Outgoing>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let interim = this.answering.as_ref().map(|answering| answering.handle().interim());
        // They are written when this has returned, and then the task is woken.
        if interim.is_some_and(Interim::is_any) {
            return Poll::Pending;
        }
        let Poll::Ready(response) = this.inner.poll(cx)? else {
            if let Some(interim) = interim {
                interim.wakes(cx.waker());
            }
            return Poll::Pending;
        };
        let Response { mut message, account } = response;
        this.rest.note(&account);
        let answering = this.answering.take();
        if let Some(answering) = &answering {
            if message.status() == StatusCode::SWITCHING_PROTOCOLS {
                answering.handle().upgraded();
            } else if answering.handle().is_closing() {
                message.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        Poll::Ready(Ok(message.map(|body| Outgoing { body, _answering: answering })))
    }
}

/// Content on its way to the client. When it ends, or is dropped, the request counts as answered.
struct Outgoing {
    body: Body,
    _answering: Option<Answering>,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
