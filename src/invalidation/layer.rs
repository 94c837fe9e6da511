//! What invalidation is configured with.

use std::sync::Arc;
use std::time::Duration;

use tower::Layer;

use super::service::Invalidation;
use crate::store::Store;
use crate::tally::Tally;
use crate::telemetry::metrics::InvalidationMetrics;

/// Puts an [`Invalidation`] in front of a service.
#[derive(Debug, Clone)]
pub struct InvalidationLayer {
    /// What is hidden.
    pub store: Arc<Store>,
    /// How long nothing is stored or answered from memory after a write whose outcome is in doubt.
    pub quarantine: Duration,
    /// Where it is counted.
    pub metrics: InvalidationMetrics,
    /// What a gateway that stops waits for.
    pub writes: Tally,
}

impl<S> Layer<S> for InvalidationLayer {
    type Service = Invalidation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Invalidation { inner, settings: Arc::new(self.clone()) }
    }
}
