//! The requests of one HTTP/2 connection: how many are open, when nothing has moved for too long, how many were taken back.
//!
//! What a newcomer would get wrong: that a write which does not become ready tells of a slow client, as it does with
//! HTTP/1.1. Here a client reads all that comes and merely gives no window for more; then nothing is written, and the
//! content is not asked for. So each stream keeps since when its content has had the next part asked of nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::server::connection::Settings;
use crate::telemetry::metrics::{CloseCause, ConnectionMetrics, InFlight};

/// The span within which what is taken back is counted.
const SECOND: Duration = Duration::from_secs(1);

/// How long a client that was told to bring no more has, when it has all its answers, to take the last of them and close.
const FAREWELL: Duration = Duration::from_secs(10);

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) cause: CloseCause,
    /// What is under way is cut.
    pub(super) is_at_once: bool,
}

/// All streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    state: Mutex<State>,
    changed: Notify,
    head_timeout: Duration,
    idle_timeout: Duration,
    send_timeout: Duration,
    max_streams: u64,
    max_resets: u32,
    metrics: ConnectionMetrics,
}

#[derive(Debug)]
struct State {
    /// For each open stream since when what it has given has been waiting for the client, if it is.
    open: Slab<Option<Instant>>,
    requests: u64,
    /// When the last stream ended, or the connection was opened.
    idle_since: Instant,
    resets: u32,
    counted_since: Instant,
    /// How many requests may come in all, and that the client was told to bring no more.
    most_requests: u64,
    has_said_goodbye: bool,
}

/// One that is open, while it lives.
#[derive(Debug)]
pub(super) struct Stream {
    all: Arc<Streams>,
    key: usize,
    is_ended: bool,
    _counted: InFlight,
}

