//! What happened to one request, gathered as it passes the layers and told once at the edge.
//!
//! It travels with the *response*, since that is the way by which a layer's knowledge goes up. It holds values, never
//! text: digests instead of credentials, enums instead of labels.

use std::time::Duration;

use super::cache_status::CacheStatus;
use super::rate_limit::RateLimit;
use crate::chathub::credential::Credential;
use crate::chathub::id::OrganizationId;
use crate::chathub::route::Route;
use crate::error::Reason;

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
    /// How the request came to its turn to go upstream, or waited for it in vain; `None` if it did neither.
    pub turn: Option<Turn>,
    /// What is left of the quotas that it used; `None` if it used none.
    pub rate_limit: Option<RateLimit>,
    /// How long the upstream took until its response head, or until it was given up; `None` if it was not asked.
    pub upstream_time: Option<Duration>,
    /// Why the gateway answered with an error of its own; `None` if it did not.
    pub refusal: Option<Reason>,
}

/// How a request came to its turn to go upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How long it waited.
    pub waited: Duration,
    /// How long it might have had to wait at the most, as it was predicted when it came; `None` if it went at once.
    pub predicted: Option<Duration>,
}

/// Where the time of a request went that failed. It goes up with the error, for there is no response to carry it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// As in [`Account`].
    pub turn: Option<Turn>,
    /// As in [`Account`].
    pub upstream_time: Option<Duration>,
}
