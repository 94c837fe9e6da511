//! The whole stack in memory: a hit, a miss that is stored, and what passes through, without sockets.
//!
//! The leaf is a service that answers at once, so what is measured is ours. Compare figures of one run only: machines
//! are noisy.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chathub_gateway::cache::{CacheLayer, FillLayer, Lifetimes};
use chathub_gateway::chathub::RoutedRequest;
use chathub_gateway::chathub::credential::DigestKey;
use chathub_gateway::clock::Clock;
use chathub_gateway::collapse::CollapseLayer;
use chathub_gateway::config::Mode;
use chathub_gateway::edge::{AccessLogLayer, AdmissionLayer, RescueLayer};
use chathub_gateway::error::Error;
use chathub_gateway::invalidation::{InspectionLayer, InvalidationLayer, WritesInFlight};
use chathub_gateway::stack::{self, CoreParts, EdgeParts, Stack};
use chathub_gateway::store::Store;
use chathub_gateway::telemetry::access::AccessLog;
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::throttle::limiter::Terms;
use chathub_gateway::throttle::{Quotas, ThrottleLayer};
use chathub_gateway::upstream::retry::RetryReads;
use chathub_gateway::wire::{Body, Request, RequestId, Response};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// A list of some two kilobytes, as in the measurements of the design.
fn list() -> Bytes {
    let one =
        |id| format!(r#"{{"id":{id},"name":"Operator {id}","status":0,"organization":{{"id":24,"name":"Support"}}}}"#);
    format!("[{}]", (100..124).map(one).collect::<Vec<_>>().join(",")).into()
}

/// The leaf: always the same list.
async fn answer(_: RoutedRequest) -> Result<Response, Error> {
    thread_local!(static LIST: Bytes = list());
    let content = LIST.with(Bytes::clone);
    let message = http::Response::builder().header("content-type", "application/json; charset=utf-8");
    Ok(Response::new(message.body(Body::from(content)).expect("the head is well-formed")))
}

fn stack() -> impl Stack {
    let (clock, metrics) = (Clock::start(), Metrics::new(prometheus::Registry::new()));
    let digests = DigestKey::random().expect("the system has random numbers");
    let (log, writer) =
        AccessLog::start(std::io::sink(), 1 << 20, clock, metrics.access_log.clone()).expect("a thread");
    // It writes for as long as the process lives.
    std::mem::forget(writer);
    let edge = EdgeParts {
        access_log: AccessLogLayer::new(Some(log), metrics.requests.clone(), clock),
        rescue: RescueLayer::new(metrics.requests.clone()),
        admission: AdmissionLayer::new(1 << 20),
        digests: digests.clone(),
    };
    stack::edge(edge, stack::core(core(clock, &metrics, digests), tower::service_fn(answer)))
}

fn core(clock: Clock, metrics: &Metrics, digests: DigestKey) -> CoreParts {
    let minute = Duration::from_secs(60);
    let lifetimes = Lifetimes { operators: minute, organizations: minute };
    let store = Arc::new(Store::new(64 << 20, minute, &metrics.store));
    let terms =
        Terms { mode: Mode::Enforce, max_wait: minute, max_lanes: 1000, clock, metrics: metrics.throttle.clone() };
    let plenty = NonZeroU32::new(1_000_000_000).expect("it is not zero");
    let quotas = Quotas::new(|_| governor::Quota::per_second(plenty), &terms);
    CoreParts {
        cache: CacheLayer::new(Arc::clone(&store), lifetimes, clock),
        collapse: CollapseLayer {
            store: Arc::clone(&store),
            timeout: minute,
            clock,
            metrics: metrics.collapse.clone(),
        },
        fill: FillLayer { store: Arc::clone(&store), lifetimes, max_body: 1 << 20, total_timeout: minute, clock },
        retry: RetryReads::new(20, metrics.upstream.clone()),
        inspection: InspectionLayer { max_inspect: 1 << 20 },
        throttle: ThrottleLayer::new(Arc::new(quotas), digests),
        invalidation: InvalidationLayer {
            store,
            quarantine: minute,
            metrics: metrics.invalidation.clone(),
            writes: WritesInFlight::new(),
        },
    }
}

/// A request as a connection hands it over. The token is as long as a small JWT.
fn request(target: &'static str, cache_control: Option<&'static str>) -> Request {
    let token = format!("Bearer {}", "t".repeat(180));
    let mut builder = http::Request::get(target).header("host", "127.0.0.1:2428").header("authorization", token);
    if let Some(value) = cache_control {
        builder = builder.header("cache-control", value);
    }
    let (head, ()) = builder.body(()).expect("the head is well-formed").into_parts();
    let id = RequestId::take_or_make(&head.headers);
    Request { head, body: Body::empty(), peer: IpAddr::V4(Ipv4Addr::LOCALHOST), id, fault: None }
}

async fn send(stack: impl Stack, request: Request) -> Result<Response, Infallible> {
    stack.oneshot(request).await
}

fn hit_path(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let stack = runtime.block_on(async { stack() });
    let mut group = criterion.benchmark_group("stack");
    group.throughput(Throughput::Elements(1));
    let rows = [
        ("hit", "/api/operator?organizationId=24", None),
        ("miss_and_store", "/api/operator?organizationId=24", Some("no-cache")),
        ("pass_through", "/api/chat/chats", None),
    ];
    for (name, target, cache_control) in rows {
        drop(runtime.block_on(send(stack.clone(), request(target, cache_control))));
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || (stack.clone(), request(target, cache_control)),
                |(stack, request)| async { black_box(send(stack, request).await) },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, hit_path);
criterion_main!(benches);
