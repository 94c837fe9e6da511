//! The gateway's own log, on standard error: what an operator did, must know or must look at.
//!
//! Only this crate speaks. Libraries below trace whole messages, credentials included; their targets are shut off at
//! every level.

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
    // It fails only if a subscriber is there already, and then lines go to that one.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
