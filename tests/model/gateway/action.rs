//! What may happen next in a state.
//!
//! What a newcomer would get wrong: an action that is missing here is not refused but never tried, and every property
//! still holds. That is why the histories ask for [witnesses](crate::witness::Witness), and why what is left out to save
//! states says that nothing is lost.

use super::Gateway;
use super::state::{Part, Phase, State, Writing};
use crate::upstream::Question;

/// A step, with the place of the read, write or event that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A read begins and looks into the store.
    Begin(usize),
    /// It uses what it found there, or takes a ticket for a fetch.
    Judge(usize),
    /// It joins a flight, or begins one.
    Board(usize),
    /// The upstream answers a flight.
    Answer(usize),
    /// The answer is judged and registered.
    Land(usize),
    /// What was registered is put into the store.
    Insert(usize),
    /// The flight ends, and its leader has its answer.
    Close(usize),
    /// A follower gets what the flight brought.
    Follow(usize),
    /// The store evicts what it has for a question.
    Evict(Question),
    /// The fence hears of the first of those that have left the store.
    Unregister(usize),
    BeginWrite(usize),
    /// The upstream applies a write.
    Apply(usize),
    /// A write ends, and its answer is released.
    Finish(usize),
    /// A write ends in doubt, and its answer is released.
    Doubt(usize),
    /// The quarantine is over.
    Settle(usize),
    Happen(usize),
}

impl Action {
    pub(super) const fn changes_the_index(self) -> bool {
        matches!(self, Self::Land(_) | Self::Unregister(_))
    }
}

impl Gateway {
    pub(super) fn all_actions(&self, state: &State) -> Vec<Action> {
        let reads = (0..self.reads.len()).flat_map(|read| self.of_read(state, read));
        let writes = (0..self.writes.len()).flat_map(|write| self.of_write(state, write));
        let happened = state.happened.iter().enumerate();
        let events = happened.filter(|(_, happened)| !**happened).map(|(event, _)| Action::Happen(event));
        let evictions = state.stored.iter().filter(|_| state.evictions > 0).map(|old| Action::Evict(old.view.question));
        let leaving = (0..state.leaving.len()).map(Action::Unregister);
        reads.chain(writes).chain(events).chain(evictions).chain(leaving).collect()
    }

    fn of_read(&self, state: &State, read: usize) -> impl Iterator<Item = Action> + use<> {
        let own = match state.reads[read].part {
            Part::Waiting => self.may_begin(state, read).then_some(Action::Begin(read)),
            Part::Found(_) => Some(Action::Judge(read)),
            Part::Asking(_) => Some(Action::Board(read)),
            Part::Following(leader, _) => has_closed(state, leader).then_some(Action::Follow(read)),
            Part::Leading | Part::Done => None,
        };
        own.into_iter().chain(of_flight(state, read))
    }

    /// Reads that are alike begin in order: to tell them apart would only repeat every history.
    fn may_begin(&self, state: &State, read: usize) -> bool {
        let is_like_the_last = read > 0 && self.reads[read] == self.reads[read - 1];
        !(is_like_the_last && matches!(state.reads[read - 1].part, Part::Waiting))
    }

    fn of_write(&self, state: &State, write: usize) -> Vec<Action> {
        match &state.writes[write] {
            Writing::Waiting => vec![Action::BeginWrite(write)],
            Writing::InFlight(_, produced) => {
                let apply = produced.is_none().then_some(Action::Apply(write));
                let doubt = self.writes[write].may_be_in_doubt.then_some(Action::Doubt(write));
                [Action::Finish(write)].into_iter().chain(apply).chain(doubt).collect()
            }
            Writing::InDoubt(_, None) => vec![Action::Apply(write), Action::Settle(write)],
            Writing::InDoubt(_, Some(_)) => vec![Action::Settle(write)],
            Writing::Over => Vec::new(),
        }
    }
}

/// Returns what a flight does next, whatever its leader does.
fn of_flight(state: &State, leader: usize) -> Option<Action> {
    match state.reads[leader].flight.as_ref()?.phase {
        Phase::Aloft => Some(Action::Answer(leader)),
        Phase::Answered(_) => Some(Action::Land(leader)),
        Phase::Landed(_) => Some(Action::Insert(leader)),
        Phase::Judged(_) => Some(Action::Close(leader)),
        Phase::Closed(_) => None,
    }
}

fn has_closed(state: &State, leader: usize) -> bool {
    state.reads[leader].flight.as_ref().is_some_and(|flight| matches!(flight.phase, Phase::Closed(_)))
}
