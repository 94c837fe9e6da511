//! How many frames a client may send that bring neither a request nor content.
//!
//! What a newcomer would get wrong: that such frames are free. Each is read and many are answered, so a client that sends
//! nothing but PING, SETTINGS or small WINDOW_UPDATE keeps a worker busy for as long as it likes, and everybody else on it
//! waits. The library counts some of them and not others; here all are counted, before it sees them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::server::guard::Handle;
use crate::telemetry::metrics::CloseCause;

/// The length of the preface, which is no frame (RFC 9113 §3.4).
const PREFACE: u32 = 24;
/// The head of a frame: three bytes of length, type, flags, four of the stream (RFC 9113 §4.1).
const HEAD: usize = 9;
/// The span within which they are counted.
const SECOND: Duration = Duration::from_secs(1);

/// A connection of HTTP/2, of which reads fail once a client has sent too many such frames within a second.
pub(super) struct Metered<I> {
    io: I,
    frames: Frames,
    most: u32,
    counted: u32,
    since: Instant,
    handle: Handle,
}

/// Follows the frames of a client.
#[derive(Debug)]
struct Frames {
    /// The beginning of a head that has not come whole.
    head: [u8; HEAD],
    has: usize,
    /// What is missing of the content of the frame.
    left: u32,
}

impl<I> Metered<I> {
    /// Reads begin with the preface. Of these frames `most` may come within a second.
    pub(super) fn new(io: I, most: u32, handle: Handle) -> Self {
        let frames = Frames { head: [0; HEAD], has: 0, left: PREFACE };
        Self { io, frames, most, counted: 0, since: Instant::now(), handle }
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        let found = self.frames.follow(bytes);
        if found == 0 {
            return Ok(());
        }
        let now = Instant::now();
        if now - self.since >= SECOND {
            (self.counted, self.since) = (0, now);
        }
        self.counted = self.counted.saturating_add(found);
        if self.counted > self.most {
            self.handle.closes_for(CloseCause::ControlFrames);
            return Err(io::Error::other("too many frames without a request or content"));
        }
        Ok(())
    }
}

impl Frames {
    /// Follows bytes, and returns how many frames began in them that bring neither a request nor content.
    fn follow(&mut self, mut bytes: &[u8]) -> u32 {
        let mut found = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = (self.left as usize).min(bytes.len());
                self.left -= passed as u32;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = (HEAD - self.has).min(bytes.len());
            self.head[self.has..self.has + taken].copy_from_slice(&bytes[..taken]);
            self.has += taken;
            bytes = &bytes[taken..];
            if self.has == HEAD {
                self.has = 0;
                let [a, b, c, kind, ..] = self.head;
                self.left = u32::from_be_bytes([0, a, b, c]);
                found += u32::from(is_control(kind, self.left));
            }
        }
        found
    }
}

/// Returns whether a frame is none of DATA with content, HEADERS and CONTINUATION. Those are bounded by what they bring.
const fn is_control(kind: u8, length: u32) -> bool {
    !matches!((kind, length), (0, 1..) | (1 | 9, _))
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        Poll::Ready(self.count(&buf.filled()[start..]))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn frame(kind: u8, length: u32) -> Vec<u8> {
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 1]);
        // Content that looks like heads of frames.
        frame.extend(std::iter::repeat_n(6, length as usize));
        frame
    }

    #[test]
    fn frames_that_bring_nothing_are_counted_however_the_bytes_are_cut() {
        let kinds = [(1, 30), (9, 0), (0, 70), (0, 0), (2, 5), (3, 4), (4, 0), (6, 8), (8, 4), (200, 3)];
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let bytes = kinds.iter().fold(preface, |bytes, (kind, length)| [bytes, frame(*kind, *length)].concat());
        for size in 1..bytes.len() {
            let mut frames = Frames { head: [0; HEAD], has: 0, left: PREFACE };
            let found: u32 = bytes.chunks(size).map(|bytes| frames.follow(bytes)).sum();
            assert_eq!(found, 7, "in pieces of {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_may_come_in_a_second_come_in_each_second_and_one_more_ends_the_connection() {
        let (mut client, server) = duplex(1 << 16);
        let handle = Handle::default();
        let mut metered = Metered::new(server, 10, handle.clone());
        client.write_all(&[0; PREFACE as usize]).await.unwrap();
        let mut buffer = vec![0; 1 << 16];
        metered.read_exact(&mut buffer[..PREFACE as usize]).await.unwrap();
        for _ in 0..3 {
            for _ in 0..10 {
                client.write_all(&frame(6, 8)).await.unwrap();
                metered.read_exact(&mut buffer[..17]).await.unwrap();
            }
            tokio::time::advance(SECOND).await;
        }
        client.write_all(&frame(6, 8).repeat(11)).await.unwrap();
        assert!(metered.read(&mut buffer).await.is_err());
        assert_eq!(handle.closed_for(), Some(CloseCause::ControlFrames));
    }
}
