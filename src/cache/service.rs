//! Answers a request from memory or sends it forward with the reason why.
//!
//! It stores nothing itself: that is the business of `fill.rs`, below the collapser, so that an answer is stored once
//! however many wait for it and though all of them may have gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::eligible::{Eligible, eligible};
use super::{CacheLayer, refresh};
use crate::chathub::RoutedRequest;
use crate::error::Error;
use crate::store::{Entry, Fetch, Found};
use crate::wire::Response;
use crate::wire::cache_status::{CacheStatus, Detail, Forward, Outcome};

/// What [`CacheLayer`] makes: the top of the core. It is no service, since it answers by reference and is always ready: a
/// hit waits for nothing below.
#[derive(Debug, Clone)]
pub struct Cache<S> {
    pub(super) inner: S,
    pub(super) settings: CacheLayer,
}

/// The answer to come.
///
/// What a newcomer would get wrong: a hit could be made at once. But a future is moved by each layer that wraps it, and an
/// answer is large; what it is made of is small.
pub enum Answered {
    /// From memory.
    Hit(Hit),
    /// From the layers below.
    Forwarded(BoxFuture<'static, Result<Response, Error>>),
}

/// What an answer from memory is made of.
pub struct Hit {
    entry: Arc<Entry>,
    age: Duration,
    /// What is left of its life.
    left: Duration,
}

impl Hit {
    fn to_response(&self) -> Response {
        let mut response = Response::new(self.entry.to_response(self.age));
        response.account.cache.outcome = Outcome::Hit { ttl: self.left.as_secs() };
        response
    }
}

impl Future for Answered {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Hit(hit) => Poll::Ready(Ok(hit.to_response())),
            Self::Forwarded(forwarded) => forwarded.as_mut().poll(cx),
        }
    }
}

/// What to do with a request.
enum Plan {
    Answer(Hit),
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
        let (reason, detail) = match self.look_up(&eligible, request.arrived) {
            Ok(hit) => return Plan::Answer(hit),
            Err(why) => why,
        };
        Plan::Forward(reason, detail, Some(self.store.begin_fetch(eligible.key, reason == Forward::Request)))
    }

    /// Returns a usable entry and its remaining life, or why there is none.
    fn look_up(&self, eligible: &Eligible, now: Instant) -> Result<Hit, (Forward, Option<Detail>)> {
        let wishes = &eligible.wishes;
        if wishes.no_cache || wishes.max_age.is_some_and(|age| age.is_zero()) {
            return Err((Forward::Request, Some(Detail::NoCache)));
        }
        let entry = match self.store.find(&eligible.key) {
            Found::Current(entry) => entry,
            Found::Hidden => return Err((Forward::Stale, Some(Detail::Invalidated))),
            Found::Absent => return Err((Forward::UriMiss, None)),
        };
        let age = entry.age(now);
        // The setting may have been lowered since.
        let lifetime = entry.lifetime.min(self.lifetimes.of(eligible.key.list));
        let mut left = lifetime.saturating_sub(age);
        if let Some(end) = entry.credential_ends {
            // It was within the lifetime when the list was stored; wall time may have been set right since.
            left = left.min(end.saturating_sub(self.clock.wall()));
        }
        if left.is_zero() {
            return Err((Forward::Stale, Some(Detail::Expired)));
        }
        if wishes.max_age.is_some_and(|most| age > most) {
            return Err((Forward::Request, Some(Detail::NoCache)));
        }
        Ok(Hit { entry, age, left })
    }
}

impl<S> Cache<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    /// Answers from memory, or sends the request forward.
    pub fn answer(&self, mut request: RoutedRequest) -> Answered {
        match self.settings.plan(&request) {
            Plan::Answer(hit) => {
                if self.settings.refresh.is_due(&hit.entry, hit.left, hit.age) {
                    self.refresh(&request, &hit.entry);
                }
                Answered::Hit(hit)
            }
            Plan::Forward(reason, detail, fetch) => {
                if let Some(fetch) = fetch {
                    request.head.extensions.insert(fetch);
                }
                let inner = self.inner.clone();
                Answered::Forwarded(Box::pin(async move {
                    let mut response = inner.oneshot(request).await.map_err(|error| error.forwarded(reason))?;
                    response.account.cache = because(response.account.cache, reason, detail);
                    Ok(response)
                }))
            }
        }
    }

    /// Fetches anew what was just answered from memory.
    fn refresh(&self, request: &RoutedRequest, entry: &Entry) {
        let mut copy = refresh::copy(request);
        copy.head.extensions.insert(self.settings.store.begin_fetch(entry.key, false));
        self.settings.refresh.begin(self.inner.clone(), copy);
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
