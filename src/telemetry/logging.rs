//! The gateway's own log, on standard error: what an operator did, must know or must look at.
//!
//! Only this crate speaks. Libraries below trace whole messages, credentials included; their targets are shut off at
//! every level. A panic is told by its place alone.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What lets events through. It belongs to the process, as the log does.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging. A second call in one process changes nothing.
pub fn start(level: Level, is_json: bool) {
    let (ours, filter) = reload::Layer::new(ours(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match is_json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(false).boxed(),
    };
    std::panic::set_hook(Box::new(|panic| tell(panic.location())));
    // It fails only if a subscriber is there already, and then lines go to that one.
    if tracing_subscriber::registry().with(layer.with_filter(ours)).try_init().is_ok() {
        // Nobody else has begun to log, so nobody else has set it.
        let _ = FILTER.set(filter);
    }
}

/// Lets events of that level through from now on. Without a log there is nothing to change.
pub fn set_level(level: Level) {
    if let Some(filter) = FILTER.get() {
        // It fails only if the log has gone.
        let _ = filter.reload(ours(level));
    }
}

fn ours(level: Level) -> Targets {
    let level: LevelFilter = level.as_str().parse().expect("the levels have tracing's names");
    Targets::new().with_target("chathub_gateway", level)
}

/// Tells of a panic. Its message is not told: it may quote what was being worked on, and that may be a secret.
fn tell(location: Option<&std::panic::Location>) {
    let place = location.map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a part of the gateway broke; what it was doing has failed, all else goes on");
}
