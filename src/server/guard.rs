//! Stands between a client's socket and the server library, and lets only well-formed requests through.
//!
//! The library answers a head that it refuses by itself, with an empty body that we can neither word nor count, and
//! takes some that it should refuse. So [`Guard`] follows the requests with [`Framing`], passes on whole and valid heads
//! only, and puts in the place of a faulty one a made-up request. That one is answered in its turn, by our own service,
//! which asks [`Handle::begin`] what it really was; after it nothing more is read, and the connection closes.
//!
//! What a newcomer would get wrong: the library reads not only when it wants a request, but also while one is being
//! served, to see whether the client has left. So a read may find part of the next head, or a faulty one, long before
//! its turn; and that nothing comes then is no reason to call the client late.
//!
//! The library must be set so that it refuses nothing the guard lets through: no header timeout of its own, at least
//! [`Limits::max_fields`] fields, and a read buffer of more than [`Limits::max_head`].

mod first;
mod handle;
mod linger;
mod pace;
#[cfg(test)]
mod tests;
mod withheld;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use first::First;
pub(crate) use handle::{Answering, Handle};
pub(in crate::server) use pace::Alarm;

use crate::telemetry::metrics::CloseCause;

use super::framing::{Awaiting, BodyFault, Fault, Framing, Limits, Rest};
use handle::Outcome;
use linger::Linger;
use pace::{Late, Pace};
use withheld::Withheld;

/// The request that is given to the service in the place of a faulty head. The library closes after it.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nhost: fault\r\nconnection: close\r\n\r\n";

/// A client's connection, of which only whole and valid requests can be read.
#[derive(Debug)]
pub(crate) struct Guard<I> {
    io: I,
    framing: Framing,
    withheld: Withheld,
    phase: Phase,
    pace: Pace,
    handle: Handle,
    /// Interim responses that are being written.
    interim: BytesMut,
    linger: Linger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Requests are followed.
    Following,
    /// A head was refused. The substitute is given; then reads wait, for the end of input would end the answer, too.
    Refused,
    /// A body broke, and reads fail.
    Broken(BodyFault),
    /// The client has left or was too long idle, and reads find the end of input.
    Ended,
    /// The protocol was changed, and bytes pass as they come.
    Raw,
}

impl<I> Guard<I> {
    /// Returns the guard of a connection on which nothing was read yet, and the handle for its service.
    ///
    /// The time for the first head runs from now on. To be polled within a runtime that has its timer enabled.
    pub(crate) fn new(io: I, limits: &Limits) -> (Self, Handle) {
        let handle = Handle::default();
        let guard = Self {
            io,
            framing: Framing::new(limits),
            withheld: Withheld::default(),
            phase: Phase::Following,
            pace: Pace::new(limits),
            handle: handle.clone(),
            interim: BytesMut::new(),
            linger: Linger::default(),
        };
        (guard, handle)
    }

