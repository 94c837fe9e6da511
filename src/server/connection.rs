//! One connection: hyper over the guard, and what joins its requests to the stack.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use super::framing::Limits;
use super::guard::{Answering, Guard, Handle};
use super::shutdown::{Phase, PhaseWatch};
use crate::stack::Stack;
use crate::wire::{Body, BodyError, Request, RequestId};

/// The number of fields up to which hyper parses without allocating.
const FIELDS_ON_THE_STACK: usize = 100;
/// hyper refuses a smaller read buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// Serves one connection until it ends, or until the gateway drains and the request it is on is answered.
pub async fn serve<I>(io: I, peer: IpAddr, stack: impl Stack, limits: &Limits, mut phases: PhaseWatch)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (guard, handle) = Guard::new(io, limits);
    let service = service_fn(move |request| answer(request, peer, handle.clone(), stack.clone()));
    let connection = builder(limits).serve_connection(TokioIo::new(guard), service).with_upgrades();
    let mut connection = pin!(connection);
    let draining = pin!(async {
        phases.reached(Phase::Draining).await;
        phases
    });
    let phases = match select(connection.as_mut(), draining).await {
        Either::Left((ended, _)) => return note(ended),
        Either::Right((phases, _)) => phases,
    };
    connection.as_mut().graceful_shutdown();
    let mut phases = phases;
    let closed = pin!(phases.reached(Phase::Closed));
    if let Either::Left((ended, _)) = select(connection, closed).await {
        note(ended);
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The guard has all limits and timers of a head; hyper must refuse nothing that the guard lets through.
    builder.header_read_timeout(None);
    builder.max_buf_size((2 * limits.max_head).max(SMALLEST_BUFFER));
    if limits.max_fields > FIELDS_ON_THE_STACK {
        builder.max_headers(limits.max_fields);
    }
    builder
}

/// A connection that broke is the client's affair: its requests have their own lines.
fn note(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broke");
    }
}

async fn answer(
    request: http::Request<Incoming>,
    peer: IpAddr,
    handle: Handle,
    stack: impl Stack,
) -> Result<http::Response<Outgoing>, Infallible> {
    let fault = handle.begin();
    let answering = handle.answering();
    let (head, incoming) = request.into_parts();
    let id = RequestId::take_or_make(&head.headers);
    let request = Request { id, head, body: Body::from_client(incoming), peer, fault };
    let response = stack.oneshot(request).await?;
    if response.message.status() == StatusCode::SWITCHING_PROTOCOLS {
        handle.upgraded();
    }
    Ok(response.message.map(|body| Outgoing { body, _answering: answering }))
}

/// Content on its way to the client. When it ends, or is dropped, the request counts as answered.
struct Outgoing {
    body: Body,
    _answering: Answering,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
