//! How many bytes of content may be held in memory at once, and who holds which of them.
//!
//! Each content that is read whole has a bound of its own; without one on their sum a crowd of clients, each well below its
//! own, fills the memory. What finds no room is not refused: whoever wanted to read it lets it pass unread.
//!
//! What a newcomer would get wrong: to give room back when the content has been read. It is held until its last byte has
//! been sent on, and may wait in line before; so its [`Share`] goes along with the bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::telemetry::metrics::BufferMetrics;

/// Room for so many bytes. Clones share it.
#[derive(Debug, Clone)]
pub struct Buffer(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: AtomicUsize,
    taken: AtomicUsize,
    metrics: BufferMetrics,
}

/// What one content takes of the room, while this lives.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Buffer {
    /// Room for `most` bytes.
    #[must_use]
    pub fn new(most: usize, metrics: BufferMetrics) -> Self {
        Self(Arc::new(Room { most: AtomicUsize::new(most), taken: AtomicUsize::new(0), metrics }))
    }

    /// From now on there is room for `most` bytes. Whoever has taken some keeps them.
    pub fn set(&self, most: usize) {
        self.0.most.store(most, Relaxed);
    }

    /// Returns whether so many bytes would find room now.
    #[must_use]
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.0.after(self.0.taken.load(Relaxed), bytes).is_some()
    }

    /// Begins to take room, with none.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { room: Arc::clone(&self.0), bytes: 0 }
    }

    /// Counts a content that found no room.
    pub fn was_full(&self) {
        self.0.metrics.full.inc();
    }
}

impl Room {
    /// Returns what is taken after so many bytes more, if that much may be.
    fn after(&self, taken: usize, more: usize) -> Option<usize> {
        taken.checked_add(more).filter(|taken| *taken <= self.most.load(Relaxed))
    }
}

impl Share {
    /// Takes so many bytes in all, at least as many as before, and returns whether there was room. If not, it has what it
    /// had.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let has_room = self.room.taken.fetch_update(Relaxed, Relaxed, |taken| self.room.after(taken, more)).is_ok();
        if has_room {
            self.bytes += more;
            self.room.metrics.held.add(as_gauge(more));
        }
        has_room
    }

    /// Gives back all but so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.room.taken.fetch_sub(less, Relaxed);
        self.room.metrics.held.sub(as_gauge(less));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

fn as_gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn no_more_is_taken_than_there_is_room_for_and_all_of_it_is_given_back() {
        let metrics = testing::metrics().inspect_buffer;
        let buffer = Buffer::new(10, metrics.clone());
        for _ in 0..3 {
            let (mut first, mut second) = (buffer.share(), buffer.clone().share());
            assert!(first.grow_to(4) && second.grow_to(5) && first.grow_to(5));
            assert!(!second.grow_to(6) && !buffer.has_room_for(1));
            assert_eq!(metrics.held.get(), 10);
            first.shrink_to(3);
            assert!(buffer.has_room_for(2) && second.grow_to(7));
            drop((first, second));
            assert_eq!(metrics.held.get(), 0);
        }
    }

    #[test]
    fn whoever_holds_more_than_there_is_room_for_keeps_it_and_others_get_nothing() {
        let buffer = Buffer::new(10, testing::metrics().inspect_buffer);
        let mut share = buffer.share();
        assert!(share.grow_to(10));
        buffer.set(5);
        assert!(share.grow_to(10), "it takes nothing");
        assert!(!buffer.has_room_for(1) && !share.grow_to(11) && !share.grow_to(usize::MAX));
        drop(share);
        assert!(buffer.has_room_for(5) && !buffer.has_room_for(6));
    }
}