    /// Inspects what was read into `buf` from `start` on, and leaves in it what may pass.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let rest = if self.withheld.is_empty() {
            let inspected = self.framing.inspect(&buf.filled()[start..]);
            let passed = start + inspected.pass;
            self.withheld.push(&buf.filled()[passed..]);
            buf.set_filled(passed);
            self.pace.received(inspected.pass);
            inspected.rest
        } else {
            self.withheld.push(&buf.filled()[start..]);
            buf.set_filled(start);
            self.inspect_withheld()
        };
        self.conclude(rest);
    }

    fn inspect_withheld(&mut self) -> Rest {
        let inspected = self.framing.inspect(self.withheld.waiting());
        self.withheld.release(inspected.pass);
        self.pace.received(inspected.pass);
        inspected.rest
    }

    fn conclude(&mut self, rest: Rest) {
        match rest {
            // A head that came whole was never withheld, and nobody need be told of it.
            Rest::Keep if self.withheld.is_empty() => {}
            Rest::Keep => self.handle.head_is_begun(self.framing.awaiting() == Awaiting::Head),
            Rest::Fault(fault) => self.refuse(fault),
            Rest::BodyFault(fault) => self.break_body(fault),
        }
    }

    /// Answers whatever comes, or does not come, as a head with this fault.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        self.handle.refuse(self.framing.requests() + 1, fault);
        self.withheld.replace_waiting(SUBSTITUTE);
        self.phase = Phase::Refused;
    }

    fn break_body(&mut self, fault: BodyFault) {
        self.withheld.replace_waiting(b"");
        self.phase = Phase::Broken(fault);
    }

    fn end(&mut self) {
        self.withheld.replace_waiting(b"");
        self.phase = Phase::Ended;
    }

    /// Returns whether the client may be sending what nobody will read.
    fn is_cut_short(&self) -> bool {
        match self.phase {
            Phase::Refused | Phase::Broken(_) => true,
            Phase::Following => self.framing.awaiting() == Awaiting::Body,
            Phase::Ended | Phase::Raw => false,
        }
    }

    /// Waits until the service has said what follows a request that asks for another protocol.
    fn poll_decision(&mut self, cx: &Context<'_>) -> Poll<()> {
        match ready!(self.handle.poll_decision(cx, self.framing.requests())) {
            Outcome::Upgraded => self.pass_all(),
            Outcome::Ordinary => {
                self.framing.resume();
                let rest = self.inspect_withheld();
                self.conclude(rest);
            }
        }
        Poll::Ready(())
    }

    /// Waits until the client is late, and draws the conclusion.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let awaiting = self.framing.awaiting();
        match ready!(self.pace.poll_late(cx, awaiting, self.framing.requests(), &self.handle)) {
            Late::Request => {
                self.handle.closes_for(match self.framing.requests() {
                    0 => CloseCause::Silent,
                    _ => CloseCause::Idle,
                });
                self.end();
            }
            Late::Head => self.refuse(Fault::HeadTimeout),
            Late::Body => self.break_body(BodyFault::TimedOut),
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Unpin> Guard<I> {
    /// Reads once from the client, and leaves in `buf` what may pass, which may be nothing.
    fn poll_follow(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.framing.awaiting() == Awaiting::Decision && !self.poll_decision(cx).is_pending() {
            return Poll::Ready(Ok(()));
        }
        // While the decision is open, one read shows whether the client has left, and what it brings is kept.
        if self.framing.awaiting() == Awaiting::Decision && !self.withheld.is_empty() {
            return Poll::Pending;
        }
        let start = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == start => self.end(),
            Poll::Ready(Ok(())) => self.inspect(buf, start),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => ready!(self.poll_late(cx)),
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guard<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        let start = buf.filled().len();
        loop {
            if guard.withheld.give(buf) || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match guard.phase {
                Phase::Following => ready!(guard.poll_follow(cx, buf))?,
                Phase::Refused => return Poll::Pending,
                Phase::Broken(fault) => return Poll::Ready(Err(fault.into())),
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Raw => return Pin::new(&mut guard.io).poll_read(cx, buf),
            }
            // Nothing filled would mean the end of input.
            if buf.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Guard<I> {
    /// Writes interim responses, and wakes the task for the answer that waits for them.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.interim.is_empty() {
                self.interim = self.handle.interim().take();
            }
            while !self.interim.is_empty() {
                match ready!(Pin::new(&mut self.io).poll_write(cx, &self.interim))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.interim.advance(written),
                }
            }
            if self.handle.interim().done() {
                cx.waker().wake_by_ref();
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn note_written(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(_)), Phase::Following) = (written, self.phase) {
            self.pace.wrote(&self.handle);
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = Pin::new(&mut guard.io).poll_write(cx, bytes);
        guard.note_written(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = Pin::new(&mut guard.io).poll_write_vectored(cx, slices);
        guard.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// The library has nothing left to write when it calls this.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if guard.phase != Phase::Raw && guard.handle.interim().is_any() {
            ready!(guard.poll_interim(cx))?;
        }
        Pin::new(&mut guard.io).poll_flush(cx)
    }

    /// Closes our side. If the client may still be sending, its bytes are read and dropped for a while ([`linger`]).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if !guard.is_cut_short() {
            return Pin::new(&mut guard.io).poll_shutdown(cx);
        }
        guard.linger.poll(&mut guard.io, cx)
    }
}
