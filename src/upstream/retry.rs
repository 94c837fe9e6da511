//! Sends a read once more if its connection died before an answer (DESIGN 6).
//!
//! It stands above the throttle, so a second attempt pays for itself like the first. A write never comes here twice:
//! a connection that broke says nothing about whether the write was applied.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use crate::chathub::RoutedRequest;
use crate::error::{Cause, Error};
use crate::telemetry::metrics::UpstreamMetrics;
use crate::wire::Response;

/// The span over which the budget is a share of the requests.
const BUDGET_SPAN: Duration = Duration::from_secs(10);

/// Which requests are sent again, and how many of them.
#[derive(Debug, Clone)]
pub struct RetryReads {
    budget: Arc<TpsBudget>,
    metrics: UpstreamMetrics,
    has_retried: bool,
}

impl RetryReads {
    /// Allows retries for `percent` of all reads; zero means none.
    #[must_use]
    pub fn new(percent: u8, metrics: UpstreamMetrics) -> Self {
        // Without the floor of one a second, a gateway with little traffic could never retry.
        let floor = u32::from(percent > 0);
        let budget = Arc::new(TpsBudget::new(BUDGET_SPAN, floor, f32::from(percent) / 100.0));
        Self { budget, metrics, has_retried: false }
    }
}

impl Policy<RoutedRequest, Response, Error> for RetryReads {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut RoutedRequest, result: &mut Result<Response, Error>) -> Option<Self::Future> {
        let died = matches!(result, Err(Error { cause: Cause::Upstream(error), .. }) if error.is_dead_connection());
        if !died {
            self.budget.deposit();
            return None;
        }
        if self.has_retried || !self.budget.withdraw() {
            return None;
        }
        self.has_retried = true;
        self.metrics.retried();
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &RoutedRequest) -> Option<RoutedRequest> {
        (request.route.is_safe() && request.body.is_empty()).then(|| request.without_content())
    }
}
