//! The fence as a state machine: no clock, no lock, no I/O (DESIGN 4).
//!
//! # The rules
//!
//! Time is counted in *moves*. A write moves its groups when it begins, when it ends and, if its outcome is in doubt,
//! once more when the quarantine is over; a group remembers the number of its last move.
//!
//! 1. A fetch takes a [`Stamp`] before its first await: the number of moves so far, and the last move of its groups.
//! 2. What was fetched may be stored, and what is stored may be used, only while none of its groups has moved since its
//!    stamp was taken and no write of theirs is in flight or in doubt ([`Machine::verdict`]).
//! 3. A request may share a fetch that runs if that was stamped at or after the last move of the request's own groups
//!    ([`Stamp::may_share`]).
//! 4. A write begins before its first byte goes out ([`Machine::begin`]), and ends before its answer is released
//!    ([`Machine::finish`], [`Machine::doubt`]).
//! 5. A status write names an operator and no organization. It touches the organizations of all *registered* responses
//!    that hold the operator, or every operator list if there is none. A response is registered in the same step in
//!    which it is judged ([`Machine::land`]), and that step refuses it if one of its operators has been switched since
//!    its stamp, or is being switched now, by a write that did not touch it ([`Operators`]). Who shares an answer asks the
//!    same once more when it is there ([`Machine::has_switched`]), for it may have been evicted since.
//!
//! # Why it is right
//!
//! Let a write's answer leave the gateway and a read begin after that. The write's last move before its answer has
//! number *n*. What the read is given was fetched under some stamp *s*, and *s* ≥ *n* in each of three ways: found in
//! the store, by rule 2; shared, by rule 3, since the read's own stamp knows of move *n*; fetched for itself, since its
//! stamp is taken now. A stamp at or after move *n* was taken after that move, and the upstream had applied the write
//! before it. So the fetch began after the write was applied. This holds if the write moved a group of the fetch, which
//! for a status write is rule 5: either the response was registered before the write began, and then its organization
//! is among those moved; or it was judged after, and then the judgement saw the switch, or every list was moved; or it
//! was evicted in between, and then only those who share its flight can have it, and they ask once more.
//!
//! A write in doubt may be applied at any time until the quarantine is over. Whatever is fetched meanwhile is not
//! stored (rule 2), and the last move hides what was fetched before it.
//!
//! # Why it is small
//!
//! A group's record is kept while somebody *holds* it: a fetch that runs, a registered response, or a write. When none
//! of these is left, no stamp is left that could be compared with it, but for one: a stored response may be evicted
//! between being found and being judged. So a group without a record counts as moved, and a new record begins with the
//! last move of all. So there are no more records than fetches, stored responses and the groups that writes hold by name,
//! whatever ids clients make up, and the last are bounded ([`MOST_CLAIMED`]); and there are no more operators in the index
//! than in the stored responses, whose weight counts them.

use super::operators::{Operators, Switch};
use super::parts::{MOST_CLAIMED, Table};
use crate::chathub::Groups;
use crate::chathub::credential::Digest;
use crate::chathub::id::{OperatorId, OrganizationId};
use crate::chathub::request::List;
use crate::store::key::CacheKey;

/// What a fetch knew before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The number of moves until then.
    taken: u64,
    /// The last move of its groups until then.
    moved: u64,
}

impl Stamp {
    /// Returns whether a request with this stamp may have what is fetched under the stamp `running` for the same key.
    #[must_use]
    pub const fn may_share(&self, running: &Self) -> bool {
        running.taken >= self.moved
    }
}

/// Why something fetched may not be stored or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The store has no room for anything. (The store says this, not the fence.)
    NoCapacity,
    /// A write is in flight.
    WriteInFlight,
    /// A write has ended in doubt, and the upstream may still apply it.
    Quarantined,
    /// A write has begun or ended since the fetch began, or another fetch that began later is stored already.
    Overtaken,
    /// One of its operators was switched since the fetch began, and was known from other organizations only. Requests
    /// that joined it after that must not have it: nobody could know that it would hold the operator.
    Switched,
}

/// What moves together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Group {
    EveryList,
    EveryOperatorList,
    Organization(OrganizationId),
    Credential(Digest),
}

/// What is known of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Record {
    /// The number of its last move.
    moved: u64,
    /// Writes in flight.
    writes: u32,
    /// Writes in doubt.
    doubts: u32,
    /// Fetches that run and responses that are registered.
    holders: u32,
}

