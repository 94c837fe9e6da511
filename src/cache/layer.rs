//! What the cache is configured with.

use std::sync::Arc;

use tower::Layer;

use super::service::Cache;
use super::{Lifetimes, Refresh};
use crate::clock::Clock;
use crate::store::Store;

/// Puts a [`Cache`] in front of a service.
#[derive(Debug, Clone)]
pub struct CacheLayer {
    /// What is stored.
    pub store: Arc<Store>,
    /// How long lists are fresh.
    pub lifetimes: Lifetimes,
    /// When they are fetched anew before that ends.
    pub refresh: Refresh,
    /// The time.
    pub clock: Clock,
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cache { inner, settings: self.clone() }
    }
}
