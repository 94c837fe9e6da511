//! The reads and writes of one organization, held against each other.
//!
//! A round has thousands of reads, so each is compared with the writes it lacks by one search and with the reads before
//! it in one sweep, not with each of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Rule, Verdict, Violation};
use crate::recorder::{Credential, History, Seen};

/// How one applied write binds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bond {
    /// The write, an index into the operations.
    pub(super) write: usize,
    /// What it made of the organization.
    pub(super) version: u64,
    /// Reads that began after this must show it.
    pub(super) reads: Option<Duration>,
    /// Hits that began after this must show it.
    pub(super) hits: Option<Duration>,
    /// It was applied when the gateway may have given it up.
    pub(super) is_late: bool,
}

/// What happened to one organization.
#[derive(Debug, Default)]
pub(super) struct Organization {
    /// By version, for they are applied one after the other.
    pub(super) bonds: Vec<Bond>,
    /// Complete lists, as indices into the operations.
    pub(super) reads: Vec<usize>,
}

/// The write that binds first among those of a version and above.
type First = Option<(Duration, usize)>;

impl Organization {
    /// (a)
    pub(super) fn check_writes(&self, history: &History, verdict: &mut Verdict) {
        let reads = self.firsts(|bond| bond.reads);
        let hits = self.firsts(|bond| bond.hits);
        for &read in &self.reads {
            let operation = &history.operations[read];
            let Some((seen, version)) = operation.success().and_then(versioned) else { continue };
            let lacked = self.bonds.partition_point(|bond| bond.version <= version);
            let binding = [reads[lacked], hits[lacked].filter(|_| seen.is_hit())];
            let broken = binding.into_iter().flatten().find(|(since, _)| *since < operation.begin);
            if let Some((_, write)) = broken {
                verdict.violations.push(Violation { rule: Rule::OlderThanAWrite, read, against: vec![write] });
            }
        }
    }

    /// For each position the earliest moment of it and all after it, and one more for "none is lacked".
    fn firsts(&self, since: impl Fn(&Bond) -> Option<Duration>) -> Vec<First> {
        let mut firsts = vec![None; self.bonds.len() + 1];
        for (position, bond) in self.bonds.iter().enumerate().rev() {
            let own: First = since(bond).map(|since| (since, bond.write));
            firsts[position] = [own, firsts[position + 1]].into_iter().flatten().min();
        }
        firsts
    }

    /// (c)
    pub(super) fn check_steps(&self, history: &History, verdict: &mut Verdict) {
        let mut by_credential: BTreeMap<Credential, Vec<usize>> = BTreeMap::new();
        for &read in &self.reads {
            by_credential.entry(history.operations[read].credential).or_default().push(read);
        }
        for reads in by_credential.into_values() {
            self.check_steps_of_one(history, reads, verdict);
        }
    }

    /// Goes through the reads as they begin, and remembers the newest version that had been shown by then.
    fn check_steps_of_one(&self, history: &History, reads: Vec<usize>, verdict: &mut Verdict) {
        let version = |read: usize| history.operations[read].success().and_then(versioned).map(|(_, version)| version);
        let (mut ending, mut beginning) = (reads.clone(), reads);
        ending.sort_by_key(|read| Reverse(history.operations[*read].end));
        beginning.sort_by_key(|read| history.operations[*read].begin);
        let mut newest: Option<(u64, usize)> = None;
        for read in beginning {
            let begin = history.operations[read].begin;
            while let Some(earlier) = ending.pop_if(|earlier| history.operations[*earlier].end < begin) {
                newest = newest.max(version(earlier).map(|version| (version, earlier)));
            }
            if let (Some((shown, earlier)), Some(version)) = (newest, version(read))
                && version < shown
            {
                self.judge_step(read, earlier, version..shown, verdict);
            }
        }
    }

    fn judge_step(&self, read: usize, earlier: usize, lacked: std::ops::Range<u64>, verdict: &mut Verdict) {
        let writes = self.bonds.iter().filter(|bond| lacked.start < bond.version && bond.version <= lacked.end);
        let mut against: Vec<_> = writes.filter(|bond| !bond.is_late).map(|bond| bond.write).collect();
        if against.is_empty() {
            verdict.explained += 1;
            return;
        }
        against.insert(0, earlier);
        verdict.violations.push(Violation { rule: Rule::StepsBack, read, against });
    }
}

fn versioned(seen: &Seen) -> Option<(&Seen, u64)> {
    Some((seen, seen.version?))
}
