//! What happened to one request, gathered as it passes the layers and told once at the edge.
//!
//! It travels with the *response*, since that is the way by which a layer's knowledge goes up. It holds values, never
//! text: digests instead of credentials, enums instead of labels.

use std::time::Duration;

use super::cache_status::CacheStatus;
use crate::chathub::credential::Credential;
use crate::chathub::id::OrganizationId;
use crate::chathub::route::Route;

/// What happened to one request.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What the request was for; `None` if it was refused before that was known.
    pub route: Option<Route>,
    /// The organization whose list was asked for in canonical form.
    pub organization: Option<OrganizationId>,
    /// Who asked, if there was exactly one credential.
    pub credential: Option<Credential>,
    /// What the cache did.
    pub cache: CacheStatus,
    /// How long the request waited for its turn to go upstream; `None` if it did not go.
    pub throttle_wait: Option<Duration>,
    /// How long the upstream took until its response head; `None` if it was not asked.
    pub upstream_time: Option<Duration>,
}
