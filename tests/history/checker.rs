//! Whether a history may be: pure functions over what was recorded.
//!
//! # What binds a read
//!
//! A write that was applied binds, for the organizations that it changed, in up to three ways:
//!
//! * **Its answer.** Whoever begins after the answer has come, whatever its status, sees the write.
//! * **Hits.** From before the write's first byte until it has ended, and after an end in doubt through the quarantine,
//!   nothing of its organizations is answered from memory; later only what was fetched later. So a *hit* that began
//!   after the write was applied shows it, though the write has no answer yet or its client has left.
//! * **The end of the quarantine.** Whoever begins when it is surely over sees the write too.
//!
//! # What does not
//!
//! A write whose answer was a timeout may be applied afterwards, and its answer cannot bind for what had not happened.
//! When the gateway gave up nobody can see from outside, only that it was not before `upstream.head_timeout` had passed
//! since the write began; a write that was applied later than that is called *late*. One that was applied later than
//! the quarantine lasts binds nothing at all: the gateway has no means to know of it, and only the lifetime of what is
//! stored bounds how long it stays unseen. That a list steps back over such writes is *explained*, and counted apart.
//!
//! All comparisons are strict: of two moments that are equal nobody can say which came first.

mod organization;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use organization::{Bond, Organization};

use crate::recorder::{Applied, History, Operation, Terms, What};

/// How much longer than it is set a quarantine may last before reads that are no hits are judged: a timer may be late,
/// and a fetch that began before the late write was applied may be joined for as long as it flies.
const GRACE: Duration = Duration::from_millis(700);

/// What may not be, in the words of the report.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    /// (a)
    OlderThanAWrite,
    /// (b)
    FetchedForAnother,
    /// (c)
    StepsBack,
    /// A list that was fetched before a purge began is served after the purge was answered.
    OutlivesAPurge,
}

/// Something that may not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// The offending read, an index into the operations.
    pub(crate) read: usize,
    /// What it offends: a write, an earlier read, a purge.
    pub(crate) against: Vec<usize>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Steps back for which late writes alone are the cause.
    pub(crate) explained: usize,
    /// Writes that were applied after the gateway may have given them up.
    pub(crate) late: usize,
}

/// Judges a history.
pub(crate) fn check(history: &History) -> Verdict {
    let organizations = by_organization(history);
    let mut verdict = Verdict { late: count_late(history), ..Verdict::default() };
    for (id, organization) in &organizations {
        organization.check_writes(history, &mut verdict);
        organization.check_steps(history, &mut verdict);
        check_purges(history, *id, &organization.reads, &mut verdict);
    }
    check_credentials(history, &mut verdict);
    verdict
}

fn by_organization(history: &History) -> BTreeMap<u32, Organization> {
    let mut organizations: BTreeMap<u32, Organization> = BTreeMap::new();
    let tags: HashMap<u64, usize> = history
        .operations
        .iter()
        .enumerate()
        .filter_map(|(index, operation)| Some((operation.tag()?, index)))
        .collect();
    for applied in &history.applied {
        let index = tags[&applied.tag];
        let bond = bond(index, &history.operations[index], applied, history.terms);
        for id in &applied.organizations {
            organizations.entry(*id).or_default().bonds.push(bond);
        }
    }
    for (index, operation) in history.operations.iter().enumerate() {
        if let (Some(id), Some(_)) = (operation.listed(), operation.success()) {
            organizations.entry(id).or_default().reads.push(index);
        }
    }
    organizations
}

/// From which moments on a write binds.
fn bond(write: usize, operation: &Operation, applied: &Applied, terms: Terms) -> Bond {
    let gives_up = operation.begin + terms.head_timeout;
    let is_late = applied.at > gives_up;
    let is_quarantined = applied.at <= gives_up + terms.quarantine;
    let end = operation.seen.as_ref().map(|seen| (operation.end, seen.status));
    let reads = match end {
        Some((end, status)) if applied.at < end && !(is_late && status == 504) => Some(end),
        Some((end, _)) if is_quarantined => Some(end + terms.quarantine + GRACE),
        _ => None,
    };
    let hits = is_quarantined.then_some(applied.at);
    Bond { write, version: applied.version, reads, hits, is_late }
}

fn count_late(history: &History) -> usize {
    let operations: HashMap<u64, &Operation> =
        history.operations.iter().filter_map(|operation| Some((operation.tag()?, operation))).collect();
    let is_late = |applied: &&Applied| applied.at > operations[&applied.tag].begin + history.terms.head_timeout;
    history.applied.iter().filter(is_late).count()
}

fn check_credentials(history: &History, verdict: &mut Verdict) {
    for (read, operation) in history.operations.iter().enumerate() {
        let is_list = matches!(operation.what, What::List { .. } | What::Organizations);
        let is_own = |made_for| made_for == Some(operation.credential);
        if is_list && operation.success().is_some_and(|seen| !is_own(seen.made_for)) {
            verdict.violations.push(Violation { rule: Rule::FetchedForAnother, read, against: Vec::new() });
        }
    }
}

fn check_purges(history: &History, id: u32, reads: &[usize], verdict: &mut Verdict) {
    let covers = |organization: &Option<u32>| organization.is_none_or(|only| only == id);
    let is_purge = |what: &What| matches!(what, What::Purge { organization } if covers(organization));
    let purges = history.operations.iter().enumerate();
    let purges: Vec<_> =
        purges.filter(|(_, operation)| is_purge(&operation.what) && operation.success().is_some()).collect();
    for &read in reads {
        let operation = &history.operations[read];
        let Some(made_at) = operation.success().and_then(|seen| seen.made_at) else { continue };
        let outlived = purges.iter().find(|(_, purge)| purge.end < operation.begin && made_at < purge.begin);
        if let Some((purge, _)) = outlived {
            verdict.violations.push(Violation { rule: Rule::OutlivesAPurge, read, against: vec![*purge] });
        }
    }
}

impl Rule {
    /// The letter of the table.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::OlderThanAWrite => 'a',
            Self::FetchedForAnother => 'b',
            Self::StepsBack => 'c',
            Self::OutlivesAPurge => 'p',
        }
    }

    /// The rule in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::OlderThanAWrite => "a read is older than a write that binds it",
            Self::FetchedForAnother => "a read shows what was fetched for another credential",
            Self::StepsBack => "of two reads with one credential the later shows the older list",
            Self::OutlivesAPurge => "a read shows what was fetched before a purge that was answered before it began",
        }
    }
}
