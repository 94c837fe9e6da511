//! What reads do: they look into the store, take a ticket, lead a flight or follow one (`collapse/service.rs`).
//!
//! What a newcomer would get wrong: what a read may rely on is noted when it begins, and not again when it has to fetch
//! once more. A write whose answer is released meanwhile promises it nothing; who asked for that would find fault with a
//! gateway that is right.

use super::state::{Entry, Part, Phase, Rivals, State};
use super::{Gateway, Read};
use crate::upstream::View;
use crate::witness::Witness;

impl Gateway {
    pub(super) fn begin(&mut self, state: &mut State, read: usize) {
        let Read { question, is_refresh } = self.reads[read];
        let reading = &mut state.reads[read];
        reading.promised = state.promised[question.who];
        reading.shown = state.shown[question.who][question.list];
        match state.stored_for(question).filter(|_| !is_refresh) {
            Some(found) => state.reads[read].part = Part::Found(found),
            None => self.ask(state, read),
        }
    }

    pub(super) fn judge(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Part::Found(found) = state.reads[read].part else { unreachable!() };
        let is_stored = state.stored.contains(&found);
        if !is_stored {
            self.saw(Witness::LeftBetweenLookupAndVerdict);
        }
        let verdict = state.machine.get().verdict(&self.reads[read].question.key(), &found.stamp);
        self.saw(verdict.map_or_else(Witness::Hidden, |()| Witness::Hit));
        if verdict.is_err() {
            self.ask(state, read);
            return Ok(());
        }
        // A switch that began after this left the store did not know of it. The read began before the switch.
        if is_stored {
            state.forbid(&self.writes, &found.view)?;
        }
        self.end(state, read, &found.view)
    }

    /// Takes a ticket, and begins a flight at once if there is none to join.
    fn ask(&mut self, state: &mut State, read: usize) {
        let question = self.reads[read].question;
        state.reads[read].part = Part::Asking(state.machine.change(|machine| machine.begin_fetch(&question.key())));
        if state.leader_of(question).is_none() {
            self.board(state, read);
        }
    }

    pub(super) fn board(&mut self, state: &mut State, read: usize) {
        let Part::Asking(stamp) = state.reads[read].part else { unreachable!() };
        let Read { question, is_refresh } = self.reads[read];
        if let Some(leader) = state.leader_of(question).filter(|_| !is_refresh) {
            let flight = state.flight(leader);
            if !stamp.may_share(&flight.stamp) {
                self.saw(Witness::MayNotShare);
            } else if flight.rivals != Rivals::Anything {
                flight.aboard += 1;
                let rivals = flight.rivals;
                state.reads[read].part = Part::Following(leader, rivals);
                return;
            }
        }
        self.take_off(state, read, stamp);
        state.reads[read].part = Part::Leading;
    }

    pub(super) fn follow(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Part::Following(leader, rivals) = state.reads[read].part else { unreachable!() };
        let Phase::Closed(entry) = state.flight(leader).phase else { unreachable!() };
        let is_shared = rivals.allow(&entry.view) && self.is_shared(state, &entry);
        if !is_shared {
            self.ask(state, read);
        }
        state.machine.change(|machine| machine.end_fetch(&self.reads[read].question.key()));
        self.alight(state, leader);
        if is_shared { self.end(state, read, &entry.view) } else { Ok(()) }
    }

    /// Returns whether a follower may have what its flight brought: that is asked once more when it gets it.
    fn is_shared(&mut self, state: &State, entry: &Entry) -> bool {
        let Entry { view, stamp, .. } = entry;
        let has_switched = state.machine.get().has_switched(&view.question.key(), stamp, &view.ids());
        self.saw(if has_switched { Witness::Lost } else { Witness::Shared });
        !has_switched
    }

    /// A read ends with what it was given. This is what it is all about.
    pub(super) fn end(&self, state: &mut State, read: usize, view: &View) -> Result<(), String> {
        self.compare_answer(state, read, view)?;
        let question = self.reads[read].question;
        let reading = &mut state.reads[read];
        reading.part = Part::Done;
        (reading.promised, reading.shown) = Default::default();
        state.shown[question.who][question.list].raise(&view.versions());
        Ok(())
    }
}
