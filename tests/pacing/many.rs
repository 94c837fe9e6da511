//! Many credentials at once, each with more under way than its quota lets go: everybody gets all of its own quota, and
//! an equal share where all of them together are bounded.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::bed::{Bed, Measured, Phases, refused};
use crate::figures::{Sorted, percent};
use crate::load::Kind;
use crate::pulse::undisturbed;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::support::emulator::{RateLimit, Switches};

/// What each credential has in a second.
const QUOTA: f64 = 5.0;

/// What all together may send at once after a rest.
const BURST: u32 = 20;

/// How many requests each has under way.
const ABREAST: usize = 3;

/// The two ways in which it is played.
#[derive(Clone, Copy, Debug)]
struct Part {
    name: &'static str,
    /// What each credential can have in a second.
    share: f64,
    /// How much of that nobody may be below.
    least: f64,
    /// What all together have in a second, if that is bounded.
    upstream: Option<usize>,
    /// When bursts have gone and queues are full.
    warm_up: Duration,
    short_window: u64,
}

pub(crate) async fn run(settings: &Settings, rules: &mut Rules) {
    let credentials = settings.pick(25, 200);
    // Of each a second: with three under way a round takes 1.5 s in the short form, 3 s in the long one.
    let share = settings.pick(2, 1);
    let alone = Part {
        name: "quotas of their own",
        share: QUOTA,
        least: settings.pick(0.5, 0.9),
        upstream: None,
        warm_up: Duration::from_secs(settings.pick(1, 2)),
        short_window: 2,
    };
    let shared = Part {
        name: "one for all",
        share: share as f64,
        least: settings.pick(0.2, 0.5),
        upstream: Some(credentials * share),
        warm_up: Duration::from_secs(settings.pick(1, 4)),
        short_window: 3,
    };
    for part in [alone, shared] {
        let measured = undisturbed(settings, || play(settings, credentials, part)).await;
        print(credentials, part, &measured);
        check(credentials, part, &measured, rules);
    }
}

async fn play(settings: &Settings, credentials: usize, part: Part) -> Measured {
    let upstream = part.upstream.map(|rate| format!("throttle.upstream = {{ rate = '{rate}/s', burst = {BURST} }}"));
    let set = format!("throttle.operator = {{ rate = '{QUOTA}/s', burst = 5 }}\n{}", upstream.unwrap_or_default());
    let bed = Bed::start(Switches { rate_limit: RateLimit::Off, ..Switches::default() }, &set).await;
    let tokens: Vec<_> = (0..credentials).map(|number| format!("credential-{number}")).collect();
    tokens.iter().for_each(|token| bed.chathub.accept(token, "acme"));
    let phases = Phases { warm_up: part.warm_up, window: settings.window(part.short_window, 60) };
    let mut clients = JoinSet::new();
    for visitor in bed.visitors(&tokens) {
        for abreast in 0..ABREAST {
            let chance = settings.chance(visitor.number * ABREAST + abreast);
            clients.spawn(visitor.clone().one_by_one(Kind::List, Duration::ZERO, chance, phases.end()));
        }
    }
    bed.measure(phases, clients).await
}

fn throughputs(credentials: usize, measured: &Measured) -> Sorted {
    (0..credentials).map(|credential| measured.throughput(credential, None)).collect()
}

fn print(credentials: usize, part: Part, measured: &Measured) {
    let spread = throughputs(credentials, measured).spread();
    let (length, counts) = measured.timeline.whole();
    let total = counts.answered as f64 / length.as_secs_f64();
    println!("\nmany, {}: {credentials} credentials, {ABREAST} requests of each under way", part.name);
    println!("  each one's/s {spread}, the least {} of {}/s", percent(spread.least / part.share), part.share);
    println!("  spread {}; all together {total:.1}/s", percent(spread.relative()));
    let shortest = measured.waits.waited.spread().least;
    println!("  waited p50/p99/max {} ms, the shortest {shortest:.0} ms", measured.waits.waited);
    println!("  {} refused, {} failed", refused(measured.of(None, None)), measured.failed());
}

fn check(credentials: usize, part: Part, measured: &Measured, rules: &mut Rules) {
    let scenario = format!("many, {}", part.name);
    let least = throughputs(credentials, measured).spread().least / part.share;
    let rule = format!("nobody is below {} of {}/s", percent(part.least), part.share);
    rules.check(&scenario, least >= part.least, &rule, percent(least));
    if let Some(rate) = part.upstream {
        let (length, counts) = measured.timeline.whole();
        // What a stall held back comes later: a tenth more, and a burst.
        let most = 1.1 * rate as f64 * length.as_secs_f64() + f64::from(BURST);
        let rule = format!("all together stay within {rate}/s");
        let figures = format!("{} in {:.1} s", counts.answered, length.as_secs_f64());
        rules.check(&scenario, counts.answered as f64 <= most, &rule, figures);
    }
}
