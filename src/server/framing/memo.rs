//! Remembers a connection's last head: most clients send the same fields with every request, and those who poll send the
//! same head.
//!
//! To read a head costs more than all else that the machine does; to see that it is the same, byte for byte up to and
//! with the empty line, costs a comparison. The verdict is the same then, for it depends on nothing but those bytes. If
//! only the request line is another, that alone is read.
//!
//! What a newcomer would get wrong: those bytes hold credentials. They are kept no longer than the connection, and are
//! not shown by `Debug`.

use std::fmt;

use super::head::{Request, Seen};

/// Longer heads are not remembered; cookies of that size are not sent by those who poll.
const MAX_HEAD: usize = 1536;

/// The last head that was found valid.
#[derive(Default)]
pub(super) struct Memo {
    head: Vec<u8>,
    /// Where its fields begin.
    fields: usize,
    last: Option<(Request, Seen)>,
}

impl Memo {
    /// Returns the request that `bytes` begin with, if its head is the remembered one.
    pub(super) fn recall(&self, bytes: &[u8]) -> Option<Request> {
        self.last.filter(|_| bytes.starts_with(&self.head)).map(|(request, _)| request)
    }

    /// Returns the length of the section of fields that `bytes` begin with, and what its fields said, if it is the
    /// remembered one.
    pub(super) fn recall_fields(&self, bytes: &[u8]) -> Option<(usize, Seen)> {
        let section = &self.head[self.fields..];
        self.last.filter(|_| bytes.starts_with(section)).map(|(_, seen)| (section.len(), seen))
    }

    /// Remembers a whole head, of which the fields begin at `fields`.
    pub(super) fn remember(&mut self, head: &[u8], fields: usize, request: Request, seen: Seen) {
        self.head.clear();
        self.fields = 0;
        self.last = None;
        if head.len() <= MAX_HEAD {
            self.head.extend_from_slice(head);
            self.fields = fields;
            self.last = Some((request, seen));
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("length", &self.head.len()).field("last", &self.last).finish()
    }
}
