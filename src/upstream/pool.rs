//! Connections to the upstream: the unused ones of HTTP/1.1, or the one of HTTP/2 that all share.
//!
//! It stands in the place of hyper-util's pooled client, over the same connections of hyper, because there is only one
//! upstream: that client finds a connection by a hash of scheme and authority, several times for each request, and waits
//! for the end of each answer in a task of its own. Together that was an eighth of the instructions of what is passed through.
//!
//! What a newcomer would get wrong: a connection is free when its answer's *content* has been read to the end, not when
//! the head has come. So it travels with the content ([`Lent`]) and comes back when that is dropped; if anything of the
//! exchange is left then that the upstream has not sent yet, the connection is closed instead. And a request that finds no
//! free connection waits for its own, though another may come free meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::header::CONNECTION;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower::Service;

use super::connector::{ConnectTimeout, Protocols, TimedConnector};
use crate::wire::Body;

/// All requests share one HTTP/2 connection. Without pings, one that has silently died would fail them until the
/// kernel gives it up, a quarter of an hour later.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long a ping may take before its connection counts as dead.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read of an answer ahead of its client, and the longest head. The library's own bound is six times as large, which
/// a thousand clients that take their answers slowly would have for themselves.
const READ_BUFFER: usize = 64 << 10;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A pool of connections to one upstream.
#[derive(Debug)]
pub struct Pool(Arc<Shared>);

/// Room for unused connections. Clones share it. Each pool keeps one besides, lest a burst at another take all the room.
#[derive(Debug, Clone)]
pub struct Room {
    left: Arc<AtomicUsize>,
    /// None at all is kept.
    is_none: bool,
}

/// Why an exchange brought no response head.
#[derive(Debug)]
pub enum SendError {
    /// No connection could be made. Nothing was sent.
    Connect(Source),
    /// The connection broke.
    Exchange(hyper::Error),
}

/// A connection while its answer is read. Dropping this gives it back, or closes it if the answer has not ended.
#[derive(Debug, Default)]
pub struct Lent(Option<(http1::SendRequest<Body>, Arc<Shared>)>);

#[derive(Debug)]
struct Shared {
    connector: TimedConnector,
    /// Scheme and authority.
    upstream: Uri,
    idle_timeout: Duration,
    room: Room,
    unused: Mutex<Unused>,
    /// Held while a connection is made on which HTTP/2 may be spoken: then one is enough for all who wait. Tells whether the
    /// last attempt failed.
    first: tokio::sync::Mutex<bool>,
    speaks_http1: AtomicBool,
}

#[derive(Debug, Default)]
struct Unused {
    /// In the order in which they were given back.
    http1: Vec<Waiting>,
    http2: Option<Streams>,
    /// A task closes those that are unused for too long.
    is_swept: bool,
}

/// An HTTP/1.1 connection that nobody uses.
#[derive(Debug)]
struct Waiting {
    sender: http1::SendRequest<Body>,
    since: Instant,
    /// `None` if it is the pool's only one.
    _place: Option<Place>,
}

/// An HTTP/2 connection.
#[derive(Debug)]
struct Streams {
    sender: http2::SendRequest<Body>,
    last_taken: Instant,
}

/// A place in the room for unused connections.
#[derive(Debug)]
struct Place(Room);

/// A connection that takes a request.
#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Room {
    /// Room for so many.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(places)), is_none: places == 0 }
    }

    fn take(&self) -> Option<Place> {
        let taken = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        taken.is_ok().then(|| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Relaxed);
    }
}

impl Pool {
    /// Creates a pool without connections. They go to the scheme and authority of `upstream`; while there is `room`, an
    /// unused one is kept for `idle_timeout`.
    #[must_use]
    pub fn new(connector: TimedConnector, upstream: Uri, idle_timeout: Duration, room: Room) -> Self {
        Self(Arc::new(Shared {
            connector,
            upstream,
            idle_timeout,
            room,
            unused: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            speaks_http1: AtomicBool::new(false),
        }))
    }

