//! What collapsing is configured with.

use std::sync::Arc;
use std::time::Duration;

use tower::Layer;

use super::flight::Flights;
use super::service::Collapse;
use crate::clock::Clock;
use crate::store::Store;
use crate::telemetry::metrics::CollapseMetrics;

/// Puts a [`Collapse`] in front of a service. Those of one layer and its clones share their fetches.
#[derive(Debug, Clone)]
pub struct CollapseLayer {
    /// The running fetches.
    pub flights: Arc<Flights>,
    /// Gives new tickets to those who must fetch after all.
    pub store: Arc<Store>,
    /// How long a request waits for fetches that others run before it fetches for itself.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: CollapseMetrics,
}

impl<S> Layer<S> for CollapseLayer {
    type Service = Collapse<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Collapse { inner, settings: Arc::new(self.clone()) }
    }
}
