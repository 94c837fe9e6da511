//! Sends one request and returns the response as it streams.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version, response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::body::{Progress, Received, Watched};
use super::client::Client;
use super::connector::{ConnectTimeout, Source};
use super::error::UpstreamError;
use super::pool::{Lent, SendError};
use super::streams::{Events, Kind, Streaming};
use super::tunnel::Tunnel;
use crate::chathub::{Route, RoutedRequest};
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::telemetry::label::StatusClass;
use crate::telemetry::metrics::{InFlight, UpstreamMetrics, UpstreamOutcome};
use crate::wire::event_stream::names_event_stream;
use crate::wire::request::expects_to_be_asked;
use crate::wire::{Body, Interim, RequestParts, Response, hop_by_hop};

/// The leaf of the stack. Clones share it.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Parts>);

/// What exchanges with the upstream are made with.
#[derive(Debug)]
pub struct Parts {
    /// The pool.
    pub client: Arc<Client>,
    /// The longest wait for a response head, counted from when a connection was there or, if that is later, the request's
    /// content last moved. Hub traffic and event streams may take as long as they like.
    pub head_timeout: Duration,
    /// The longest pause in a response's content. Event streams and hub traffic may pause as long as they like.
    pub idle_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: UpstreamMetrics,
    /// What lasts.
    pub streaming: Streaming,
}

