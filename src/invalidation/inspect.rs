//! Reads a write's content, while it waits for nothing else, to learn what it makes stale.
//!
//! It stands *above* the throttle, far from where the write is sent, for three reasons: a slow client must not hold a
//! cell while it sends; a client that leaves is seen to leave only when nothing of it is left unread; and a write that
//! is in memory whole no longer needs its client.

use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use tower::{Layer, Service};

use crate::buffer::Buffer;
use crate::chathub::{Groups, Route, RoutedRequest, payload};
use crate::error::{Cause, Error};
use crate::wire::whole::{Collected, collect};
use crate::wire::{Body, Response};

/// Puts an [`Inspection`] in front of a service.
#[derive(Debug, Clone)]
pub struct InspectionLayer {
    /// How much of a write's content is read, in bytes. A longer one hides every list of operators.
    pub max_inspect: usize,
    /// Where the contents of all writes are held that have been read, or are being read: nobody has asked yet who sends them.
    /// One that finds no room hides every list of operators too.
    pub buffer: Buffer,
}

impl<S> Layer<S> for InspectionLayer {
    type Service = Inspection<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Inspection { inner, settings: self.clone() }
    }
}

/// The service of [`InspectionLayer`].
#[derive(Debug, Clone)]
pub struct Inspection<S> {
    inner: S,
    settings: InspectionLayer,
}

impl<S> Service<RoutedRequest> for Inspection<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        if !matches!(request.route, Route::Synchronize | Route::SetStatus) {
            return Either::Left(self.inner.call(request));
        }
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        Either::Right(Box::pin(async move {
            let groups = settings.inspect(&mut request).await?;
            request.head.extensions.insert(groups);
            inner.call(request).await
        }))
    }
}

impl InspectionLayer {
    /// Reads the content whole if it is not too long and finds room, and puts it back as it was.
    async fn inspect(&self, request: &mut RoutedRequest) -> Result<Groups, Error> {
        let body = std::mem::replace(&mut request.body, Body::empty());
        let whole = match collect(body, self.max_inspect, &self.buffer).await.map_err(Cause::Content)? {
            Collected::Whole(whole) => whole,
            Collected::TooLarge(body) | Collected::NoRoom(body) => {
                request.body = body;
                return Ok(Groups::of(request.route));
            }
        };
        let (route, fields, content) = (request.route, &request.head.headers, whole.content());
        let understood = match route {
            Route::Synchronize => payload::synchronized(fields, content).map(Groups::Organizations),
            Route::SetStatus => payload::switched(fields, content).map(Groups::Operator),
            _ => None,
        };
        request.body = whole.into_body();
        Ok(understood.unwrap_or_else(|| Groups::of(route)))
    }
}
