//! Finds out what a request is for and who sent it. Below this layer a request has its route and its credential.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use std::future::{Ready, ready};
use tower::{Layer, Service};

use super::Failure;
use crate::chathub::credential::DigestKey;
use crate::chathub::{Identity, List, Route, RoutedRequest};
use crate::error::{Cause, Error};
use crate::wire::cache_status::{CacheStatus, Outcome};
use crate::wire::{Account, Request, Response};

/// Puts a [`Routing`] in front of the core.
#[derive(Debug, Clone)]
pub struct RoutingLayer {
    digests: DigestKey,
}

impl RoutingLayer {
    /// Identifies credentials by digests under this key.
    #[must_use]
    pub const fn new(digests: DigestKey) -> Self {
        Self { digests }
    }
}

impl<S> Layer<S> for RoutingLayer {
    type Service = Routing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routing { inner, digests: self.digests.clone() }
    }
}

/// The service of [`RoutingLayer`].
#[derive(Debug, Clone)]
pub struct Routing<S> {
    inner: S,
    digests: DigestKey,
}

impl<S> Routing<S> {
    fn route(&self, request: Request) -> RoutedRequest {
        let Request { head, body, peer, is_rested, .. } = request;
        RoutedRequest {
            route: Route::of(&head.method, &head.uri),
            list: List::from_canonical(&head.method, &head.uri),
            identity: self.digests.identify(&head.headers),
            head,
            body,
            peer,
            is_rested,
        }
    }
}

impl<S> Service<Request> for Routing<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Failure;
    type Future = Either<Accounted<S::Future>, Ready<Result<Response, Failure>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::from)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let request = self.route(request);
        let known = Known { route: request.route, list: request.list, identity: request.identity };
        if request.identity == Identity::Repeated {
            return Either::Right(ready(Err(known.fail(Cause::RepeatedCredential.into()))));
        }
        Either::Left(Accounted { inner: self.inner.call(request), known })
    }
}

/// What this layer knows of a request.
#[derive(Debug, Clone, Copy)]
struct Known {
    route: Route,
    list: Option<List>,
    identity: Identity,
}

impl Known {
    fn note(&self, account: &mut Account) {
        account.route = Some(self.route);
        account.organization = self.list.and_then(List::organization);
        account.credential = match self.identity {
            Identity::One(credential) => Some(credential),
            Identity::Anonymous | Identity::Both(_) | Identity::Repeated => None,
        };
    }

    fn fail(&self, error: Error) -> Failure {
        let mut failure = Failure::from(error);
        failure.account.cache = match failure.error.forward {
            Some(reason) => CacheStatus {
                outcome: Outcome::Forwarded { reason, stored: false, collapsed: false },
                detail: Some(failure.error.detail()),
            },
            None => CacheStatus::unasked(failure.error.detail()),
        };
        self.note(&mut failure.account);
        failure
    }
}

pin_project_lite::pin_project! {
    /// Adds what this layer knows to the answer's account.
    pub struct Accounted<F> {
        #[pin]
        inner: F,
        known: Known,
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Accounted<F> {
    type Output = Result<Response, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map(|result| match result {
            Ok(mut response) => {
                this.known.note(&mut response.account);
                Ok(response)
            }
            Err(error) => Err(this.known.fail(error)),
        })
    }
}
