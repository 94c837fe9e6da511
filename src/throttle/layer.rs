//! What throttling is configured with.

use std::sync::Arc;

use governor::Quota;
use tower::Layer;

use super::Class;
use super::limiter::{Limiter, Terms};
use super::service::Throttle;
use crate::chathub::credential::DigestKey;

/// The limiters of all classes.
#[derive(Debug)]
pub struct Quotas {
    operator: Limiter,
    login: Limiter,
    other: Limiter,
}

impl Quotas {
    /// Creates a limiter for each class.
    #[must_use]
    pub fn new(quota: impl Fn(Class) -> Quota, terms: &Terms) -> Self {
        let limiter = |class| Limiter::new(class, quota(class), terms);
        Self { operator: limiter(Class::Operator), login: limiter(Class::Login), other: limiter(Class::Other) }
    }

    /// Returns the limiter of a class.
    #[must_use]
    pub const fn of(&self, class: Class) -> &Limiter {
        match class {
            Class::Operator => &self.operator,
            Class::Login => &self.login,
            Class::Other => &self.other,
        }
    }
}

/// Puts a [`Throttle`] in front of a service.
#[derive(Debug, Clone)]
pub struct ThrottleLayer {
    quotas: Arc<Quotas>,
    digests: DigestKey,
}

impl ThrottleLayer {
    /// Creates the layer. `digests` makes keys for those who have no credential.
    #[must_use]
    pub const fn new(quotas: Arc<Quotas>, digests: DigestKey) -> Self {
        Self { quotas, digests }
    }
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttle<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttle { inner, quotas: Arc::clone(&self.quotas), digests: self.digests.clone() }
    }
}
