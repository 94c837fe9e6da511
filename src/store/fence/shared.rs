//! The [`Machine`] behind a lock, and a way past the lock for hits.
//!
//! All that is to be known about *why* a read is never older than a write stands at the machine. Here is only what makes
//! it safe to use by many threads at once:
//!
//! * Every change is one step under one lock, which nobody holds across an await or while he holds another's lock.
//! * A hit takes no lock. A verdict that was good stays good until the next move, so a stored response remembers the
//!   number of moves at which it was last found good ([`Seen`]), and the machine's number is mirrored in an atomic that
//!   is written before the lock is released. If the two are equal, nothing has moved in between. The response's number
//!   tells a fact that no later event can undo, so it needs no ordering with anything.
//!
//! What a newcomer would get wrong: a move must be visible *before* the write's first byte goes out and before its answer
//! is released. Both follow from the lock: the mirror is written within the call that moves.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::machine::{Claim, Machine, Refusal, Stamp};
use super::parts::{AtomicU64, Mutex};
use crate::chathub::Groups;
use crate::chathub::credential::Digest;
use crate::chathub::id::OperatorId;
use crate::store::key::CacheKey;

/// The fence. One per process.
#[derive(Debug)]
pub struct Fence {
    machine: Mutex<Machine>,
    /// The machine's number of moves.
    moves: AtomicU64,
}

/// The number of moves at which a stored response was last found good.
#[derive(Debug)]
pub struct Seen(AtomicU64);

impl Seen {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Fence {
    /// Creates a fence with no writes behind it.
    #[must_use]
    pub fn new() -> Self {
        Self { machine: Mutex::new(Machine::default()), moves: AtomicU64::new(0) }
    }

    /// Begins a fetch. Call it before the fetch's first await.
    #[must_use]
    pub fn begin_fetch(self: &Arc<Self>, key: CacheKey) -> Held {
        let stamp = self.change(|machine| machine.begin_fetch(&key));
        Held { fence: Arc::clone(self), key, stamp }
    }

    /// Returns whether a response that was found in the store may be used.
    #[must_use]
    pub fn is_usable(&self, key: &CacheKey, stamp: &Stamp, seen: &Seen) -> bool {
        seen.0.load(Relaxed) == self.moves.load(Acquire) || self.look(key, stamp, seen)
    }

    /// The way of the first use after a move.
    fn look(&self, key: &CacheKey, stamp: &Stamp, seen: &Seen) -> bool {
        self.change(|machine| {
            let is_good = machine.verdict(key, stamp).is_ok();
            if is_good {
                seen.0.store(machine.moves(), Relaxed);
            }
            is_good
        })
    }

    /// Judges what a fetch brought and registers it; see [`Machine::land`].
    ///
    /// # Errors
    ///
    /// Why it may not be stored.
    pub fn land(&self, key: &CacheKey, stamp: &Stamp, operators: &[OperatorId]) -> Result<(), Refusal> {
        self.change(|machine| machine.land(key, stamp, operators))
    }

    /// Returns whether what a fetch brought may not be shared any more; see [`Machine::has_switched`].
    #[must_use]
    pub fn has_switched(&self, key: &CacheKey, stamp: &Stamp, operators: &[OperatorId]) -> bool {
        self.change(|machine| machine.has_switched(key, stamp, operators))
    }

    /// Forgets a registered response that has left the store.
    pub fn remove(&self, key: &CacheKey, operators: &[OperatorId]) {
        self.change(|machine| machine.remove(key, operators));
    }

    /// Begins a write: nothing fetched so far may be used for `groups` any more. Call it before the write's first byte
    /// goes upstream.
    #[must_use]
    pub fn begin_write(self: &Arc<Self>, groups: &Groups) -> Write {
        let claim = self.change(|machine| machine.begin(groups));
        Write { fence: Arc::clone(self), claim, is_in_doubt: false }
    }

    /// Hides what was fetched so far for `groups`.
    pub fn purge(&self, groups: &Groups) {
        self.change(|machine| machine.purge(groups));
    }

    /// Hides what was fetched so far with one credential.
    pub fn forget(&self, credential: Digest) {
        self.change(|machine| machine.forget_one(credential));
    }

    /// Hides what was fetched so far with the credentials that `is_meant` picks. Returns how many there were.
    pub fn forget_all(&self, is_meant: impl Fn(Digest) -> bool) -> usize {
        self.change(|machine| machine.forget(is_meant))
    }

    /// Returns how many groups have a record, and how many operators the index holds.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.change(|machine| (machine.groups(), machine.operators()))
    }

    /// Takes one step.
    fn change<T>(&self, step: impl FnOnce(&mut Machine) -> T) -> T {
        // A panic within a step would be a fault of the machine's arithmetic; the next step is no worse for it.
        let mut machine = self.machine.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let result = step(&mut machine);
        if self.moves.load(Relaxed) != machine.moves() {
            self.moves.store(machine.moves(), Release);
        }
        result
    }
}

impl Default for Fence {
    fn default() -> Self {
        Self::new()
    }
}

/// A running fetch. While it lives, its groups remember their moves.
#[derive(Debug)]
pub struct Held {
    fence: Arc<Fence>,
    /// What is fetched.
    pub key: CacheKey,
    /// What was known before the fetch began.
    pub stamp: Stamp,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.fence.change(|machine| machine.end_fetch(&self.key));
    }
}

/// A write. While it lives, nothing of its groups is stored or answered from memory. Its end hides what was fetched
/// meanwhile; let it end before the write's answer is released, or be [in doubt](Self::doubt) by then.
#[derive(Debug)]
pub struct Write {
    fence: Arc<Fence>,
    claim: Claim,
    is_in_doubt: bool,
}

impl Write {
    /// Returns what the write touches.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The answer is about to be released, or there is none, and the upstream may still apply the write: hides what was
    /// fetched since it began, and leaves its groups quarantined until this is dropped.
    pub fn doubt(&mut self) {
        if !self.is_in_doubt {
            self.is_in_doubt = true;
            self.fence.change(|machine| machine.doubt(&self.claim));
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.fence.change(|machine| match self.is_in_doubt {
            true => machine.settle(&self.claim),
            false => machine.finish(&self.claim),
        });
    }
}
