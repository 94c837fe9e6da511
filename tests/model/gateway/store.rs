//! What the store does (`store.rs` of the gateway).
//!
//! What a newcomer would get wrong: to leave the store and to leave the fence's index are two steps. What is evicted or
//! replaced stays registered until the fence hears of it, and whoever found it before may still use it if the verdict is good.

use super::state::{Entry, State};
use crate::upstream::Question;

impl State {
    pub(super) fn stored_for(&self, question: Question) -> Option<Entry> {
        self.place_of(question).map(|place| self.stored[place])
    }

    fn place_of(&self, question: Question) -> Option<usize> {
        self.stored.iter().position(|stored| stored.view.question == question)
    }

    /// Puts it in the place of what is there, and returns whether it did: not if that is usable and fetched later.
    pub(super) fn store(&mut self, entry: Entry) -> bool {
        let present = self.place_of(entry.view.question);
        if present.is_some_and(|place| self.keeps(&self.stored[place], &entry)) {
            self.leaving.push(entry);
            return false;
        }
        self.leaving.extend(present.map(|place| self.stored.swap_remove(place)));
        self.stored.push(entry);
        self.stored.sort_unstable_by_key(|stored| stored.view.question);
        true
    }

    fn keeps(&self, stored: &Entry, entry: &Entry) -> bool {
        stored.order > entry.order && self.is_usable(stored)
    }

    /// Returns whether the fence lets a read that finds it now use it.
    pub(super) fn is_usable(&self, stored: &Entry) -> bool {
        self.machine.get().verdict(&stored.view.question.key(), &stored.stamp).is_ok()
    }

    pub(super) fn evict(&mut self, question: Question) {
        let place = self.place_of(question).expect("it was stored");
        let left = self.stored.remove(place);
        self.leaving.push(left);
        self.evictions -= 1;
    }

    pub(super) fn unregister(&mut self, place: usize) {
        let left = self.leaving.remove(place);
        self.machine.change(|machine| machine.remove(&left.view.question.key(), &left.view.ids()));
    }
}
