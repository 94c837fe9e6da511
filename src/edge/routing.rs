//! Finds out what a request is for and who sent it. Below this layer a request has its route and its credential.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tower::{Layer, Service};

use super::{AtOnce, Failure};
use crate::chathub::credential::{DigestKey, Remembered};
use crate::chathub::route::overrides;
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
        Routing { inner, digests: self.digests.clone(), remembered: Remembered::default() }
    }
}

/// The service of [`RoutingLayer`]. Each connection has a clone of its own.
#[derive(Debug)]
pub struct Routing<S> {
    inner: S,
    digests: DigestKey,
    remembered: Remembered,
}

impl<S: Clone> Clone for Routing<S> {
    /// What is remembered of one connection is nothing to another.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), digests: self.digests.clone(), remembered: Remembered::default() }
    }
}

impl<S> Routing<S> {
    fn route(&mut self, request: Request) -> RoutedRequest {
        let (mut route, list) = Route::and_list(&request.head.method, &request.head.uri);
        if request.head.headers.keys().any(|name| overrides(name.as_str())) {
            // Whatever it says it is, it may be a write to somebody.
            route = Route::OtherWrite;
        }
        let identity = self.digests.identify_again(&request.head.headers, &mut self.remembered);
        RoutedRequest::new(request, route, list, identity)
    }
}

impl<S> Service<Request> for Routing<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Failure;
    type Future = Either<Accounted<S::Future>, AtOnce>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::from)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let request = self.route(request);
        let known = Known { route: request.route, list: request.list, identity: request.identity };
        if request.identity == Identity::Repeated {
            return Either::Right(known.fail(Cause::RepeatedCredential.into()).into());
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
        if let Some(spent) = failure.error.spent.take() {
            (failure.account.turn, failure.account.upstream_time) = (spent.turn, spent.upstream_time);
        }
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
