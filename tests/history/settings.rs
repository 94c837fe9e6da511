//! How long a run is and what it consists of: environment variables, which `tests/history/run` sets.

use std::fmt;
use std::str::FromStr;

use crate::mix::{MIXES, Mix};
use crate::support::emulator::Random;

/// How many operations a round has: few enough that its history is checked and printed in no time.
const ROUND: usize = 4000;

/// How many operations of each mix are a part of `cargo test`.
const SHORT: usize = 1200;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// In all, spread evenly over the mixes.
    operations: usize,
    seed: u64,
    /// Absent: all.
    mix: Option<&'static Mix>,
    /// The one round to play, and how often. Absent: as many as there are operations for, each once.
    round: Option<(u64, usize)>,
}

impl Settings {
    /// Reads the variables.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let seed = match variable("HISTORY_SEED") {
            Some(text) => number("HISTORY_SEED", &text)?,
            None => getrandom::u64().map_err(|error| error.to_string())?,
        };
        let mix = variable("HISTORY_MIX").map(|name| mix(&name)).transpose()?;
        let mixes = if mix.is_some() { 1 } else { MIXES.len() };
        let operations = match variable("HISTORY_OPERATIONS") {
            Some(text) => size("HISTORY_OPERATIONS", &text)?,
            None => mixes * SHORT,
        };
        let times = variable("HISTORY_TIMES").map_or(Ok(1), |text| size("HISTORY_TIMES", &text))?;
        let round = variable("HISTORY_ROUND").map(|text| number("HISTORY_ROUND", &text)).transpose()?;
        Ok(Self { operations, seed, mix, round: round.map(|seed| (seed, times)) })
    }

    /// Whether a mix is to be run.
    pub(crate) fn takes(&self, mix: &Mix) -> bool {
        self.mix.is_none_or(|only| only.name == mix.name)
    }

    /// The seeds of a mix's rounds and how many operations each has.
    pub(crate) fn rounds(&self, mix: &Mix) -> Box<dyn Iterator<Item = (u64, usize)> + Send> {
        if let Some((seed, times)) = self.round {
            let size = self.operations;
            return Box::new((0..times).map(move |_| (seed, size)));
        }
        let mixes = MIXES.iter().filter(|mix| self.takes(mix)).count();
        let total = self.operations.div_ceil(mixes);
        let position = MIXES.iter().position(|other| other.name == mix.name).unwrap_or_default();
        let mut random = Random::seeded(self.seed ^ (position as u64) << 56);
        Box::new((0..total.div_ceil(ROUND)).map(move |round| (random.number(), ROUND.min(total - round * ROUND))))
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mix = self.mix.map_or("all", |mix| mix.name);
        match self.round {
            Some((round, times)) => write!(formatter, "round {round:#x} of mix {mix}, {times} times"),
            None => write!(formatter, "seed {:#x}, mix {mix}, {} operations", self.seed, self.operations),
        }
    }
}

fn mix(name: &str) -> Result<&'static Mix, String> {
    let names = || MIXES.iter().map(|mix| mix.name).collect::<Vec<_>>().join(", ");
    Mix::named(name).ok_or_else(|| format!("there is no mix {name}, only {}", names()))
}

fn size(name: &str, text: &str) -> Result<usize, String> {
    let size = usize::from_str(text).ok().filter(|size| *size > 0);
    size.ok_or_else(|| format!("{name} is {text}, not a number above zero"))
}

/// A number, in hexadecimal if it begins so.
fn number(name: &str, text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => u64::from_str(text),
    };
    number.map_err(|_| format!("{name} is {text}, not a number"))
}
