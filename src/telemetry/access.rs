//! The access log: one line a request, on standard output (DESIGN 7).
//!
//! A line holds digests, enums and numbers. Of what a client sent, only method, path and request id are repeated; never
//! the query, which can hold a token, nor any other field. Lines are gathered in one buffer and written by a thread of
//! their own, so no request waits for a pipe; what does not fit, or cannot be written, is dropped and counted.
//!
//! The log and its thread are there whether anything is logged or not: who logs holds [`Lines`], which know the format and
//! what is left out, and can be had anew at any time.
//!
//! What a newcomer would get wrong: to wake a thread is a system call, and costs as much as to answer from memory. So the
//! thread is woken for the first line only, and lets others come for a while before it writes them all.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::AccessFormat;
use crate::telemetry::metrics::{AccessLogMetrics, CacheLabel};

mod line;
mod outlet;
mod render;
mod timestamp;

pub use line::{Line, Told};

use outlet::Outlet;
use render::Renderer;

/// How long the first line waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(50);

/// Where lines go. Clones share it.
#[derive(Clone)]
pub struct AccessLog {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// The most bytes that wait to be written.
    capacity: usize,
    metrics: AccessLogMetrics,
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

impl AccessLog {
    /// Starts a thread that writes to `sink`. At most `capacity` bytes wait for it.
    ///
    /// # Errors
    ///
    /// The system's error if it has no thread to give.
    pub fn start(
        sink: impl Write + Send + 'static,
        capacity: usize,
        metrics: AccessLogMetrics,
    ) -> std::io::Result<(Self, Writer)> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), capacity, metrics });
        let log = Self { shared: Arc::clone(&shared) };
        let (ending, ended) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            shared.drain(sink);
            drop(ending);
        })?;
        Ok((log.clone(), Writer { log, ended }))
    }

    /// Returns what writes lines of a format: of hits so many percent, at most 100, of all else every one.
    #[must_use]
    pub fn lines(&self, format: AccessFormat, hit_percent: u8) -> Lines {
        Lines { log: self.clone(), format, hits: Share::new(hit_percent) }
    }
}

/// Writes lines to a log.
#[derive(Debug)]
pub struct Lines {
    log: AccessLog,
    format: AccessFormat,
    hits: Share,
}

impl Lines {
    /// Writes the line of a request that has ended, unless it is a hit that is to be left out.
    pub fn write(&self, line: &Line, told: &Told<'_>) {
        thread_local!(static RENDERER: RefCell<Renderer> = RefCell::default());
        let shared = &self.log.shared;
        if CacheLabel::from(&told.account.cache) == CacheLabel::Hit && !self.hits.takes_the_next() {
            shared.metrics.skipped.inc();
            return;
        }
        RENDERER.with_borrow_mut(|renderer| shared.add(renderer.render(self.format, line, told)));
    }
}

/// A share of what comes: so many of each hundred, as far from each other as can be.
#[derive(Debug)]
struct Share {
    percent: u8,
    seen: AtomicU64,
}

impl Share {
    fn new(percent: u8) -> Self {
        Self { percent, seen: AtomicU64::new(0) }
    }

    fn takes_the_next(&self) -> bool {
        // Who takes all need not count, and mostly all are taken.
        if self.percent >= 100 {
            return true;
        }
        let percent = u64::from(self.percent);
        self.seen.fetch_add(1, Relaxed) % 100 * percent % 100 < percent
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole lines are ever added, so a panic elsewhere left the buffer usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        let before = state.waiting.len();
        if before + line.len() > self.capacity {
            drop(state);
            self.metrics.dropped.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        let after = state.waiting.len();
        drop(state);
        if before == 0 || before < self.plenty() && after >= self.plenty() {
            self.wake.notify_one();
        }
    }

    /// The number of bytes for which no others are waited for: long before lines are dropped.
    const fn plenty(&self) -> usize {
        self.capacity / 4
    }

    /// Writes until the log is closed and empty. A sink that fails loses its lines, not its requests.
    fn drain(&self, sink: impl Write) {
        let (mut batch, mut outlet) = (Vec::new(), Outlet::new(sink));
        loop {
            let is_last = self.gather(&mut batch);
            self.metrics.dropped.inc_by(outlet.write(&batch));
            batch.clear();
            if is_last {
                return;
            }
        }
    }

    /// Waits for lines and puts them in `batch`, which is empty. Returns whether they are the last.
    fn gather(&self, batch: &mut Vec<u8>) -> bool {
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let little = |state: &mut State| state.waiting.len() < self.plenty() && !state.is_closed;
        let first = self.wake.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(first, GATHER, little);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut state.waiting);
        state.is_closed
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
