//! What must be true: of every answer, of what is stored and used, of the index, and of every state.
//!
//! What a newcomer would get wrong: the first of them is the one that a client sees, and the others do not follow from
//! it. They find a fault before some read comes to tell of it, and they find what no read ever tells of: a record that is
//! kept for nobody, and a list that can never be stored again.

use std::collections::BTreeSet;

use chathub_gateway::chathub::Groups;

use super::state::{Entry, Part, Phase, Reading, State};
use super::{Event, Gateway, Write};
use crate::fence::Machine;
use crate::upstream::{DIRECTORY, LISTS, OPERATORS, Question, Thing, View, operator};

// === of every answer ===

impl Gateway {
    /// It is the read's own, no older than any write that was acknowledged before, and no older than what was shown.
    pub(super) fn compare_answer(&self, state: &State, read: usize, view: &View) -> Result<(), String> {
        let Reading { promised, shown, .. } = &state.reads[read];
        if view.question != self.reads[read].question {
            return Err(format!("read {read} was given what belongs to another: {view:?}"));
        }
        if view.is_older(promised) {
            return Err(format!("read {read} is older than a write: {view:?} but {promised:?}"));
        }
        if view.is_older(shown) && !self.changes_elsewhere() {
            return Err(format!("read {read} goes back: {view:?} but {shown:?}"));
        }
        Ok(())
    }

    /// Returns whether the upstream is changed past the gateway: then what is shown may go back when it is evicted.
    fn changes_elsewhere(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Move { .. } | Event::Change(_)))
    }
}

// === of what is stored and used ===

impl State {
    /// A read that began now would be given nothing from the store that is older than what it may rely on.
    pub(super) fn look_at_the_store(&self) -> Result<(), String> {
        let is_older = |entry: &&Entry| entry.view.is_older(&self.promised[entry.view.question.who]);
        let wrong = self.stored.iter().filter(|entry| self.is_usable(entry)).find(is_older);
        wrong.map_or(Ok(()), |entry| Err(format!("stored, usable, and older than a write: {:?}", entry.view)))
    }

    /// Nothing that a write may change is stored or used while that is in flight or in doubt.
    pub(super) fn forbid(&self, writes: &[Write], view: &View) -> Result<(), String> {
        let mut under_way = self.writes.iter().zip(writes).filter(|(writing, _)| writing.is_under_way());
        match under_way.find(|(_, write)| is_changed(view, write.changes)) {
            Some((_, write)) => Err(format!("{view:?} is good, though this is under way: {write:?}")),
            None => Ok(()),
        }
    }
}

fn is_changed(view: &View, thing: Thing) -> bool {
    match thing {
        Thing::List(list) => view.question.list == list,
        Thing::Operator(operator) => view.shows(operator),
    }
}

// === of the index ===

impl State {
    /// It has the operators of what is registered, and a status write of each would move the right lists.
    pub(super) fn compare_index(&self) -> Result<(), String> {
        let known = (0..OPERATORS).filter(|operator| self.registered().any(|entry| entry.view.shows(*operator)));
        let (known, held) = (known.count(), self.machine.get().operators());
        if known != held {
            return Err(format!("{held} operators are in the index, {known} in what is registered"));
        }
        (0..OPERATORS).try_for_each(|switched| self.compare_switch(switched))
    }

    /// A status write that began now would move the lists that hold the operator, or all if there is none.
    fn compare_switch(&self, switched: usize) -> Result<(), String> {
        let holds =
            |list| self.registered().any(|entry| entry.view.question.list == list && entry.view.shows(switched));
        let is_known = (0..DIRECTORY).any(holds);
        match (0..DIRECTORY).find(|list| self.would_move(switched, *list) != (holds(*list) || !is_known)) {
            Some(list) => Err(format!("a switch of operator {switched} moves list {list} wrongly")),
            None => Ok(()),
        }
    }

    fn would_move(&self, switched: usize, list: usize) -> bool {
        let mut machine = self.machine.get().clone();
        let key = Question { who: 0, list }.key();
        let before = machine.begin_fetch(&key);
        let _claim = machine.begin(&Groups::Operator(operator(switched)));
        !machine.begin_fetch(&key).may_share(&before)
    }

    /// Returns what is registered, wherever it lies.
    fn registered(&self) -> impl Iterator<Item = &Entry> {
        let landed = self.reads.iter().filter_map(|reading| match reading.flight.as_ref()?.phase {
            Phase::Landed(ref entry) => Some(entry),
            _ => None,
        });
        self.stored.iter().chain(&self.leaving).chain(landed)
    }
}

// === of every state ===

impl Gateway {
    /// The machine has a record for each group of what runs and of what is registered, and, while no write is under
    /// way, for nothing else.
    pub(super) fn compare_size(&self, state: &State) -> Result<(), String> {
        let needed = self.groups_held(state).len();
        let kept = state.machine.get().groups();
        if kept < needed || (kept > needed && !state.is_writing()) {
            return Err(format!("{kept} groups have a record, {needed} need one"));
        }
        Ok(())
    }

    /// Returns the groups, by some name, of what runs and of what is registered.
    fn groups_held(&self, state: &State) -> BTreeSet<(&'static str, usize)> {
        let running = state.reads.iter().zip(&self.reads).filter(|(reading, _)| holds_a_fetch(reading));
        let registered = state.registered().map(|entry| entry.view.question);
        let questions = running.map(|(_, read)| read.question).chain(registered);
        questions.flat_map(Question::groups).collect()
    }

    /// When nothing is under way, nothing is left once the store is empty, and all can be stored again.
    pub(super) fn see_the_end(&self, state: &State) -> Result<(), String> {
        if state.is_writing() || !state.reads.iter().all(is_at_rest) {
            return Ok(());
        }
        let machine = state.emptied();
        if (machine.groups(), machine.operators()) != (0, 0) {
            return Err(format!("something is kept for nobody: {machine:?}"));
        }
        state.store_all_again(machine)
    }
}

fn holds_a_fetch(reading: &Reading) -> bool {
    reading.flight.is_some() || matches!(reading.part, Part::Asking(_) | Part::Following(..))
}

fn is_at_rest(reading: &Reading) -> bool {
    matches!(reading.part, Part::Waiting | Part::Done) && reading.flight.is_none()
}

impl State {
    /// Returns the machine as it would be if everything left the store.
    fn emptied(&self) -> Machine {
        let mut state = self.clone();
        while let Some(stored) = state.stored.pop() {
            state.leaving.push(stored);
        }
        while !state.leaving.is_empty() {
            state.unregister(0);
        }
        state.machine.get().clone()
    }

    fn store_all_again(&self, mut machine: Machine) -> Result<(), String> {
        (0..LISTS).try_for_each(|list| {
            let view = self.upstream.read(Question { who: 0, list });
            let stamp = machine.begin_fetch(&view.question.key());
            let landed = machine.land(&view.question.key(), &stamp, &view.ids());
            landed.map_err(|why| format!("list {list} can not be stored any more: {why:?}"))
        })
    }
}
