//! Exchanges that last: upgrades, event streams and long polls. They are counted apart, and when the gateway stops each is
//! ended in the way of its kind, such that its client comes back instead of failing.
//!
//! What a newcomer would get wrong: that they are requests in flight like others, which are waited for. They end when
//! their clients wish, hours later; waiting for them would only move the cut to the deadline.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};

use crate::phase::PhaseWatch;
use crate::telemetry::metrics::{InFlight, StreamMetrics};
use crate::wire::{Body, BodyError};

pub use crate::telemetry::metrics::StreamKind as Kind;

/// What streams are begun with. Clones share it.
#[derive(Debug, Clone)]
pub struct Streaming {
    /// When they are to end.
    pub phases: PhaseWatch,
    /// Where they are counted.
    pub metrics: StreamMetrics,
}

/// A stream, while it lives.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    phases: PhaseWatch,
    metrics: StreamMetrics,
    _counted: InFlight,
}

impl Streaming {
    /// Counts a stream.
    #[must_use]
    pub fn begin(&self, kind: Kind) -> Stream {
        Stream { kind, phases: self.phases.clone(), metrics: self.metrics.clone(), _counted: self.metrics.began(kind) }
    }
}

impl Stream {
    /// Returns what tells when it is to end.
    #[must_use]
    pub fn phases(&self) -> PhaseWatch {
        self.phases.clone()
    }

    /// Notes that its client was told that the gateway stops.
    pub fn was_told(&self) {
        self.metrics.told(self.kind);
    }
}

/// Content of an event stream, which ends between two events when the gateway drains.
pub struct Events {
    inner: Body,
    stream: Stream,
    draining: BoxFuture<'static, ()>,
    place: Place,
    has_ended: bool,
}

/// Where in a stream of events the last byte stood. An empty line ends an event; lines end with CR, LF or both.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    is_within_line: bool,
    /// The line ended with CR, and an LF that follows is of the same end.
    is_after_cr: bool,
    /// There were fields since the last empty line: an event is half given. A comment is no field.
    is_half_given: bool,
}

impl Events {
    /// Watches over content.
    #[must_use]
    pub fn new(inner: Body, stream: Stream) -> Self {
        let mut phases = stream.phases();
        let draining = Box::pin(async move { phases.draining().await });
        Self { inner, stream, draining, place: Place::default(), has_ended: false }
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        // What has come goes first: only a client that has all of it is told.
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.place = frame.data_ref().map_or(this.place, |data| this.place.after(data));
            }
            return Poll::Ready(frame);
        }
        if this.place.may_end() && this.draining.as_mut().poll(cx).is_ready() {
            this.stream.was_told();
            this.has_ended = true;
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Place {
    /// Returns the place behind more bytes.
    fn after(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |place, byte| match byte {
            b'\n' if place.is_after_cr => Self { is_after_cr: false, ..place },
            b'\n' | b'\r' => Self {
                is_within_line: false,
                is_after_cr: *byte == b'\r',
                is_half_given: place.is_half_given && place.is_within_line,
            },
            _ => Self {
                is_within_line: true,
                is_after_cr: false,
                is_half_given: place.is_half_given || !place.is_within_line && *byte != b':',
            },
        })
    }

    /// Returns whether the stream may end here and no event is lost.
    const fn may_end(self) -> bool {
        !self.is_within_line && !self.is_half_given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_end_behind_an_empty_line_and_behind_a_comment_however_lines_end() {
        for (stream, may_end) in [
            ("", true),
            ("data: a", false),
            ("data: a\n", false),
            ("data: a\n\n", true),
            ("data: a\r\n", false),
            ("data: a\r\n\r", true),
            ("data: a\r\n\r\n", true),
            ("data: a\r", false),
            ("data: a\r\r", true),
            ("data: a\n\ndata: b", false),
            (": ping\n\n\n", true),
            (":\r\n", true),
            (": ping", false),
            ("data: a\n: ping\n", false),
        ] {
            assert_eq!(Place::default().after(stream.as_bytes()).may_end(), may_end, "{stream:?}");
            let one_by_one = stream.bytes().fold(Place::default(), |place, byte| place.after(&[byte]));
            assert_eq!(one_by_one.may_end(), may_end, "{stream:?}, byte by byte");
        }
    }
}
