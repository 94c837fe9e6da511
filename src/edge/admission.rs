//! Keeps from the core what must not reach it: faulty heads, methods that are not forwarded, content over the limit, and
//! whatever its client said is to go no further.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::Method;
use http::header::{ALLOW, HeaderValue};
use http_body::{Frame, SizeHint};
use tower::{Layer, Service};

use super::{AtOnce, FORWARDED, Failure};
use crate::error::Cause;
use crate::wire::cache_status::{CacheStatus, Detail};
use crate::wire::{Account, Body, BodyError, Request, Response, max_forwards};

/// Puts an [`Admission`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLayer {
    max_body: u64,
}

impl AdmissionLayer {
    /// Admits requests with content of at most `max_body` bytes.
    #[must_use]
    pub const fn new(max_body: u64) -> Self {
        Self { max_body }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission { inner, max_body: self.max_body }
    }
}

/// The service of [`AdmissionLayer`].
#[derive(Debug, Clone)]
pub struct Admission<S> {
    inner: S,
    max_body: u64,
}

impl<S> Admission<S> {
    fn admit(&self, request: &mut Request) -> Result<(), AtOnce> {
        if let Some(fault) = request.fault {
            return Err(refused(Cause::Framing(fault)));
        }
        let head = &mut request.head;
        match head.method {
            // A tunnel and an echo of credentials (RFC 9110 §9.3.6, §9.3.8).
            Method::CONNECT | Method::TRACE => return Err(refused(Cause::MethodRefused)),
            Method::OPTIONS if !max_forwards::goes_on(&mut head.headers) => return Err(options().into()),
            _ => {}
        }
        let too_large = || refused(Cause::Content(BodyError::TooLarge { limit: self.max_body }));
        match request.body.exact_len() {
            Some(length) if length > self.max_body => return Err(too_large()),
            Some(_) => {}
            None => {
                let inner = std::mem::replace(&mut request.body, Body::empty());
                request.body = Body::streamed(Limited { inner, left: self.max_body, limit: self.max_body });
            }
        }
        Ok(())
    }
}

impl<S> Service<Request> for Admission<S>
where
    S: Service<Request, Response = Response, Error = Failure>,
{
    type Response = Response;
    type Error = Failure;
    type Future = Either<S::Future, AtOnce>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.admit(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(at_once) => Either::Right(at_once),
        }
    }
}

fn refused(cause: Cause) -> AtOnce {
    Failure::from(cause).into()
}

/// What this gateway itself has to say of what may be asked of it.
fn options() -> Response {
    let mut message = http::Response::new(Body::empty());
    message.headers_mut().insert(ALLOW, HeaderValue::from_static(FORWARDED));
    let cache = CacheStatus::unasked(Detail::MaxForwards);
    Response { message, account: Account { cache, ..Account::default() } }
}

/// Content of unknown length, which fails once it is longer than the limit.
struct Limited {
    inner: Body,
    left: u64,
    limit: u64,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit }))),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
