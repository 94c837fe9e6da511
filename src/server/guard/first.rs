//! The first bytes of a connection: which protocol the client speaks, read before there is a server for it.
//!
//! What a newcomer would get wrong: to hand the connection to the server library at once. The library takes 8 KiB for its
//! first read, and ten thousand clients that send half a head and then nothing would have them all. Here a connection is
//! what it has sent and a timer, until its first head is whole. And which protocol it speaks is known no earlier: a client
//! that knows HTTP/2 to be spoken sends its preface instead of a request (RFC 9113 §3.3).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Guard, Phase};

/// What a client that speaks HTTP/2 sends first (RFC 9113 §3.4). It is no request of HTTP/1.1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for nearly every first request. It lies on the stack.
const FIRST_READ: usize = 4096;

/// What a connection began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// A head of HTTP/1.1, or something to be refused as one.
    Http1,
    /// The preface of HTTP/2.
    Http2,
    /// Nothing before the client left or its time was up.
    Nothing,
}

impl<I: AsyncRead + Unpin> Guard<I> {
    /// Reads until it is clear what the connection began with. To be called before anything else is read.
    pub(crate) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<First>> {
        while self.phase == Phase::Following && !self.withheld.has_ready() {
            let mut scratch = [0; FIRST_READ];
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf)? {
                Poll::Ready(()) if buf.filled().is_empty() => self.end(),
                Poll::Ready(()) => {
                    self.withheld.push(buf.filled());
                    let begun = self.withheld.waiting();
                    if begun.starts_with(PREFACE) {
                        return Poll::Ready(Ok(First::Http2));
                    }
                    if !PREFACE.starts_with(begun) {
                        let rest = self.inspect_withheld();
                        self.conclude(rest);
                    }
                }
                Poll::Pending => ready!(self.poll_late(cx)),
            }
        }
        Poll::Ready(Ok(if self.phase == Phase::Ended { First::Nothing } else { First::Http1 }))
    }
}

impl<I> Guard<I> {
    /// Returns whether the client has begun to send something.
    pub(crate) fn has_begun(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Guards nothing any more: what was read and what follows passes as it came, with no limit of time.
    pub(crate) fn pass_all(&mut self) {
        self.withheld.release_all();
        self.pace.stop();
        self.phase = Phase::Raw;
    }
}
