//! The gateway's own log, on standard error: what an operator did, must know or must look at.
//!
//! Only this crate speaks. Libraries below trace whole messages, credentials included; their targets are shut off at
//! every level. A panic is told by its place alone.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. A second call in one process changes nothing.
pub fn start(level: LevelFilter, is_json: bool) {
    let ours = Targets::new().with_target("chathub_gateway", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match is_json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(false).boxed(),
    };
    std::panic::set_hook(Box::new(|panic| tell(panic.location())));
    // It fails only if a subscriber is there already, and then lines go to that one.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

/// Tells of a panic. Its message is not told: it may quote what was being worked on, and that may be a secret.
fn tell(location: Option<&std::panic::Location>) {
    let place = location.map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a part of the gateway broke; what it was doing has failed, all else goes on");
}
