//! Sends one request and returns the response as it streams.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, StatusCode, Version, request, response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tower::Service;

use super::body::{Paced, Progress, Watched};
use super::client::Client;
use super::connector::ConnectTimeout;
use super::error::UpstreamError;
use super::tunnel::Tunnel;
use crate::chathub::{Route, RoutedRequest};
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::telemetry::label::StatusClass;
use crate::telemetry::metrics::{InFlight, UpstreamMetrics, UpstreamOutcome};
use crate::wire::{Body, Response, hop_by_hop};

/// The leaf of the stack. Clones share it.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Parts>);

/// What exchanges with the upstream are made with.
#[derive(Debug)]
pub struct Parts {
    /// The pool.
    pub client: Client,
    /// The longest wait for a response head, counted from when the request's content last moved. Hub traffic and event
    /// streams may take as long as they like.
    pub head_timeout: Duration,
    /// The longest pause in a response's content. Event streams and hub traffic may pause as long as they like.
    pub idle_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: UpstreamMetrics,
}

impl Upstream {
    /// Creates the leaf.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Service<RoutedRequest> for Upstream {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RoutedRequest) -> Self::Future {
        Box::pin(Arc::clone(&self.0).exchange(request))
    }
}

impl Parts {
    async fn exchange(self: Arc<Self>, request: RoutedRequest) -> Result<Response, Error> {
        let RoutedRequest { mut head, body, route, .. } = request;
        let method = head.method.clone();
        let tunnel = Tunnel::wished(&mut head);
        let is_long = may_last(route, &head.headers);
        let mut outgoing = self.outgoing(head, !body.is_empty());
        if let Some(tunnel) = &tunnel {
            tunnel.ask(&mut outgoing.headers);
        }
        let attempt = Attempt::begin(&self, route);
        let result = self.send(outgoing, body, route, is_long).await;
        let took = attempt.end(outcome(&result));
        let mut response = Response::new(self.receive(result?, route, &method, tunnel));
        response.account.upstream_time = Some(took);
        Ok(response)
    }

    /// Sends the request and waits for the response's head: for as long as it takes if the request `is_long`.
    async fn send(
        &self,
        head: request::Parts,
        body: Body,
        route: Route,
        is_long: bool,
    ) -> Result<http::Response<Incoming>, Error> {
        let progress = Progress::new(self.clock);
        let body = match body.is_empty() {
            true => body,
            false => Body::streamed(Watched { inner: body, progress: progress.clone() }),
        };
        let request = http::Request::from_parts(head, body);
        if is_long {
            return self.client.send_apart(request).await.map_err(|error| failed(error, &progress, route));
        }
        let exchange = self.client.send(request);
        let stalled = std::pin::pin!(progress.stalled(self.head_timeout));
        match select(exchange, stalled).await {
            Either::Left((result, _)) => result.map_err(|error| failed(error, &progress, route)),
            Either::Right(((), _)) => Err(UpstreamError::HeadTimeout { is_write: !route.is_safe() }.into()),
        }
    }

