//! Which stored lists a write can make stale (contract section 2, DESIGN 4).
//!
//! A group is the lists of one organization, for *every* credential: the gateway cannot know which credentials belong
//! to one company, so a write by one hides what was fetched by all.

use super::id::{OperatorId, OrganizationId};
use super::route::Route;

/// The groups that a write touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// No list can change.
    None,
    /// The operator lists of these organizations.
    Organizations(Vec<OrganizationId>),
    /// The operator lists that hold this operator. The write does not say whose they are; the store knows, if it has
    /// seen the operator at all.
    Operator(OperatorId),
    /// Every operator list.
    OperatorLists,
    /// Every list.
    All,
}

impl Groups {
    /// Returns what a write of `route` touches as far as the route alone tells.
    ///
    /// The content of a synchronize and of a status write tells more ([`super::payload`]). Neither changes the list of
    /// organizations (contract section 2).
    #[must_use]
    pub const fn of(route: Route) -> Self {
        match route {
            Route::Synchronize | Route::SetStatus => Self::OperatorLists,
            Route::OtherWrite => Self::All,
            Route::ListOperators
            | Route::ListOrganizations
            | Route::Login
            | Route::Token
            | Route::Hub
            | Route::ChatWrite
            | Route::OtherRead => Self::None,
        }
    }
}
