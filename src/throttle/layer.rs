//! What throttling is configured with.

use std::sync::Arc;

use tower::Layer;

use super::Limiter;
use super::service::Throttle;
use crate::chathub::credential::DigestKey;
use crate::config::Credentials;

/// Puts a [`Throttle`] in front of a service.
#[derive(Debug, Clone)]
pub struct ThrottleLayer {
    /// Who may go when.
    pub limiter: Limiter,
    /// Quotas of single credentials.
    pub credentials: Arc<Credentials>,
    /// Makes keys for those who have no credential.
    pub digests: DigestKey,
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttle<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttle { inner, settings: Arc::new(self.clone()) }
    }
}
