//! Connections to the upstream, and which of them a request takes.
//!
//! It stands in the place of hyper-util's pooled client, over the same connections of hyper, because there is only one
//! upstream: that client finds a connection by a hash of scheme and authority, several times for each request, and waits
//! for the end of each answer in a task of its own. Together that was an eighth of the instructions of what is passed through.
//!
//! What a newcomer would get wrong: a connection is free when its answer's *content* has been read to the end, not when
//! the head has come. So it travels with the content ([`Lent`]) and comes back when that is dropped; if anything of the
//! exchange is left then that the upstream has not sent yet, the connection is closed instead. And a request that finds no
//! free connection waits for its own, though another may come free meanwhile.
//!
//! They speak HTTP/1.1, though the upstream may offer HTTP/2. Requests that share a connection have to do with one another:
//! an answer that its client does not take fills the window of all, and a write that waits for a stream is sent when one
//! comes free, though it was given up long before and its client told so. Here each request has a connection to itself,
//! and giving it up closes that.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower::Service;

use super::connector::{Source, TimedConnector};
use crate::wire::Body;

/// What is read of an answer ahead of its client, and the longest head. The library's own bound is six times as large, which
/// a thousand clients that take their answers slowly would have for themselves.
const READ_BUFFER: usize = 64 << 10;

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
    /// The upstream had closed the connection while nobody used it. Nothing was sent.
    Closed(Box<Request<Body>>),
    /// The connection broke.
    Broken(hyper::Error),
}

/// A connection that takes a request.
#[derive(Debug)]
pub struct Free {
    sender: http1::SendRequest<Body>,
    pool: Arc<Shared>,
    is_new: bool,
}

/// A connection while its answer is read. Dropping this gives it back, or closes it if the answer has not ended.
#[derive(Debug)]
pub struct Lent(Option<Free>);

#[derive(Debug)]
struct Shared {
    connector: TimedConnector,
    /// Scheme and authority.
    upstream: Uri,
    idle_timeout: Duration,
    room: Room,
    unused: Mutex<Unused>,
}

#[derive(Debug, Default)]
struct Unused {
    /// In the order in which they were given back.
    waiting: Vec<Waiting>,
    /// A task closes those that are unused for too long.
    is_swept: bool,
}

/// A connection that nobody uses.
#[derive(Debug)]
struct Waiting {
    sender: http1::SendRequest<Body>,
    since: Instant,
    /// `None` if it is the pool's only one.
    _place: Option<Place>,
}

/// A place in the room for unused connections.
#[derive(Debug)]
struct Place(Room);

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
        Self(Arc::new(Shared { connector, upstream, idle_timeout, room, unused: Mutex::default() }))
    }

    /// Takes the connection that was used last; the others may then grow old and go.
    #[must_use]
    pub fn take(&self) -> Option<Free> {
        let mut unused = self.0.lock();
        while let Some(Waiting { sender, .. }) = unused.waiting.pop() {
            if sender.is_ready() {
                return Some(Free { sender, pool: Arc::clone(&self.0), is_new: false });
            }
        }
        None
    }

    /// Makes a connection, within the connector's limit.
    ///
    /// # Errors
    ///
    /// The connector's, or that of the library. Nothing was sent.
    pub async fn connect(&self) -> Result<Free, Source> {
        let io = self.0.connector.clone().call(self.0.upstream.clone()).await?;
        let (sender, connection) = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io).await?;
        tokio::spawn(async move { note(connection.with_upgrades().await) });
        self.0.sweep();
        Ok(Free { sender, pool: Arc::clone(&self.0), is_new: true })
    }

    /// Makes a connection and keeps it, if any are kept.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn warm(&self) -> Result<(), Source> {
        if !self.0.room.is_none {
            let mut made = self.connect().await?;
            // Its task has yet to begin.
            made.sender.ready().await?;
            self.0.give_back(made.sender);
        }
        Ok(())
    }
}

impl Free {
    /// Returns whether it was made for this request.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Sends a request, and waits for the response's head. The authority of its target does not matter.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn send(mut self, mut request: Request<Body>) -> Result<(Response<Incoming>, Lent), SendError> {
        to_origin_form(request.uri_mut());
        let mut error = match self.sender.try_send_request(request).await {
            Ok(response) => return Ok((response, Lent(Some(self)))),
            Err(error) => error,
        };
        match error.take_message() {
            Some(unsent) if !self.is_new => Err(SendError::Closed(Box::new(unsent))),
            _ => Err(SendError::Broken(error.into_error())),
        }
    }
}

impl Shared {
    /// Keeps a connection that is free, if there is room.
    fn give_back(&self, sender: http1::SendRequest<Body>) {
        let mut unused = self.lock();
        let is_only_one = unused.waiting.is_empty() && !self.room.is_none;
        let place = if is_only_one { None } else { self.room.take() };
        if is_only_one || place.is_some() {
            unused.waiting.push(Waiting { sender, since: Instant::now(), _place: place });
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
    unused.waiting.retain(|waiting| until(waiting.since) > now && waiting.sender.is_ready());
    Some(unused.waiting.first().map(|waiting| until(waiting.since)))
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
        let Some(Free { mut sender, pool, .. }) = self.0.take() else { return };
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
