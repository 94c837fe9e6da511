//! Who may wait, and what those are told who may not.
//!
//! Decisions only: how long somebody would wait is an argument. What a newcomer would get wrong is `Retry-After`. It is
//! not how long until a cell is free, which would empty the queue before anybody returns, but how long until the same
//! request *would be let in to wait*. So whoever obeys is admitted, and no later than need be.

use std::time::Duration;

use super::line::{Line, forget};
use super::pacer::Ask;
use super::{Class, Rank};
use crate::wire::{REST, RateLimit};

/// Reads may fill this part of `throttle.max_wait`. The rest is the room in which writes overtake them.
const READS_MAY_FILL: (u32, u32) = (3, 4);
/// Writes alone may fill this part, so that behind as many as there may be there is room for reads.
const WRITES_MAY_FILL: (u32, u32) = (2, 3);
/// A read is promised this many cells more than its place and the room for writes ask for, so that the first of a
/// short line can be overtaken too.
const SPARE_CELLS: u32 = 4;
/// The last part of the line is for newcomers: peers of whom nobody waits, and connections that are new or rested. Whoever
/// asks on and on cannot fill it, so whoever comes back as it was told finds room.
const NEWCOMERS_HAVE: (u32, u32) = (1, 8);
/// From this part of the line on a peer may add to it only if no more of its requests wait than of others on average.
const EQUAL_FROM: (u32, u32) = (1, 2);

crate::telemetry::label::words! {
    /// Why a request may not wait.
    Rejection {
        /// Its turn would come later than `throttle.max_wait` allows.
        TooLong = "too_long",
        /// It has waited for `throttle.max_wait`, since others' turns came first at the quota of all.
        Outwaited = "outwaited",
        /// It would take what is for others: for newcomers, or for peers that have less of the line.
        Unfair = "unfair",
        /// As many wait with its credential as may (`throttle.max_waiting_per_credential`).
        LineFull = "line_full",
        /// As many wait in all as may (`throttle.max_waiting`).
        Full = "full",
        /// The upstream has refused the credential, and it would wait too long for the end of that.
        Stopped = "stopped",
        /// Background work, and no cell would be lost without it.
        NoSpareCell = "no_spare_cell",
    }
}

/// A request may not go, nor wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused to wait for a cell of class {}: {}", class.as_str(), rejection.as_str())]
pub struct Refusal {
    /// The class.
    pub class: Class,
    /// Why.
    pub rejection: Rejection,
    /// When the same request would be let in, if no other comes.
    pub retry_after: Duration,
    /// What is left of the quota; `None` if nobody is to be told.
    pub rate_limit: Option<RateLimit>,
}

/// How long those of a lane may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) max_wait: Duration,
}

impl Room {
    /// Returns how long a request of that rank may have to wait when it comes, no other coming after it.
    pub(super) fn limit(self, rank: Rank) -> Duration {
        let (part, whole) = READS_MAY_FILL;
        match rank {
            Rank::Write => self.max_wait,
            Rank::Foreground | Rank::Background => self.max_wait * part / whole,
        }
    }

    /// Returns by how much a wait is too long.
    pub(super) fn excess(self, rank: Rank, wait: Duration) -> Duration {
        wait.saturating_sub(self.limit(rank))
    }

    /// Returns how long until one more write may come, if no other does: those of a line may not take longer by themselves
    /// than their part. The first so many of the line have gone after `until(so many - 1)`.
    pub(super) fn too_many_writes<W>(self, line: &Line<W>, until: impl Fn(usize) -> Duration) -> Duration {
        let (part, whole) = WRITES_MAY_FILL;
        let has_room = |writes| until(writes).saturating_sub(until(0)) <= self.max_wait * part / whole;
        let mut writes = line.writes();
        let mut going = line.iter().enumerate().filter(|(_, waiting)| waiting.rank == Rank::Write);
        let mut gone = Duration::ZERO;
        while !has_room(writes) {
            let Some((place, _)) = going.next() else { break };
            gone = until(place);
            writes -= 1;
        }
        gone
    }

    /// Returns how many of `most` may wait when such a request comes: the parts of a line that are for others are so in
    /// number too.
    pub(super) fn places<W>(self, ask: &Ask, line: &Line<W>, most: usize) -> usize {
        let without = |most: usize, (part, whole): (u32, u32)| most - most * part as usize / whole as usize;
        let (reads, whole) = READS_MAY_FILL;
        let most = if ask.rank == Rank::Write { most } else { without(most, (whole - reads, whole)) };
        let is_newcomer = ask.is_rested || line.of_peer(ask.peer) == 0;
        if is_newcomer { most } else { without(most, NEWCOMERS_HAVE) }
    }

    /// Returns what to promise to a request that goes after `wait` if no write comes, where a cell comes each `pace` and
    /// other lanes' turns may cost some `more`. A write is overtaken by nobody.
    pub(super) fn promise(self, rank: Rank, wait: Duration, pace: Duration, more: Duration) -> Duration {
        let (part, whole) = READS_MAY_FILL;
        let generous = match rank {
            Rank::Write => wait,
            Rank::Foreground | Rank::Background => {
                (wait * whole / part).saturating_add(pace.saturating_mul(SPARE_CELLS))
            }
        };
        generous.saturating_add(more).min(self.max_wait).max(wait)
    }

    /// Returns whether a request that would wait for `wait` leaves to others of the line what is theirs.
    pub(super) fn is_fair<W>(self, ask: &Ask, wait: Duration, line: &Line<W>) -> bool {
        self.leaves_room(ask, wait, line.of_peer(ask.peer), line.len(), line.peers())
    }

    /// Returns how long until that is so and stays so, if no other comes: whoever obeys will have rested then. The first so
    /// many of the line have gone after `until(so many - 1)`.
    pub(super) fn fair_after_rest<W>(
        self,
        ask: &Ask,
        wait: Duration,
        line: &Line<W>,
        until: impl Fn(usize) -> Duration,
    ) -> Duration {
        let rested = Ask { is_rested: true, ..*ask };
        let rest = if ask.is_rested { Duration::ZERO } else { REST };
        if line.peers() <= 1 {
            return rest;
        }
        let mut fair_from = self.is_fair(&rested, wait, line).then_some(Duration::ZERO);
        let mut left = line.by_peer().clone();
        for (place, waiting) in line.iter().enumerate() {
            forget(&mut left, waiting.peer);
            let (gone, own) = (until(place), left.get(&ask.peer).copied().unwrap_or(0));
            let (wait, all) = (wait.saturating_sub(gone), line.len() - place - 1);
            let is_fair = self.leaves_room(&rested, wait, own, all, left.len());
            // As others go, the average can fall below what is left of this one.
            fair_from = is_fair.then(|| fair_from.unwrap_or(gone));
            if !self.is_for_equals(ask.rank, wait) {
                break;
            }
        }
        fair_from.unwrap_or(wait).max(rest)
    }

    /// Returns whether one more is fair of a peer that has so many of all who wait, who are of so many peers.
    fn leaves_room(self, ask: &Ask, wait: Duration, own: usize, all: usize, peers: usize) -> bool {
        let limit = self.limit(ask.rank);
        let (last, whole) = NEWCOMERS_HAVE;
        let is_for_newcomers = wait > limit * (whole - last) / whole;
        let has_less = own * peers <= all || !self.is_for_equals(ask.rank, wait);
        own == 0 || has_less && (ask.is_rested || !is_for_newcomers)
    }

    fn is_for_equals(self, rank: Rank, wait: Duration) -> bool {
        let (part, whole) = EQUAL_FROM;
        wait > self.limit(rank) * part / whole
    }
}
