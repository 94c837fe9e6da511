//! One client asks for ten times the quota and ignores every refusal; nine others of the same credential are polite: they
//! wait for each answer, and come back no sooner than they are told. They must get through, from addresses of their own
//! and from one that all share. There it is only by their rest that they are told from the greedy one.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::bed::{Addresses, Bed, Measured, Phases, refused, served};
use crate::figures::Sorted;
use crate::load::{End, Kind, Timetable};
use crate::pulse::undisturbed;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::support::emulator::{RateLimit, Switches};

/// The one that is greedy; the others come after it.
const GREEDY: usize = 0;
const CLIENTS: usize = 10;

/// What the credential has in a second.
const QUOTA: u64 = 20;

/// How long a polite client thinks between two requests.
const THINK: Duration = Duration::from_millis(500);

/// How often in a row a polite client may be refused.
const REFUSED_IN_A_ROW: usize = 3;

pub(crate) async fn run(settings: &Settings, rules: &mut Rules) {
    for addresses in [Addresses::Own, Addresses::One].into_iter().take(settings.pick(1, 2)) {
        let measured = undisturbed(settings, || play(settings, addresses)).await;
        println!("\ngreedy, {}: one client asks for ten times {QUOTA}/s, nine are polite", addresses.name());
        print(&measured);
        check(settings, addresses, &measured, rules);
    }
}

/// How long a request may wait; in the short form so short that the polite come round several times.
fn max_wait(settings: &Settings) -> u64 {
    settings.pick(1, 5)
}

async fn play(settings: &Settings, addresses: Addresses) -> Measured {
    let max_wait = max_wait(settings);
    let set = format!("throttle.other = {{ rate = '{QUOTA}/s', burst = 5 }}\nthrottle.max_wait = '{max_wait}s'");
    let bed = Bed::start(Switches { rate_limit: RateLimit::Off, ..Switches::default() }, &set).await;
    // The greedy one has filled the queue long before.
    let phases = Phases { warm_up: Duration::from_secs(max_wait), window: settings.window(3, 60) };
    let token = bed.chathub.company_token("acme");
    let mut clients = JoinSet::new();
    let greedy = bed.visitor(GREEDY, &token, addresses);
    let most = 3 * (max_wait * QUOTA) as usize;
    let table = Timetable { per_second: 10.0 * QUOTA as f64, most, lists: 0, writes: 0 };
    clients.spawn(greedy.by_timetable(table, settings.chance(GREEDY), phases.end()));
    for number in GREEDY + 1..CLIENTS {
        let polite = bed.visitor(number, &token, addresses);
        clients.spawn(polite.one_by_one(Kind::Chats, THINK, settings.chance(number), phases.end()));
    }
    bed.measure(phases, clients).await
}

fn print(measured: &Measured) {
    println!("  {:8} {:>8} {:>8} {:>8} {:>20}", "client", "served", "refused", "in a row", "ms");
    for client in GREEDY..CLIENTS {
        let name = if client == GREEDY { "greedy".to_owned() } else { format!("polite {client}") };
        let all = measured.of(Some(client), None);
        let took = Sorted::millis(all.clone().filter(|sample| sample.end == End::Served).map(|sample| sample.took));
        let in_a_row = longest_refusal(measured, client);
        println!("  {name:8} {:>8} {:>8} {in_a_row:>8} {took:>20}", served(all.clone()), refused(all));
    }
    println!("  {} of the greedy one's unsent, {} failed", measured.unsent, measured.failed());
}

/// The longest row of refusals without an answer between.
fn longest_refusal(measured: &Measured, client: usize) -> usize {
    let (mut row, mut longest) = (0, 0);
    for sample in measured.of(Some(client), None) {
        row = if matches!(sample.end, End::Refused { .. }) { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest
}

/// How often a polite client must be served: half as often as one is who waits as long as one may each time. On one
/// address it is refused now and then, and has to rest.
fn least(settings: &Settings, window: Duration) -> usize {
    let round = Duration::from_secs(max_wait(settings)) + THINK;
    ((window.as_secs_f64() / round.as_secs_f64() / 2.0) as usize).max(1)
}

fn check(settings: &Settings, addresses: Addresses, measured: &Measured, rules: &mut Rules) {
    let scenario = format!("greedy, {}", addresses.name());
    let polite = || GREEDY + 1..CLIENTS;
    let least = least(settings, measured.window);
    let times: Vec<_> = polite().map(|client| served(measured.of(Some(client), None))).collect();
    let rule = format!("every polite client is served at least {least} times");
    rules.check(&scenario, times.iter().all(|times| *times >= least), &rule, format!("{times:?}"));
    let rows: Vec<_> = polite().map(|client| longest_refusal(measured, client)).collect();
    let rule = format!("no polite client is refused more than {REFUSED_IN_A_ROW} times in a row");
    let holds = rows.iter().all(|row| *row <= REFUSED_IN_A_ROW);
    rules.check(&scenario, holds, &rule, format!("{rows:?}"));
}
