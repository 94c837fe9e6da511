//! The lanes of all credentials, bounded in number.
//!
//! A table of keys that evicts gives an evicted key a fresh burst: an attacker with many tokens gets unlimited ones.
//! So a lane leaves only when it is idle, when forgetting it changes nothing; and while a class has as many busy lanes as
//! it may, new keys share one lane between them, the crowd. Who leaves the crowd for a lane of its own takes along what
//! the crowd has used. Idle lanes are found by a hand that goes round, a few lanes with each
//! newcomer and all of them each second: no request pays for a search through the whole table.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use std::time::Duration;

use slab::Slab;

use super::Class;
use super::lane::Lane;
use super::quota::{Quota, Special};
use crate::chathub::credential::Digest;

/// How many lanes are looked at for each that is added: more than one, so that the table shrinks while it is used.
const LOOKS: usize = 4;
/// A table that holds so many lanes is worth no shrinking.
const SMALL: usize = 1024;

/// Names a lane while somebody waits in it.
pub(super) type LaneId = usize;

/// The lanes.
#[derive(Debug)]
pub(super) struct Table<W> {
    lanes: Slab<Lane<W>>,
    by_owner: [HashMap<Digest, LaneId, RandomState>; Class::ALL.len()],
    crowd: [LaneId; Class::ALL.len()],
    /// Lanes that the upstream has refused of late.
    troubled: BTreeSet<LaneId>,
    max_lanes: usize,
    hand: usize,
}

/// What looking for a lane came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The credential's own.
    Own(LaneId),
    /// The credential's own, which was just made.
    New(LaneId),
    /// One that is shared, since there are as many lanes as there may be.
    Crowd(LaneId),
}

impl Place {
    pub(super) const fn id(self) -> LaneId {
        match self {
            Self::Own(id) | Self::New(id) | Self::Crowd(id) => id,
        }
    }
}

impl<W> Table<W> {
    /// Creates a table of at most so many lanes a class, and a shared one beside them.
    pub(super) fn new(max_lanes: usize) -> Self {
        let mut lanes = Slab::new();
        let crowd = std::array::from_fn(|class| lanes.insert(Lane::new(Class::ALL[class], None, None)));
        let by_owner = std::array::from_fn(|_| HashMap::default());
        Self { lanes, by_owner, crowd, troubled: BTreeSet::new(), max_lanes, hand: 0 }
    }

    pub(super) fn lane(&self, id: LaneId) -> &Lane<W> {
        &self.lanes[id]
    }

    pub(super) fn lane_mut(&mut self, id: LaneId) -> &mut Lane<W> {
        &mut self.lanes[id]
    }

    pub(super) fn get_mut(&mut self, id: LaneId) -> Option<&mut Lane<W>> {
        self.lanes.get_mut(id)
    }

    /// Returns the lane that those of a class share who have none.
    pub(super) const fn crowd(&self, class: Class) -> LaneId {
        self.crowd[class as usize]
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.lanes.capacity()
    }

    /// Returns how many credentials have a lane of their own in a class.
    pub(super) fn owners(&self, class: Class) -> usize {
        self.by_owner[class as usize].len()
    }

    /// Returns the lanes that the upstream has refused of late.
    pub(super) fn troubled(&self) -> impl Iterator<Item = &Lane<W>> {
        self.troubled.iter().map(|id| &self.lanes[*id])
    }

    /// The upstream has refused a lane.
    pub(super) fn note_trouble(&mut self, id: LaneId) {
        self.troubled.insert(id);
    }

    /// From now on there are at most so many lanes a class. Those that are there stay until they are idle.
    pub(super) const fn set_max_lanes(&mut self, max_lanes: usize) {
        self.max_lanes = max_lanes;
    }

    /// Returns all lanes.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (LaneId, &mut Lane<W>)> {
        self.lanes.iter_mut()
    }

    /// Returns the lane of a credential if it has one.
    pub(super) fn find(&self, class: Class, owner: Digest) -> Option<LaneId> {
        self.by_owner[class as usize].get(&owner).copied()
    }

    /// Returns the lane of a credential, which is made if there is none. `special` tells its quota then, if it has one
    /// other than `of_class`.
    pub(super) fn place(
        &mut self,
        class: Class,
        owner: Digest,
        of_class: &Quota,
        now: Duration,
        special: impl FnOnce() -> Option<Special>,
    ) -> Place {
        if let Some(id) = self.find(class, owner) {
            return Place::Own(id);
        }
        self.sweep(now, LOOKS);
        let crowd = &self.lanes[self.crowd(class)];
        let waits_there = || crowd.line.iter().any(|waiting| waiting.owner == owner);
        let special = special();
        // Those with quotas of their own are few: the settings name each.
        if special.is_none() && (self.owners(class) >= self.max_lanes || waits_there()) {
            return Place::Crowd(self.crowd(class));
        }
        let mut lane = Lane::new(class, Some(owner), special);
        lane.leave_crowd(crowd, of_class, now);
        let is_troubled = lane.is_troubled();
        let id = self.lanes.insert(lane);
        self.by_owner[class as usize].insert(owner, id);
        if is_troubled {
            self.note_trouble(id);
        }
        Place::New(id)
    }

    /// Looks at so many lanes, forgets the idle ones, and returns whether the hand has come to its beginning.
    pub(super) fn sweep(&mut self, now: Duration, looks: usize) -> bool {
        for _ in 0..looks {
            self.forget_if_idle(self.hand, now);
            self.hand += 1;
            if self.hand >= self.lanes.capacity() {
                self.hand = 0;
                return true;
            }
        }
        false
    }

    fn forget_if_idle(&mut self, id: LaneId, now: Duration) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        if lane.recover(now) {
            self.troubled.remove(&id);
        }
        if let Some(owner) = lane.owner.filter(|_| lane.is_idle(now)) {
            self.by_owner[lane.class as usize].remove(&owner);
            self.lanes.remove(id);
        }
    }

    /// Gives memory back that was needed for many more lanes than there are, as far as those that are left allow.
    pub(super) fn shrink(&mut self) {
        if self.lanes.capacity() > SMALL.max(self.lanes.len().saturating_mul(4)) {
            self.lanes.shrink_to_fit();
        }
        for owners in &mut self.by_owner {
            if owners.capacity() > SMALL.max(owners.len().saturating_mul(4)) {
                owners.shrink_to_fit();
            }
        }
    }
}
