//! Makes a request wait for its turn before it goes upstream.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::Service;

use super::Class;
use super::layer::Quotas;
use crate::chathub::credential::{Digest, DigestKey};
use crate::chathub::{Identity, RoutedRequest};
use crate::error::Error;
use crate::wire::Response;

/// The service of [`ThrottleLayer`](super::ThrottleLayer).
#[derive(Debug, Clone)]
pub struct Throttle<S> {
    pub(super) inner: S,
    pub(super) quotas: Arc<Quotas>,
    pub(super) digests: DigestKey,
}

impl<S> Throttle<S> {
    /// Returns whose quota the request uses. Log-ins have no credential yet: their quota is the peer's, as is that of
    /// whoever sends none.
    fn key(&self, class: Class, request: &RoutedRequest) -> Digest {
        match (class, request.identity) {
            (Class::Operator | Class::Other, Identity::One(credential)) => credential.digest,
            (Class::Operator | Class::Other, Identity::Both(digest)) => digest,
            (Class::Login, _) | (_, Identity::Anonymous | Identity::Repeated) => self.peer(request.peer),
        }
    }

    fn peer(&self, address: IpAddr) -> Digest {
        match address {
            IpAddr::V4(address) => self.digests.digest_other(&address.octets()),
            IpAddr::V6(address) => self.digests.digest_other(&address.octets()),
        }
    }
}

impl<S> Service<RoutedRequest> for Throttle<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: RoutedRequest) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let class = Class::of(request.route);
        let key = self.key(class, &request);
        let quotas = Arc::clone(&self.quotas);
        Box::pin(async move {
            let waited = quotas.of(class).admit(key).await?;
            let mut response = inner.call(request).await?;
            response.account.throttle_wait = Some(waited);
            Ok(response)
        })
    }
}
