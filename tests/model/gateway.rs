//! The gateway around the machine, in steps as small as those of its threads.
//!
//! The machine is real; what stands around it is told again here: lookup and storing (`store.rs`), flights
//! (`collapse/flight.rs`, `collapse/service.rs`), and a write's course (`invalidation/service.rs`). Whoever changes the
//! order of the calls there changes it here. Two calls are one step only if joining them asks *more* of the fence: a read
//! begins with its look into the store, since an earlier beginning is promised less; what finds nothing takes its ticket
//! at once; and a write's answer is released in the step that ends the write.

use std::collections::BTreeSet;

use chathub_gateway::chathub::Groups;

use crate::explorer::{ByText, Model};
use crate::fence::{Claim, Machine, Refusal, Stamp};
use crate::upstream::{DIRECTORY, LISTS, OPERATORS, Question, Thing, Upstream, Versions, View, credential, operator};
use crate::witness::Witness;

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

#[derive(Debug, Clone, Hash)]
pub(crate) struct State {
    machine: ByText<Machine>,
    upstream: Upstream,
    reads: Vec<Reading>,
    writes: Vec<Writing>,
    happened: Vec<bool>,
    evictions: u8,
    /// What is stored, by question.
    stored: Vec<Entry>,
    /// What has left the store, but is still registered.
    leaving: Vec<Entry>,
    /// Whose flights may be boarded.
    running: Vec<(Question, usize)>,
    /// What reads that begin now may rely on, for each credential.
    promised: [Versions; 2],
    /// What reads that have ended were shown, for each credential and list.
    shown: [[Versions; LISTS]; 2],
}

/// What a fetch brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    view: View,
    stamp: Stamp,
    order: u8,
}

/// How far a read has come.
#[derive(Debug, Clone, Copy, Hash)]
struct Reading {
    /// What it may rely on: promised by writes, and shown to its credential, before it began.
    promised: Versions,
    shown: Versions,
    part: Part,
    /// The flight that it leads, for as long as anybody is aboard.
    flight: Option<Flight>,
}

#[derive(Debug, Clone, Copy, Hash)]
enum Part {
    Waiting,
    Found(Option<Entry>),
    Asking(Stamp),
    Leading,
    Following(usize, Stamp),
    Done,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Flight {
    stamp: Stamp,
    order: u8,
    aboard: u8,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, Hash)]
enum Phase {
    Aloft,
    Answered(Entry),
    Landed(Entry),
    Judged(Arrival),
    Closed(Arrival),
}

/// What a flight has for its leader, and whether its followers may have it.
#[derive(Debug, Clone, Copy, Hash)]
struct Arrival {
    entry: Entry,
    is_for_all: bool,
}

/// How far a write has come, and what it has produced.
#[derive(Debug, Clone, Hash)]
enum Writing {
    Waiting,
    InFlight(ByText<Claim>, Option<Versions>),
    InDoubt(ByText<Claim>, Option<Versions>),
    Over,
}

impl Writing {
    const fn is_under_way(&self) -> bool {
        matches!(self, Self::InFlight(..) | Self::InDoubt(..))
    }
}

// === what may happen ===

impl Model for Gateway {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        let reading =
            Reading { promised: Versions::default(), shown: Versions::default(), part: Part::Waiting, flight: None };
        State {
            machine: ByText::new(Machine::default()),
            upstream: Upstream::new(),
            reads: vec![reading; self.reads.len()],
            writes: vec![Writing::Waiting; self.writes.len()],
            happened: vec![false; self.events.len()],
            evictions: self.evictions,
            stored: Vec::new(),
            leaving: Vec::new(),
            running: Vec::new(),
            promised: Default::default(),
            shown: Default::default(),
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let reads = (0..self.reads.len()).flat_map(|read| self.of_read(state, read));
        let writes = (0..self.writes.len()).flat_map(|write| self.of_write(state, write));
        let happened = state.happened.iter().enumerate();
        let events = happened.filter(|(_, happened)| !**happened).map(|(event, _)| Action::Happen(event));
        let evictions = state.stored.iter().filter(|_| state.evictions > 0).map(|old| Action::Evict(old.view.question));
        let leaving = (0..state.leaving.len()).map(Action::Unregister);
        reads.chain(writes).chain(events).chain(evictions).chain(leaving).collect()
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
            Action::Evict(question) => self.evict(state, question),
            Action::Unregister(place) => unregister(state, place),
            Action::BeginWrite(write) => self.begin_write(state, write),
            Action::Apply(write) => self.apply(state, write),
            Action::Finish(write) => self.finish(state, write),
            Action::Doubt(write) => self.doubt(state, write),
            Action::Settle(write) => self.settle(state, write),
            Action::Happen(event) => self.happen(state, event),
        }
        if matches!(action, Action::Land(_) | Action::Unregister(_)) {
            state.compare_index()?;
        }
        Ok(())
    }

    fn check(&self, state: &State) -> Result<(), String> {
        state.look_at_the_store()?;
        self.compare_size(state)?;
        self.see_the_end(state)
    }
}

