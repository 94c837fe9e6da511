//! How a run is told: a line for each mix, and of a failure the shortest history that shows it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::checker::{Rule, Verdict, Violation};
use crate::mix::Mix;
use crate::recorder::{Applied, Call, History, Operation, Seen, What};

/// How many operations of a failure are printed at the most; those beside the offender and its counterparts give way.
const SHOWN: usize = 80;

/// How many failures of one round are printed.
const SHOWN_FAILURES: usize = 2;

/// How often the command that a failure prints repeats its round.
const REPEATS: u32 = 50;

/// The counts of one mix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    pub(crate) operations: usize,
    pub(crate) hits: usize,
    pub(crate) collapsed: usize,
    pub(crate) stored: usize,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) ambiguous: usize,
    pub(crate) late: usize,
    /// Operations without an answer.
    pub(crate) left: usize,
    pub(crate) purges: usize,
    pub(crate) violations: Vec<Rule>,
    pub(crate) explained: usize,
    pub(crate) took: Duration,
}

impl Tally {
    /// Counts a round in.
    pub(crate) fn add(&mut self, history: &History, verdict: &Verdict) {
        self.rounds += 1;
        self.operations += history.operations.len();
        self.late += verdict.late;
        self.explained += verdict.explained;
        self.violations.extend(verdict.violations.iter().map(|violation| violation.rule));
        for operation in &history.operations {
            self.count(operation);
        }
    }

    /// Counts another mix in.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.operations += other.operations;
        self.hits += other.hits;
        self.collapsed += other.collapsed;
        self.stored += other.stored;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.ambiguous += other.ambiguous;
        self.late += other.late;
        self.left += other.left;
        self.purges += other.purges;
        self.violations.extend(other.violations);
        self.explained += other.explained;
        self.took += other.took;
    }

    /// What is wrong, in one sentence, if anything is.
    pub(crate) fn complaint(&self) -> Option<String> {
        (!self.violations.is_empty()).then(|| format!("{} violations, told above", self.violations.len()))
    }

    fn count(&mut self, operation: &Operation) {
        let Some(seen) = &operation.seen else {
            self.left += 1;
            return;
        };
        match operation.what {
            What::Write { .. } => self.count_write(seen.status),
            What::Purge { .. } => self.purges += 1,
            What::List { .. } | What::Organizations => self.count_read(seen),
        }
    }

    fn count_write(&mut self, status: u16) {
        match status {
            200..300 => self.accepted += 1,
            500.. => self.ambiguous += 1,
            _ => self.refused += 1,
        }
    }

    fn count_read(&mut self, seen: &Seen) {
        self.hits += usize::from(seen.is_hit());
        self.collapsed += usize::from(seen.cache.contains("collapsed"));
        self.stored += usize::from(seen.cache.contains("stored"));
    }

    fn of(&self, rule: Rule) -> usize {
        self.violations.iter().filter(|found| **found == rule).count()
    }
}

/// The columns: their heads, and how wide they are.
const COLUMNS: [(&str, usize); 19] = [
    ("mix", 12),
    ("rounds", 6),
    ("operations", 10),
    ("hits", 9),
    ("collapsed", 9),
    ("stored", 8),
    ("accepted", 8),
    ("refused", 7),
    ("ambiguous", 9),
    ("late", 6),
    ("left", 6),
    ("purges", 6),
    ("a", 3),
    ("b", 3),
    ("c", 3),
    ("p", 3),
    ("explained c", 11),
    ("seconds", 7),
    ("per second", 10),
];

/// The table's head.
pub(crate) fn print_head() {
    print_row(COLUMNS.map(|(head, _)| head.to_owned()));
}

/// A line of the table.
pub(crate) fn print_line(name: &str, tally: &Tally) {
    let seconds = tally.took.as_secs_f64();
    print_row([
        name.to_owned(),
        tally.rounds.to_string(),
        tally.operations.to_string(),
        tally.hits.to_string(),
        tally.collapsed.to_string(),
        tally.stored.to_string(),
        tally.accepted.to_string(),
        tally.refused.to_string(),
        tally.ambiguous.to_string(),
        tally.late.to_string(),
        tally.left.to_string(),
        tally.purges.to_string(),
        tally.of(Rule::OlderThanAWrite).to_string(),
        tally.of(Rule::FetchedForAnother).to_string(),
        tally.of(Rule::StepsBack).to_string(),
        tally.of(Rule::OutlivesAPurge).to_string(),
        tally.explained.to_string(),
        format!("{seconds:.1}"),
        format!("{:.0}", tally.operations as f64 / seconds),
    ]);
}

fn print_row(cells: [String; COLUMNS.len()]) {
    let padded: Vec<_> = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}")).collect();
    println!("{}", padded.join(" "));
}

