//! The way out to a client, which must take what it is sent in time.
//!
//! What a newcomer would get wrong: a client that reads nothing, or a byte now and then, costs nothing to serve and yet
//! holds its connection, its answer and a connection to the upstream. Writing to it does not fail; it only never
//! becomes ready. So the time for which it is not is counted here ([`Allowance`]), below everything that writes:
//! HTTP/1.1, HTTP/2, tunnels.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::allowance::Allowance;
use super::connection::Held;
use super::framing::Limits;
use super::guard::Alarm;

/// A connection of which writes fail once the client has taken too little for too long.
pub(crate) struct Outflow<I> {
    io: I,
    allowance: Allowance,
    alarm: Alarm,
    /// After the connection, so that it is let go after it.
    _held: Held,
}

/// The client did not take what it was sent within `server.send_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("client did not take its answer in time")]
pub(crate) struct NotTaken;

impl NotTaken {
    /// Returns whether this is at the bottom of `error`.
    pub(crate) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| {
            // `io::Error` shows what it wraps by `get_ref` only: its `source` is already the one below.
            error.downcast_ref().and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Self>())
        })
    }
}

impl<I> Outflow<I> {
    pub(crate) fn new(io: I, held: Held, limits: &Limits) -> Self {
        let allowance = Allowance::new(limits.send_timeout, limits.min_rate);
        Self { io, allowance, alarm: Alarm::default(), _held: held }
    }

    /// Fails what has been waiting for too long; `bytes` tells how many were taken otherwise.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match &written {
            Poll::Ready(Ok(taken)) => self.allowance.moved(bytes(taken), Instant::now),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let deadline = self.allowance.waits(Instant::now());
                if self.alarm.poll(cx, deadline).is_ready() {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, NotTaken)));
                }
            }
        }
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Outflow<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Outflow<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(cx, written, |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.judge(cx, written, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge(cx, closed, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;
    use crate::server::framing::tests::LIMITS;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_after_the_send_timeout() {
        let (_client, server) = duplex(16);
        let mut server = Outflow::new(server, Box::new(()), &LIMITS);
        let began = Instant::now();
        let error = server.write_all(&[0; 17]).await.unwrap_err();
        assert!(NotTaken::is_behind(&error));
        assert_eq!(began.elapsed(), LIMITS.send_timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_is_given_up_too() {
        let (mut client, server) = duplex(1);
        let mut server = Outflow::new(server, Box::new(()), &LIMITS);
        tokio::spawn(async move {
            while client.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let error = timeout(LIMITS.send_timeout * 3, server.write_all(&[0; 4096])).await.unwrap().unwrap_err();
        assert!(NotTaken::is_behind(&error));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_up_the_rate_gets_all_of_it() {
        let (mut client, server) = duplex(4096);
        let mut server = Outflow::new(server, Box::new(()), &LIMITS);
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while client.read_exact(&mut bytes).await.is_ok() {
                tokio::time::sleep(LIMITS.send_timeout * 3 / 4).await;
            }
        });
        server.write_all(&[0; 64 * 1024]).await.unwrap();
    }
}
