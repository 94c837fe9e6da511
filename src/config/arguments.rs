//! The command line.
//!
//! What is wrong with the line itself, an unknown flag, ends the program here with 2. What is wrong with a setting that
//! a flag gives is told by [`load()`](super::load()) together with all other problems; hence flags are taken as raw text.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use super::unit;

const AFTER_HELP: &str = "\
Settings: defaults < file < environment < flags. Every setting of the file is an environment variable too, with a
double underscore between the levels: CHATHUB_GATEWAY__CACHE__OPERATORS_TTL=30s. `config` prints them all, explained.

Exit codes: 0 ended as asked, 1 failed or not so, 2 wrong usage, 3 cut at the deadline, 78 wrong settings";

/// What the program is asked to do. It has no `Debug`: a URL may hold a password, until that has been refused.
#[derive(Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "chathub-gateway",
    version,
    about = "A caching, rate-limiting HTTP gateway for the SMSBAT ChatHub API"
)]
#[command(after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do; to run, if absent.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// File with settings, in TOML [environment: CHATHUB_GATEWAY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where clients connect [default: 127.0.0.1:2428]
    #[arg(long, global = true, value_name = "ADDR")]
    pub listen: Option<OsString>,

    /// Where operators connect: metrics, health, purge [default: 127.0.0.1:2429]
    #[arg(long, global = true, value_name = "ADDR")]
    pub admin_listen: Option<OsString>,

    /// Where ChatHub is, by default as its owner publishes it.
    #[arg(long, global = true, value_name = "URL", help = "Where ChatHub is [default: https://chatapi.smsbat.com]")]
    pub upstream: Option<OsString>,
}

/// What the program may do instead of running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Check the settings and say what is wrong with them
    Check,
    /// Print the settings that would be in effect, as a commented file
    Config,
    /// Ask the running gateway whether it is ready, alive or started
    Probe {
        /// What to ask for.
        #[arg(value_enum, default_value_t)]
        what: Probed,
        /// How long it may take [default: 2s]
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Wait until the running gateway is ready
    Wait {
        /// How long it may take [default: 60s]
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Let the running gateway leave: no longer ready, still serving; and wait until no request is under way
    Drain {
        /// How long it may take [default: server.drain_deadline]
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Ask the running gateway to stop, as SIGTERM does
    Quit {
        /// Do not wait for server.drain_delay: nobody is coming any more
        #[arg(long)]
        now: bool,
    },
}

/// What a running gateway can be asked to say of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Probed {
    /// Whether it is to be sent requests.
    #[default]
    Ready,
    /// Whether it is alive.
    Live,
    /// Whether it has started.
    Started,
}

/// Reads a time as the settings have it.
fn duration(text: &str) -> Result<Duration, String> {
    unit::read_duration(text).map_err(|fault| fault.what)
}