impl Gateway {
    fn of_read(&self, state: &State, read: usize) -> Vec<Action> {
        let own = match state.reads[read].part {
            // Reads that are alike begin in order: to tell them apart would only repeat every history.
            Part::Waiting if read > 0 && self.reads[read] == self.reads[read - 1] => {
                let is_first = matches!(state.reads[read - 1].part, Part::Waiting);
                (!is_first).then_some(Action::Begin(read))
            }
            Part::Waiting => Some(Action::Begin(read)),
            Part::Found(_) => Some(Action::Judge(read)),
            Part::Asking(_) => Some(Action::Board(read)),
            Part::Following(leader, _) => {
                let phase = state.reads[leader].flight.as_ref().map(|flight| flight.phase);
                matches!(phase, Some(Phase::Closed(_))).then_some(Action::Follow(read))
            }
            Part::Leading | Part::Done => None,
        };
        let of_flight = state.reads[read].flight.as_ref().and_then(|flight| match flight.phase {
            Phase::Aloft => Some(Action::Answer(read)),
            Phase::Answered(_) => Some(Action::Land(read)),
            Phase::Landed(_) => Some(Action::Insert(read)),
            Phase::Judged(_) => Some(Action::Close(read)),
            Phase::Closed(_) => None,
        });
        own.into_iter().chain(of_flight).collect()
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

    fn saw(&mut self, witness: Witness) {
        if !self.seen.contains(&witness) {
            self.seen.push(witness);
        }
    }
}

// === what reads do ===

impl Gateway {
    fn begin(&mut self, state: &mut State, read: usize) {
        let Read { question, is_refresh } = self.reads[read];
        let found = state.stored.iter().find(|entry| entry.view.question == question && !is_refresh).copied();
        let reading = &mut state.reads[read];
        reading.promised = state.promised[question.who];
        reading.shown = state.shown[question.who][question.list];
        reading.part = Part::Found(found);
        if found.is_none() {
            self.ask(state, read);
        }
    }

    fn judge(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Part::Found(found) = state.reads[read].part else { unreachable!() };
        let key = self.reads[read].question.key();
        if let Some(found) = found {
            let is_stored = state.stored.contains(&found);
            if !is_stored {
                self.saw(Witness::LeftBetweenLookupAndVerdict);
            }
            let verdict = state.machine.get().verdict(&key, &found.stamp);
            self.saw(verdict.map_or_else(Witness::Hidden, |()| Witness::Hit));
            if verdict.is_ok() {
                // A switch that began after this left the store did not know of it. The read began before the switch.
                if is_stored {
                    state.forbid(&self.writes, &found.view)?;
                }
                return self.end(state, read, &found.view);
            }
        }
        self.ask(state, read);
        Ok(())
    }

    /// Takes a ticket, and begins a flight at once if there is none to join.
    fn ask(&mut self, state: &mut State, read: usize) {
        let question = self.reads[read].question;
        state.reads[read].part = Part::Asking(state.machine.change(|machine| machine.begin_fetch(&question.key())));
        if !state.running.iter().any(|(of, _)| *of == question) {
            self.board(state, read);
        }
    }

    fn board(&mut self, state: &mut State, read: usize) {
        let Part::Asking(stamp) = state.reads[read].part else { unreachable!() };
        let Read { question, is_refresh } = self.reads[read];
        let running = state.running.iter().find(|(of, _)| *of == question).map(|(_, leader)| *leader);
        if let Some(leader) = running.filter(|_| !is_refresh) {
            let flight = state.reads[leader].flight.as_mut().expect("it runs");
            if stamp.may_share(&flight.stamp) {
                flight.aboard += 1;
                state.reads[read].part = Part::Following(leader, stamp);
                return;
            }
            self.saw(Witness::MayNotShare);
        }
        state.running.retain(|(of, _)| *of != question);
        state.running.push((question, read));
        state.running.sort_unstable();
        let order = self.next_order(state, question);
        state.reads[read].flight = Some(Flight { stamp, order, aboard: 1, phase: Phase::Aloft });
        state.reads[read].part = Part::Leading;
    }