    /// Takes a request and sends it, and waits for the response's head. The authority of its target does not matter.
    ///
    /// # Errors
    ///
    /// [`SendError`]. An unused connection that the upstream had closed before anything was sent is none: then another is
    /// taken.
    ///
    /// # Panics
    ///
    /// If there is no request.
    pub async fn send(&self, request: &mut Option<Request<Body>>) -> Result<(Response<Incoming>, Lent), SendError> {
        loop {
            let (sender, is_new) = match self.0.take() {
                Some(sender) => (sender, false),
                // Boxed: it is seldom needed, and would make the future of each request many times as large.
                None => Box::pin(self.0.connect()).await?,
            };
            let mut unsent = request.take().expect("a request is taken once, and put back if it was not sent");
            let result = match sender {
                Sender::Http1(mut sender) => {
                    to_origin_form(unsent.uri_mut());
                    let sent = sender.try_send_request(unsent).await;
                    sent.map(|response| (response, Lent(Some((sender, Arc::clone(&self.0))))))
                }
                Sender::Http2(mut sender) => {
                    *unsent.uri_mut() = self.0.address(unsent.uri());
                    // It would make the library drop what it names, `TE` too, which this version has without it.
                    unsent.headers_mut().remove(CONNECTION);
                    sender.try_send_request(unsent).await.map(|response| (response, Lent::default()))
                }
            };
            let mut error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            *request = error.take_message();
            if request.is_none() || is_new {
                return Err(SendError::Exchange(error.into_error()));
            }
        }
    }

    /// Makes a connection and keeps it, if any are kept.
    ///
    /// # Errors
    ///
    /// [`SendError::Connect`].
    pub async fn warm(&self) -> Result<(), SendError> {
        if self.0.room.is_none {
            return Ok(());
        }
        if let (Sender::Http1(mut sender), _) = self.0.connect().await? {
            // Its task has yet to begin.
            sender.ready().await.map_err(|error| SendError::Connect(error.into()))?;
            self.0.give_back(sender);
        }
        Ok(())
    }
}

impl Shared {
    /// Returns the upstream's address with the path and query of `target`.
    fn address(&self, target: &Uri) -> Uri {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = Some(path(target));
        Uri::from_parts(parts).expect("scheme, authority and path are all there")
    }

    /// Takes a connection that is there.
    fn take(&self) -> Option<Sender> {
        let mut unused = self.lock();
        if let Some(streams) = unused.http2.as_mut().filter(|streams| !streams.sender.is_closed()) {
            streams.last_taken = Instant::now();
            return Some(Sender::Http2(streams.sender.clone()));
        }
        // The one that was used last: the others may then grow old and go.
        while let Some(waiting) = unused.http1.pop() {
            if waiting.sender.is_ready() {
                return Some(Sender::Http1(waiting.sender));
            }
        }
        None
    }

    /// Makes a connection, or waits for one that all may share, both together within the connector's limit. Returns
    /// whether it is new.
    async fn connect(self: &Arc<Self>) -> Result<(Sender, bool), SendError> {
        let limit = self.connector.limit();
        let connected = tokio::time::timeout(limit, self.connect_or_wait()).await;
        connected.unwrap_or_else(|_| Err(SendError::Connect(ConnectTimeout(limit).into())))
    }

    async fn connect_or_wait(self: &Arc<Self>) -> Result<(Sender, bool), SendError> {
        if !self.may_share() {
            return self.connect_now().await;
        }
        let mut has_failed = match self.first.try_lock() {
            Ok(first) => first,
            Err(_) => {
                let next = self.first.lock().await;
                if let Some(sender) = self.take() {
                    return Ok((sender, false));
                }
                // If it failed for whoever was first, or came to HTTP/1.1, all others go at once, each for itself. If he
                // has left, the next one is first.
                if *next || !self.may_share() {
                    drop(next);
                    return self.connect_now().await;
                }
                next
            }
        };
        *has_failed = false;
        let result = self.connect_now().await;
        *has_failed = result.is_err();
        result
    }

