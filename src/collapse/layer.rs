//! What collapsing is configured with.

use std::sync::Arc;

use tower::Layer;

use super::flight::Flights;
use super::service::Collapse;
use crate::clock::Clock;
use crate::telemetry::metrics::CollapseMetrics;

/// Puts a [`Collapse`] in front of a service.
#[derive(Debug, Clone)]
pub struct CollapseLayer {
    flights: Arc<Flights>,
    clock: Clock,
    metrics: CollapseMetrics,
}

impl CollapseLayer {
    /// Creates the layer.
    #[must_use]
    pub fn new(clock: Clock, metrics: CollapseMetrics) -> Self {
        Self { flights: Arc::default(), clock, metrics }
    }
}

impl<S> Layer<S> for CollapseLayer {
    type Service = Collapse<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Collapse { inner, flights: Arc::clone(&self.flights), clock: self.clock, metrics: self.metrics.clone() }
    }
}
