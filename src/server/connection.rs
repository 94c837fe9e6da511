//! One connection: hyper over the guard, and what joins its requests to the stack.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::framing::Limits;
use super::guard::{Answering, Guard, Handle};
use super::shutdown::{Phase, PhaseWatch};
use crate::stack::Stack;
use crate::wire::{Body, BodyError, REST, Request, Response};

/// The number of fields up to which hyper parses without allocating.
const FIELDS_ON_THE_STACK: usize = 100;
/// hyper refuses a smaller read buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// Serves one connection until it ends, or until the gateway drains and the request it is on is answered.
pub async fn serve<I>(io: I, peer: IpAddr, stack: impl Stack, limits: &Limits, phases: PhaseWatch)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (guard, handle) = Guard::new(io, limits);
    let service = Answers { stack: RefCell::new(stack), peer, rest: Arc::new(Rest::new()), handle };
    let connection = builder(limits).serve_connection(TokioIo::new(guard), service).with_upgrades();
    let mut connection = pin!(connection);
    let draining = pin!(phases.reached_seldom(Phase::Draining));
    let mut phases = match select(connection.as_mut(), draining).await {
        Either::Left((ended, _)) => return note(ended),
        Either::Right((phases, _)) => phases,
    };
    connection.as_mut().graceful_shutdown();
    let closed = pin!(phases.reached(Phase::Closed));
    if let Either::Left((ended, _)) = select(connection, closed).await {
        note(ended);
    }
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

/// A connection that broke is the client's affair: its requests have their own lines.
fn note(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broke");
    }
}

/// What the server library calls with each request of a connection, one after another.
struct Answers<S> {
    /// In a cell, since the library calls by reference: a clone for each request would cost more than a hit.
    stack: RefCell<S>,
    peer: IpAddr,
    rest: Arc<Rest>,
    handle: Handle,
}

impl<S: Stack> Service<http::Request<Incoming>> for Answers<S> {
    type Response = http::Response<Outgoing>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let fault = self.handle.begin();
        let answering = self.handle.answering();
        let (head, incoming) = request.into_parts();
        let arrived = Instant::now();
        let mut request = Request::new(head, Body::from_client(incoming), self.peer, arrived);
        request.is_rested = self.rest.is_over(arrived);
        request.fault = fault;
        let inner = call_when_ready(&mut *self.stack.borrow_mut(), request);
        Answer { inner, answering: Some(answering), rest: Arc::clone(&self.rest) }
    }
}

/// Calls a stack, which is always ready (see [`Stack`]); tower wants to be asked nevertheless.
fn call_when_ready<S: Stack>(stack: &mut S, request: Request) -> S::Future {
    let ready = stack.poll_ready(&mut Context::from_waker(Waker::noop()));
    debug_assert!(ready.is_ready(), "a stack has no queue before its call");
    stack.call(request)
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
        let Response { message, account } = ready!(this.inner.poll(cx))?;
        // Whoever was answered from memory was not told to wait.
        if account.turn.is_some() || account.rate_limit.is_some() {
            this.rest.begins(Instant::now());
        }
        let answering = this.answering.take();
        if let Some(answering) = answering.as_ref().filter(|_| message.status() == StatusCode::SWITCHING_PROTOCOLS) {
            answering.upgraded();
        }
        Poll::Ready(Ok(message.map(|body| Outgoing { body, _answering: answering })))
    }
}

/// How long the throttle has had no part in what a connection is answered: whoever was told to wait and does is told from
/// whoever asks on and on. Answers from memory do not count; they are free.
#[derive(Debug)]
struct Rest {
    opened: Instant,
    /// When the last answer was given that the throttle had a part in, in milliseconds since then and one; zero if the
    /// connection is rested.
    answered: AtomicU64,
}

impl Rest {
    fn new() -> Self {
        Self { opened: Instant::now(), answered: AtomicU64::new(0) }
    }

    fn begins(&self, now: Instant) {
        self.answered.store(self.millis(now) + 1, Relaxed);
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.answered.load(Relaxed) {
            0 => true,
            answered => {
                let is_over = u128::from((self.millis(now) + 1).saturating_sub(answered)) >= REST.as_millis();
                if is_over {
                    // So that the next request need not reckon.
                    self.answered.store(0, Relaxed);
                }
                is_over
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX - 1)
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
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_rested_while_it_is_new_and_after_a_second() {
        let rest = Rest::new();
        let is_over = || rest.is_over(Instant::now());
        assert!(is_over());
        for _ in 0..2 {
            rest.begins(Instant::now());
            assert!(!is_over());
            advance(REST - std::time::Duration::from_millis(1)).await;
            assert!(!is_over());
            advance(std::time::Duration::from_millis(1)).await;
            assert!(is_over());
        }
    }
}
