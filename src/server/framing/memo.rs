//! Remembers the fields of a connection's last head: most clients send the same ones with every request.
//!
//! To read fields costs more than all else that the machine does; to see that they are the same, byte for byte up to and
//! with the empty line, costs a comparison. The verdict is the same then, for it depends on nothing but those bytes and
//! the request line, which is always read.
//!
//! What a newcomer would get wrong: those bytes hold credentials. They are kept no longer than the connection, and are
//! not shown by `Debug`.

use std::fmt;

use super::head::Seen;

/// Longer sections are not remembered; cookies of that size are not sent by those who poll.
const MAX_SECTION: usize = 1024;

/// The last section of fields that was found valid.
#[derive(Default)]
pub(super) struct Memo {
    section: Vec<u8>,
    seen: Seen,
}

impl Memo {
    /// Returns the length of the section that `bytes` begin with, and what its fields said, if it is the remembered one.
    pub(super) fn recall(&self, bytes: &[u8]) -> Option<(usize, Seen)> {
        let known = !self.section.is_empty() && bytes.starts_with(&self.section);
        known.then_some((self.section.len(), self.seen))
    }

    /// Remembers a whole section, with the empty line that ends it.
    pub(super) fn remember(&mut self, section: &[u8], seen: Seen) {
        self.section.clear();
        if section.len() <= MAX_SECTION {
            self.section.extend_from_slice(section);
            self.seen = seen;
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("length", &self.section.len()).field("seen", &self.seen).finish()
    }
}