    /// Returns a number greater than that of any fetch of the same that somebody could compare it with.
    fn next_order(&self, state: &State, question: Question) -> u8 {
        let stored = state.stored.iter().filter(|entry| entry.view.question == question).map(|entry| entry.order);
        let flying = state.reads.iter().zip(&self.reads).filter(|(_, read)| read.question == question);
        let flying = flying.filter_map(|(reading, _)| reading.flight.as_ref()).map(|flight| flight.order);
        stored.chain(flying).max().map_or(0, |order| order + 1)
    }

    fn answer(&mut self, state: &mut State, read: usize) {
        let view = state.upstream.read(self.reads[read].question);
        let flight = state.flight(read);
        flight.phase = Phase::Answered(Entry { view, stamp: flight.stamp, order: flight.order });
    }

    fn land(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Phase::Answered(entry) = state.flight(read).phase else { unreachable!() };
        let landed =
            state.machine.change(|machine| machine.land(&entry.view.question.key(), &entry.stamp, &entry.view.ids()));
        self.saw(landed.map_or_else(Witness::Refused, |()| Witness::Stored));
        let is_for_all = landed != Err(Refusal::Switched);
        state.flight(read).phase = match landed {
            Ok(()) => Phase::Landed(entry),
            Err(_) => Phase::Judged(Arrival { entry, is_for_all }),
        };
        if landed.is_ok() { state.forbid(&self.writes, &entry.view) } else { Ok(()) }
    }

    fn insert(&mut self, state: &mut State, read: usize) {
        let Phase::Landed(entry) = state.flight(read).phase else { unreachable!() };
        let question = entry.view.question;
        let present = state.stored.iter().position(|stored| stored.view.question == question);
        let is_newer = |stored: &Entry| {
            stored.order > entry.order && state.machine.get().verdict(&question.key(), &stored.stamp).is_ok()
        };
        if present.is_some_and(|place| is_newer(&state.stored[place])) {
            self.saw(Witness::LaterFetchIsStored);
            state.leaving.push(entry);
        } else {
            state.leaving.extend(present.map(|place| state.stored.swap_remove(place)));
            state.stored.push(entry);
            state.stored.sort_unstable_by_key(|stored| stored.view.question);
        }
        state.flight(read).phase = Phase::Judged(Arrival { entry, is_for_all: true });
    }

    fn close(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Phase::Judged(arrival) = state.flight(read).phase else { unreachable!() };
        // Any flight of the question, also one that began later: it may have been answered earlier.
        state.running.retain(|(question, _)| *question != arrival.entry.view.question);
        state.flight(read).phase = Phase::Closed(arrival);
        self.alight(state, read);
        self.end(state, read, &arrival.entry.view)
    }

    fn follow(&mut self, state: &mut State, read: usize) -> Result<(), String> {
        let Part::Following(leader, _) = state.reads[read].part else { unreachable!() };
        let Phase::Closed(arrival) = state.flight(leader).phase else { unreachable!() };
        let key = self.reads[read].question.key();
        let Entry { view, stamp, .. } = arrival.entry;
        let has_switched = state.machine.get().has_switched(&view.question.key(), &stamp, &view.ids());
        if arrival.is_for_all && has_switched {
            self.saw(Witness::SwitchedSinceJudged);
        }
        if arrival.is_for_all && !has_switched {
            self.saw(Witness::Shared);
            state.machine.change(|machine| machine.end_fetch(&key));
            self.alight(state, leader);
            return self.end(state, read, &view);
        }
        self.saw(Witness::Lost);
        self.ask(state, read);
        state.machine.change(|machine| machine.end_fetch(&key));
        self.alight(state, leader);
        Ok(())
    }

    /// One passenger leaves a flight. The last of them takes it down.
    fn alight(&self, state: &mut State, leader: usize) {
        let flight = state.flight(leader);
        flight.aboard -= 1;
        if flight.aboard == 0 {
            state.reads[leader].flight = None;
            state.machine.change(|machine| machine.end_fetch(&self.reads[leader].question.key()));
        }
    }

