//! One connection as the gateway serves it, without a socket and without waiting.
//!
//! What a newcomer would get wrong: the end of input is not one more piece. A client that leaves while it is being
//! answered is another case; so it leaves when all that it sent has been dealt with.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chathub_gateway::phase::Phases;
use chathub_gateway::server::connection::{self, Settings};
use chathub_gateway::server::framing::{Fault, Limits};
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::wire::{Body, Request, Response};
use http::{StatusCode, Uri};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use super::transcript::{MAX_FIELDS, MAX_HEAD, MAX_TARGET};

/// Nothing here takes time, so that no timeout is ever met.
const LIMITS: Limits = Limits {
    max_head: MAX_HEAD,
    max_fields: MAX_FIELDS,
    max_target: MAX_TARGET,
    head_timeout: Duration::from_secs(3600),
    idle_timeout: Duration::from_secs(3600),
    body_timeout: Duration::from_secs(3600),
    send_timeout: Duration::from_secs(3600),
    min_rate: 0,
};

/// A field of every answer of the stack, and of no other.
const MARK: &str = "x-answer";

/// How often a connection may say that there is more to do.
const MOST_TURNS: usize = 1_000_000;

/// What came of a connection.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the stack was called with, once it had read the content.
    pub(crate) calls: Vec<Call>,
    /// Answers of the stack that the client got.
    pub(crate) answers: usize,
    /// Answers that the client got.
    pub(crate) heads: usize,
}

/// A request as the stack sees it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: Uri,
    /// Sorted.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Vec<u8>,
    /// Whether the content came to its end.
    pub(crate) is_whole: bool,
    /// The status that tells the client what is wrong with the bytes that stood there.
    pub(crate) fault: Option<StatusCode>,
}

/// Serves one connection over which these pieces come.
pub(crate) fn serve(pieces: impl IntoIterator<Item = Vec<u8>>) -> Seen {
    thread_local! {
        static RUNTIME: RefCell<Runtime> = RefCell::new(
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("the system has what it takes"),
        );
    }
    thread_local! {
        static SETTINGS: Settings = Settings {
            limits: LIMITS,
            max_requests: u64::MAX,
            max_streams: 100,
            max_resets: 100,
            max_control_frames: 100,
            metrics: Metrics::new(prometheus::Registry::new()).connections,
        };
    }
    let line = Line::default();
    line.lock().pieces = pieces.into_iter().collect();
    let stack = Stack::default();
    let phases = Phases::new();
    RUNTIME.with_borrow(|runtime| {
        let _within = runtime.enter();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        SETTINGS.with(|settings| {
            let (io, held) = (line.clone(), Box::new(()));
            drive(connection::serve(io, held, peer, None, stack.clone(), settings, phases.watch()), &line);
        });
    });
    let calls = std::mem::take(&mut *lock(&stack.calls));
    let written = String::from_utf8_lossy(&line.lock().written).into_owned();
    let count = |what: &str| written.matches(what).count();
    let heads = count("HTTP/1.") - count("HTTP/1.1 100 Continue\r\n");
    Seen { calls, answers: count(MARK), heads }
}

/// Lets the connection do what it can; when nothing more can be done, the client leaves.
fn drive(connection: impl Future<Output = ()>, line: &Line) {
    let mut connection = pin!(connection);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..MOST_TURNS {
        if connection.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        if !woken.0.swap(false, SeqCst) {
            let has_left = std::mem::replace(&mut line.lock().has_left, true);
            assert!(!has_left, "a connection ends when its client has left");
        }
    }
    panic!("a connection comes to its end");
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

// === the client's end ===

#[derive(Clone, Default)]
struct Line(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    pieces: VecDeque<Vec<u8>>,
    has_left: bool,
    written: Vec<u8>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Ends> {
        lock(&self.0)
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut ends = self.lock();
        let Some(mut piece) = ends.pieces.pop_front() else {
            return if ends.has_left { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let behind = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !behind.is_empty() {
            ends.pieces.push_front(behind);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// === the stack ===

#[derive(Clone, Default)]
struct Stack {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl tower::Service<Request> for Stack {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let calls = Arc::clone(&self.calls);
        Box::pin(async move {
            let call = read(request).await;
            lock(&calls).push(call);
            // Not found, so that no protocol changes.
            let answer = http::Response::builder().status(404).header(MARK, "1").body(Body::empty());
            Ok(Response::new(answer.expect("the answer is well-formed")))
        })
    }
}

async fn read(request: Request) -> Call {
    let mut parts = request.into_parts();
    let fields = parts.head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    let (method, target, fault) = (parts.head.method.to_string(), parts.head.uri, parts.fault.map(status));
    let (mut content, mut is_whole) = (Vec::new(), true);
    while let Some(frame) = parts.body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(data) => content.extend_from_slice(&data.unwrap_or_default()),
            Err(_) => is_whole = false,
        }
        if !is_whole {
            break;
        }
    }
    Call { method, target, fields, content, is_whole, fault }
}

/// Tells the kinds of faults apart; which words tell of it depends on how much was seen.
fn status(fault: Fault) -> StatusCode {
    match fault {
        Fault::Malformed(_) => StatusCode::BAD_REQUEST,
        Fault::HeadTooLarge | Fault::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Fault::TargetTooLong => StatusCode::URI_TOO_LONG,
        Fault::HeadTimeout | Fault::TooManyConnections => {
            panic!("nothing takes time here, and there is one connection")
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
