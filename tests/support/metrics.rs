//! The text exposition, read as far as tests ask.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::collections::{BTreeMap, BTreeSet};

/// All series with their values.
#[derive(Debug)]
pub(crate) struct Exposition {
    text: String,
    series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads the text format.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a series: {line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("not a number: {line}")))
        });
        Self { text: text.to_owned(), series: series.collect() }
    }

    /// The value of a series of the gateway, named without its prefix: `refusals_total{reason="throttled"}`.
    ///
    /// # Panics
    ///
    /// If there is no such series: each exists from the start.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let name = format!("chathub_gateway_{series}");
        *self.series.get(&name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The same, if there is such a series.
    pub(crate) fn find(&self, series: &str) -> Option<f64> {
        self.series.get(&format!("chathub_gateway_{series}")).copied()
    }

    /// The names of all families.
    pub(crate) fn families(&self) -> BTreeSet<&str> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, _)| name)
            .collect()
    }

    /// All series of the gateway itself.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&str, f64)> {
        let own = self.series.iter().filter(|(name, _)| name.starts_with("chathub_gateway_"));
        own.map(|(name, value)| (name.as_str(), *value))
    }

    /// The text as it was exposed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
