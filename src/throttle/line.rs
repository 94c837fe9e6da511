//! Those who wait in one lane, in the order in which they go.
//!
//! First come, first served, with one exception: **a write goes ahead of the reads that came before it, as long as each
//! of them is still served by the time that it was promised.** A read is promised a third more than its place asks for,
//! and four cells: that is the room for writes, and the bound on what they may take. Nobody overtakes a write. A newcomer
//! would keep two queues and take turns between them; then what a read is told depends on writes that have not come yet,
//! and is either a guess or far too long.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::Rank;
use crate::chathub::credential::Digest;

/// One who waits. All times are those since the clock was started.
#[derive(Debug)]
pub(super) struct Waiting<W> {
    /// Tells those who wait apart.
    pub(super) number: u64,
    /// Whose quota it uses.
    pub(super) owner: Digest,
    pub(super) rank: Rank,
    pub(super) peer: IpAddr,
    /// It goes by this time, unless the upstream itself stops the lane, or the terms change.
    pub(super) promise: Duration,
    /// It waits no longer than this, whatever happens.
    pub(super) deadline: Duration,
    /// What to tell when its time has come.
    pub(super) wake: W,
}

/// Those who wait.
#[derive(Debug)]
pub(super) struct Line<W> {
    waiting: VecDeque<Waiting<W>>,
    /// How many of them come from where.
    by_peer: BTreeMap<IpAddr, usize>,
    writes: usize,
}

impl<W> Line<W> {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), by_peer: BTreeMap::new(), writes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn front(&self) -> Option<&Waiting<W>> {
        self.waiting.front()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting<W>> {
        self.waiting.iter()
    }

    /// Returns how many writes wait.
    pub(super) const fn writes(&self) -> usize {
        self.writes
    }

    /// Returns the first deadline. Those of writes are in order, and those of reads.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let first = |is_write| self.waiting.iter().find(|waiting| (waiting.rank == Rank::Write) == is_write);
        [first(true), first(false)].into_iter().flatten().map(|waiting| waiting.deadline).min()
    }

    /// From now on nobody waits longer than until then.
    pub(super) fn end_by(&mut self, latest: Duration) {
        self.waiting.iter_mut().for_each(|waiting| waiting.deadline = waiting.deadline.min(latest));
    }

    /// Takes out those whose deadline has passed, in order.
    pub(super) fn take_late(&mut self, now: Duration) -> Vec<Waiting<W>> {
        if self.deadline().is_none_or(|first| first >= now) {
            return Vec::new();
        }
        self.take(|_, waiting| waiting.deadline < now)
    }

    /// Returns how many of those who wait come from each peer of whom somebody does.
    pub(super) const fn by_peer(&self) -> &BTreeMap<IpAddr, usize> {
        &self.by_peer
    }

    pub(super) fn of_peer(&self, peer: IpAddr) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or(0)
    }

    /// Returns of how many peers somebody waits.
    pub(super) fn peers(&self) -> usize {
        self.by_peer.len()
    }

    /// Returns the place that a newcomer would have. `projected` tells when somebody at a place goes.
    pub(super) fn place_for(&self, rank: Rank, projected: impl Fn(usize) -> Duration) -> usize {
        let end = self.waiting.len();
        if rank != Rank::Write {
            return end;
        }
        let gives_way = |place: &usize| {
            let waiting = &self.waiting[*place];
            waiting.rank != Rank::Write && projected(*place + 1) <= waiting.promise
        };
        end - (0..end).rev().take_while(gives_way).count()
    }

    pub(super) fn insert(&mut self, place: usize, waiting: Waiting<W>) {
        *self.by_peer.entry(waiting.peer).or_default() += 1;
        self.writes += usize::from(waiting.rank == Rank::Write);
        self.waiting.insert(place, waiting);
    }

    /// Takes out whoever is next.
    pub(super) fn pop(&mut self) -> Option<Waiting<W>> {
        let next = self.waiting.pop_front()?;
        self.left(&next);
        Some(next)
    }

    /// Takes out one who leaves. Returns whether it was there.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let place = self.waiting.iter().position(|waiting| waiting.number == number);
        let left = place.and_then(|place| self.waiting.remove(place));
        left.inspect(|left| self.left(left)).is_some()
    }

    fn left(&mut self, left: &Waiting<W>) {
        forget(&mut self.by_peer, left.peer);
        self.writes -= usize::from(left.rank == Rank::Write);
    }

    /// Takes out those who would go only after their deadline, in order, and renews the promises of the others.
    pub(super) fn judge_anew(&mut self, projected: impl Fn(usize) -> Duration) -> Vec<Waiting<W>> {
        self.take(|place, waiting| {
            let goes = projected(place);
            waiting.promise = waiting.promise.max(goes);
            goes > waiting.deadline
        })
    }

    /// Takes out those for whom that is so, in order. They are asked with the place that they have after those taken.
    fn take(&mut self, mut is_taken: impl FnMut(usize, &mut Waiting<W>) -> bool) -> Vec<Waiting<W>> {
        let mut taken = Vec::new();
        let all = std::mem::take(&mut self.waiting);
        for mut waiting in all {
            if is_taken(self.waiting.len(), &mut waiting) {
                self.left(&waiting);
                taken.push(waiting);
            } else {
                self.waiting.push_back(waiting);
            }
        }
        taken
    }
}

/// Counts one of a peer less; of whom none is left is no longer counted.
pub(super) fn forget(by_peer: &mut BTreeMap<IpAddr, usize>, peer: IpAddr) {
    if let Some(count) = by_peer.get_mut(&peer) {
        *count -= 1;
        if *count == 0 {
            by_peer.remove(&peer);
        }
    }
}
