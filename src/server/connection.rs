//! One connection, from its first byte: which protocol it speaks, and how it ends.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::framing::{Fault, Limits};
use super::guard::{First, Guard};
use super::outflow::{NotTaken, Outflow};
use super::{http1, http2};
use crate::phase::{Phase, PhaseWatch};
use crate::stack::Stack;
use crate::telemetry::metrics::{CloseCause, ConnectionMetrics};
use crate::wire::Request;

/// How long a connection on which nothing was sent yet is kept when the gateway drains: whoever has just connected is
/// about to send.
pub(crate) const LAST_CALL: Duration = Duration::from_secs(1);

/// What a connection holds for as long as it is open, such as its place.
pub type Held = Box<dyn Send>;

/// What all connections are served by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What clients may send, and how long they may take.
    pub limits: Limits,
    /// Requests after which a connection is closed.
    pub max_requests: u64,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Requests that a client may take back within a second on one HTTP/2 connection.
    pub max_resets: u32,
    /// Frames that bring neither a request nor content, within a second on one HTTP/2 connection.
    pub max_control_frames: u32,
    /// Where it is counted.
    pub metrics: ConnectionMetrics,
}

/// Serves one connection until it ends, or until the gateway drains and the requests it is on are answered. What is
/// `held` is let go when it is closed, however long after it left HTTP. With a `refusal` the first request is answered
/// with that, and there is no other.
pub async fn serve<I>(
    io: I,
    held: Held,
    peer: IpAddr,
    refusal: Option<Fault>,
    stack: impl Stack,
    settings: &Settings,
    mut phases: PhaseWatch,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut guard, handle) = Guard::new(Outflow::new(io, held, &settings.limits), &settings.limits);
    if let Some(refusal) = refusal {
        guard.refuse(refusal);
    }
    // Boxed, lest a connection on which nothing has come takes the memory of one that is served.
    let ended = match first(&mut guard, &mut phases).await {
        Ok(First::Http1) => Box::pin(http1::serve((guard, handle.clone()), peer, stack, settings, phases)).await,
        Ok(First::Http2) => {
            guard.pass_all();
            Box::pin(http2::serve((guard, handle.clone()), peer, stack, settings, phases)).await
        }
        Ok(First::Nothing) | Err(_) => Ok(()),
    };
    if let Err(error) = &ended {
        // A connection that broke is the client's affair: its requests have their own lines.
        tracing::debug!(%error, "connection broke");
        if NotTaken::is_behind(error) {
            handle.closes_for(CloseCause::Untaken);
        }
    }
    if let Some(cause) = handle.closed_for() {
        settings.metrics.closed(cause);
    }
}

/// Waits for the first bytes; when the gateway drains, only for those that are on their way.
async fn first<I: AsyncRead + Unpin>(guard: &mut Guard<I>, phases: &mut PhaseWatch) -> io::Result<First> {
    let mut first = poll_fn(|cx| guard.poll_first(cx));
    if let Some(first) = until(&mut first, phases.reached(Phase::Draining)).await {
        return first;
    }
    let over = async { until(pin!(sleep(LAST_CALL)), phases.reached(Phase::Closed)).await };
    if let Some(first) = until(&mut first, over).await {
        return first;
    }
    if !guard.has_begun() {
        return Ok(First::Nothing);
    }
    let first = until(poll_fn(|cx| guard.poll_first(cx)), phases.reached(Phase::Closed)).await;
    first.unwrap_or(Ok(First::Nothing))
}

/// Returns what a future comes to, or `None` if `end` comes before it.
pub(crate) async fn until<F: Future + Unpin>(future: F, end: impl Future) -> Option<F::Output> {
    match select(future, pin!(end)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Calls a stack, which is always ready (see [`Stack`]); tower wants to be asked nevertheless.
#[inline(always)] // two protocols call it; once is inlined by itself, and each call would move the request
pub(super) fn call_when_ready<S: Stack>(stack: &mut S, request: Request) -> S::Future {
    let ready = stack.poll_ready(&mut Context::from_waker(Waker::noop()));
    debug_assert!(ready.is_ready(), "a stack has no queue before its call");
    stack.call(request)
}
