//! How long a run is and what it consists of: environment variables, which `tests/pacing/run` sets.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::support::emulator::Random;

/// The scenarios, in the order in which they are played.
const SCENARIOS: [&str; 5] = ["strict", "greedy", "many", "hidden", "tokens"];

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    seed: u64,
    /// The long form measures; the short one, a part of `cargo test`, asserts only what a busy machine cannot break.
    is_long: bool,
    /// How long a scenario is measured. Absent: as it sees fit.
    seconds: Option<u64>,
    /// Absent: all.
    scenario: Option<&'static str>,
}

impl Settings {
    /// Reads the variables.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let seed = match variable("PACING_SEED") {
            Some(text) => number("PACING_SEED", &text)?,
            None => getrandom::u64().map_err(|error| error.to_string())?,
        };
        let seconds = variable("PACING_SECONDS").map(|text| number("PACING_SECONDS", &text)).transpose()?;
        if seconds.is_some_and(|seconds| !(1..=3600).contains(&seconds)) {
            return Err("PACING_SECONDS is 1 to 3600".to_owned());
        }
        let scenario = variable("PACING_SCENARIO").map(|name| scenario(&name)).transpose()?;
        Ok(Self { seed, is_long: variable("PACING_LONG").is_some(), seconds, scenario })
    }

    /// Whether a scenario is to be played.
    pub(crate) fn takes(&self, scenario: &str) -> bool {
        self.scenario.is_none_or(|only| only == scenario)
    }

    /// Whether this is the long form.
    pub(crate) fn is_long(&self) -> bool {
        self.is_long
    }

    /// What the form asks for.
    pub(crate) fn pick<T>(&self, short: T, long: T) -> T {
        if self.is_long { long } else { short }
    }

    /// How long is measured, unless told otherwise.
    pub(crate) fn window(&self, short: u64, long: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(self.pick(short, long)))
    }

    /// Chance that follows from the seed, another for each number.
    pub(crate) fn chance(&self, number: usize) -> Random {
        let mut seeds = Random::seeded(self.seed ^ (number as u64) << 32);
        Random::seeded(seeds.number())
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, form) = (self.scenario.unwrap_or("all"), self.pick("short", "long"));
        write!(formatter, "seed {:#x}, scenario {scenario}, {form} form", self.seed)
    }
}

fn scenario(name: &str) -> Result<&'static str, String> {
    let found = SCENARIOS.into_iter().find(|scenario| *scenario == name);
    found.ok_or_else(|| format!("there is no scenario {name}, only {}", SCENARIOS.join(", ")))
}

/// A number, in hexadecimal if it begins so.
fn number(name: &str, text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => u64::from_str(text),
    };
    number.map_err(|_| format!("{name} is {text}, not a number"))
}