    async fn connect_now(self: &Arc<Self>) -> Result<(Sender, bool), SendError> {
        let io = self.connector.clone().call(self.upstream.clone()).await.map_err(SendError::Connect)?;
        let is_http2 = io.connected().is_negotiated_h2();
        self.speaks_http1.store(!is_http2, Relaxed);
        let sender = match is_http2 {
            true => self.start_http2(io).await,
            false => start_http1(io).await,
        };
        self.sweep();
        Ok((sender.map_err(|error| SendError::Connect(error.into()))?, true))
    }

    /// Returns whether a connection may turn out to be one that all share: of HTTP/2, and kept.
    fn may_share(&self) -> bool {
        !self.room.is_none
            && self.upstream.scheme() == Some(&Scheme::HTTPS)
            && self.connector.protocols() == Protocols::All
            && !self.speaks_http1.load(Relaxed)
    }

    async fn start_http2(&self, io: Io) -> hyper::Result<Sender> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
        let (sender, connection) = builder.handshake(io).await?;
        tokio::spawn(async move { note(connection.await) });
        let mut unused = self.lock();
        if unused.http2.as_ref().is_none_or(|streams| streams.sender.is_closed()) && !self.room.is_none {
            unused.http2 = Some(Streams { sender: sender.clone(), last_taken: Instant::now() });
        }
        Ok(Sender::Http2(sender))
    }

    /// Keeps a connection that is free, if there is room.
    fn give_back(&self, sender: http1::SendRequest<Body>) {
        let mut unused = self.lock();
        let is_only_one = unused.http1.is_empty() && !self.room.is_none;
        let place = if is_only_one { None } else { self.room.take() };
        if is_only_one || place.is_some() {
            unused.http1.push(Waiting { sender, since: Instant::now(), _place: place });
        }
    }

    /// Lets a task close what is unused for too long, for as long as there is the pool.
    fn sweep(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().is_swept, true) {
            return;
        }
        let (pool, idle_timeout) = (Arc::downgrade(self), self.idle_timeout);
        tokio::spawn(async move {
            while let Some(next) = close_old(&pool) {
                tokio::time::sleep_until(next.unwrap_or_else(|| Instant::now() + idle_timeout)).await;
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Unused> {
        // Each change is a single step, so a panic elsewhere left it whole.
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes those that were unused for too long, and returns when the next one will have been, if there is one. Without
/// a pool there is nothing to do any more.
fn close_old(pool: &Weak<Shared>) -> Option<Option<Instant>> {
    let pool = pool.upgrade()?;
    let now = Instant::now();
    let mut unused = pool.lock();
    let until = |since: Instant| since + pool.idle_timeout;
    unused.http1.retain(|waiting| until(waiting.since) > now && waiting.sender.is_ready());
    // What is on its way there goes on.
    unused.http2.take_if(|streams| until(streams.last_taken) <= now || streams.sender.is_closed());
    let http2 = unused.http2.as_ref().map(|streams| until(streams.last_taken));
    Some(unused.http1.first().map(|waiting| until(waiting.since)).into_iter().chain(http2).min())
}

type Io = <TimedConnector as Service<Uri>>::Response;

async fn start_http1(io: Io) -> hyper::Result<Sender> {
    let (sender, connection) = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io).await?;
    tokio::spawn(async move { note(connection.with_upgrades().await) });
    Ok(Sender::Http1(sender))
}

/// A connection that broke has told so to the request that was on it.
fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the upstream broke");
    }
}

/// Leaves the path and query, to the byte: which server is asked is not the client's choice (RFC 9112 §3.2.1).
fn to_origin_form(target: &mut Uri) {
    if target.authority().is_some() || target.scheme().is_some() {
        *target = Uri::from(path(target));
    }
}

fn path(target: &Uri) -> PathAndQuery {
    target.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((mut sender, pool)) = self.0.take() else { return };
        if sender.is_ready() {
            return pool.give_back(sender);
        }
        // What is left of the exchange may be there already: then the connection is soon free, and otherwise soon closed.
        // Without a runtime the process ends.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if sender.ready().await.is_ok() {
                    pool.give_back(sender);
                }
            });
        }
    }
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
