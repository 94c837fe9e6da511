//! Accepts connections within bounds.
//!
//! Each worker has a listener of its own on the same address (`SO_REUSEPORT`), and the kernel deals the connections out;
//! the bound is that of all of them together.
//!
//! When all places are taken, accepting pauses: one connection of each listener waits for a place, the next ones wait
//! in the system's queue. A client that has too many of its own is told so. When accepting fails for want of file
//! descriptors, it pauses too: an accept that fails at once would otherwise spin.

mod group;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::framing::Fault;
use crate::phase::PhaseWatch;
use crate::telemetry::metrics::ConnectionMetrics;

/// How long accepting pauses after it failed for want of resources.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the rest of TCP's handshake with a client may take that began it here. Clients are near.
const HANDSHAKE: Duration = Duration::from_millis(100);
/// The longest that is waited for the last handshake: without a successor there is none.
const LONGEST_HANDOVER: Duration = Duration::from_secs(1);
/// Connections that may wait in the system's queue.
const BACKLOG: u32 = 1024;

/// Binds an address once in each runtime, such that the listeners share it; and others too, if `is_for_all`.
///
/// # Errors
///
/// The system's error, as when the port is taken.
pub fn bind(mut address: SocketAddr, runtimes: &[&Handle], is_for_all: bool) -> io::Result<Vec<TcpListener>> {
    let is_shared = is_for_all || runtimes.len() > 1;
    if is_shared && !is_for_all {
        // What may be shared among us may be shared with a gateway that runs already, and nobody would be told.
        socket(address, false)?;
    }
    let mut listeners = Vec::with_capacity(runtimes.len());
    for runtime in runtimes {
        let _within = runtime.enter();
        let listener = socket(address, is_shared)?.listen(BACKLOG)?;
        if is_for_all {
            group::steer_nowhere(&listener)?;
        }
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, is_shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(is_shared)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The places for connections: how many may be open at once, in all and from one address. Clones share them.
#[derive(Debug, Clone)]
pub struct Places(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    all: Arc<Semaphore>,
    /// How many there are, those that are owed included.
    most: Mutex<usize>,
    /// Places that are to go as soon as whoever has one leaves it, since there are fewer now.
    owed: AtomicUsize,
    most_per_peer: AtomicUsize,
    of_peers: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, taken while this lives.
#[derive(Debug)]
pub struct Place {
    _of_all: AnyPlace,
    _of_peer: Option<PeerPlace>,
    /// Why it must not be used as the client would, if so.
    pub refusal: Option<Fault>,
}

/// A place of whomever.
#[derive(Debug)]
struct AnyPlace {
    taken: Arc<Taken>,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct PeerPlace {
    taken: Arc<Taken>,
    peer: IpAddr,
}

impl Places {
    /// At most `most` connections are open at once, and `most_per_peer` from one address.
    #[must_use]
    pub fn new(most: usize, most_per_peer: Option<NonZeroUsize>) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Taken {
            all: Arc::new(Semaphore::new(most)),
            most: Mutex::new(most),
            owed: AtomicUsize::new(0),
            most_per_peer: AtomicUsize::new(per_peer(most_per_peer)),
            of_peers: Mutex::default(),
        }))
    }

    /// From now on it is so many. Connections that are open stay, though there may be more of them for a while.
    pub fn set(&self, most: usize, most_per_peer: Option<NonZeroUsize>) {
        let taken = &*self.0;
        taken.most_per_peer.store(per_peer(most_per_peer), Relaxed);
        let most = most.min(Semaphore::MAX_PERMITS);
        let mut before = lock(&taken.most);
        if let Some(fewer) = before.checked_sub(most) {
            let owed = fewer - taken.all.forget_permits(fewer);
            taken.owed.fetch_add(owed, Relaxed);
        } else {
            let more = (*before..most).filter(|_| !taken.pays_one()).count();
            taken.all.add_permits(more);
        }
        *before = most;
    }

    /// Takes a place for a connection from there, if one is free.
    #[must_use]
    pub fn take(&self, peer: IpAddr) -> Option<Place> {
        self.take_free().map(|place| self.of(peer, place))
    }

    fn take_free(&self) -> Option<AnyPlace> {
        let permit = Arc::clone(&self.0.all).try_acquire_owned().ok()?;
        Some(self.with(permit))
    }

    async fn wait_for_one(&self) -> AnyPlace {
        let permit = Arc::clone(&self.0.all).acquire_owned().await.expect("this semaphore is never closed");
        self.with(permit)
    }

    fn with(&self, permit: OwnedSemaphorePermit) -> AnyPlace {
        AnyPlace { taken: Arc::clone(&self.0), permit: Some(permit) }
    }

    fn of(&self, peer: IpAddr, place: AnyPlace) -> Place {
        let of_peer = PeerPlace::take(&self.0, peer);
        let refusal = of_peer.is_none().then_some(Fault::TooManyConnections);
        Place { _of_all: place, _of_peer: of_peer, refusal }
    }
}

fn per_peer(most: Option<NonZeroUsize>) -> usize {
    most.map_or(usize::MAX, NonZeroUsize::get)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step, so a panic elsewhere left it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taken {
    /// Returns whether a place was owed, which this one pays.
    fn pays_one(&self) -> bool {
        self.owed.fetch_update(Relaxed, Relaxed, |owed| owed.checked_sub(1)).is_ok()
    }
}

impl Drop for AnyPlace {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take().filter(|_| self.taken.pays_one()) {
            permit.forget();
        }
    }
}

impl PeerPlace {
    fn take(taken: &Arc<Taken>, peer: IpAddr) -> Option<Self> {
        let mut of_peers = lock(&taken.of_peers);
        let count = of_peers.entry(peer).or_default();
        if *count >= taken.most_per_peer.load(Relaxed) {
            return None;
        }
        *count += 1;
        Some(Self { taken: Arc::clone(taken), peer })
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.taken.of_peers).entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// A listener with a bound on its open connections.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    places: Places,
    metrics: ConnectionMetrics,
    /// How many of the listeners that share the port are this gateway's, if others may be there.
    shared_by: Option<u32>,
    /// Accepting failed the last time.
    is_failing: AtomicBool,
}

impl Listener {
    /// Accepts while there are places.
    #[must_use]
    pub const fn new(inner: TcpListener, places: Places, metrics: ConnectionMetrics) -> Self {
        Self { inner, places, metrics, shared_by: None, is_failing: AtomicBool::new(false) }
    }

    /// The port is shared with others, and so many listeners of this gateway are there.
    #[must_use]
    pub fn shared_by(self, own: u32) -> Self {
        Self { shared_by: Some(own), ..self }
    }

    /// Hands each connection and its place to `serve`, until the gateway drains. Those that the system has accepted for
    /// us until then are served too, while there are places: their clients may have sent a request already. Where the port
    /// is shared, new ones are left to the others first.
    pub async fn run(self, mut phases: PhaseWatch, serve: impl Fn(TcpStream, SocketAddr, Place)) {
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = phases.draining() => break,
            };
            let Some((stream, peer)) = accepted else { continue };
            // Not before: a listener that has a place and nobody to give it to would keep it from the others.
            let place = tokio::select! {
                place = self.place() => Some(place),
                () = phases.draining() => self.places.take_free(),
            };
            if let Some(place) = place {
                serve(stream, peer, self.places.of(peer.ip(), place));
            }
        }
        if let Some(own) = self.shared_by {
            self.hand_over(own, &serve).await;
        }
        while let Some(place) = self.places.take_free() {
            // The runtime would call a halt after a hundred or so, and what is left is reset.
            match tokio::task::unconstrained(self.inner.accept()).now_or_never() {
                Some(Ok((stream, peer))) => serve(prompt(stream), peer, self.places.of(peer.ip(), place)),
                Some(Err(error)) if is_of_one_connection(&error) => {}
                _ => break,
            }
        }
    }

    /// Leaves new connections to the others that share the port, and accepts those that were on their way here.
    async fn hand_over(&self, own: u32, serve: &impl Fn(TcpStream, SocketAddr, Place)) {
        if let Err(error) = group::steer_to(&self.inner, own) {
            tracing::warn!(%error, "new connections may be reset: they cannot be left to another gateway");
        }
        let until = Instant::now() + LONGEST_HANDOVER;
        while Instant::now() < until
            && let Some(place) = self.places.take_free()
            && let Ok(accepted) = timeout(HANDSHAKE, self.accept()).await
        {
            if let Some((stream, peer)) = accepted {
                serve(stream, peer, self.places.of(peer.ip(), place));
            }
        }
    }

    /// Accepts a connection. Of one that was gone before, or after a pause if accepting fails, there is none.
    async fn accept(&self) -> Option<(TcpStream, SocketAddr)> {
        match self.inner.accept().await {
            Ok((stream, peer)) => {
                self.is_failing.store(false, Relaxed);
                return Some((prompt(stream), peer));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                self.metrics.accept_errors.inc();
                // Once, and not twenty times a second.
                if !self.is_failing.swap(true, Relaxed) {
                    tracing::warn!(%error, "accepting connections fails; it is tried again and again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        None
    }

    async fn place(&self) -> AnyPlace {
        if let Some(place) = self.places.take_free() {
            return place;
        }
        self.metrics.full.inc();
        self.places.wait_for_one().await
    }
}

/// Lets small answers go at once: otherwise one may wait for the client's acknowledgement.
fn prompt(stream: TcpStream) -> TcpStream {
    // It fails only if the client has gone.
    let _ = stream.set_nodelay(true);
    stream
}

/// The client was gone before it was accepted; the listener itself is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::server::workers::Workers;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn when_there_are_fewer_places_whoever_has_one_keeps_it_and_nobody_comes_after_them() {
        let places = Places::new(3, None);
        let mut taken: Vec<_> = (0..3).map(|_| places.take_free().unwrap()).collect();
        places.set(1, None);
        taken.pop();
        taken.pop();
        assert!(places.take_free().is_none(), "one is open, and there is one place");
        taken.pop();
        let last = places.take_free();
        assert!(last.is_some());
        assert!(places.take_free().is_none());
    }

    #[tokio::test]
    async fn places_come_and_go_in_any_order_and_none_is_lost() {
        let places = Places::new(2, None);
        let taken: Vec<_> = (0..2).map(|_| places.take_free().unwrap()).collect();
        places.set(1, None);
        places.set(4, None);
        assert_eq!((0..9).map_while(|_| places.take_free()).collect::<Vec<_>>().len(), 2);
        drop(taken);
        places.set(0, None);
        places.set(3, None);
        assert_eq!((0..9).map_while(|_| places.take_free()).collect::<Vec<_>>().len(), 3);
    }

    #[tokio::test]
    async fn a_bound_for_each_address_counts_the_connections_that_were_open_before() {
        let places = Places::new(9, None);
        let of_peer = || places.of(PEER, places.take_free().unwrap());
        let first = of_peer();
        places.set(9, NonZeroUsize::new(1));
        assert!(first.refusal.is_none());
        assert_eq!(of_peer().refusal, Some(Fault::TooManyConnections));
        drop(first);
        assert!(of_peer().refusal.is_none());
    }

    #[tokio::test]
    async fn connections_are_dealt_out_to_all_listeners() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let runtimes: Vec<_> = workers.handles().collect();
        let listeners = bind(SocketAddr::from(([127, 0, 0, 1], 0)), &runtimes, false).unwrap();
        let address = listeners[0].local_addr().unwrap();

        // That all of them meet at one listener is as good as impossible.
        let connections = futures_util::future::join_all((0..64).map(|_| TcpStream::connect(address))).await;

        assert!(connections.iter().all(Result::is_ok));
        for listener in &listeners {
            listener.accept().await.unwrap();
        }
    }
}