    /// Makes the head that goes out: the target's bytes, the fields that are not of the client's connection. Framing is
    /// never copied; the client library writes it for the content that it really sends. Only a length of zero it leaves
    /// to us, and some servers want it (RFC 9110 §8.6).
    fn outgoing(&self, mut head: request::Parts, has_content: bool) -> request::Parts {
        hop_by_hop::remove(&mut head.headers);
        if head.headers.remove(CONTENT_LENGTH).is_some() && !has_content {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        head.headers.insert(HOST, self.client.host());
        hop_by_hop::add_via(&mut head.headers, head.version);
        head.uri = self.client.address(&head.uri);
        head.version = Version::HTTP_11;
        head
    }

    /// Makes the response that goes to the layers above.
    fn receive(
        &self,
        mut response: http::Response<Incoming>,
        route: Route,
        method: &Method,
        tunnel: Option<Tunnel>,
    ) -> http::Response<Body> {
        let is_granted = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let upgrade = is_granted.then(|| hyper::upgrade::on(&mut response));
        let (mut head, incoming) = response.into_parts();
        let version = head.version;
        hop_by_hop::remove(&mut head.headers);
        if let (Some(tunnel), Some(upgrade)) = (tunnel, upgrade) {
            tunnel.ask(&mut head.headers);
            tunnel.join(upgrade);
        }
        if !is_length_of_what_is_not_sent(&head, method) {
            head.headers.remove(CONTENT_LENGTH);
        }
        hop_by_hop::add_via(&mut head.headers, version);
        let body = Body::from_upstream(incoming);
        let body = match body.is_empty() || may_pause(route, &head.headers) {
            true => body,
            false => Body::streamed(Paced::new(body, self.idle_timeout)),
        };
        http::Response::from_parts(head, body)
    }
}

/// In the answer to HEAD and in a 304 the length tells of content that is not there (RFC 9110 §8.6). Anywhere else the
/// length of what is really sent is written anew.
fn is_length_of_what_is_not_sent(head: &response::Parts, method: &Method) -> bool {
    method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED
}

/// Returns whether a request may take as long as it likes: hub traffic (a long poll lasts up to 90 seconds, contract
/// 7.9), an upgrade, and a wish for an event stream. A write may not, whatever it wishes: its lists stay hidden for as
/// long as it is under way.
fn may_last(route: Route, fields: &HeaderMap) -> bool {
    route == Route::Hub || !route.is_write() && (fields.contains_key(UPGRADE) || names_event_stream(fields, &ACCEPT))
}

/// Returns whether an answer's content may pause for as long as it likes.
fn may_pause(route: Route, fields: &HeaderMap) -> bool {
    route == Route::Hub || names_event_stream(fields, &CONTENT_TYPE)
}

fn names_event_stream(fields: &HeaderMap, name: &HeaderName) -> bool {
    let media = |value: &[u8]| value.split(|byte| matches!(byte, b',' | b';')).any(is_event_stream);
    fields.get_all(name).iter().any(|value| media(value.as_bytes()))
}

fn is_event_stream(media: &[u8]) -> bool {
    media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// One request on its way. If its client leaves before it has ended, that is how it ended.
struct Attempt {
    upstream: Arc<Parts>,
    route: Route,
    started: Instant,
    outcome: UpstreamOutcome,
    _in_flight: InFlight,
}

impl Attempt {
    fn begin(upstream: &Arc<Parts>, route: Route) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            route,
            started: upstream.clock.now(),
            outcome: UpstreamOutcome::Client,
            _in_flight: upstream.metrics.began(),
        }
    }

    /// Notes how it ended, and returns how long it took.
    fn end(mut self, outcome: UpstreamOutcome) -> Duration {
        self.outcome = outcome;
        self.took()
    }

    fn took(&self) -> Duration {
        self.upstream.clock.now() - self.started
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.upstream.metrics.ended(self.route, self.outcome, self.took());
    }
}

/// Finds out whose fault a failed exchange is and whether anything was sent.
fn failed(error: legacy::Error, progress: &Progress, route: Route) -> Error {
    if let Some(fault) = progress.fault() {
        return Cause::Content(fault).into();
    }
    if error.is_connect() {
        return match is_timeout(&error) {
            true => UpstreamError::ConnectTimeout.into(),
            false => UpstreamError::Unreachable(error.into()).into(),
        };
    }
    UpstreamError::Broken { source: error.into(), is_write: !route.is_safe() }.into()
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<ConnectTimeout>())
}

fn outcome(result: &Result<http::Response<Incoming>, Error>) -> UpstreamOutcome {
    match result {
        Ok(response) => StatusClass::from(response.status()).into(),
        Err(error) => match &error.cause {
            Cause::Upstream(UpstreamError::Unreachable(_)) => UpstreamOutcome::Unreachable,
            Cause::Upstream(UpstreamError::ConnectTimeout | UpstreamError::HeadTimeout { .. }) => {
                UpstreamOutcome::Timeout
            }
            Cause::Content(_) => UpstreamOutcome::Client,
            _ => UpstreamOutcome::Broken,
        },
    }
}
