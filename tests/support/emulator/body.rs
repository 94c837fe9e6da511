//! The body of a response, with the ways in which one can go wrong.
//!
//! A broken body hands out its first half, lets the connection flush it, and only then fails: without that pause the half
//! would be lost with the connection and the client would see no answer at all.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc::UnboundedReceiver;

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// The connection closes after the first half.
    Cut,
    /// Nothing follows the first half, and the connection stays.
    Hang,
}

/// The reason for which a connection is closed without the rest of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the emulator closes the connection on purpose")
    }
}

impl std::error::Error for Hangup {}

/// A response body; its framing follows from the variant.
#[derive(Debug)]
pub(super) enum Body {
    /// `Content-Length: 0`.
    Empty,
    /// With a length.
    Sized(Option<Bytes>),
    /// Without a length.
    Chunked(Option<Bytes>),
    /// The first part of a body that was announced with a length or without.
    Broken { part: Option<Bytes>, length: Option<u64>, is_flushed: bool, ending: Ending },
    /// Whatever arrives, until the sender is gone.
    Stream(UnboundedReceiver<Bytes>),
}

impl Body {
    pub(super) fn chunked(bytes: Bytes, ending: Ending) -> Self {
        match ending {
            Ending::Whole => Self::Chunked(Some(bytes)),
            _ => Self::broken(&bytes, None, ending),
        }
    }

    pub(super) fn sized(bytes: Bytes, ending: Ending) -> Self {
        match ending {
            Ending::Whole => Self::Sized(Some(bytes)),
            _ => Self::broken(&bytes, Some(bytes.len() as u64), ending),
        }
    }

    fn broken(bytes: &Bytes, length: Option<u64>, ending: Ending) -> Self {
        let half = bytes.slice(..bytes.len().div_ceil(2));
        Self::Broken { part: Some(half), length, is_flushed: false, ending }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Hangup>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Sized(bytes) | Self::Chunked(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(receiver) => receiver.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
            Self::Broken { part, is_flushed, ending, .. } => {
                if let Some(part) = part.take() {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
                if *is_flushed && *ending == Ending::Cut {
                    return Poll::Ready(Some(Err(Hangup)));
                }
                if !std::mem::replace(is_flushed, true) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty | Self::Sized(None) | Self::Chunked(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Sized(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Broken { length: Some(length), .. } => SizeHint::with_exact(*length),
            Self::Chunked(_) | Self::Broken { .. } | Self::Stream(_) => SizeHint::default(),
        }
    }
}
