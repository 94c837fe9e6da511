//! Fetches a list and stores what came back, if it may be stored and no write has overtaken it.
//!
//! It stands below the collapser: one fetch, one judgement, however many wait. It is also where a refused credential
//! is seen: after a 401 or 403 nothing fetched with it is answered from memory any more (DESIGN 3).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};
use http::header::{ACCEPT_ENCODING, HeaderValue};
use http::{StatusCode, response};
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::Lifetimes;
use super::freshness::{initial_age, lifetime};
use super::storable::{judge_content, judge_head};
use crate::buffer::Buffer;
use crate::chathub::credential::expiry;
use crate::chathub::{Identity, RoutedRequest};
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Entry, Fetch, Refusal, Store};
use crate::telemetry::metrics::OperatorsMetrics;
use crate::upstream::UpstreamError;
use crate::wire::cache_control::CacheControl;
use crate::wire::cache_status::{CacheStatus, Detail, Forward, Outcome};
use crate::wire::whole::{Collected, Whole, collect};
use crate::wire::{Body, Response};

/// What filling is configured with.
#[derive(Debug, Clone)]
pub struct FillLayer {
    /// Where answers go.
    pub store: Arc<Store>,
    /// How long they are fresh.
    pub lifetimes: Lifetimes,
    /// The longest content that is stored, in bytes.
    pub max_body: usize,
    /// Where all lists are held while they are read, and those that were not stored until their client has them.
    pub buffer: Buffer,
    /// The longest that the exchange of a list may take, connecting included, up to the last byte of content.
    pub total_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where operators are counted.
    pub operators: OperatorsMetrics,
}

impl<S> Layer<S> for FillLayer {
    type Service = Fill<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fill { inner, settings: Arc::new(self.clone()) }
    }
}

/// The service of [`FillLayer`].
#[derive(Debug, Clone)]
pub struct Fill<S> {
    inner: S,
    settings: Arc<FillLayer>,
}

impl<S> Service<RoutedRequest> for Fill<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<Passing<S::Future>, BoxFuture<'static, Result<Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        let Some(fetch) = request.head.extensions.remove::<Fetch>() else {
            let (identity, settings) = (request.identity, Arc::clone(&self.settings));
            return Either::Left(Passing { inner: self.inner.call(request), identity, settings });
        };
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Either::Right(Box::pin(Arc::clone(&self.settings).fetch(inner, request, fetch)))
    }
}

pin_project_lite::pin_project! {
    /// The answer that passes unstored.
    pub struct Passing<F> {
        #[pin]
        inner: F,
        identity: Identity,
        settings: Arc<FillLayer>,
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Passing<F> {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Ok(response) = &result {
            forget_refused(&this.settings.store, *this.identity, response);
        }
        Poll::Ready(result)
    }
}

/// Hides what was fetched with a credential that is refused.
fn forget_refused(store: &Store, identity: Identity, response: &Response) {
    if matches!(response.message.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && let Identity::One(credential) = identity
    {
        store.fence().forget(credential.digest);
    }
}

impl FillLayer {
    async fn fetch<S>(
        self: Arc<Self>,
        mut inner: S,
        mut request: RoutedRequest,
        fetch: Fetch,
    ) -> Result<Response, Error>
    where
        S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Send,
    {
        let identity = request.identity;
        let runs_out = expiry(&request.head.headers);
        // One coding is stored, and it must be readable to be judged; codings are negotiated hop by hop.
        request.head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.total_timeout = Some(self.total_timeout);
        let response = inner.call(request).await?;
        forget_refused(&self.store, identity, &response);
        self.keep(fetch, runs_out, response).await
    }

    /// Stores the answer if it may be stored, and returns it either way.
    async fn keep(&self, fetch: Fetch, runs_out: Option<u64>, response: Response) -> Result<Response, Error> {
        let Response { message, mut account } = response;
        // The answer may be as old as its request (RFC 9111 §4.2.3, response_delay).
        let sent = self.clock.now() - account.upstream_time.unwrap_or_default();
        let (mut head, body) = message.into_parts();
        let control = CacheControl::of(&head.headers);
        let (body, stored) = match judge_head(&head, &control) {
            Err(detail) => (body, Err(detail)),
            Ok(()) => match self.collect(body, sent).await.map_err(|error| error.after_answer(&account))? {
                Collected::TooLarge(body) => (body, Err(Detail::TooLarge)),
                Collected::NoRoom(body) => (body, Err(Detail::NoRoom)),
                Collected::Whole(whole) => {
                    let judged = self.entry(&fetch, sent, runs_out, &head, &control, whole.content());
                    self.publish(judged, &mut head, whole)
                }
            },
        };
        account.cache = CacheStatus {
            outcome: Outcome::Forwarded { reason: Forward::UriMiss, stored: stored.is_ok(), collapsed: false },
            detail: stored.err(),
        };
        Ok(Response { message: http::Response::from_parts(head, body), account })
    }

    /// Stores the entry, if there is one, and returns the content for the client.
    fn publish(
        &self,
        judged: Result<Arc<Entry>, Detail>,
        head: &mut response::Parts,
        whole: Whole,
    ) -> (Body, Result<(), Detail>) {
        let stored = judged.and_then(|entry| {
            head.extensions.insert(Arc::clone(&entry));
            self.store.publish(&entry)?;
            if let Some(organization) = entry.key.list.organization() {
                self.operators.stored(organization, entry.order, entry.statuses(), self.clock.wall());
            }
            Ok(entry)
        });
        match stored {
            // The store answers for these bytes, which others may have brought before; ours are let go. Who takes an answer
            // slowly holds them even when they have left the store, as with a hit: `server.send_timeout` bounds that.
            Ok(entry) => (entry.bytes().into(), Ok(())),
            Err(detail) => (whole.into_body(), Err(detail)),
        }
    }

    async fn collect(&self, body: Body, sent: Instant) -> Result<Collected, Error> {
        let collected = timeout_at(sent + self.total_timeout, collect(body, self.max_body, &self.buffer)).await;
        let collected = collected.map_err(|_| UpstreamError::ContentTimeout)?;
        Ok(collected.map_err(UpstreamError::Content)?)
    }

    fn entry(
        &self,
        fetch: &Fetch,
        sent: Instant,
        runs_out: Option<u64>,
        head: &response::Parts,
        control: &CacheControl,
        content: &Bytes,
    ) -> Result<Arc<Entry>, Detail> {
        let (list, pools) = (fetch.key().list, self.store.pools());
        let content = pools.contents.content(list, content.clone(), |content| judge_content(list, content))?;
        let generated = sent.checked_sub(initial_age(&head.headers)).unwrap_or(sent);
        let age = self.clock.now() - generated;
        let mut life = lifetime(self.lifetimes.of(list), control, &head.headers);
        if life <= age {
            return Err(Detail::NoLifetime);
        }
        let ends = runs_out.map(Duration::from_secs);
        if let Some(ends) = ends {
            let left = ends.saturating_sub(self.clock.wall());
            if left.is_zero() {
                return Err(Detail::TokenExpired);
            }
            life = life.min(age + left);
        }
        let entry = Entry::new(pools, &head.headers, content, fetch, generated, life);
        Ok(Arc::new(entry.of_credential_until(ends)))
    }
}

impl From<Refusal> for Detail {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoCapacity => Self::Disabled,
            Refusal::WriteInFlight => Self::WriteInFlight,
            Refusal::Quarantined => Self::Quarantined,
            Refusal::Overtaken | Refusal::Switched => Self::Overtaken,
        }
    }
}
