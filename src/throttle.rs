//! How often a credential may ask the upstream (DESIGN 5): GCRA by governor, and a queue in the order of arrival.
//!
//! It stands behind cache and collapser, so only what goes upstream costs a cell. A request over quota *waits its
//! turn*; it is refused at once, and told for how long, only if its turn would come later than `throttle.max_wait`.
//! What a newcomer would get wrong: asking the limiter when one's own wait is over. Whoever wakes first would go
//! first; here the queue decides who may ask.

pub mod lane;
pub mod layer;
pub mod limiter;
pub mod service;

pub use layer::{Quotas, ThrottleLayer};
pub use limiter::Rejected;

use crate::chathub::Route;

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
