//! Answers a request from memory or sends it forward with the reason why.
//!
//! It stores nothing itself: that is the business of `fill.rs`, below the collapser, so that an answer is stored once
//! however many wait for it and though all of them may have gone.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either};
use tower::{Service, ServiceExt};

use super::eligible::{Eligible, eligible};
use super::{CacheLayer, refresh};
use crate::chathub::RoutedRequest;
use crate::error::Error;
use crate::store::{Entry, Fetch, Found};
use crate::wire::Response;
use crate::wire::cache_status::{CacheStatus, Detail, Forward, Outcome};

/// The service of [`CacheLayer`]. Always ready: a hit waits for nothing below.
#[derive(Debug, Clone)]
pub struct Cache<S> {
    pub(super) inner: S,
    pub(super) settings: CacheLayer,
}

/// What to do with a request.
enum Plan {
    Answer(Arc<Entry>, Duration),
    Forward(Forward, Option<Detail>, Option<Fetch>),
}

impl CacheLayer {
    fn plan(&self, request: &RoutedRequest) -> Plan {
        let eligible = match eligible(request) {
            Ok(eligible) if self.lifetimes.of(eligible.key.list).is_zero() => {
                return Plan::Forward(Forward::Bypass, Some(Detail::Disabled), None);
            }
            Ok(eligible) => eligible,
            Err((reason, detail)) => return Plan::Forward(reason, Some(detail), None),
        };
        let (reason, detail) = match self.look_up(&eligible) {
            Ok((entry, left)) => return Plan::Answer(entry, left),
            Err(why) => why,
        };
        Plan::Forward(reason, detail, Some(self.store.begin_fetch(eligible.key, reason == Forward::Request)))
    }

    /// Returns a usable entry and its remaining life, or why there is none.
    fn look_up(&self, eligible: &Eligible) -> Result<(Arc<Entry>, Duration), (Forward, Option<Detail>)> {
        let wishes = &eligible.wishes;
        if wishes.no_cache || wishes.max_age.is_some_and(|age| age.is_zero()) {
            return Err((Forward::Request, Some(Detail::NoCache)));
        }
        let entry = match self.store.find(&eligible.key) {
            Found::Current(entry) => entry,
            Found::Hidden => return Err((Forward::Stale, Some(Detail::Invalidated))),
            Found::Absent => return Err((Forward::UriMiss, None)),
        };
        let age = entry.age(self.clock.now());
        let Some(left) = entry.lifetime.checked_sub(age).filter(|left| !left.is_zero()) else {
            return Err((Forward::Stale, Some(Detail::Expired)));
        };
        if wishes.max_age.is_some_and(|most| age > most) {
            return Err((Forward::Request, Some(Detail::NoCache)));
        }
        Ok((entry, left))
    }
}

impl<S> Cache<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    /// Fetches anew what was just answered from memory.
    fn refresh(&self, request: &RoutedRequest, entry: &Entry) {
        let mut copy = refresh::copy(request);
        copy.head.extensions.insert(self.settings.store.begin_fetch(entry.key, false));
        self.settings.refresh.begin(self.inner.clone(), copy);
    }
}

impl<S> Service<RoutedRequest> for Cache<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<Ready<Result<Response, Error>>, BoxFuture<'static, Result<Response, Error>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        match self.settings.plan(&request) {
            Plan::Answer(entry, left) => {
                let now = self.settings.clock.now();
                if self.settings.refresh.is_due(&entry, left, entry.age(now)) {
                    self.refresh(&request, &entry);
                }
                let mut response = Response::new(entry.to_response(now));
                response.account.cache.outcome = Outcome::Hit { ttl: left.as_secs() };
                Either::Left(ready(Ok(response)))
            }
            Plan::Forward(reason, detail, fetch) => {
                if let Some(fetch) = fetch {
                    request.head.extensions.insert(fetch);
                }
                let inner = self.inner.clone();
                Either::Right(Box::pin(async move {
                    let mut response = inner.oneshot(request).await.map_err(|error| error.forwarded(reason))?;
                    response.account.cache = because(response.account.cache, reason, detail);
                    Ok(response)
                }))
            }
        }
    }
}

/// Adds why the request went forward to what the layers below say of the answer. Their detail, why it was not stored,
/// comes first.
fn because(below: CacheStatus, reason: Forward, detail: Option<Detail>) -> CacheStatus {
    let (stored, collapsed) = match below.outcome {
        Outcome::Forwarded { stored, collapsed, .. } => (stored, collapsed),
        Outcome::Unasked | Outcome::Hit { .. } => (false, false),
    };
    CacheStatus { outcome: Outcome::Forwarded { reason, stored, collapsed }, detail: below.detail.or(detail) }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
