//! Makes a request wait for its turn before it goes upstream.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use tower::Service;

use super::layer::ThrottleLayer;
use super::limiter::{Admitted, Asked};
use super::pacer::Ask;
use super::quota::Special;
use super::{Class, Rank, Refusal};
use crate::capacity::{Away, Place};
use crate::chathub::credential::{self, Digest};
use crate::chathub::{Identity, InBackground, RoutedRequest};
use crate::error::Error;
use crate::wire::account::Turn;
use crate::wire::{RateLimit, Response};

/// The service of [`ThrottleLayer`].
#[derive(Debug, Clone)]
pub struct Throttle<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<ThrottleLayer>,
}

impl ThrottleLayer {
    fn ask(&self, request: &RoutedRequest) -> Ask {
        let class = Class::of(request.route);
        let rank = match request.head.extensions.get() {
            Some(InBackground) => Rank::Background,
            None => Rank::of(request.route),
        };
        let (peer, is_rested) = (request.peer, request.is_rested);
        Ask { class, owner: self.owner(class, request), rank, peer, is_rested }
    }

    /// Returns whose quota the request uses: that of its credential, in whichever field it stands. Log-ins have none yet,
    /// so their quota is the peer's, as is that of whoever sends none. So is that of whoever sends both fields: which of
    /// them counts is the upstream's choice, and a new word in the other must not bring a new quota.
    fn owner(&self, class: Class, request: &RoutedRequest) -> Digest {
        match (class, request.identity, credential::value(&request.head.headers)) {
            (Class::Operator | Class::Other, Identity::One(_), Some(value)) => self.digests.digest_other(value),
            _ => self.peer(request.peer),
        }
    }

    fn peer(&self, address: IpAddr) -> Digest {
        match address {
            IpAddr::V4(address) => self.digests.digest_address(&address.octets()),
            IpAddr::V6(address) => self.digests.digest_address(&address.octets()),
        }
    }

    /// Returns the quota of the request's credential, if it has one of its own.
    fn special(&self, class: Class, request: &RoutedRequest) -> Option<Special> {
        let Identity::One(_) = request.identity else { return None };
        let single = self.credentials.of(credential::value(&request.head.headers)?)?;
        Some(Special { quota: class.quota_of(single)?, sha256: single.sha256 })
    }

    fn enter(&self, request: &RoutedRequest) -> Asked {
        let ask = self.ask(request);
        self.limiter.ask(&ask, || self.special(ask.class, request))
    }
}

impl<S> Service<RoutedRequest> for Throttle<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Turned<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        // Here, not in the future: a request takes its place when it comes.
        match self.settings.enter(&request).at_once() {
            Either::Left(Ok(admitted)) => {
                let went = Went::of(&admitted);
                admit(&mut request, admitted);
                Turned { state: State::AtOnce { inner: self.inner.call(request), went } }
            }
            Either::Left(Err(refusal)) => Turned { state: State::Refused { refusal: Some(Box::new(refusal)) } },
            Either::Right(asked) => {
                let clone = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, clone);
                request.invite();
                // Whoever waits takes no place from those who go.
                let place = request.place.take().map(Place::leave);
                let waiting = Box::pin(async move {
                    let admitted = asked.admitted().await?;
                    request.place = place.map(Away::come_back);
                    let went = Went::of(&admitted);
                    admit(&mut request, admitted);
                    went.told(inner.call(request).await)
                });
                Turned { state: State::Waiting { waiting } }
            }
        }
    }
}

fn admit(request: &mut RoutedRequest, admitted: Admitted) {
    if let Some(admission) = admitted.admission {
        request.head.extensions.insert(admission);
    }
}

/// How a request came to its turn.
#[derive(Debug, Clone, Copy)]
struct Went {
    turn: Turn,
    rate_limit: Option<RateLimit>,
}

impl Went {
    fn of(admitted: &Admitted) -> Self {
        let turn = Turn { waited: admitted.waited, predicted: admitted.predicted };
        Self { turn, rate_limit: admitted.rate_limit }
    }

    fn told(self, result: Result<Response, Error>) -> Result<Response, Error> {
        let mut response = result.map_err(|error| error.after_turn(self.turn))?;
        response.account.turn = Some(self.turn);
        // What was left after a refusal is newer; where nobody is to be told, it is not told either.
        response.account.rate_limit = self.rate_limit.map(|before| response.account.rate_limit.unwrap_or(before));
        Ok(response)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Throttle`]. Only one that waits is boxed: most go at once.
    pub struct Turned<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project_lite::pin_project! {
    #[project = Projection]
    enum State<F> {
        /// It went at once.
        AtOnce {
            #[pin]
            inner: F,
            went: Went,
        },
        /// It may not wait.
        Refused {
            refusal: Option<Box<Refusal>>,
        },
        /// It waits, and then goes.
        Waiting {
            waiting: BoxFuture<'static, Result<Response, Error>>,
        },
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Turned<F> {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projection::AtOnce { inner, went } => inner.poll(cx).map(|result| went.told(result)),
            Projection::Refused { refusal } => {
                let refusal = refusal.take().expect("a future is not polled once it has ended");
                Poll::Ready(Err((*refusal).into()))
            }
            Projection::Waiting { waiting } => waiting.as_mut().poll(cx),
        }
    }
}
