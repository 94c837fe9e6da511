//! How far everything has come.
//!
//! What a newcomer would get wrong: all that a later step or property asks for stands here, and nothing that only tells
//! of the past. What is missing merges states with different futures, and the explorer never sees the second of them; what
//! is too much parts states with the same future, and they are explored twice. So what was seen stands in [`Gateway`], and
//! a read that has ended forgets what it was promised.

use super::Gateway;
use crate::explorer::ByText;
use crate::fence::{Claim, Machine, Stamp};
use crate::upstream::{LISTS, Question, Upstream, Versions, View};

#[derive(Debug, Clone, Hash)]
pub(crate) struct State {
    pub(super) machine: ByText<Machine>,
    pub(super) upstream: Upstream,
    pub(super) reads: Vec<Reading>,
    pub(super) writes: Vec<Writing>,
    pub(super) happened: Vec<bool>,
    pub(super) evictions: u8,
    /// What is stored, by question.
    pub(super) stored: Vec<Entry>,
    /// What has left the store, but is still registered.
    pub(super) leaving: Vec<Entry>,
    /// Whose flights may be boarded.
    pub(super) running: Vec<(Question, usize)>,
    /// What reads that begin now may rely on, for each credential.
    pub(super) promised: [Versions; 2],
    /// What reads that have ended were shown, for each credential and list.
    pub(super) shown: [[Versions; LISTS]; 2],
}

impl State {
    /// Nothing has happened yet.
    pub(super) fn new(world: &Gateway) -> Self {
        Self {
            machine: ByText::new(Machine::default()),
            upstream: Upstream::new(),
            reads: vec![Reading::waiting(); world.reads.len()],
            writes: vec![Writing::Waiting; world.writes.len()],
            happened: vec![false; world.events.len()],
            evictions: world.evictions,
            stored: Vec::new(),
            leaving: Vec::new(),
            running: Vec::new(),
            promised: Default::default(),
            shown: Default::default(),
        }
    }

    pub(super) fn flight(&mut self, leader: usize) -> &mut Flight {
        self.reads[leader].flight.as_mut().expect("somebody is aboard")
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writes.iter().any(Writing::is_under_way)
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) view: View,
    pub(super) stamp: Stamp,
    pub(super) order: u8,
}

// === a read ===

/// How far a read has come.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Reading {
    /// What it may rely on: promised by writes, and shown to its credential, before it began.
    pub(super) promised: Versions,
    pub(super) shown: Versions,
    pub(super) part: Part,
    /// The flight that it leads, for as long as anybody is aboard.
    pub(super) flight: Option<Flight>,
}

impl Reading {
    fn waiting() -> Self {
        Self { promised: Versions::default(), shown: Versions::default(), part: Part::Waiting, flight: None }
    }
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Part {
    Waiting,
    Found(Entry),
    Asking(Stamp),
    Leading,
    Following(usize, Rivals),
    Done,
}

// === a flight ===

#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Flight {
    pub(super) stamp: Stamp,
    pub(super) order: u8,
    pub(super) aboard: u8,
    pub(super) phase: Phase,
    pub(super) rivals: Rivals,
}

/// What other fetches of the same have brought while a flight was in the air, as far as who boards it must know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Rivals {
    #[default]
    Nothing,
    This(View),
    Anything,
}

impl Rivals {
    pub(super) fn note(&mut self, brought: Option<View>) {
        *self = match (*self, brought) {
            (Self::Nothing, Some(view)) => Self::This(view),
            (Self::This(known), Some(view)) if known == view => return,
            _ => Self::Anything,
        };
    }

    pub(super) fn allow(&self, view: &View) -> bool {
        match self {
            Self::Nothing => true,
            Self::This(known) => known == view,
            Self::Anything => false,
        }
    }
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Phase {
    Aloft,
    Answered(Entry),
    Landed(Entry),
    Judged(Entry),
    Closed(Entry),
}

// === a write ===

/// How far a write has come, and what it has produced.
#[derive(Debug, Clone, Hash)]
pub(super) enum Writing {
    Waiting,
    InFlight(ByText<Claim>, Option<Versions>),
    InDoubt(ByText<Claim>, Option<Versions>),
    Over,
}

impl Writing {
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self, Self::InFlight(..) | Self::InDoubt(..))
    }
}
