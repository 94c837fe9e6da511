//! What writes do (`invalidation/service.rs`), and what comes from elsewhere.
//!
//! What a newcomer would get wrong: what a write produced is promised when its answer is released, not when the upstream
//! applies it. Until then a read may see either; and what is applied while in doubt is promised when that is settled.

use chathub_gateway::chathub::Groups;

use super::state::{State, Writing};
use super::{Event, Gateway};
use crate::explorer::ByText;
use crate::upstream::{Versions, credential};
use crate::witness::Witness;

impl Gateway {
    pub(super) fn begin_write(&mut self, state: &mut State, write: usize) {
        let claim = state.machine.change(|machine| machine.begin(&self.writes[write].groups));
        if let Groups::Operator(_) = self.writes[write].groups {
            self.saw(if claim.is_precise() { Witness::PreciseSwitch } else { Witness::UnknownOperator });
        }
        state.writes[write] = Writing::InFlight(ByText::new(claim), None);
    }

    pub(super) fn apply(&self, state: &mut State, write: usize) {
        let changed = state.upstream.change(self.writes[write].changes);
        match &mut state.writes[write] {
            Writing::InFlight(_, produced) | Writing::InDoubt(_, produced) => *produced = Some(changed),
            Writing::Waiting | Writing::Over => unreachable!(),
        }
    }

    pub(super) fn settle(&mut self, state: &mut State, write: usize) {
        let Writing::InDoubt(claim, produced) = state.end_write(write) else { unreachable!() };
        self.saw(if produced.is_some() { Witness::AppliedInDoubt } else { Witness::NeverApplied });
        state.machine.change(|machine| machine.settle(claim.get()));
        state.promise(produced);
    }

    pub(super) fn happen(&self, state: &mut State, event: usize) {
        state.happened[event] = true;
        match &self.events[event] {
            Event::Move { operator, to } => state.upstream.homes[*operator] = *to,
            Event::Change(thing) => _ = state.upstream.change(*thing),
            Event::Purge(groups, meant) => {
                state.machine.change(|machine| machine.purge(groups));
                state.promise(Some(state.upstream.present(*meant)));
            }
            Event::Forget(who) => {
                state.machine.change(|machine| machine.forget_one(credential(*who)));
                state.promised[*who].lists = state.upstream.versions.lists;
            }
        }
    }
}

impl State {
    pub(super) fn finish(&mut self, write: usize) {
        let Writing::InFlight(claim, produced) = self.end_write(write) else { unreachable!() };
        self.machine.change(|machine| machine.finish(claim.get()));
        self.promise(produced);
    }

    pub(super) fn doubt(&mut self, write: usize) {
        let Writing::InFlight(claim, produced) = self.end_write(write) else { unreachable!() };
        self.machine.change(|machine| machine.doubt(claim.get()));
        self.promise(produced);
        self.writes[write] = Writing::InDoubt(claim, produced);
    }

    /// Returns how far a write had come. Now it is over.
    fn end_write(&mut self, write: usize) -> Writing {
        std::mem::replace(&mut self.writes[write], Writing::Over)
    }

    /// From now on no read may be older.
    fn promise(&mut self, produced: Option<Versions>) {
        let produced = produced.unwrap_or_default();
        self.promised.iter_mut().for_each(|promised| promised.raise(&produced));
    }
}
