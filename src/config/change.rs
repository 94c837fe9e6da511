//! From one set of settings to the next, while the gateway runs.

use super::setting::{self, SETTINGS};
use super::{Config, rule};

/// What is different between two sets of settings, as paths in the order of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// They take effect at once.
    pub at_once: Vec<&'static str>,
    /// They are read at the start only, and so wait for the next.
    pub at_next_start: Vec<&'static str>,
}

impl Config {
    /// Goes over to other settings, those apart that are read at the start only, and returns which are different. One that
    /// does not go together with another that stays waits with it.
    pub fn change_to(&mut self, other: Self) -> Changed {
        let before = std::mem::replace(self, other);
        let mut changed = Changed::default();
        for setting in SETTINGS {
            let (old, new) = (setting.get(&before), setting.get(self));
            if old == new {
                continue;
            }
            if setting.is_fixed {
                setting.set(self, old);
                changed.at_next_start.push(setting.path);
            } else {
                changed.at_once.push(setting.path);
            }
        }
        for path in rule::broken(self).into_iter().flat_map(|rule| rule.sides).map(|side| side.path) {
            if let Some(setting) =
                changed.at_once.extract_if(.., |changed| *changed == path).next().and_then(setting::find)
            {
                setting.set(self, setting.get(&before));
                changed.at_next_start.push(path);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_read_at_the_start_only_stays_and_is_named() {
        let mut config = Config::default();
        let mut other = Config::default();
        other.cache.operators_ttl = Duration::from_secs(5);
        other.cache.capacity = 1;
        other.server.listen = "127.0.0.1:1".parse().unwrap();

        let changed = config.change_to(other);

        assert_eq!(changed.at_once, ["cache.operators_ttl"]);
        assert_eq!(changed.at_next_start, ["server.listen", "cache.capacity"]);
        assert_eq!(config.cache.operators_ttl, Duration::from_secs(5));
        assert_eq!((config.cache.capacity, config.server.listen), {
            let default = Config::default();
            (default.cache.capacity, default.server.listen)
        });
    }

    #[test]
    fn what_does_not_go_together_with_a_setting_that_stays_waits_with_it() {
        let mut config = Config::default();
        let mut other = Config::default();
        other.cache.capacity = 1 << 30;
        other.cache.max_body = 512 << 20;
        other.cache.operators_ttl = Duration::from_secs(5);

        let changed = config.change_to(other);

        assert_eq!(changed.at_once, ["cache.operators_ttl"]);
        assert_eq!(changed.at_next_start, ["cache.capacity", "cache.max_body"]);
        assert_eq!(config.cache.max_body, Config::default().cache.max_body);
    }

    #[test]
    fn what_goes_back_waits_no_longer() {
        let mut config = Config::default();
        let mut other = Config::default();
        other.cache.capacity = 1;
        config.change_to(other);
        assert_eq!(config.change_to(Config::default()), Changed::default());
    }
}
