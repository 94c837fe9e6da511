//! The access log: one JSON line a request, on standard output (DESIGN 7).
//!
//! A line holds digests, enums and numbers. Of what a client sent, only method, path and request id are repeated; never
//! the query, which can hold a token, nor any other field. Lines are gathered in one buffer and written by a thread of
//! their own, so no request waits for a pipe; what does not fit is dropped and counted.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::chathub::Route;
use crate::clock::Clock;
use crate::telemetry::metrics::{AccessLogMetrics, CacheLabel};
use crate::wire::cache_status::{CacheStatus, Detail};
use crate::wire::{Account, Request, RequestId};

mod timestamp;

/// The status in the line of a request whose client left before its answer. Nobody was ever sent it.
const CLIENT_LEFT: u16 = 499;

/// Where lines go. Clones share it.
#[derive(Clone)]
pub struct AccessLog {
    shared: Arc<Shared>,
    clock: Clock,
    metrics: AccessLogMetrics,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// The most bytes that wait to be written.
    capacity: usize,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_closed: bool,
}

/// How long the end of the log is waited for. A reader of ours that has stopped must not keep us from stopping.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The thread that writes. Dropping it writes what waits and ends it, or gives up after a second.
#[derive(Debug)]
pub struct Writer {
    log: AccessLog,
    /// Ends when the thread does.
    ended: Receiver<Infallible>,
}

/// What is known of a request before its content has ended.
#[derive(Debug, Clone)]
pub struct Line {
    id: RequestId,
    method: http::Method,
    target: http::Uri,
    status: StatusCode,
    account: Account,
}

impl Line {
    /// Takes note of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            id: request.id.clone(),
            method: request.head.method.clone(),
            target: request.head.uri.clone(),
            status: StatusCode::OK,
            account: Account::default(),
        }
    }

    /// Adds what came of it.
    #[must_use]
    pub fn answered(mut self, status: StatusCode, account: &Account) -> Self {
        self.status = status;
        self.account = account.clone();
        self
    }

    /// Adds that the client left before an answer began.
    #[must_use]
    pub fn abandoned(mut self) -> Self {
        self.status = StatusCode::from_u16(CLIENT_LEFT).expect("it has three digits");
        self.account.route = Some(Route::of(&self.method, &self.target));
        self.account.cache = CacheStatus::unasked(Detail::ClientFailed);
        self
    }

    fn render(&self, into: &mut String, now: Duration, bytes: u64, took: Duration) {
        let Account { route, organization, credential, cache, turn, upstream_time, .. } = &self.account;
        into.push_str(r#"{"time":""#);
        timestamp::render(into, now);
        member(into, "request_id", self.id.as_str());
        member(into, "method", self.method.as_str());
        member(into, "path", self.target.path());
        member(into, "route", route.map_or("none", |route| route.as_str()));
        // Writing to a string does not fail.
        let _ = write!(into, r#"","status":{},"cache":"{}"#, self.status.as_u16(), CacheLabel::from(cache).as_str());
        if let Some(detail) = cache.detail {
            member(into, "detail", detail.as_str());
        }
        into.push('"');
        if let Some(organization) = organization {
            let _ = write!(into, r#","organization":{}"#, organization.get());
        }
        if let Some(credential) = credential {
            let _ = write!(into, r#","credential":"{}:{:08x}""#, credential.kind.as_str(), credential.digest.prefix());
        }
        if let Some(turn) = turn {
            seconds(into, "throttle_wait", turn.waited);
        }
        if let Some(predicted) = turn.and_then(|turn| turn.predicted) {
            seconds(into, "throttle_predicted", predicted);
        }
        if let Some(time) = upstream_time {
            seconds(into, "upstream_time", *time);
        }
        seconds(into, "duration", took);
        let _ = writeln!(into, r#","bytes":{bytes}}}"#);
    }
}

/// Ends the string before, and begins one that is not ended yet.
fn member(into: &mut String, name: &str, value: &str) {
    into.push_str(r#"",""#);
    into.push_str(name);
    into.push_str(r#"":""#);
    for character in value.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            control if control.is_control() => drop(write!(into, "\\u{:04x}", u32::from(control))),
            other => into.push(other),
        }
    }
}

/// Seconds to the microsecond, as a number.
fn seconds(into: &mut String, name: &str, duration: Duration) {
    let _ = write!(into, r#","{name}":{}.{:06}"#, duration.as_secs(), duration.subsec_micros());
}

impl AccessLog {
    /// Starts a thread that writes to `sink`. At most `capacity` bytes wait for it.
    ///
    /// # Errors
    ///
    /// The system's error if it has no thread to give.
    pub fn start(
        mut sink: impl Write + Send + 'static,
        capacity: usize,
        clock: Clock,
        metrics: AccessLogMetrics,
    ) -> std::io::Result<(Self, Writer)> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), capacity });
        let log = Self { shared: Arc::clone(&shared), clock, metrics };
        let (ending, ended) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            shared.drain(&mut sink);
            drop(ending);
        })?;
        Ok((log.clone(), Writer { log, ended }))
    }

    /// Writes the line of a request whose answer had `bytes` of content and took so long.
    pub fn write(&self, line: &Line, bytes: u64, took: Duration) {
        let mut text = String::with_capacity(384);
        line.render(&mut text, self.clock.wall(), bytes, took);
        let mut state = self.shared.lock();
        if state.waiting.len() + text.len() > self.shared.capacity {
            drop(state);
            self.metrics.dropped.inc();
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(text.as_bytes());
        drop(state);
        if was_empty {
            self.shared.wake.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole lines are ever added, so a panic elsewhere left the buffer usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until the log is closed and empty. A sink that fails loses its lines, not its requests.
    fn drain(&self, sink: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && !state.is_closed {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut batch, &mut state.waiting);
            let is_last = state.is_closed;
            drop(state);
            let _ = sink.write_all(&batch).and_then(|()| sink.flush());
            batch.clear();
            if is_last {
                return;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log.shared.lock().is_closed = true;
        self.log.shared.wake.notify_one();
        if self.ended.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log is not complete: nobody reads it");
        }
    }
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessLog")
    }
}

#[cfg(test)]
#[path = "access/tests.rs"]
mod tests;
