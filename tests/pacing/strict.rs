//! Ten clients of one credential ask for three times what the upstream takes, which counts strictly: at most 75 in any
//! second, 50 on average. The gateway's quota over all credentials must keep both and yet waste nothing.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::bed::{Addresses, Bed, Measured, Phases, refused, served};
use crate::figures::{Sorted, percent};
use crate::load::{End, Kind, Sample, Timetable};
use crate::pulse::undisturbed;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::support::emulator::Switches;

const CLIENTS: usize = 10;

/// What the upstream takes in a second, on average.
const QUOTA: f64 = 50.0;

/// What all clients ask for in a second.
const DEMAND: f64 = 3.0 * QUOTA;

/// By how much of their mean the throughputs of clients may differ that have addresses of their own. On one address they are
/// one client to the gateway, and chance is all that parts them.
const SPREAD: f64 = 0.05;

/// By how many milliseconds a wait may exceed what was told: the system's timers are not exact.
const TOLERANCE: f64 = 50.0;

pub(crate) async fn run(settings: &Settings, rules: &mut Rules) {
    for addresses in [Addresses::Own, Addresses::One] {
        let measured = undisturbed(settings, || play(settings, addresses)).await;
        println!("\nstrict, {}: {CLIENTS} clients ask for {DEMAND}/s of {QUOTA}/s", addresses.name());
        print(&measured);
        check(settings, addresses, &measured, rules);
    }
}

async fn play(settings: &Settings, addresses: Addresses) -> Measured {
    let max_wait = settings.pick(1, 15);
    // The short form leaves 0.4 s for delays on the way to a second that the upstream counts, the long one 0.1 s.
    let burst = settings.pick(5, 20);
    let quotas = "throttle.operator = { rate = '25/s', burst = 5 }\nthrottle.other = { rate = '50/s', burst = 20 }";
    let upstream = format!("throttle.upstream = {{ rate = '50/s', burst = {burst} }}");
    let set = format!("{quotas}\n{upstream}\nthrottle.max_wait = '{max_wait}s'");
    let bed = Bed::start(Switches::default(), &set).await;
    let phases = Phases { warm_up: warm_up(max_wait), window: settings.window(2, 60) };
    let token = bed.chathub.company_token("acme");
    let clients: JoinSet<u64> = (0..CLIENTS)
        .map(|number| {
            let visitor = bed.visitor(number, &token, addresses);
            visitor.by_timetable(timetable(max_wait), settings.chance(number), phases.end())
        })
        .collect();
    bed.measure(phases, clients).await
}

/// Half as long again as it takes until nobody more may wait. Then those who came before both classes waited, and were told
/// too little for that, have yet to go (README, "Pacing").
fn warm_up(max_wait: u64) -> Duration {
    let longest = max_wait as f64;
    Duration::from_secs_f64(1.5 * longest * QUOTA / (DEMAND - QUOTA) + 1.5 * longest)
}

/// More of each class than its quota: the upstream's is what binds. What may be under way is more than what a client
/// sends within `max_wait`, twice over.
fn timetable(max_wait: u64) -> Timetable {
    let per_second = DEMAND / CLIENTS as f64;
    Timetable { per_second, most: 2 * per_second as usize * (max_wait as usize + 1), lists: 40, writes: 5 }
}

fn utilisation(measured: &Measured) -> f64 {
    let (length, counts) = measured.timeline.whole();
    counts.answered as f64 / (QUOTA * length.as_secs_f64())
}

