//! What the cache is configured with.

use std::sync::Arc;

use tower::Layer;

use super::Lifetimes;
use super::service::Cache;
use crate::clock::Clock;
use crate::store::Store;

/// Puts a [`Cache`] in front of a service.
#[derive(Debug, Clone)]
pub struct CacheLayer {
    store: Arc<Store>,
    lifetimes: Lifetimes,
    clock: Clock,
}

impl CacheLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new(store: Arc<Store>, lifetimes: Lifetimes, clock: Clock) -> Self {
        Self { store, lifetimes, clock }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cache { inner, store: Arc::clone(&self.store), lifetimes: self.lifetimes, clock: self.clock }
    }
}
