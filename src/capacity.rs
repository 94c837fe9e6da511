//! How much may be under way at once, and who has a place in it.
//!
//! How many places there are can be [set](Capacity::set) while it is used. Whoever has one then keeps it, so for a while
//! more may be taken than there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Places for so many. Clones share them.
#[derive(Debug, Clone)]
pub struct Capacity(Arc<Places>);

#[derive(Debug)]
struct Places {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// One that has a place, while it lives.
#[derive(Debug)]
pub struct Place(Arc<Places>);

/// One that has left its place for a while, and will come back whether there is one or not.
#[derive(Debug)]
pub struct Away(Arc<Places>);

impl Capacity {
    /// Places for `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Places { most: AtomicUsize::new(most), taken: AtomicUsize::new(0) }))
    }

    /// From now on there are places for `most`.
    pub fn set(&self, most: usize) {
        self.0.most.store(most, Relaxed);
    }

    /// Takes a place if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Place> {
        let taken = self.0.taken.fetch_add(1, Relaxed);
        // Given back at once if there was none: two who come together may both be refused one place, never given it.
        let place = Place(Arc::clone(&self.0));
        (taken < self.0.most.load(Relaxed)).then_some(place)
    }
}

impl Place {
    /// Leaves the place for a while.
    #[must_use]
    pub fn leave(self) -> Away {
        Away(Arc::clone(&self.0))
    }
}

impl Away {
    /// Comes back. Whoever was let in once is not turned away, so for a moment there may be more than there are places.
    #[must_use]
    pub fn come_back(self) -> Place {
        self.0.taken.fetch_add(1, Relaxed);
        Place(self.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_there_are_and_each_is_given_back() {
        let capacity = Capacity::new(2);
        for _ in 0..3 {
            let (first, second) = (capacity.take(), capacity.take());
            assert!(first.is_some() && second.is_some());
            assert!(capacity.take().is_none());
            assert!(capacity.take().is_none(), "whoever is refused has taken nothing");
        }
    }

    #[test]
    fn whoever_leaves_for_a_while_makes_room_and_comes_back_though_there_is_none() {
        let capacity = Capacity::new(1);
        let away = capacity.take().unwrap().leave();
        let other = capacity.take();
        assert!(other.is_some());
        let back = away.come_back();
        drop(other);
        assert!(capacity.take().is_none(), "the one that came back has the place");
        drop(back);
        assert!(capacity.take().is_some());
    }

    #[test]
    fn whoever_has_a_place_keeps_it_when_there_are_fewer() {
        let capacity = Capacity::new(1);
        let first = capacity.take();
        capacity.set(2);
        let second = capacity.take();
        assert!(first.is_some() && second.is_some());
        capacity.set(1);
        drop(first);
        assert!(capacity.take().is_none(), "the second has the only place that is left");
        drop(second);
        assert!(capacity.take().is_some());
    }
}