    /// A read ends with what it was given. This is what it is all about.
    fn end(&self, state: &mut State, read: usize, view: &View) -> Result<(), String> {
        let reading = &mut state.reads[read];
        let question = self.reads[read].question;
        reading.part = Part::Done;
        if view.question != question {
            return Err(format!("read {read} was given what belongs to another: {view:?}"));
        }
        if view.is_older(&reading.promised) {
            return Err(format!("read {read} is older than a write: {view:?} but {:?}", reading.promised));
        }
        if view.is_older(&reading.shown) && !self.changes_elsewhere() {
            return Err(format!("read {read} goes back: {view:?} but {:?}", reading.shown));
        }
        (reading.promised, reading.shown) = Default::default();
        state.shown[question.who][question.list].raise(&view.versions());
        Ok(())
    }

    /// Returns whether the upstream is changed past the gateway: then what is shown may go back when it is evicted.
    fn changes_elsewhere(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Move { .. } | Event::Change(_)))
    }
}

// === what the store does ===

impl Gateway {
    fn evict(&mut self, state: &mut State, question: Question) {
        let place = state.stored.iter().position(|stored| stored.view.question == question);
        let left = state.stored.remove(place.expect("it was stored"));
        state.leaving.push(left);
        state.evictions -= 1;
    }
}

fn unregister(state: &mut State, place: usize) {
    let left = state.leaving.remove(place);
    state.machine.change(|machine| machine.remove(&left.view.question.key(), &left.view.ids()));
}

// === what writes do ===

impl Gateway {
    fn begin_write(&mut self, state: &mut State, write: usize) {
        let claim = state.machine.change(|machine| machine.begin(&self.writes[write].groups));
        if let Groups::Operator(_) = self.writes[write].groups {
            self.saw(if claim.is_precise() { Witness::PreciseSwitch } else { Witness::UnknownOperator });
        }
        state.writes[write] = Writing::InFlight(ByText::new(claim), None);
    }

    fn apply(&mut self, state: &mut State, write: usize) {
        let changed = state.upstream.change(self.writes[write].changes);
        match &mut state.writes[write] {
            Writing::InFlight(_, produced) | Writing::InDoubt(_, produced) => *produced = Some(changed),
            Writing::Waiting | Writing::Over => unreachable!(),
        }
    }

    fn finish(&mut self, state: &mut State, write: usize) {
        let Writing::InFlight(claim, produced) = std::mem::replace(&mut state.writes[write], Writing::Over) else {
            unreachable!()
        };
        state.machine.change(|machine| machine.finish(claim.get()));
        state.promise(produced);
    }

    fn doubt(&mut self, state: &mut State, write: usize) {
        let Writing::InFlight(claim, produced) = std::mem::replace(&mut state.writes[write], Writing::Over) else {
            unreachable!()
        };
        state.machine.change(|machine| machine.doubt(claim.get()));
        state.promise(produced);
        state.writes[write] = Writing::InDoubt(claim, produced);
    }

    fn settle(&mut self, state: &mut State, write: usize) {
        let Writing::InDoubt(claim, produced) = std::mem::replace(&mut state.writes[write], Writing::Over) else {
            unreachable!()
        };
        self.saw(if produced.is_some() { Witness::AppliedInDoubt } else { Witness::NeverApplied });
        state.machine.change(|machine| machine.settle(claim.get()));
        state.promise(produced);
    }

