//! Many numbers as a few.

use std::fmt;
use std::time::Duration;

/// Numbers in order of size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorted(Vec<f64>);

/// The least, the mean and the greatest of some numbers; all zero if there are none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) mean: f64,
    pub(crate) greatest: f64,
}

impl Sorted {
    /// Durations as milliseconds.
    pub(crate) fn millis(durations: impl Iterator<Item = Duration>) -> Self {
        durations.map(|duration| duration.as_secs_f64() * 1000.0).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number below which `percent` of all lie, by the nearest rank; zero if there are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    pub(crate) fn spread(&self) -> Spread {
        let count = self.0.len().max(1) as f64;
        let least = self.0.first().copied().unwrap_or_default();
        Spread { least, mean: self.0.iter().sum::<f64>() / count, greatest: self.greatest() }
    }
}

impl FromIterator<f64> for Sorted {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }
}

impl Spread {
    /// How far the greatest and the least are apart, as a share of the mean.
    pub(crate) fn relative(self) -> f64 {
        if self.mean > 0.0 { (self.greatest - self.least) / self.mean } else { 0.0 }
    }
}

/// `p50/p99/max`, as they stand in every table.
impl fmt::Display for Sorted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.0}/{:.0}/{:.0}", self.percentile(50), self.percentile(99), self.greatest());
        formatter.pad(&text)
    }
}

/// `min/mean/max`, as they stand in every table.
impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}/{:.2}/{:.2}", self.least, self.mean, self.greatest);
        formatter.pad(&text)
    }
}

/// A share as percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A figure, if it was told.
pub(crate) fn told(figure: Option<f64>) -> String {
    figure.map_or_else(|| "not told".to_owned(), |figure| format!("{figure:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_were_seen() {
        let numbers: Sorted = (1..=200).rev().map(f64::from).collect();
        assert_eq!([0, 50, 99, 100].map(|percent| numbers.percentile(percent)), [1.0, 100.0, 198.0, 200.0]);
        assert_eq!(Sorted::default().percentile(50), 0.0);
    }

    #[test]
    fn a_spread_is_told_as_a_share_of_the_mean() {
        let spread = Sorted::from_iter([3.0, 1.0, 2.0]).spread();
        assert_eq!((spread.to_string().as_str(), spread.relative()), ("1.00/2.00/3.00", 1.0));
    }
}
