//! The one content type of the gateway: held whole, or streamed from a connection.
//!
//! Content is held whole only where a layer must understand it (a list to store, a synchronize to read). All else
//! streams frame by frame, so the size of an upload never shows in the gateway's memory. The error tells *whose* fault
//! a broken stream is: without that, a client's broken upload would be reported as a broken upstream.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::server::framing::BodyFault;

type Boxed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// Content of a request or a response.
pub struct Body(Kind);

enum Kind {
    /// All of it is here; `None` when it was taken.
    Held(Option<Bytes>),
    /// It comes from a connection through whatever limits were put around it.
    Streamed(Boxed),
}

/// Why content ended before it was complete.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client's connection failed or its framing is broken.
    #[error("read the client's content")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client sent too little for longer than `server.body_timeout`.
    #[error("client sent no content for too long")]
    ClientTimeout,
    /// The client sent more than `server.max_body`.
    #[error("client's content is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The upstream's connection failed or its framing is broken.
    #[error("read the upstream's content")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent nothing for longer than `upstream.idle_timeout`.
    #[error("upstream sent no content for too long")]
    UpstreamTimeout,
}

impl Body {
    /// Returns content of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Held(None))
    }

    /// Returns content that comes frame by frame.
    pub fn streamed(inner: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Kind::Streamed(Box::pin(inner)))
    }

    /// Returns the client's content.
    #[must_use]
    pub fn from_client(incoming: Incoming) -> Self {
        if http_body::Body::is_end_stream(&incoming) {
            return Self::empty();
        }
        Self::streamed(http_body_util::BodyExt::map_err(incoming, from_client))
    }

    /// Asks for the content, so that a client who waits to be asked sends it (RFC 9110 §10.1.1), and keeps what is there.
    pub fn invite(&mut self) {
        let Kind::Streamed(inner) = &mut self.0 else { return };
        // Whoever reads the content asks again, and is then the one to be woken.
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Some(frame)) = inner.as_mut().poll_frame(&mut cx) {
            let rest = std::mem::replace(self, Self::empty());
            *self = Self::streamed(Prefixed { read: Some(frame), rest });
        }
    }

    /// Returns content that begins with `data`, which was read before.
    #[must_use]
    pub(super) fn after(self, data: Bytes) -> Self {
        if data.is_empty() {
            return self;
        }
        Self::streamed(Prefixed { read: Some(Ok(Frame::data(data))), rest: self })
    }

    /// Returns the length in bytes if all of the content is in memory.
    #[must_use]
    pub fn held_len(&self) -> Option<u64> {
        match &self.0 {
            Kind::Held(bytes) => Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Streamed(_) => None,
        }
    }

    /// Returns the length in bytes if it is known.
    #[must_use]
    pub fn exact_len(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// Returns whether there is no content: none was announced, or all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        http_body::Body::is_end_stream(self)
    }
}

fn from_client(error: hyper::Error) -> BodyError {
    match BodyFault::find(&error) {
        Some(BodyFault::TimedOut) => BodyError::ClientTimeout,
        Some(BodyFault::Malformed(_)) | None => BodyError::Client(error.into()),
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Held((!bytes.is_empty()).then_some(bytes)))
    }
}

impl std::fmt::Debug for Body {
    /// Never the content: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Kind::Held(_) => "Body(held)",
            Kind::Streamed(_) => "Body(streamed)",
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.0 {
            Kind::Held(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Streamed(inner) => inner.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Held(bytes) => bytes.is_none(),
            Kind::Streamed(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Held(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Streamed(inner) => inner.size_hint(),
        }
    }
}

/// Content whose beginning was read already.
struct Prefixed {
    read: Option<Result<Frame<Bytes>, BodyError>>,
    rest: Body,
}

impl http_body::Body for Prefixed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.read.take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.read.as_ref().and_then(|read| read.as_ref().ok()?.data_ref());
        let read = data.map_or(0, |bytes| bytes.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + read);
        }
        hint.set_lower(rest.lower() + read);
        hint
    }
}