impl Streams {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let state = State {
            open: Slab::new(),
            requests: 0,
            idle_since: now,
            resets: 0,
            counted_since: now,
            most_requests: settings.max_requests,
            has_said_goodbye: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            head_timeout: settings.limits.head_timeout,
            idle_timeout: settings.limits.idle_timeout,
            send_timeout: settings.limits.send_timeout,
            max_streams: settings.max_streams.into(),
            max_resets: settings.max_resets,
            metrics: settings.metrics.clone(),
        }
    }

    /// Counts a request.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut state = self.lock();
        state.requests += 1;
        if state.requests >= state.most_requests {
            self.changed.notify_one();
        }
        let key = state.open.insert(None);
        Stream { all: Arc::clone(self), key, is_ended: false, _counted: self.metrics.stream() }
    }

    /// Returns how many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Notes that the client was told to bring no more requests. Those that cross with that are served, and no more.
    pub(super) fn say_goodbye(&self) {
        let mut state = self.lock();
        state.has_said_goodbye = true;
        state.most_requests = state.requests + self.max_streams;
        state.idle_since = Instant::now();
    }

    /// Waits until the connection is to end.
    pub(super) async fn ended(&self) -> End {
        loop {
            let until = match self.judge(Instant::now()) {
                Ok(until) => until,
                Err(end) => return end,
            };
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Returns when to look again, or why the connection is to end.
    fn judge(&self, now: Instant) -> Result<Instant, End> {
        let state = self.lock();
        let end = |cause, is_at_once| Err(End { cause, is_at_once });
        if state.resets > self.max_resets {
            return end(CloseCause::Resets, true);
        }
        if state.requests >= state.most_requests {
            return end(CloseCause::Requests, state.has_said_goodbye);
        }
        if state.open.is_empty() {
            let (time, cause) = match state.requests {
                _ if state.has_said_goodbye => (FAREWELL, CloseCause::Idle),
                0 => (self.head_timeout, CloseCause::Silent),
                _ => (self.idle_timeout, CloseCause::Idle),
            };
            let until = state.idle_since + time;
            if until <= now {
                return end(cause, state.has_said_goodbye);
            }
            // No later than a stream that is opened now may have to be cut: nobody tells of those.
            return Ok(until.min(now + self.send_timeout));
        }
        // After a goodbye, too: what is under way has as long as ever, and no longer.
        let longest = state.open.iter().filter_map(|(_, waits)| *waits).min();
        match longest.map(|since| since + self.send_timeout) {
            Some(until) if until <= now => end(CloseCause::Untaken, true),
            Some(until) => Ok(until),
            None => Ok(now + self.send_timeout.min(self.idle_timeout)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a single step, so a panic elsewhere left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Notes that the next part of the answer is asked for.
    pub(super) fn is_asked(&self) {
        self.all.lock().open[self.key] = None;
    }

    /// Notes that a part of the answer was given, and that the client has it to take.
    pub(super) fn has_given(&self) {
        self.all.lock().open[self.key] = Some(Instant::now());
    }

    /// Notes that all of the answer was given.
    pub(super) fn has_ended(&mut self) {
        self.is_ended = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.all.lock();
        state.open.remove(self.key);
        if state.open.is_empty() {
            state.idle_since = now;
        }
        if self.is_ended {
            return;
        }
        self.all.metrics.resets.inc();
        if now - state.counted_since >= SECOND {
            (state.resets, state.counted_since) = (0, now);
        }
        state.resets += 1;
        if state.resets > self.all.max_resets {
            self.all.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;
    use crate::server::framing::tests::LIMITS;
    use crate::telemetry::metrics::Metrics;

    fn streams() -> Arc<Streams> {
        let metrics = Metrics::new(prometheus::Registry::new()).connections;
        Arc::new(Streams::new(&Settings {
            limits: LIMITS,
            max_requests: 1000,
            max_streams: 100,
            max_resets: 3,
            max_control_frames: 100,
            metrics,
        }))
    }

    /// Opens one, ends it, and ends the connection's first silence with it.
    fn answer(streams: &Arc<Streams>) {
        streams.begin().has_ended();
    }

    async fn end_after(streams: &Streams) -> (Duration, End) {
        let began = Instant::now();
        let end = streams.ended().await;
        (began.elapsed(), end)
    }

    const fn softly(cause: CloseCause) -> End {
        End { cause, is_at_once: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_ends_after_the_head_timeout_and_one_that_had_some_after_the_idle_timeout() {
        let streams = streams();
        assert_eq!(end_after(&streams).await, (LIMITS.head_timeout, softly(CloseCause::Silent)));
        answer(&streams);
        assert_eq!(end_after(&streams).await, (LIMITS.idle_timeout, softly(CloseCause::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_idle_while_an_answer_is_under_way_however_long_the_upstream_takes() {
        let streams = streams();
        let stream = streams.begin();
        stream.is_asked();
        assert!(tokio::time::timeout(LIMITS.idle_timeout * 100, streams.ended()).await.is_err());
        drop(stream);
        assert_eq!(end_after(&streams).await, (LIMITS.idle_timeout, softly(CloseCause::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_what_one_stream_has_given_is_cut() {
        let streams = streams();
        let (slow, other) = (streams.begin(), streams.begin());
        slow.has_given();
        other.has_given();
        advance(LIMITS.send_timeout / 2).await;
        other.is_asked();
        let (took, end) = end_after(&streams).await;
        assert_eq!((took, end), (LIMITS.send_timeout / 2, End { cause: CloseCause::Untaken, is_at_once: true }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_was_opened_while_the_connection_was_watched_is_cut_as_soon_as_any_other() {
        let streams = streams();
        answer(&streams);
        let watched = Arc::clone(&streams);
        let watching = tokio::spawn(async move { end_after(&watched).await });
        tokio::task::yield_now().await;
        let slow = streams.begin();
        slow.has_given();
        let (took, end) = watching.await.unwrap();
        assert_eq!((took, end.cause), (LIMITS.send_timeout, CloseCause::Untaken));
    }

    #[tokio::test(start_paused = true)]
    async fn taking_back_too_many_within_a_second_ends_the_connection_at_once_and_as_many_in_more_time_does_not() {
        let streams = streams();
        for _ in 0..3 {
            for _ in 0..3 {
                drop(streams.begin());
            }
            answer(&streams);
            assert!(streams.ended().now_or_never().is_none());
            advance(SECOND).await;
        }
        for _ in 0..4 {
            drop(streams.begin());
        }
        let end = streams.ended().now_or_never();
        assert_eq!(end, Some(End { cause: CloseCause::Resets, is_at_once: true }));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_goodbye_what_crossed_with_it_is_served_and_who_does_not_close_is_cut() {
        let streams = streams();
        answer(&streams);
        streams.say_goodbye();
        let crossing = streams.begin();
        assert!(tokio::time::timeout(LIMITS.idle_timeout * 3, streams.ended()).await.is_err(), "it is under way");
        drop(crossing);
        let cut = |cause| End { cause, is_at_once: true };
        assert_eq!(end_after(&streams).await, (FAREWELL, cut(CloseCause::Idle)));
        (0..99).for_each(|_| answer(&streams));
        assert_eq!(streams.ended().now_or_never(), Some(cut(CloseCause::Requests)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_request_that_a_connection_may_bring_ends_it_softly() {
        let streams = streams();
        (0..1000).for_each(|_| answer(&streams));
        assert_eq!(streams.ended().now_or_never(), Some(softly(CloseCause::Requests)));
    }
}