impl Upstream {
    /// Creates the leaf.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Makes a connection, so that the first request need not wait for one. If it fails, the first request will tell.
    pub async fn warm(self) {
        if let Err(error) = self.0.client.pool().warm().await {
            tracing::debug!(?error, "no connection was made ahead");
        }
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

/// A response, and the connection that its content comes by.
type Answer = (http::Response<Incoming>, Lent);

impl Parts {
    async fn exchange(self: Arc<Self>, mut request: RoutedRequest) -> Result<Response, Error> {
        let (route, attempt) = (request.route, Attempt::begin(&self, request.route));
        request.invite();
        let is_long = request.may_last();
        let latest = request.total_timeout.map(|total| attempt.began + total);
        // Held until the response's head is there.
        let mut place = request.place;
        let RequestParts { head, body, interim, .. } = request.request.into_parts();
        let method = head.method.clone();
        // Without content there is nothing to watch.
        let progress = (!body.is_empty()).then(|| Progress::new(self.clock, attempt.began, place.take()));
        let body = match &progress {
            None => body,
            Some(progress) => Body::streamed(Watched { inner: body, progress: progress.clone() }),
        };
        let mut request = http::Request::from_parts(head, body);
        let tunnel = Tunnel::wished(&mut request);
        if let Some(interim) = interim {
            hyper::ext::on_informational(&mut request, move |response| {
                pass_on(&interim, response.status(), response.headers());
            });
        }
        self.prepare(&mut request);
        if let Some(tunnel) = &tunnel {
            tunnel.ask(request.headers_mut());
        }
        let is_poll = is_long && tunnel.is_none() && is_poll(route, &request);
        let limit = (!is_long).then_some(self.head_timeout);
        let sent = self.send(request, route, (limit, latest), progress, attempt.began);
        let result = if is_poll { self.poll(sent).await } else { sent.await.map(Some) };
        let Some(result) = result.transpose() else {
            attempt.end(UpstreamOutcome::Other);
            return Ok(Response::new(http::Response::new(Body::empty())));
        };
        let took = attempt.end(outcome(&result));
        let answer = result.map_err(|error| error.after_upstream(took))?;
        let mut response = Response::new(self.receive(answer, route, &method, tunnel));
        response.account.upstream_time = Some(took);
        Ok(response)
    }

    /// Sends the request and waits for the response's head: for as long as it takes if there is no `limit`, and until
    /// the `latest` time if there is one.
    async fn send(
        &self,
        mut request: http::Request<Body>,
        route: Route,
        (limit, latest): (Option<Duration>, Option<Instant>),
        progress: Option<Progress>,
        mut began: Instant,
    ) -> Result<Answer, Error> {
        let result = loop {
            let connection = match self.client.pool().take() {
                Some(connection) => connection,
                None => {
                    // Boxed: it is seldom needed, and would make the future of each request many times as large.
                    let made = Box::pin(self.client.pool().connect()).await.map_err(not_connected)?;
                    // The upstream owes no answer before it can have the request.
                    began = self.clock.now();
                    if let Some(progress) = &progress {
                        progress.begin(began);
                    }
                    made
                }
            };
            let exchange = pin!(connection.send(request));
            let stalled = pin!(async {
                match (limit, &progress) {
                    (None, _) => pending().await,
                    (Some(limit), None) => sleep_until(latest.map_or(began + limit, |at| at.min(began + limit))).await,
                    (Some(limit), Some(progress)) => progress.stalled(limit).await,
                }
            });
            match select(exchange, stalled).await {
                Either::Left((Ok(answer), _)) => break Ok(answer),
                Either::Left((Err(SendError::Closed(unsent)), _)) => request = *unsent,
                Either::Left((Err(SendError::Broken(error)), _)) => {
                    break Err(broken(error, progress.as_ref(), route));
                }
                Either::Right(_) => break Err(UpstreamError::HeadTimeout { is_write: !route.is_safe() }.into()),
            }
        };
        if let Some(progress) = &progress {
            progress.give_up_place();
        }
        result
    }

    /// Waits for the end of a long poll. When the gateway drains there is none: an empty answer lets the client poll again,
    /// and the upstream keeps for that what it has.
    async fn poll(&self, sent: impl Future<Output = Result<Answer, Error>>) -> Result<Option<Answer>, Error> {
        let stream = self.streaming.begin(Kind::Poll);
        match select(pin!(sent), pin!(stream.phases().draining())).await {
            Either::Left((answer, _)) => answer.map(Some),
            Either::Right(_) => {
                stream.was_told();
                Ok(None)
            }
        }
    }

    /// Makes of the client's fields those that go out: those that are not of the client's connection. Framing is never
    /// copied; the client library writes it for the content that it really sends. It leaves to us a length of zero, which
    /// some servers want (RFC 9110 §8.6), and to say that a GET has content after all.
    fn prepare(&self, request: &mut http::Request<Body>) {
        let (has_content, version) = (!request.body().is_empty(), request.version());
        // Of a GET or HEAD the client library sends no content whose length it does not know, unless it is told to.
        let is_unknown = has_content
            && request.body().exact_len().is_none()
            && matches!(*request.method(), Method::GET | Method::HEAD);
        let fields = request.headers_mut();
        // The client has been asked already; over HTTP/2 the library cannot, and whoever expects it there goes on by himself.
        if has_content && expects_to_be_asked(fields) {
            fields.remove(EXPECT);
        }
        if hop_by_hop::remove_of_request(fields) {
            self.metrics.shadowed();
        }
        if fields.remove(CONTENT_LENGTH).is_some() && !has_content {
            fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if is_unknown {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        fields.insert(HOST, self.client.host());
        hop_by_hop::add_via(fields, version);
        *request.version_mut() = Version::HTTP_11;
    }

    /// Makes the response that goes to the layers above.
    fn receive(
        &self,
        (mut response, connection): Answer,
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
            tunnel.join(upgrade, &self.streaming);
        }
        if !is_length_of_what_is_not_sent(&head, method) {
            head.headers.remove(CONTENT_LENGTH);
        }
        hop_by_hop::add_via(&mut head.headers, version);
        let is_event_stream = names_event_stream(&head.headers, &CONTENT_TYPE);
        // Event streams and hub traffic may pause for as long as they like.
        let limit = (route != Route::Hub && !is_event_stream).then_some(self.idle_timeout);
        let body = match incoming.is_end_stream() {
            true => Body::empty(),
            false => Body::streamed(Received::new(incoming, limit, connection)),
        };
        let body = match is_event_stream {
            true => Body::streamed(Events::new(body, self.streaming.begin(Kind::Events))),
            false => body,
        };
        http::Response::from_parts(head, body)
    }
}

/// Passes an interim response on to the client (RFC 9110 §15.2). That it may send its content the client has been told.
fn pass_on(client: &Interim, status: StatusCode, fields: &HeaderMap) {
    if status != StatusCode::CONTINUE {
        let mut fields = fields.clone();
        hop_by_hop::remove(&mut fields);
        client.send(status, &fields);
    }
}

/// In the answer to HEAD and in a 304 the length tells of content that is not there (RFC 9110 §8.6). Anywhere else the
/// length of what is really sent is written anew.
fn is_length_of_what_is_not_sent(head: &response::Parts, method: &Method) -> bool {
    method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED
}

/// Returns whether a request is a long poll of the hub (contract 1.9).
fn is_poll(route: Route, request: &http::Request<Body>) -> bool {
    route == Route::Hub && request.method() == Method::GET && !names_event_stream(request.headers(), &ACCEPT)
}

/// One request on its way. If its client leaves before it has ended, that is how it ended.
struct Attempt {
    upstream: Arc<Parts>,
    route: Route,
    began: Instant,
    has_ended: bool,
    _in_flight: InFlight,
}

impl Attempt {
    fn begin(upstream: &Arc<Parts>, route: Route) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            route,
            began: upstream.clock.now(),
            has_ended: false,
            _in_flight: upstream.metrics.began(),
        }
    }

    /// Notes how it ended, and returns how long it took.
    fn end(mut self, outcome: UpstreamOutcome) -> Duration {
        self.note(outcome)
    }

    fn note(&mut self, outcome: UpstreamOutcome) -> Duration {
        self.has_ended = true;
        let took = self.upstream.clock.now() - self.began;
        self.upstream.metrics.ended(self.route, outcome, took);
        took
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note(UpstreamOutcome::Client);
        }
    }
}

/// Tells why no connection could be made. Nothing was sent.
fn not_connected(error: Source) -> Error {
    match is_timeout(&*error) {
        true => UpstreamError::ConnectTimeout.into(),
        false => UpstreamError::Unreachable(error).into(),
    }
}

/// Finds out whose fault a broken exchange is.
fn broken(error: hyper::Error, progress: Option<&Progress>, route: Route) -> Error {
    match progress.and_then(Progress::fault) {
        Some(fault) => Cause::Content(fault).into(),
        None => UpstreamError::Broken { source: error.into(), is_write: !route.is_safe() }.into(),
    }
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<ConnectTimeout>())
}

fn outcome(result: &Result<Answer, Error>) -> UpstreamOutcome {
    match result {
        Ok((response, _)) => StatusClass::from(response.status()).into(),
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
