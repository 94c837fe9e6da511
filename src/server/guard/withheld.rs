//! The bytes of a connection that are on our side of the server library: a head that came in parts, and what waits.
//!
//! They lie in one buffer, in the order in which they came. Those at its front are *ready*: they may go on as soon as
//! the reader has room. The others are to be inspected again. It holds nothing, and has no memory, as long as whole
//! heads and bodies come in.

use std::fmt;

use tokio::io::ReadBuf;

#[derive(Default)]
pub(super) struct Withheld {
    bytes: Vec<u8>,
    /// Up to where the bytes were given away, and up to where they are ready.
    given: usize,
    ready: usize,
}

impl Withheld {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gives as many ready bytes as `target` has room for, and returns whether there were any.
    pub(super) fn give(&mut self, target: &mut ReadBuf<'_>) -> bool {
        if self.given == self.ready {
            return false;
        }
        let end = self.ready.min(self.given + target.remaining());
        target.put_slice(&self.bytes[self.given..end]);
        self.given = end;
        if self.given == self.ready {
            self.forget_given();
        }
        true
    }

    /// Returns whether bytes are ready.
    pub(super) fn has_ready(&self) -> bool {
        self.given < self.ready
    }

    /// Adds bytes that came later, to be inspected.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the bytes that are not ready.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.ready..]
    }

    /// Makes that many of the waiting bytes ready.
    pub(super) fn release(&mut self, count: usize) {
        self.ready += count;
    }

    /// Makes all waiting bytes ready.
    pub(super) fn release_all(&mut self) {
        self.ready = self.bytes.len();
    }

    /// Puts ready bytes in the place of all that wait.
    pub(super) fn replace_waiting(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.ready);
        self.bytes.extend_from_slice(bytes);
        self.ready = self.bytes.len();
    }

    fn forget_given(&mut self) {
        if self.ready == self.bytes.len() {
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..self.ready);
        }
        self.given = 0;
        self.ready = 0;
    }
}

/// Shows how many bytes there are, but none: they may be credentials.
impl fmt::Debug for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, given, ready } = self;
        f.debug_struct("Withheld").field("length", &bytes.len()).field("given", given).field("ready", ready).finish()
    }
}
