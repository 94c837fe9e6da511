//! What is watched of content that streams: how long the upstream pauses, and how the client gets on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::pool::Lent;
use crate::capacity::{Away, Place};
use crate::clock::Clock;
use crate::wire::{Body, BodyError, hop_by_hop};

/// The upstream's content. It fails if the upstream pauses for too long, and gives the connection back when it is dropped.
///
/// Only the upstream's pauses count: the timer starts when a frame is asked for and is not there.
pub struct Received {
    incoming: Incoming,
    /// The longest pause; `None` if it may last.
    limit: Option<Duration>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// After the content, so that it is dropped after it.
    _connection: Lent,
}

impl Received {
    /// Joins content and its connection.
    #[must_use]
    pub const fn new(incoming: Incoming, limit: Option<Duration>, connection: Lent) -> Self {
        Self { incoming, limit, deadline: None, _connection: connection }
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.deadline = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Upstream)));
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        deadline.as_mut().poll(cx).map(|()| Some(Err(BodyError::UpstreamTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// How the client's content gets on. While the client has more to send, the upstream owes no response head.
///
/// It also keeps the request's place: clients that send slowly would take all there are, and whoever waits for a client
/// costs the upstream nothing. And it keeps the client's fault, of which the client library makes its own.
#[derive(Debug, Clone)]
pub struct Progress {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// When content last moved.
    moved: Instant,
    /// Content was asked for, and the client has not sent it yet.
    waits_for_client: bool,
    /// The request's place among those on their way, which it leaves while its client is waited for.
    place: Option<Seat>,
    fault: Option<BodyError>,
}

/// A place, or the right to one.
#[derive(Debug)]
enum Seat {
    Taken(Place),
    Left(Away),
}

impl Seat {
    fn turn(self, waits_for_client: bool) -> Self {
        match (self, waits_for_client) {
            (Self::Taken(place), true) => Self::Left(place.leave()),
            (Self::Left(away), false) => Self::Taken(away.come_back()),
            (seat, _) => seat,
        }
    }
}

impl Progress {
    /// Starts at a moment, with the request's place if it has one.
    #[must_use]
    pub fn new(clock: Clock, began: Instant, place: Option<Place>) -> Self {
        let place = place.map(Seat::Taken);
        let state = State { moved: began, waits_for_client: false, place, fault: None };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Starts anew: only now can the upstream have anything of it.
    pub fn begin(&self, began: Instant) {
        self.lock().moved = began;
    }

    /// Returns once the upstream could have answered for `limit` and has not.
    pub async fn stalled(&self, limit: Duration) {
        let mut until = self.lock().moved + limit;
        loop {
            tokio::time::sleep_until(until).await;
            let now = self.clock.now();
            let state = self.lock();
            until = if state.waits_for_client { now } else { state.moved } + limit;
            if until <= now {
                return;
            }
        }
    }

    /// Gives the place up: the answer has begun.
    pub fn give_up_place(&self) {
        self.lock().place = None;
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
        state.place = state.place.take().map(|seat| seat.turn(polled.is_pending()));
        state.moved = self.clock.now();
        match polled {
            Poll::Ready(Some(Err(fault))) => {
                state.fault = Some(fault);
                Poll::Ready(Some(Err(BodyError::Client("the client broke off".into()))))
            }
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                Poll::Ready(frame.into_trailers().ok().map(|mut late| {
                    hop_by_hop::remove_of_trailers(&mut late);
                    Ok(Frame::trailers(late))
                }))
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