fn print(measured: &Measured) {
    let (length, counts) = measured.timeline.whole();
    println!(
        "  upstream in {:.1} s: {} answered, {} of its quota",
        length.as_secs_f64(),
        counts.answered,
        percent(utilisation(measured))
    );
    let (refused, all, fullest) = (counts.refused, measured.upstream.refused, measured.fullest_second);
    println!("  429s of the upstream: {refused}, with the warm-up {all}; {fullest} requests in the fullest second");
    print_waits(measured);
    println!("  {:8} {:>24} {:>8} {:>8} {:>8} {:>20}", "kind", "each client's/s", "spread", "served", "refused", "ms");
    for kind in Kind::ALL.map(Some).into_iter().chain([None]) {
        print_kind(measured, kind);
    }
    println!("  client, served, refused:{}", Kind::ALL.map(|kind| format!(" {}", kind.name())).join(","));
    (0..CLIENTS).for_each(|client| print_client(measured, client));
    println!("  {} unsent, {} failed", measured.unsent, measured.failed());
}

fn print_waits(measured: &Measured) {
    let (waits, over) = (&measured.waits.waited, &measured.waits.over);
    let over = match over.is_empty() {
        true => "not told".to_owned(),
        false => format!(
            "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}",
            over.percentile(50),
            over.percentile(99),
            over.greatest(),
            over.len()
        ),
    };
    println!("  waited p50/p99/max {waits} ms; longer than told: {over}");
}

fn print_kind(measured: &Measured, kind: Option<Kind>) {
    let spread = (0..CLIENTS).map(|client| measured.throughput(client, kind)).collect::<Sorted>().spread();
    let of_kind = measured.of(None, kind);
    let took = took(of_kind.clone());
    println!(
        "  {:8} {spread:>24} {:>8} {:>8} {:>8} {took:>20}",
        kind.map_or("all", Kind::name),
        percent(spread.relative()),
        served(of_kind.clone()),
        refused(of_kind),
    );
}

/// How long those who were served had to wait for their answers.
fn took<'a>(samples: impl Iterator<Item = &'a Sample>) -> Sorted {
    Sorted::millis(samples.filter(|sample| sample.end == End::Served).map(|sample| sample.took))
}

fn print_client(measured: &Measured, client: usize) {
    let all = measured.of(Some(client), None);
    let kinds = Kind::ALL.map(|kind| format!("{:>6}", served(measured.of(Some(client), Some(kind)))));
    println!("  {client:>6} {:>6} {:>6}: {}", served(all.clone()), refused(all.clone()), kinds.concat());
}

fn check(settings: &Settings, addresses: Addresses, measured: &Measured, rules: &mut Rules) {
    let scenario = format!("strict, {}", addresses.name());
    let refused = measured.upstream.refused;
    rules.check(&scenario, refused == 0, "the upstream refuses nothing", format!("{refused} 429s"));
    let (least, used) = (settings.pick(0.4, 0.98), utilisation(measured));
    let rule = format!("at least {} of the quota are used", percent(least));
    rules.check(&scenario, used >= least, &rule, percent(used));
    let unsent = measured.unsent;
    rules.check(&scenario, unsent == 0, "who waits is bounded by max_wait", format!("{unsent} requests unsent"));
    let over = &measured.waits.over;
    rules.check(&scenario, !over.is_empty(), "who waits is told how long", "nobody was");
    let over = over.percentile(99);
    let outwaited = measured.outwaited;
    let rule = "whoever is told to wait is served";
    // Of who was to go while the machine paused it is not the gateway that turned him away.
    if settings.is_long() || measured.is_calm() {
        rules.check(&scenario, outwaited == 0.0, rule, format!("{outwaited} were not"));
    }
    if settings.is_long() && addresses == Addresses::Own {
        let spread = (0..CLIENTS).map(|client| measured.throughput(client, None)).collect::<Sorted>().spread();
        let rule = format!("throughputs are within {} of each other", percent(SPREAD));
        rules.check(&scenario, spread.relative() <= SPREAD, &rule, percent(spread.relative()));
    }
    if settings.is_long() {
        let rule = format!("99 of 100 wait no more than {TOLERANCE} ms longer than they were told");
        rules.check(&scenario, over <= TOLERANCE, &rule, format!("{over:.1} ms"));
    }
}