/// Tells what is wrong with a round, and how to repeat it.
pub(crate) fn print_failures(mix: &Mix, seed: u64, history: &History, verdict: &Verdict) {
    for violation in verdict.violations.iter().take(SHOWN_FAILURES) {
        println!("\n({}) {}", violation.rule.letter(), violation.rule.words());
        println!("mix {}, round {seed:#018x}, times in milliseconds since the round began", mix.name);
        print_history(history, violation);
    }
    let count = history.operations.len();
    println!("\n{} in this round. To repeat it:", verdict.violations.len());
    println!("  tests/history/run --mix {} --operations {count} --round {seed:#x} --times {REPEATS}", mix.name);
    println!("Clients and faults follow from the seed, their timing does not: it may take many times.\n");
}

/// Prints the offender, what it offends, and what else went on with that organization in between.
fn print_history(history: &History, violation: &Violation) {
    let named: BTreeSet<usize> = violation.against.iter().copied().chain([violation.read]).collect();
    let operation = |index: usize| &history.operations[index];
    let from = named.iter().map(|index| operation(*index).begin).min().unwrap_or_default();
    let to = operation(violation.read).end;
    let id = operation(violation.read).listed();
    let mut shown: Vec<usize> = (0..history.operations.len())
        .filter(|index| named.contains(index) || concerns(history, operation(*index), id, from, to))
        .collect();
    shown.sort_by_key(|index| operation(*index).begin);
    let excess = shown.len().saturating_sub(SHOWN);
    let mut left_out = 0;
    for index in shown {
        let mark = mark(violation, index);
        if mark == ' ' && left_out < excess {
            left_out += 1;
            continue;
        }
        println!("{mark} {}", line(history, operation(index)));
    }
    if left_out > 0 {
        println!("  and {left_out} operations more, left out");
    }
}

fn mark(violation: &Violation, index: usize) -> char {
    match index {
        _ if index == violation.read => '>',
        _ if violation.against.contains(&index) => '*',
        _ => ' ',
    }
}

/// Whether an operation overlaps a span and has to do with an organization.
fn concerns(history: &History, operation: &Operation, id: Option<u32>, from: Duration, to: Duration) -> bool {
    let changes =
        |tag| history.applied(tag).is_some_and(|applied| id.is_some_and(|id| applied.organizations.contains(&id)));
    let is_about = match &operation.what {
        What::List { organization, .. } => Some(*organization) == id,
        What::Organizations => id.is_none(),
        What::Write { tag, .. } => changes(*tag),
        What::Purge { organization } => organization.is_none() || *organization == id,
    };
    is_about && operation.begin <= to && from <= operation.end
}

fn line(history: &History, operation: &Operation) -> String {
    let Operation { client, credential, begin, end, .. } = operation;
    let (begin, end) = (history.milliseconds(*begin), history.milliseconds(*end));
    let who = &history.credentials[*credential];
    let what = words(&operation.what);
    let came = operation.seen.as_ref().map_or_else(|| "no answer".to_owned(), |seen| answer(history, seen));
    let applied = operation.tag().and_then(|tag| history.applied(tag)).map(|applied| fate(history, applied));
    let applied = applied.unwrap_or_default();
    format!("{begin:>9.3} to {end:>9.3}  client {client:<2} {who:<15} {what:<22} {came}{applied}")
}

fn words(what: &What) -> String {
    match what {
        What::List { organization, is_refresh: false } => format!("list {organization}"),
        What::List { organization, is_refresh: true } => format!("refresh {organization}"),
        What::Organizations => "organizations".to_owned(),
        What::Write { call: Call::Status { operator }, .. } => format!("status of {operator}"),
        What::Write { call: Call::Synchronize { organizations }, .. } => format!("synchronize {organizations:?}"),
        What::Write { call: Call::Doubtful { organization }, .. } => format!("synchronize \"{organization}\""),
        What::Purge { organization: Some(organization) } => format!("purge {organization}"),
        What::Purge { organization: None } => "purge".to_owned(),
    }
}

fn answer(history: &History, seen: &Seen) -> String {
    let version = seen.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let made_for = seen.made_for.map(|who| format!(" for {}", history.credentials[who])).unwrap_or_default();
    let made_at = seen.made_at.map(|at| format!(" made {:.3}{made_for}", history.milliseconds(at)));
    format!("{}{version}{}  {}", seen.status, made_at.unwrap_or_default(), seen.cache)
}

fn fate(history: &History, applied: &Applied) -> String {
    let Applied { version, organizations, at, .. } = applied;
    format!("  applied {:.3} as version {version} of {organizations:?}", history.milliseconds(*at))
}
