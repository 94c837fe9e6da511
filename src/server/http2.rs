//! HTTP/2 to a client: hyper's server with our bounds around it, and what joins its requests to the stack.
//!
//! A client that knows it to be spoken begins it without TLS (prior knowledge, RFC 9113 §3.3); over TLS it is agreed on
//! (ALPN). hyper and `h2` frame strictly: what is malformed by RFC 9113 §8 is reset and reaches no service. What they
//! leave open is judged here ([`head`]), counted ([`control`]), watched ([`streams`]) and timed ([`content`]).
//!
//! What a newcomer would get wrong: that a bound on requests at once bounds the work. A client that takes back what it
//! has just asked for is never above it, and yet has all the work done; so what is taken back is counted, too.

mod content;
mod control;
mod head;
mod streams;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::Method;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::connection::{LAST_CALL, Settings, call_when_ready, until};
use super::framing::Limits;
use super::guard::{Guard, Handle};
use super::rest::Rest;
use crate::phase::{Phase, PhaseWatch};
use crate::stack::Stack;
use crate::wire::{Body, BodyError, Request, Response};
use control::Metered;
use streams::{End, Stream, Streams};

/// What a client may send ahead of being read, on one stream and on all of a connection: enough not to slow an upload on
/// a near network, and little enough for thousands of connections.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// What of an answer is kept ready for a client that takes it slowly, on one stream.
const SEND_BUFFER: usize = 64 << 10;
/// What each field adds to the size of a head as HTTP/2 reckons it (RFC 9113 §6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// Requests taken back before they reached the service, beyond which `h2` ends the connection.
const MOST_UNSEEN_RESETS: usize = 20;
/// How long a client has to answer a ping while its requests are under way.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves one connection until it ends, or until the gateway drains and the requests it is on are answered.
pub(super) async fn serve<I>(
    (guard, handle): (Guard<I>, Handle),
    peer: IpAddr,
    stack: impl Stack,
    settings: &Settings,
    mut phases: PhaseWatch,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let streams = Arc::new(Streams::new(settings));
    let metered = Metered::new(guard, settings.max_control_frames, handle.clone());
    let service = Answers {
        stack: RefCell::new(stack),
        peer,
        rest: Arc::new(Rest::new()),
        streams: Arc::clone(&streams),
        limits: settings.limits,
    };
    let mut connection = pin!(builder(settings).serve_connection(TokioIo::new(metered), service));
    let asked_to_end = async {
        let end = until(pin!(streams.ended()), phases.reached(Phase::Leaving)).await;
        if end.is_none() && streams.requests() == 0 {
            // Whoever has just connected is about to ask.
            sleep(LAST_CALL).await;
        }
        end
    };
    let end = match select(connection.as_mut(), pin!(asked_to_end)).await {
        Either::Left((ended, _)) => return ended,
        Either::Right((end, _)) => end,
    };
    let mut cut = end.filter(|end| end.is_at_once);
    if let Some(End { cause, .. }) = end {
        handle.closes_for(cause);
    }
    if cut.is_none() {
        connection.as_mut().graceful_shutdown();
        streams.say_goodbye();
        let time_is_up = async { until(pin!(streams.ended()), phases.reached(Phase::Closed)).await };
        match select(connection, pin!(time_is_up)).await {
            Either::Left((ended, _)) => return ended,
            Either::Right((end, _)) => cut = end,
        }
    }
    if let Some(End { cause, .. }) = cut {
        handle.closes_for(cause);
    }
    Ok(())
}

fn builder(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let Limits { max_head, max_fields, idle_timeout, .. } = settings.limits;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        // What is above it is refused by `h2`, frame by frame and so `CONTINUATION`s too; what is above our own bounds,
        // which reckon without the overhead, is answered by us.
        .max_header_list_size(u32::try_from(max_head + FIELD_OVERHEAD * max_fields).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_UNSEEN_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// What the server library calls with each request of a connection, many at once.
struct Answers<S> {
    stack: RefCell<S>,
    peer: IpAddr,
    rest: Arc<Rest>,
    streams: Arc<Streams>,
    limits: Limits,
}

impl<S: Stack> Service<http::Request<Incoming>> for Answers<S> {
    type Response = http::Response<Outgoing>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let stream = self.streams.begin();
        let (mut head, incoming) = request.into_parts();
        let fault = head::judge(&mut head, &self.limits).err();
        let body = content::paced(Body::from_client(incoming), &self.limits);
        let is_head = head.method == Method::HEAD;
        let arrived = Instant::now();
        let mut request = Request::new(head, body, self.peer, arrived);
        request.is_rested = self.rest.is_over(arrived);
        request.fault = fault;
        let inner = call_when_ready(&mut *self.stack.borrow_mut(), request);
        Answer { inner, stream: Some(stream), rest: Arc::clone(&self.rest), is_head }
    }
}

pin_project_lite::pin_project! {
    /// The answer to one request.
    struct Answer<F> {
        #[pin]
        inner: F,
        stream: Option<Stream>,
        rest: Arc<Rest>,
        is_head: bool,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answer<F> {
    type Output = Result<http::Response<Outgoing>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Response { mut message, account } = ready!(this.inner.poll(cx))?;
        this.rest.note(&account);
        // A faulty request is no reason to end the connection: where the next one begins is never in doubt.
        message.headers_mut().remove(CONNECTION);
        if *this.is_head {
            leave_out_content(&mut message);
        }
        let stream = this.stream.take().expect("a future that is ready is not polled again");
        Poll::Ready(Ok(message.map(|body| Outgoing { body, rest: Bytes::new(), stream })))
    }
}

/// Leaves nothing but the length of content that an answer to HEAD must not have (RFC 9110 §9.3.2). Over HTTP/1.1 the
/// library does so.
fn leave_out_content(message: &mut http::Response<Body>) {
    let length = message.body().exact_len();
    if let Some(length) = length.filter(|length| *length > 0) {
        message.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    *message.body_mut() = Body::empty();
}

/// Content on its way to the client, in pieces: what the library has taken it holds, however long the client takes.
struct Outgoing {
    body: Body,
    /// What is left of the frame that was given last.
    rest: Bytes,
    stream: Stream,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self { body, rest, stream } = self.get_mut();
        stream.is_asked();
        if rest.is_empty() {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => *rest = data,
                    Err(trailers) => {
                        stream.has_ended();
                        return Poll::Ready(Some(Ok(trailers)));
                    }
                },
                last => {
                    stream.has_ended();
                    return Poll::Ready(last);
                }
            }
        }
        stream.has_given();
        let piece = rest.split_to(rest.len().min(SEND_BUFFER));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for before the first piece was given, or not at all.
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // Content that ends with its last frame is not asked again.
        if self.is_end_stream() {
            self.stream.has_ended();
        }
    }
}
