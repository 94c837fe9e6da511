//! Fetches a list anew before its lifetime ends, so that nobody who polls it waits.
//!
//! It is background work: it goes only with a cell that nobody else wants (DESIGN 5), and if there is none the list is
//! fetched when it is asked for, as ever. A newcomer would refresh by a timer; then lists that nobody asks for would be
//! fetched for ever. Here a hit near the end of a lifetime is what begins it.

use std::time::Duration;

use tower::{Service, ServiceExt};

use crate::chathub::{InBackground, RoutedRequest};
use crate::error::{Cause, Error};
use crate::store::Entry;
use crate::telemetry::metrics::{RefreshMetrics, RefreshOutcome};

use crate::wire::Response;

/// When and how lists are fetched anew.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// How long before the end of a lifetime. Zero: never.
    pub ahead: Duration,
    /// Where it is counted.
    pub metrics: RefreshMetrics,
}

impl Refresh {
    /// Returns whether a stored response that was just used is to be fetched anew: near its end, and once a second at the
    /// most, whatever became of the last time.
    pub(super) fn is_due(&self, entry: &Entry, left: Duration, age: Duration) -> bool {
        left <= self.ahead && entry.refresh_at(age)
    }

    /// Sends a request for which nobody waits.
    pub(super) fn begin<S>(&self, inner: S, request: RoutedRequest)
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send + 'static,
    {
        let metrics = self.metrics.clone();
        tokio::spawn(async move {
            metrics.ended(match inner.oneshot(request).await {
                Ok(response) if response.message.status().is_success() => RefreshOutcome::Refreshed,
                Err(Error { cause: Cause::Throttled(_), .. }) => RefreshOutcome::Skipped,
                Ok(_) | Err(_) => RefreshOutcome::Failed,
            });
        });
    }
}

/// Copies a request that was answered from memory, so that it can be sent though nobody waits.
pub(super) fn copy(request: &RoutedRequest) -> RoutedRequest {
    let mut copy = request.without_content();
    copy.head.extensions.insert(InBackground);
    // The client is by then on another request, or on none.
    copy.interim = None;
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::wire::Interim;

    #[test]
    fn what_is_sent_in_the_background_tells_no_client_anything_before_its_answer() {
        let mut request = testing::routed("GET", "/api/operator?organizationId=24", &[]);
        request.interim = Some(Interim::default());
        assert!(copy(&request).interim.is_none());
    }
}
