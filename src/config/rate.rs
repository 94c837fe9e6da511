//! [`Rate`]: so many a second, a minute or an hour.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// How many cells are replenished in a second, a minute or an hour; never zero, never above 1 000 000/s.
///
/// It prints as it was written, `300/m`; hence `60/m` and `1/s` differ although they have the same
/// [`period`](Self::period).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Per,
}

/// The time in which a [`Rate`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
}

impl Rate {
    /// The greatest rate in cells a second: a period of one microsecond, far above what the limiter's clock resolves.
    pub const MAX_PER_SECOND: u32 = 1_000_000;

    /// Returns `count` cells per `per`, or `None` if that is above [`Self::MAX_PER_SECOND`].
    pub fn new(count: NonZeroU32, per: Per) -> Option<Self> {
        let greatest = u64::from(Self::MAX_PER_SECOND) * per.as_duration().as_secs();
        (u64::from(count.get()) <= greatest).then_some(Self { count, per })
    }

    /// Returns the time in which one cell is replenished, rounded up to a nanosecond: three a second must not become
    /// three in 0.999 999 999 s.
    pub fn period(&self) -> Duration {
        let nanoseconds = self.per.as_duration().as_secs() * 1_000_000_000;
        Duration::from_nanos(nanoseconds.div_ceil(u64::from(self.count.get())))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_str())
    }
}

// === impl Per ===

impl Per {
    /// All of them, shortest first.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// Returns the letter that stands for it behind the slash.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }

    /// Returns its length.
    pub fn as_duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, per: Per) -> Option<Rate> {
        Rate::new(NonZeroU32::new(count).unwrap(), per)
    }

    #[test]
    fn a_period_is_never_shorter_than_the_rate_allows() {
        for (count, per) in [(5, Per::Second), (3, Per::Second), (7, Per::Minute), (1001, Per::Hour)] {
            let period = rate(count, per).unwrap().period();
            assert!(period * count >= per.as_duration(), "{count}/{}", per.as_str());
            assert!((period - Duration::from_nanos(1)) * count < per.as_duration());
        }
    }

    #[test]
    fn a_rate_is_bounded_in_every_unit() {
        assert!(rate(1_000_000, Per::Second).is_some());
        assert!(rate(1_000_001, Per::Second).is_none());
        assert!(rate(60_000_000, Per::Minute).is_some());
        assert!(rate(60_000_001, Per::Minute).is_none());
        assert!(rate(3_600_000_001, Per::Hour).is_none());
    }
}
