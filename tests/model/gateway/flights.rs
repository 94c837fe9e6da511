//! What flights do, from taking off until the last passenger has left (`collapse/flight.rs`).
//!
//! What a newcomer would get wrong: a flight is no read, though it goes by the place of the read that leads it. It is kept
//! after its leader has its answer, until each follower has looked at what it brought; only then does the fence let go of
//! its fetch.

use super::Gateway;
use super::state::{Entry, Flight, Phase, Rivals, State};
use crate::fence::Stamp;
use crate::upstream::Question;
use crate::witness::Witness;

impl Gateway {
    /// A read leads a flight, which those that come now may join in place of any other.
    pub(super) fn take_off(&self, state: &mut State, read: usize, stamp: Stamp) {
        let question = self.reads[read].question;
        state.running.retain(|(of, _)| *of != question);
        state.running.push((question, read));
        state.running.sort_unstable();
        let order = self.next_order(state, question);
        state.reads[read].flight =
            Some(Flight { stamp, order, aboard: 1, phase: Phase::Aloft, rivals: Rivals::Nothing });
    }

    /// Returns a number greater than that of any fetch of the same that somebody could compare it with.
    fn next_order(&self, state: &State, question: Question) -> u8 {
        let stored = state.stored_for(question).map(|entry| entry.order);
        let flying = state.reads.iter().zip(&self.reads).filter(|(_, read)| read.question == question);
        let flying = flying.filter_map(|(reading, _)| reading.flight.as_ref()).map(|flight| flight.order);
        flying.chain(stored).max().map_or(0, |order| order + 1)
    }

    pub(super) fn answer(&self, state: &mut State, read: usize) {
        let view = state.upstream.read(self.reads[read].question);
        let flight = state.flight(read);
        flight.phase = Phase::Answered(Entry { view, stamp: flight.stamp, order: flight.order });
    }

    pub(super) fn land(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Phase::Answered(entry) = state.flight(read).phase else { unreachable!() };
        let Entry { view, stamp, .. } = entry;
        let landed = state.machine.change(|machine| machine.land(&view.question.key(), &stamp, &view.ids()));
        self.saw(landed.map_or_else(Witness::Refused, |()| Witness::Stored));
        state.flight(read).phase = if landed.is_ok() { Phase::Landed(entry) } else { Phase::Judged(entry) };
        if landed.is_ok() { state.forbid(&self.writes, &view) } else { Ok(()) }
    }

    pub(super) fn insert(&mut self, state: &mut State, read: usize) {
        let Phase::Landed(entry) = state.flight(read).phase else { unreachable!() };
        if !state.store(entry) {
            self.saw(Witness::LaterFetchIsStored);
        }
        state.flight(read).phase = Phase::Judged(entry);
    }

    pub(super) fn close(&self, state: &mut State, read: usize) -> Result<(), String> {
        let Phase::Judged(entry) = state.flight(read).phase else { unreachable!() };
        state.running.retain(|(_, leader)| *leader != read);
        // Another may be in the air that began later. It may have been answered earlier.
        if let Some(other) = state.leader_of(entry.view.question) {
            state.flight(other).rivals.note(Some(entry.view));
        }
        state.flight(read).phase = Phase::Closed(entry);
        self.alight(state, read);
        self.end(state, read, &entry.view)
    }

    /// One passenger leaves a flight. The last of them takes it down.
    pub(super) fn alight(&self, state: &mut State, leader: usize) {
        let flight = state.flight(leader);
        flight.aboard -= 1;
        if flight.aboard == 0 {
            state.reads[leader].flight = None;
            state.machine.change(|machine| machine.end_fetch(&self.reads[leader].question.key()));
        }
    }
}

impl State {
    /// Returns who leads the flight that may be boarded.
    pub(super) fn leader_of(&self, question: Question) -> Option<usize> {
        self.running.iter().find(|(of, _)| *of == question).map(|(_, leader)| *leader)
    }
}