    fn happen(&mut self, state: &mut State, event: usize) {
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

// === what must be true of every state ===

impl State {
    fn flight(&mut self, leader: usize) -> &mut Flight {
        self.reads[leader].flight.as_mut().expect("somebody is aboard")
    }

    /// From now on no read may be older.
    fn promise(&mut self, produced: Option<Versions>) {
        let produced = produced.unwrap_or_default();
        self.promised.iter_mut().for_each(|promised| promised.raise(&produced));
    }

    /// Returns what is registered, wherever it lies.
    fn registered(&self) -> impl Iterator<Item = &Entry> {
        let landed = self.reads.iter().filter_map(|reading| match reading.flight.as_ref()?.phase {
            Phase::Landed(ref entry) => Some(entry),
            _ => None,
        });
        self.stored.iter().chain(&self.leaving).chain(landed)
    }

    /// A read that began now would be given nothing from the store that is older than what it may rely on.
    fn look_at_the_store(&self) -> Result<(), String> {
        let is_usable = |entry: &&Entry| self.machine.get().verdict(&entry.view.question.key(), &entry.stamp).is_ok();
        let is_older = |entry: &&Entry| entry.view.is_older(&self.promised[entry.view.question.who]);
        let wrong = self.stored.iter().filter(is_usable).find(is_older);
        wrong.map_or(Ok(()), |entry| Err(format!("stored, usable, and older than a write: {:?}", entry.view)))
    }

    /// Nothing that a write may change is stored or used while that is in flight or in doubt.
    fn forbid(&self, writes: &[Write], view: &View) -> Result<(), String> {
        let changes = |write: &Write| match write.changes {
            Thing::List(list) => view.question.list == list,
            Thing::Operator(operator) => view.shows(operator),
        };
        let mut under_way = self.writes.iter().zip(writes).filter(|(writing, _)| writing.is_under_way());
        match under_way.find(|(_, write)| changes(write)) {
            Some((_, write)) => Err(format!("{view:?} is good, though this is under way: {write:?}")),
            None => Ok(()),
        }
    }

    /// A status write that began now would move the lists that hold the operator, or all if there is none.
    fn compare_index(&self) -> Result<(), String> {
        let known = (0..OPERATORS).filter(|operator| self.registered().any(|entry| entry.view.shows(*operator)));
        let (known, held) = (known.count(), self.machine.get().operators());
        if known != held {
            return Err(format!("{held} operators are in the index, {known} in what is registered"));
        }
        for switched in 0..OPERATORS {
            let holds =
                |list| self.registered().any(|entry| entry.view.question.list == list && entry.view.shows(switched));
            let is_known = (0..DIRECTORY).any(holds);
            for list in 0..DIRECTORY {
                if self.would_move(switched, list) != (holds(list) || !is_known) {
                    return Err(format!("a switch of operator {switched} moves list {list} wrongly"));
                }
            }
        }
        Ok(())
    }

    fn would_move(&self, switched: usize, list: usize) -> bool {
        let mut machine = self.machine.get().clone();
        let key = Question { who: 0, list }.key();
        let before = machine.begin_fetch(&key);
        let _claim = machine.begin(&Groups::Operator(operator(switched)));
        !machine.begin_fetch(&key).may_share(&before)
    }
}

impl Gateway {
    /// The machine has a record for each group of what runs and of what is registered, and, while no write is under
    /// way, for nothing else.
    fn compare_size(&self, state: &State) -> Result<(), String> {
        let needed = self.groups_held(state).len();
        let kept = state.machine.get().groups();
        if kept < needed || (kept > needed && !state.is_writing()) {
            return Err(format!("{kept} groups have a record, {needed} need one"));
        }
        Ok(())
    }

    /// Returns the groups, by some name, of what runs and of what is registered.
    fn groups_held(&self, state: &State) -> BTreeSet<(&'static str, usize)> {
        let runs = |reading: &Reading| {
            reading.flight.is_some() || matches!(reading.part, Part::Asking(_) | Part::Following(..))
        };
        let running = state.reads.iter().zip(&self.reads).filter(|(reading, _)| runs(reading));
        let registered = state.registered().map(|entry| entry.view.question);
        let questions = running.map(|(_, read)| read.question).chain(registered);
        questions.flat_map(Question::groups).collect()
    }

    /// When nothing is under way, nothing is left once the store is empty, and all can be stored again.
    fn see_the_end(&self, state: &State) -> Result<(), String> {
        let is_over =
            |reading: &Reading| matches!(reading.part, Part::Waiting | Part::Done) && reading.flight.is_none();
        if state.is_writing() || !state.reads.iter().all(is_over) {
            return Ok(());
        }
        let mut state = state.clone();
        while let Some(stored) = state.stored.pop() {
            state.leaving.push(stored);
        }
        while !state.leaving.is_empty() {
            unregister(&mut state, 0);
        }
        let mut machine = state.machine.get().clone();
        if (machine.groups(), machine.operators()) != (0, 0) {
            return Err(format!("something is kept for nobody: {machine:?}"));
        }
        for list in 0..LISTS {
            let view = state.upstream.read(Question { who: 0, list });
            let stamp = machine.begin_fetch(&view.question.key());
            let landed = machine.land(&view.question.key(), &stamp, &view.ids());
            landed.map_err(|why| format!("list {list} can not be stored any more: {why:?}"))?;
        }
        Ok(())
    }
}

impl State {
    fn is_writing(&self) -> bool {
        self.writes.iter().any(Writing::is_under_way)
    }
}
