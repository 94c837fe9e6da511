//! What a stored response is stored under.
//!
//! There is no path and no `Accept` in it: only canonical lists are stored, and all requests of the accepted class get
//! the same bytes (contract 5.3). The credential is in it by its keyed digest, which covers the kind too.

use crate::chathub::credential::Digest;
use crate::chathub::request::List;

/// One list as one credential sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The credential, kind and value.
    pub credential: Digest,
    /// The list.
    pub list: List,
}
