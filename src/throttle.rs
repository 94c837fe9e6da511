//! How often a credential may ask the upstream (DESIGN 5): cells by GCRA, and a line of those who wait for one.
//!
//! It stands behind cache and collapser, so only what goes upstream costs a cell. A request over quota *waits its
//! turn*; it is refused at once, and told for how long, only if its turn would come later than `throttle.max_wait`.
//! What a newcomer would get wrong: asking the limiter when one's own wait is over. Whoever wakes first would go
//! first; here the line decides who may ask.
//!
//! # The map
//!
//! | module | what it is for |
//! |---|---|
//! | [`quota`] | GCRA: a quota, and the cells that are left of it |
//! | `line` | those who wait, and who may overtake whom |
//! | `health` | stops, probes and lowered rates after a 429 or 503 of the upstream |
//! | `forecast` | how a lane goes on if nobody comes |
//! | `lane` | cells, stops and those who wait together, for one credential in one class |
//! | `table` | the lanes of all credentials, bounded |
//! | `turns` | the lanes that wait for a cell of the quota that they share |
//! | [`pacer`] | who goes when: all lanes, and the quota that they share; a machine without clock or lock |
//! | [`refusal`] | who may wait, and what those are told who may not |
//! | [`limiter`] | the pacer with a clock, a lock and a timer |
//! | [`layer`], [`service`], [`feedback`] | where requests meet it, and where it hears of answers |

pub mod feedback;
mod forecast;
mod health;
mod lane;
pub mod layer;
pub mod limiter;
mod line;
pub mod pacer;
pub mod quota;
pub mod refusal;
pub mod service;
mod table;
mod turns;

pub use feedback::FeedbackLayer;
pub use health::Verdict;
pub use layer::ThrottleLayer;
pub use limiter::Limiter;
pub use quota::Quota;
pub use refusal::{Refusal, Rejection};

use crate::chathub::Route;
use crate::config::SingleCredential;

crate::telemetry::label::words! {
    /// The classes of requests that share a quota.
    Class {
        /// Operator and organization lists, synchronize and status.
        Operator = "operator",
        /// Log-ins of companies, by peer address.
        Login = "login",
        /// Everything else.
        Other = "other",
    }
}

impl Class {
    /// Returns the quota that a single credential has in this class, if it has one of its own.
    #[must_use]
    pub fn quota_of(self, single: &SingleCredential) -> Option<Quota> {
        let quota = match self {
            Self::Operator => single.operator,
            Self::Other => single.other,
            Self::Login => None,
        };
        quota.as_ref().map(Quota::from)
    }

    /// Returns the class of a route.
    #[must_use]
    pub const fn of(route: Route) -> Self {
        match route {
            Route::ListOperators | Route::ListOrganizations | Route::Synchronize | Route::SetStatus => Self::Operator,
            Route::Login => Self::Login,
            Route::Token | Route::Hub | Route::ChatWrite | Route::OtherRead | Route::OtherWrite => Self::Other,
        }
    }
}

/// Who goes before whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// It changes something, and goes ahead of reads that can spare it.
    Write,
    /// Somebody waits for it.
    Foreground,
    /// Nobody waits for it. It goes only if a cell would be lost otherwise, and never waits.
    Background,
}

impl Rank {
    /// Returns the rank of a route's requests.
    #[must_use]
    pub const fn of(route: Route) -> Self {
        if route.is_write() { Self::Write } else { Self::Foreground }
    }
}
