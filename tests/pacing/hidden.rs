//! The upstream takes less than the gateway believes: 20/s instead of 50/s, of which only its 429s tell. The gateway is to
//! find that out, and then to use what there is.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::bed::{Addresses, Bed, Measured, Phases, refused};
use crate::figures::{percent, told};
use crate::load::Timetable;
use crate::pulse::undisturbed;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::support::emulator::{RateLimit, Switches};

/// What the upstream takes in a second.
const HIDDEN: u32 = 20;

/// What the client asks for in a second.
const DEMAND: f64 = 60.0;

/// In how long a window the upstream's 429s are to be fewer than this share of its answers.
const CALM: (Duration, f64) = (Duration::from_secs(10), 0.01);

/// How much of what the upstream takes is to be used in the last half, in either form.
const GOODPUT: (f64, f64) = (0.1, 0.75);

pub(crate) async fn run(settings: &Settings, rules: &mut Rules) {
    let bucket = RateLimit::Bucket { rate: HIDDEN, capacity: HIDDEN };
    let window = RateLimit::StrictWindow { most: HIDDEN, window: Duration::from_secs(1), average: HIDDEN };
    let all =
        [("bucket", bucket, true), ("bucket", bucket, false), ("window", window, true), ("window", window, false)];
    for (name, limit, retry_after) in all.into_iter().take(settings.pick(1, 4)) {
        let title = format!("hidden, {name} {} Retry-After", if retry_after { "with" } else { "without" });
        let switches = Switches { rate_limit: limit, retry_after, ..Switches::default() };
        let measured = undisturbed(settings, || play(settings, switches.clone())).await;
        println!("\n{title}: {DEMAND}/s asked, 50/s believed, {HIDDEN}/s taken");
        print(&measured);
        check(settings, &title, &measured, rules);
    }
}

async fn play(settings: &Settings, switches: Switches) -> Measured {
    let set = "throttle.other = { rate = '50/s', burst = 25 }\nthrottle.adaptive = true\nthrottle.max_wait = '5s'";
    let bed = Bed::start(switches, set).await;
    let phases = Phases { warm_up: Duration::ZERO, window: settings.window(3, 120) };
    let visitor = bed.visitor(0, &bed.chathub.company_token("acme"), Addresses::Own);
    let table = Timetable { per_second: DEMAND, most: 1000, lists: 0, writes: 0 };
    let clients = [visitor.by_timetable(table, settings.chance(0), phases.end())];
    bed.measure(phases, JoinSet::from_iter(clients)).await
}

fn goodput(measured: &Measured) -> f64 {
    let (length, counts) = measured.timeline.from(measured.window / 2);
    counts.answered as f64 / (f64::from(HIDDEN) * length.as_secs_f64())
}

fn settled(measured: &Measured) -> Option<Duration> {
    measured.timeline.settled(CALM.0, CALM.1)
}

fn print(measured: &Measured) {
    let (length, counts) = measured.timeline.whole();
    let verdict = match settled(measured) {
        Some(moment) => format!("below 1 % in each window of 10 s from {:.1} s on", moment.as_secs_f64()),
        None if measured.window < CALM.0 => "too short to tell".to_owned(),
        None => "never below 1 % in each window of 10 s".to_owned(),
    };
    println!("  upstream in {:.1} s: {} answered, {} 429s", length.as_secs_f64(), counts.answered, counts.refused);
    println!("  429s: {verdict}; in tenths of the time {:?}", measured.timeline.refused_in_parts(10));
    println!("  goodput of the last half: {} of {HIDDEN}/s", percent(goodput(measured)));
    let figure = |series: &str| told(measured.metrics.find(series));
    println!(
        "  stops {}, share of the rate at the end {}",
        figure(r#"throttle_stops_total{class="other",status="429"}"#),
        figure(r#"throttle_rate_share{class="other"}"#)
    );
    let refused = refused(measured.of(None, None));
    println!("  client: {refused} refused by the gateway, {} unsent, {} failed", measured.unsent, measured.failed());
}

fn check(settings: &Settings, title: &str, measured: &Measured, rules: &mut Rules) {
    let (least, goodput) = (settings.pick(GOODPUT.0, GOODPUT.1), goodput(measured));
    let rule = format!("at least {} of what the upstream takes are used", percent(least));
    rules.check(title, goodput >= least, &rule, percent(goodput));
    // Such a window must fit in, and time to learn before it.
    if settings.is_long() && measured.window >= 6 * CALM.0 {
        let moment = settled(measured);
        let holds = moment.is_some_and(|moment| moment <= measured.window / 2);
        let rule = "429s are below 1 % in each window of the last half";
        rules.check(title, holds, rule, format!("{:?} in tenths of the time", measured.timeline.refused_in_parts(10)));
    }
}
