//! What must hold, and what did not.
//!
//! A broken rule ends nothing: the scenarios after it are played, and all that broke is told at the end.

use std::fmt::Display;

/// The rules that were broken so far.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    broken: Vec<String>,
}

impl Rules {
    /// Checks a rule. `figures` are what was seen instead.
    pub(crate) fn check(&mut self, scenario: &str, holds: bool, rule: &str, figures: impl Display) {
        if !holds {
            println!("  BROKEN: {rule}: {figures}");
            self.broken.push(format!("{scenario}: {rule}: {figures}"));
        }
    }

    /// All that was broken, each with its scenario and figures.
    pub(crate) fn into_broken(self) -> Vec<String> {
        self.broken
    }
}
