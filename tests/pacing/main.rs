//! How a gateway paces what it sends upstream, measured from outside: over sockets, by what clients are answered, what
//! the access log tells and what reaches an emulated ChatHub.
//!
//! Each scenario prints its figures and checks its rules. As a part of `cargo test` all are short, and assert only what a
//! busy machine cannot break. `tests/pacing/run` plays them at length, and strictly.
//! What a newcomer would get wrong: a seed repeats when requests are sent and which, not what they meet, so figures
//! differ from run to run. And a figure that the gateway under test does not tell is printed as "not told", not as zero.

mod bed;
mod figures;
mod greedy;
mod hidden;
mod load;
mod many;
mod pulse;
mod rules;
mod settings;
mod strict;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
mod tokens;
mod waits;

use rules::Rules;
use settings::Settings;

/// One test, because scenarios that run beside one another would measure one another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_gateway_paces_as_it_promises() {
    let settings = Settings::read(|name| std::env::var(name).ok()).unwrap_or_else(|fault| panic!("{fault}"));
    println!("{settings}");
    let mut rules = Rules::default();
    if settings.takes("strict") {
        strict::run(&settings, &mut rules).await;
    }
    if settings.takes("greedy") {
        greedy::run(&settings, &mut rules).await;
    }
    if settings.takes("many") {
        many::run(&settings, &mut rules).await;
    }
    if settings.takes("hidden") {
        hidden::run(&settings, &mut rules).await;
    }
    if settings.takes("tokens") {
        tokens::run(&settings, &mut rules).await;
    }
    let broken = rules.into_broken();
    assert!(broken.is_empty(), "{settings}; rules broken:\n{}", broken.join("\n"));
}
