//! Closing a connection on which the client is still sending, so that it can read our last answer (RFC 9112 §9.6).
//!
//! What a newcomer would get wrong: a socket that is closed with unread bytes in it sends a reset, and a reset makes the
//! client's system throw away what it has received and not yet read: the very 431 or 413 that would explain the close.
//! So our side is closed first, and what comes then is read and dropped, until the client closes or the time is up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::pace::Alarm;

/// Enough for an answer to reach the client and for the client to act on it; well within any time given to draining.
const LINGER: Duration = Duration::from_secs(2);

/// A close that may take a while.
#[derive(Debug, Default)]
pub(super) struct Linger {
    until: Option<Instant>,
    alarm: Alarm,
}

impl Linger {
    /// Closes `io` for writing, and then reads until the client closes, or for [`LINGER`].
    pub(super) fn poll<I>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let until = match self.until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                *self.until.insert(Instant::now() + LINGER)
            }
        };
        // The time is asked first: a client that sends without a pause must not keep us reading.
        if self.alarm.poll(cx, until).is_ready() || poll_drop_input(io, cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

/// Reads and drops, until there is no more to come.
fn poll_drop_input<I: AsyncRead + Unpin>(io: &mut I, cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = [0; 4096];
    loop {
        let mut buf = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
}
