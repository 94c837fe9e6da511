//! A client's content over HTTP/2, which must come in time. Over HTTP/1.1 the guard of the connection sees to that.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::server::allowance::Allowance;
use crate::server::framing::Limits;
use crate::server::guard::Alarm;
use crate::wire::{Body, BodyError};

/// Puts the time for content around it, if there is any.
pub(super) fn paced(body: Body, limits: &Limits) -> Body {
    if body.is_empty() {
        return body;
    }
    let allowance = Allowance::new(limits.body_timeout, limits.min_rate);
    Body::streamed(Paced { inner: body, allowance, alarm: Alarm::default() })
}

struct Paced {
    inner: Body,
    allowance: Allowance,
    alarm: Alarm,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.allowance.moved(frame.data_ref().map_or(0, Bytes::len), Instant::now);
            }
            return Poll::Ready(frame);
        }
        let deadline = this.allowance.waits(Instant::now());
        this.alarm.poll(cx, deadline).map(|()| Some(Err(BodyError::ClientTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
