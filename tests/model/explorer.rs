//! Visits every state that a model can reach, nearest first, so that the first fault it meets has the shortest trace.
//!
//! An explorer of our own, because the ready-made ones bring a web server along. What a newcomer would get wrong: a
//! state is known again by a 128-bit fingerprint of *all* of it. A field that is left out of the hash merges states that
//! differ, and what lies behind the second of them is never seen.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something that moves in steps.
pub(crate) trait Model {
    type State: Clone + Hash;
    type Action: Copy + Debug;

    fn initial(&self) -> Self::State;

    /// Returns all that may happen next.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// Lets it happen. An error says which property is broken.
    fn step(&mut self, state: &mut Self::State, action: Self::Action) -> Result<(), String>;

    /// Looks at a state that was not seen before. An error says which property is broken.
    fn check(&self, state: &Self::State) -> Result<(), String>;
}

/// What an exploration found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The property that is broken, and the shortest way there.
    pub(crate) fault: Option<String>,
}

/// Visits all states, until one breaks a property.
pub(crate) fn explore<M: Model>(model: &mut M) -> Explored {
    let mut tree: Vec<(usize, Option<M::Action>)> = vec![(0, None)];
    let mut known = HashSet::from([fingerprint(&model.initial())]);
    let mut waiting = VecDeque::from([(0, model.initial())]);
    let mut steps = 0;
    while let Some((place, state)) = waiting.pop_front() {
        for action in model.actions(&state) {
            steps += 1;
            let mut next = state.clone();
            let mut is_new = false;
            let result = catch_unwind(AssertUnwindSafe(|| {
                model.step(&mut next, action)?;
                is_new = known.insert(fingerprint(&next));
                if is_new { model.check(&next) } else { Ok(()) }
            }));
            if let Err(why) = result.unwrap_or_else(|_| Err("the machine panicked".into())) {
                let fault = Some(format!("{why}\n{}", trace(&tree, place, action)));
                return Explored { states: known.len(), steps, fault };
            }
            if is_new {
                tree.push((place, Some(action)));
                waiting.push_back((tree.len() - 1, next));
            }
        }
    }
    Explored { states: known.len(), steps, fault: None }
}

/// Tells the way from the first state to `place`, and the step that followed.
fn trace<A: Debug + Copy>(tree: &[(usize, Option<A>)], mut place: usize, last: A) -> String {
    let mut actions = vec![last];
    while let (before, Some(action)) = tree[place] {
        actions.push(action);
        place = before;
    }
    let lines = actions.iter().rev().enumerate().map(|(number, action)| format!("{:3}. {action:?}", number + 1));
    lines.collect::<Vec<_>>().join("\n")
}

fn fingerprint(state: &impl Hash) -> u128 {
    let mut hasher = Fingerprint(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    state.hash(&mut hasher);
    hasher.0
}

/// FNV-1a of 128 bits, over words instead of bytes where there are words: fast without optimization.
struct Fingerprint(u128);

impl Fingerprint {
    fn add(&mut self, word: u64) {
        const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
        self.0 = (self.0 ^ u128::from(word)).wrapping_mul(PRIME);
        // A word may fill what FNV keeps for a byte: stir the upper half into the lower.
        self.0 ^= self.0 >> 61;
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        self.add(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.add(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0 as u64
    }
}

/// Something without a hash of its own, known by its text. That is dear, so it is told only after a change.
#[derive(Clone, Debug)]
pub(crate) struct ByText<T> {
    value: T,
    known_by: u128,
}

impl<T: Debug> ByText<T> {
    pub(crate) fn new(value: T) -> Self {
        let mut new = Self { value, known_by: 0 };
        new.change(|_| ());
        new
    }

    pub(crate) fn get(&self) -> &T {
        &self.value
    }

    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value);
        self.known_by = fingerprint(&format!("{:?}", self.value));
        result
    }
}

impl<T> Hash for ByText<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.known_by.hash(state);
    }
}
