//! Time limits around content that streams: how long the upstream may pause, and when the client last moved.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

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

/// When the client's content last moved. While an upload goes on, the upstream owes no response head.
#[derive(Debug, Clone)]
pub struct Progress {
    clock: Clock,
    moved: Arc<AtomicU64>,
}

impl Progress {
    /// Starts now.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let progress = Self { clock, moved: Arc::default() };
        progress.note();
        progress
    }

    /// Content has moved.
    fn note(&self) {
        self.moved.store(u64::try_from(self.clock.uptime().as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns once nothing has moved for `limit`.
    pub async fn stalled(&self, limit: Duration) {
        loop {
            let quiet = self.clock.uptime().saturating_sub(Duration::from_nanos(self.moved.load(Relaxed)));
            let Some(left) = limit.checked_sub(quiet).filter(|left| !left.is_zero()) else {
                return;
            };
            tokio::time::sleep_until(Instant::now() + left).await;
        }
    }
}

/// The client's content on its way up: notes when it moves.
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
        if polled.is_ready() {
            self.progress.note();
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