impl Record {
    const fn is_idle(&self) -> bool {
        self.writes == 0 && self.doubts == 0 && self.holders == 0
    }
}

/// The groups of a write that has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    groups: Vec<Group>,
    switch: Option<Switch>,
}

impl Claim {
    /// Returns whether nothing that is stored can be touched by the write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns whether the write touches the lists of some organizations only.
    #[must_use]
    pub fn is_precise(&self) -> bool {
        self.groups.iter().all(|group| matches!(group, Group::Organization(_)))
    }
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    moves: u64,
    groups: Table<Group, Record>,
    /// How many groups are held by writes.
    claimed: usize,
    operators: Operators,
}

// === what reads do ===

impl Machine {
    /// Begins a fetch. [`end_fetch`](Self::end_fetch) must follow.
    pub fn begin_fetch(&mut self, key: &CacheKey) -> Stamp {
        let mut moved = 0;
        for group in groups_of(key) {
            let record = self.record(group);
            record.holders += 1;
            moved = moved.max(record.moved);
        }
        Stamp { taken: self.moves, moved }
    }

    /// Ends a fetch, whatever became of it.
    pub fn end_fetch(&mut self, key: &CacheKey) {
        self.release(key);
    }

    /// Returns whether what was fetched under `stamp` may be used now.
    ///
    /// A stored response may have left the store since it was found there, and with it the last who remembered a move.
    /// So what has no record, or one that began later, counts as moved.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub fn verdict(&self, key: &CacheKey, stamp: &Stamp) -> Result<(), Refusal> {
        for group in groups_of(key) {
            let record = self.groups.get(&group).ok_or(Refusal::Overtaken)?;
            if record.writes > 0 {
                return Err(Refusal::WriteInFlight);
            }
            if record.doubts > 0 {
                return Err(Refusal::Quarantined);
            }
            if record.moved > stamp.taken {
                return Err(Refusal::Overtaken);
            }
        }
        Ok(())
    }

    /// Returns whether an operator of what was fetched under `stamp` was switched since, or is being switched, by a write
    /// that did not move the list. Whoever has joined the fetch asks this when it has ended: since it was judged, what it
    /// brought may have left the store, and the index with it, so that a switch passed it over.
    #[must_use]
    pub fn has_switched(&self, key: &CacheKey, stamp: &Stamp, operators: &[OperatorId]) -> bool {
        let organization = key.list.organization();
        organization.is_some_and(|id| self.operators.has_switched(stamp.taken, id, operators))
    }

    /// Judges what a running fetch brought, and registers it if it may be stored. [`remove`](Self::remove) must follow
    /// when it leaves the store. `operators` are those it holds, in order, each once.
    ///
    /// # Errors
    ///
    /// Why it may not be stored; it is not registered then.
    pub fn land(&mut self, key: &CacheKey, stamp: &Stamp, operators: &[OperatorId]) -> Result<(), Refusal> {
        // The operators first: if that is a reason too, it is the stronger one.
        if self.has_switched(key, stamp, operators) {
            return Err(Refusal::Switched);
        }
        self.verdict(key, stamp)?;
        for group in groups_of(key) {
            self.record(group).holders += 1;
        }
        if let Some(organization) = key.list.organization() {
            self.operators.add(organization, operators);
        }
        Ok(())
    }

    /// Forgets a registered response that has left the store.
    pub fn remove(&mut self, key: &CacheKey, operators: &[OperatorId]) {
        if let Some(organization) = key.list.organization() {
            self.operators.remove(organization, operators);
        }
        self.release(key);
    }

    fn release(&mut self, key: &CacheKey) {
        for group in groups_of(key) {
            self.change(group, |record| record.holders -= 1);
        }
    }
}

// === what writes do ===

impl Machine {
    /// Begins a write: nothing fetched so far may be used for `groups` any more.
    pub fn begin(&mut self, groups: &Groups) -> Claim {
        let claim = self.claim(groups);
        self.claimed += claim.groups.len();
        self.move_all(&claim, |record| record.writes += 1);
        if let Some(switch) = &claim.switch {
            self.operators.begin_switch(switch);
        }
        claim
    }

    /// Ends a write whose outcome is certain.
    pub fn finish(&mut self, claim: &Claim) {
        self.move_all(claim, |record| record.writes -= 1);
        self.end_claim(claim);
    }

