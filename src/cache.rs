//! Answers lists from memory: RFC 9111 for one upstream and two resources (DESIGN 3).
//!
//! Two layers: [`CacheLayer`] answers or sends forward, [`FillLayer`] stands below the collapser and stores what came
//! back, once for all who share the fetch. The decisions are pure functions in files of their own. What a newcomer
//! would get wrong: whether a stored response may be used has *two* answers, fresh (time, here) and current (writes,
//! `store/fence.rs`), and neither replaces the other.

pub mod eligible;
pub mod fill;
pub mod freshness;
pub mod layer;
pub mod refresh;
pub mod service;
pub mod storable;

pub use fill::FillLayer;
pub use layer::CacheLayer;
pub use refresh::Refresh;
pub use service::{Answered, Cache};

use std::time::Duration;

use crate::chathub::List;

/// How long each list is fresh unless the upstream says less. Zero: it is not stored.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Operator lists.
    pub operators: Duration,
    /// Organization lists.
    pub organizations: Duration,
}

impl Lifetimes {
    /// Returns the lifetime set for a list.
    #[must_use]
    pub const fn of(&self, list: List) -> Duration {
        match list {
            List::Operators(_) => self.operators,
            List::Organizations => self.organizations,
        }
    }
}
