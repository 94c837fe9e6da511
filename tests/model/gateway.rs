//! The gateway around the machine, in steps as small as those of its threads.
//!
//! The machine is real; what stands around it is told again here: lookup and storing (`store.rs`), flights
//! (`collapse/flight.rs`, `collapse/service.rs`), and a write's course (`invalidation/service.rs`). Whoever changes the
//! order of the calls there changes it here. Two calls are one step only if joining them asks *more* of the fence: a read
//! begins with its look into the store, since an earlier beginning is promised less; what finds nothing takes its ticket
//! at once; and a write's answer is released in the step that ends the write.

mod action;
mod flights;
mod properties;
mod reads;
mod state;
mod store;
mod writes;

use chathub_gateway::chathub::Groups;

use crate::explorer::Model;
use crate::upstream::{Question, Thing};
use crate::witness::Witness;
use action::Action;
use state::State;

/// What happens, in any order.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) reads: Vec<Read>,
    pub(crate) writes: Vec<Write>,
    /// Each happens once or never.
    pub(crate) events: Vec<Event>,
    /// How many stored responses are evicted.
    pub(crate) evictions: u8,
    /// What was seen to happen.
    pub(crate) seen: Vec<Witness>,
}

/// A read. A refresh wants an answer newer than its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) question: Question,
    pub(crate) is_refresh: bool,
}

/// A write: what it touches as far as the gateway can tell, and what it changes in truth.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) groups: Groups,
    pub(crate) changes: Thing,
    pub(crate) may_be_in_doubt: bool,
}

/// Something that comes from elsewhere.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The dashboard moves an operator to the list of another organization.
    Move { operator: usize, to: usize },
    /// The dashboard changes something, and the gateway cannot know.
    Change(Thing),
    /// Somebody purges, and wants to see the present state of this.
    Purge(Groups, Thing),
    /// A credential was refused.
    Forget(usize),
}

impl Gateway {
    fn saw(&mut self, witness: Witness) {
        if !self.seen.contains(&witness) {
            self.seen.push(witness);
        }
    }
}

impl Model for Gateway {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        State::new(self)
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        self.all_actions(state)
    }

    fn step(&mut self, state: &mut State, action: Action) -> Result<(), String> {
        match action {
            Action::Begin(read) => self.begin(state, read),
            Action::Judge(read) => self.judge(state, read)?,
            Action::Board(read) => self.board(state, read),
            Action::Answer(read) => self.answer(state, read),
            Action::Land(read) => self.land(state, read)?,
            Action::Insert(read) => self.insert(state, read),
            Action::Close(read) => self.close(state, read)?,
            Action::Follow(read) => self.follow(state, read)?,
            Action::Evict(question) => state.evict(question),
            Action::Unregister(place) => state.unregister(place),
            Action::BeginWrite(write) => self.begin_write(state, write),
            Action::Apply(write) => self.apply(state, write),
            Action::Finish(write) => state.finish(write),
            Action::Doubt(write) => state.doubt(write),
            Action::Settle(write) => self.settle(state, write),
            Action::Happen(event) => self.happen(state, event),
        }
        if action.changes_the_index() { state.compare_index() } else { Ok(()) }
    }

    fn check(&self, state: &State) -> Result<(), String> {
        state.look_at_the_store()?;
        self.compare_size(state)?;
        self.see_the_end(state)
    }
}
