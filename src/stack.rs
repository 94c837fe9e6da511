//! Composes the layers: the one file that knows their order, and why each stands where it does.
//!
//! Order is a property of the types. The edge takes a [`Request`] and fails with a [`Failure`](crate::edge::Failure)
//! below `rescue` and not at all above it; the core takes a [`RoutedRequest`]. A layer of one does not compile in the
//! other.

mod renewal;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::retry::RetryLayer;
use tower::{Layer, Service, ServiceBuilder};

use crate::cache::{Answered, Cache, CacheLayer, FillLayer};
use crate::chathub::RoutedRequest;
use crate::chathub::credential::DigestKey;
use crate::collapse::CollapseLayer;
use crate::edge::{AccessLogLayer, AdmissionLayer, ExplainLayer, RescueLayer, RoutingLayer};
use crate::error::Error;
use crate::invalidation::{InspectionLayer, InvalidationLayer};
use crate::shed::ShedLayer;
use crate::throttle::{FeedbackLayer, ThrottleLayer};
use crate::upstream::retry::RetryReads;
use crate::wire::{Request, Response};

pub use renewal::{Current, Following};

/// The core with its type erased: the one seam at which futures are boxed, and only those of requests that go forward.
/// Clones share it.
///
/// What a newcomer would get wrong: tower's boxed services are cloned layer by layer, which took longer than to answer
/// from memory. The core's top is always ready and answers by reference, so nothing needs to be cloned for a hit.
#[derive(Clone)]
pub struct Core(Arc<dyn Answer>);

trait Answer: Send + Sync {
    fn answer(&self, request: RoutedRequest) -> Answered;
}

impl<S> Answer for Cache<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    fn answer(&self, request: RoutedRequest) -> Answered {
        self.answer(request)
    }
}

impl Service<RoutedRequest> for Core {
    type Response = Response;
    type Error = Error;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RoutedRequest) -> Self::Future {
        self.0.answer(request)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

/// The parts of the core.
#[derive(Debug, Clone)]
pub struct CoreParts {
    /// Answers from memory.
    pub cache: CacheLayer,
    /// Shares fetches.
    pub collapse: CollapseLayer,
    /// Stores answers.
    pub fill: FillLayer,
    /// Repeats reads.
    pub retry: RetryReads,
    /// Reads writes.
    pub inspection: InspectionLayer,
    /// Refuses what there is no room for.
    pub shed: ShedLayer,
    /// Paces.
    pub throttle: ThrottleLayer,
    /// Fences writes.
    pub invalidation: InvalidationLayer,
    /// Tells the throttle of answers.
    pub feedback: FeedbackLayer,
}

/// Stacks the core over `upstream`.
///
/// A request meets these layers from top to bottom, its response from bottom to top.
pub fn core<U>(parts: CoreParts, upstream: U) -> Core
where
    U: Service<RoutedRequest, Response = Response, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    let core = ServiceBuilder::new()
        .layer(parts.cache) // readiness ends here: a hit waits for nothing below
        .layer(parts.collapse) // one fetch for equal misses, unless a write lies between them
        .layer(parts.fill) // inside the flight: judged and stored once, though all who asked have left
        .layer(RetryLayer::new(parts.retry)) // above the quota, so each attempt pays
        .layer(parts.inspection) // before the queue: who waits there has been read, and a cell waits for no client
        .layer(parts.shed) // above the quota: what is refused costs no cell; and above the line, whose wait takes no place
        .layer(parts.throttle) // only what goes upstream costs a cell; whoever leaves the queue takes his write back
        .layer(parts.invalidation) // last: a write that waits or is refused hides nothing; from here it runs by itself
        .layer(parts.feedback) // below what runs by itself: it hears of each answer, though the client has left
        .service(upstream);
    Core(Arc::new(core))
}

/// The parts of the edge.
#[derive(Debug, Clone)]
pub struct EdgeParts {
    /// Counts and logs.
    pub access_log: AccessLogLayer,
    /// Answers failures.
    pub rescue: RescueLayer,
    /// Refuses.
    pub admission: AdmissionLayer,
    /// Keys the digests of credentials.
    pub digests: DigestKey,
}

/// The whole stack. It is always ready: what has to wait does so in its call, where it can be seen and told of.
pub trait Stack:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Stack for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

/// Stacks the edge over the core.
pub fn edge(parts: EdgeParts, core: Core) -> impl Stack {
    let EdgeParts { access_log, rescue, admission, digests } = parts;
    let fallible = admission.layer(RoutingLayer::new(digests).layer(core));
    ServiceBuilder::new()
        .layer(access_log) // on top: sees every request, and its answer as the client gets it
        .layer(ExplainLayer) // tells of failures too, so above the rescue
        .layer(rescue) // above it nothing fails
        .service(fallible)
}
