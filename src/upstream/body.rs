//! What is watched of content that streams: how long the upstream pauses, and how the client gets on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::wire::{Body, BodyError};

/// The upstream's content, which fails if the upstream pauses for too long.
///
/// Only the upstream's pauses count: the timer starts when a frame is asked for and is not there.
pub struct Paced {
    inner: Body,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Limits the pauses of `inner`.
    #[must_use]
    pub const fn new(inner: Body, limit: Duration) -> Self {
        Self { inner, limit, deadline: None }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.deadline = None;
            return Poll::Ready(frame);
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        deadline.as_mut().poll(cx).map(|()| Some(Err(BodyError::UpstreamTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How the client's content gets on. While the client has more to send, the upstream owes no response head.
///
/// It also keeps the client's fault: over HTTP/2 the client library drops it and reports a broken stream.
#[derive(Debug, Clone)]
pub struct Progress {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// When content last moved, in time of the clock.
    moved: Duration,
    /// Content was asked for, and the client has not sent it yet.
    waits_for_client: bool,
    fault: Option<BodyError>,
}

impl Progress {
    /// Starts now.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let state = State { moved: clock.uptime(), ..State::default() };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Returns once the upstream could have answered for `limit` and has not.
    pub async fn stalled(&self, limit: Duration) {
        loop {
            let left = {
                let state = self.lock();
                let quiet = self.clock.uptime().saturating_sub(state.moved);
                if state.waits_for_client { limit } else { limit.saturating_sub(quiet) }
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Takes the client's fault, if it broke the exchange.
    #[must_use]
    pub fn fault(&self) -> Option<BodyError> {
        self.lock().fault.take()
    }

    /// Notes what came of asking for content, and returns what the client library is to see of it.
    fn note(
        &self,
        polled: Poll<Option<Result<Frame<Bytes>, BodyError>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.lock();
        state.waits_for_client = polled.is_pending();
        state.moved = self.clock.uptime();
        match polled {
            Poll::Ready(Some(Err(fault))) => {
                state.fault = Some(fault);
                Poll::Ready(Some(Err(BodyError::Client("the client broke off".into()))))
            }
            other => other,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a single step, so a panic elsewhere left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's content on its way up: notes how it gets on.
pub struct Watched {
    /// The content.
    pub inner: Body,
    /// Where it is noted.
    pub progress: Progress,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.progress.note(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
