//! The guard over reads of any size, over time, and before the real server library.

mod passing;
mod serving;
mod timing;
mod upgrading;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

pub(super) const LIMITS: Limits = Limits {
    max_head: 4096,
    max_fields: 32,
    max_target: 1024,
    head_timeout: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(60),
    body_timeout: Duration::from_secs(10),
    send_timeout: Duration::from_secs(20),
    min_rate: 240,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A socket that brings its bytes in given pieces, then the end of input. Now and then it lets the reader wait.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    waits: bool,
}

impl Script {
    /// Cuts `bytes` into pieces of the given lengths, over and over.
    fn new(mut bytes: &[u8], lengths: &[usize]) -> Self {
        let mut pieces = VecDeque::new();
        for length in lengths.iter().cycle() {
            let (piece, rest) = bytes.split_at(bytes.len().min(*length));
            if piece.is_empty() {
                break;
            }
            pieces.push_back(piece.to_vec());
            bytes = rest;
        }
        Self { pieces, waits: false }
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let taken = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..taken]);
            if taken < piece.len() {
                self.pieces.push_front(piece.split_off(taken));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads once, with room for so many bytes behind some that are in the buffer already.
async fn read_once<I: AsyncRead + Unpin>(guard: &mut Guard<I>, room: usize) -> io::Result<Vec<u8>> {
    let mut space = vec![0; room + 3];
    let mut buf = ReadBuf::new(&mut space);
    buf.put_slice(b"###");
    poll_fn(|cx| Pin::new(&mut *guard).poll_read(cx, &mut buf)).await?;
    assert!(buf.filled().starts_with(b"###"), "what was filled before was changed");
    Ok(buf.filled()[3..].to_vec())
}

/// A guard, its handle, and the client's end of its connection.
fn connection() -> (Guard<DuplexStream>, Handle, DuplexStream) {
    let (client, server) = duplex(64 * 1024);
    let (guard, handle) = Guard::new(server, &LIMITS);
    (guard, handle, client)
}

/// Returns whether a read has to wait when nothing more comes for `duration`.
async fn waits<I: AsyncRead + Unpin>(guard: &mut Guard<I>, duration: Duration) -> bool {
    tokio::time::timeout(duration, read_once(guard, 8192)).await.is_err()
}
