//! How long a connection may take: for a head, between the bytes of a body, and idle between two requests.
//!
//! One timer serves a connection for its life. Deadlines are kept as instants and only ever move on, so the timer is
//! left as it is and re-armed when it fires too early: a request over a kept-alive connection costs no timer operation.
//!
//! What a newcomer would get wrong: the server library does not read again after an answer if its last read had to
//! wait, so nobody tells us that the connection went from busy to idle. Therefore the timer is armed while it is busy,
//! too: when it fires, the library reads, and finds the deadline that counts by then.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::handle::Handle;
use crate::server::allowance::Allowance;
use crate::server::framing::{Awaiting, Limits};

/// The longest timeout that is used: an instant cannot be moved by any duration.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a connection did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// Begin a request.
    Request,
    /// Complete a head.
    Head,
    /// Send on a body that was asked for.
    Body,
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    head_timeout: Duration,
    idle_timeout: Duration,
    body: Allowance,
    opened: Instant,
    /// When something was written last, or the connection was found busy.
    active: Instant,
    /// The answers that had ended when something was written last. As long as these are fewer than the requests, the
    /// connection is busy: an answer that has ended may still wait in the server library's buffer.
    answers: u64,
    /// Since when the head has been waited for.
    waiting: Option<Instant>,
    alarm: Alarm,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            head_timeout: limits.head_timeout.min(MAX_TIMEOUT),
            idle_timeout: limits.idle_timeout.min(MAX_TIMEOUT),
            body: Allowance::new(limits.body_timeout, limits.min_rate),
            opened: now,
            active: now,
            answers: 0,
            waiting: None,
            alarm: Alarm::default(),
        }
    }

    /// Notes that the client sent so many bytes of what was waited for.
    pub(super) fn received(&mut self, bytes: usize) {
        if bytes > 0 {
            self.waiting = None;
            self.body.moved(bytes, Instant::now);
        }
    }

    /// Notes that something was written.
    pub(super) fn wrote(&mut self, handle: &Handle) {
        self.active = Instant::now();
        self.answers = handle.answers();
    }

    /// Ends all waiting: the protocol changes, and its time is not ours.
    pub(super) fn stop(&mut self) {
        self.alarm = Alarm::default();
    }

    /// Waits until the client is late. Called whenever a read has to wait, and wakes the task in time to call it again.
    pub(super) fn poll_late(
        &mut self,
        cx: &mut Context<'_>,
        awaiting: Awaiting,
        requests: u64,
        handle: &Handle,
    ) -> Poll<Late> {
        loop {
            let (deadline, late) = self.deadline(awaiting, requests);
            ready!(self.alarm.poll(cx, deadline));
            match late {
                Some(late) => return Poll::Ready(late),
                None => self.found_busy(requests, handle),
            }
        }
    }

    /// Returns when to look again, and what the client will then have failed to do.
    fn deadline(&mut self, awaiting: Awaiting, requests: u64) -> (Instant, Option<Late>) {
        if awaiting == Awaiting::Body {
            return (self.body.waits(Instant::now()), Some(Late::Body));
        }
        // The next body has its whole time before it.
        self.body.renew();
        match awaiting {
            // The first head has no more time than a connection that stays silent.
            Awaiting::Head if requests == 0 => (self.opened + self.head_timeout, Some(Late::Head)),
            Awaiting::Head => (self.waiting_since() + self.head_timeout, Some(Late::Head)),
            Awaiting::Request if requests == 0 => (self.opened + self.head_timeout, Some(Late::Request)),
            Awaiting::Request if self.answers >= requests => (self.active + self.idle_timeout, Some(Late::Request)),
            Awaiting::Request | Awaiting::Decision | Awaiting::Body => (self.active + self.idle_timeout, None),
        }
    }

    fn waiting_since(&mut self) -> Instant {
        *self.waiting.get_or_insert_with(Instant::now)
    }

    /// The idle time begins anew. An answer that ended without a write behind it ends the busy time here.
    fn found_busy(&mut self, requests: u64, handle: &Handle) {
        self.active = Instant::now();
        self.answers = handle.answers().min(requests);
    }
}

/// A timer that is armed as seldom as possible.
#[derive(Debug, Default)]
pub(in crate::server) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Waits until `deadline`; the task is woken then, or earlier.
    pub(in crate::server) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
