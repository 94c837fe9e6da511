//! Concurrent histories: clients read and write at random through a real gateway, and every history that was recorded
//! is checked for what DESIGN 4 promises. (a) No read that began after a write's answer shows an older list. (b) No
//! credential sees what was fetched for another. (c) With one credential, no later read shows an older list.
//!
//! As a part of `cargo test` it is short. `tests/history/run` makes it as long as one likes, and repeats what failed.
//! What a newcomer would get wrong: a seed repeats what clients and faults do, not when, so one good run after a bad one
//! proves nothing.

mod checker;
mod mix;
mod recorder;
mod report;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod workload;

use checker::{Verdict, check};
use mix::{MIXES, Mix, Needs};
use recorder::History;
use report::Tally;
use settings::Settings;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// With fewer operations than this a mix, or a run of all, may by chance lack what it needs.
const ENOUGH: usize = 10_000;

/// The same for what is rare.
const ENOUGH_FOR_THE_RARE: usize = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_history_shows_a_list_older_than_a_write_or_of_another_credential() {
    let settings = Settings::read(|name| std::env::var(name).ok()).unwrap_or_else(|fault| panic!("{fault}"));
    println!("{settings}");
    report::print_head();
    let mut total = Tally::default();
    let (mut complaints, mut needs) = (Vec::new(), Needs::default());
    for mix in MIXES.iter().filter(|mix| settings.takes(mix)) {
        let tally = run(mix, &settings).await;
        report::print_line(mix.name, &tally);
        complaints.extend(lacks(mix.name, mix.needs, &tally));
        needs = needs.and(mix.needs);
        total.absorb(tally);
    }
    report::print_line("all", &total);
    complaints.extend(lacks("the run", needs, &total));
    complaints.extend(total.complaint());
    assert!(complaints.is_empty(), "{}; {settings}", complaints.join("; "));
}

/// Plays rounds until there were enough operations or something is wrong.
async fn run(mix: &'static Mix, settings: &Settings) -> Tally {
    let began = Instant::now();
    let mut seeds = settings.rounds(mix);
    let mut tally = Tally::default();
    while tally.violations.is_empty() {
        let rounds: JoinSet<_> = seeds.by_ref().take(mix.abreast).map(|(seed, size)| round(mix, seed, size)).collect();
        if rounds.is_empty() {
            break;
        }
        for (seed, history, verdict) in rounds.join_all().await {
            tally.add(&history, &verdict);
            if !verdict.violations.is_empty() {
                report::print_failures(mix, seed, &history, &verdict);
            }
        }
        tally.took = began.elapsed();
    }
    tally
}

async fn round(mix: &'static Mix, seed: u64, operations: usize) -> (u64, History, Verdict) {
    let history = workload::play(mix, seed, operations).await;
    let verdict = check(&history);
    (seed, history, verdict)
}

/// What did not happen though it must, so that a run cannot pass because nothing was tried.
fn lacks(name: &str, needs: Needs, tally: &Tally) -> Option<String> {
    if tally.operations < ENOUGH || !tally.violations.is_empty() {
        return None;
    }
    let wanted = [
        ("hits", true, tally.hits),
        ("collapsed answers", true, tally.collapsed),
        ("stored answers", true, tally.stored),
        ("accepted writes", true, tally.accepted),
        ("ambiguous writes", needs.ambiguous, tally.ambiguous),
        ("late writes", needs.late && tally.operations >= ENOUGH_FOR_THE_RARE, tally.late),
        ("requests without an answer", needs.left, tally.left),
        ("purges", needs.purges, tally.purges),
    ];
    let missing: Vec<_> = wanted.iter().filter(|(_, is_needed, count)| *is_needed && *count == 0).collect();
    let names: Vec<_> = missing.iter().map(|(name, _, _)| *name).collect();
    (!names.is_empty()).then(|| format!("{name} saw no {}", names.join(", no ")))
}
