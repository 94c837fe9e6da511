//! The lanes that wait for a cell of the quota of all, in the order in which they have one.
//!
//! They take turns: a lane that has had one waits behind all others. A newcomer would give the cells to writes first; then
//! one lane with many of them takes every second cell, and what others were told is wrong. So only a lane that has just
//! come goes ahead, once, and never two such in a row.

use std::collections::VecDeque;

use super::table::LaneId;

/// The lanes in turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    in_order: VecDeque<LaneId>,
    /// Those that go ahead of the others.
    ahead: VecDeque<LaneId>,
    /// The last turn was that of one ahead.
    has_overtaken: bool,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.ahead.is_empty()
    }

    /// A lane waits for its turn.
    pub(super) fn push(&mut self, id: LaneId, goes_ahead: bool) {
        let turns = if goes_ahead { &mut self.ahead } else { &mut self.in_order };
        turns.push_back(id);
    }

    /// Takes the lane whose turn it is.
    pub(super) fn pop(&mut self) -> Option<LaneId> {
        let is_alone = self.in_order.is_empty();
        let overtakes = !self.ahead.is_empty() && (is_alone || !self.has_overtaken);
        self.has_overtaken = overtakes && !is_alone;
        if overtakes { self.ahead.pop_front() } else { self.in_order.pop_front() }
    }

    /// Returns the lanes whose turns are next, in about that order: those ahead take every second one.
    pub(super) fn in_order(&self) -> impl Iterator<Item = LaneId> {
        self.ahead.iter().chain(&self.in_order).copied()
    }

    /// Takes all out but those that stay.
    pub(super) fn retain(&mut self, stays: impl Fn(LaneId) -> bool) {
        self.in_order.retain(|id| stays(*id));
        self.ahead.retain(|id| stays(*id));
    }

    /// Takes a lane out that no longer waits.
    pub(super) fn remove(&mut self, id: LaneId) {
        self.in_order.retain(|other| *other != id);
        self.ahead.retain(|other| *other != id);
    }
}