    /// Ends a write that the upstream may still apply. [`settle`](Self::settle) must follow.
    pub fn doubt(&mut self, claim: &Claim) {
        self.move_all(claim, |record| {
            record.writes -= 1;
            record.doubts += 1;
        });
    }

    /// Ends the doubt: whatever the upstream would do about the write, it has done.
    pub fn settle(&mut self, claim: &Claim) {
        self.move_all(claim, |record| record.doubts -= 1);
        self.end_claim(claim);
    }

    /// Hides what was fetched so far for `groups`, as a write would that takes no time.
    pub fn purge(&mut self, groups: &Groups) {
        let claim = self.claim(groups);
        self.move_all(&claim, |_| {});
        self.end_switch(&claim);
    }

    /// Hides what was fetched so far with the credentials that `is_meant` picks. Returns how many there were.
    pub fn forget(&mut self, is_meant: impl Fn(Digest) -> bool) -> usize {
        let meant = |group: &Group| matches!(group, Group::Credential(digest) if is_meant(*digest));
        let groups: Vec<_> = self.groups.keys().copied().filter(meant).collect();
        self.move_all(&Claim { groups: groups.clone(), switch: None }, |_| {});
        groups.len()
    }

    /// Hides what was fetched so far with one credential.
    pub fn forget_one(&mut self, credential: Digest) {
        // Who has nothing stored and nothing on its way leaves no trace.
        let group = Group::Credential(credential);
        if self.groups.contains_key(&group) {
            self.move_all(&Claim { groups: vec![group], switch: None }, |_| {});
        }
    }

    fn claim(&self, groups: &Groups) -> Claim {
        let claim = match groups {
            Groups::None => Claim::default(),
            Groups::Organizations(ids) => Claim::of(ids.iter().map(|id| Group::Organization(*id))),
            Groups::OperatorLists => Claim::of([Group::EveryOperatorList]),
            Groups::All => Claim::of([Group::EveryList]),
            Groups::Operator(operator) => self.operators.switch_of(*operator).map_or_else(
                || Claim::of([Group::EveryOperatorList]),
                |switch| Claim {
                    groups: switch.organizations().iter().copied().map(Group::Organization).collect(),
                    switch: Some(switch),
                },
            ),
        };
        match claim.is_precise() && self.claimed + claim.groups.len() > MOST_CLAIMED {
            true => Claim::of([Group::EveryOperatorList]),
            false => claim,
        }
    }

    fn end_claim(&mut self, claim: &Claim) {
        self.claimed -= claim.groups.len();
        self.end_switch(claim);
    }

    fn end_switch(&mut self, claim: &Claim) {
        if let Some(switch) = &claim.switch {
            self.operators.end_switch(switch, self.moves);
        }
    }

    /// Moves the groups of a claim together.
    fn move_all(&mut self, claim: &Claim, change: impl Fn(&mut Record)) {
        if claim.is_empty() {
            return;
        }
        self.moves += 1;
        let number = self.moves;
        for group in &claim.groups {
            self.change(*group, |record| {
                record.moved = number;
                change(record);
            });
        }
    }

    /// Returns a record, which comes when it is first asked for. Nobody remembers when its group moved before: it might
    /// have been just now.
    fn record(&mut self, group: Group) -> &mut Record {
        let moved = self.moves;
        self.groups.entry(group).or_insert(Record { moved, ..Record::default() })
    }

    /// Changes a record, which goes when it is idle.
    fn change(&mut self, group: Group, change: impl FnOnce(&mut Record)) {
        let record = self.record(group);
        change(record);
        if record.is_idle() {
            self.groups.remove(&group);
        }
    }
}

// === how large it is ===

impl Machine {
    /// Returns the number of moves so far. As long as it stays the same, so does every verdict that was good.
    #[must_use]
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// Returns how many groups have a record.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Returns how many operators the index holds.
    #[must_use]
    pub fn operators(&self) -> usize {
        self.operators.len()
    }
}

impl Claim {
    fn of(groups: impl IntoIterator<Item = Group>) -> Self {
        Self { groups: groups.into_iter().collect(), switch: None }
    }
}

/// Returns the groups that a list belongs to.
fn groups_of(key: &CacheKey) -> impl Iterator<Item = Group> + use<> {
    let of_operators = match key.list {
        List::Operators(organization) => [Some(Group::EveryOperatorList), Some(Group::Organization(organization))],
        List::Organizations => [None, None],
    };
    [Group::EveryList, Group::Credential(key.credential)].into_iter().chain(of_operators.into_iter().flatten())
}
