//! The whole stack in memory: a hit, a miss that is stored, the same when the list is as it was, and what passes through,
//! without sockets.
//!
//! The leaf is a service that answers at once, so what is measured is ours. Compare figures of one run only: machines
//! are noisy.

mod support;

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use chathub_gateway::chathub::RoutedRequest;
use chathub_gateway::chathub::credential::DigestKey;
use chathub_gateway::clock::Clock;
use chathub_gateway::config::{AccessFormat, Mode};
use chathub_gateway::edge::{AccessLogLayer, AdmissionLayer, RescueLayer};
use chathub_gateway::error::Error;
use chathub_gateway::stack::{self, EdgeParts, Stack};
use chathub_gateway::telemetry::access::AccessLog;
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::wire::{Body, Request, Response};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tower::ServiceExt;

/// A list of some two kilobytes, as in the measurements of the design.
fn list(first: u32) -> Bytes {
    let one =
        |id| format!(r#"{{"id":{id},"name":"Operator {id}","status":0,"organization":{{"id":24,"name":"Support"}}}}"#);
    format!("[{}]", (first..first + 24).map(one).collect::<Vec<_>>().join(",")).into()
}

/// The organization whose list is another each time. That of all others is always the same.
const CHANGING: &str = "/api/operator?organizationId=6";

/// The leaf.
async fn answer(request: RoutedRequest) -> Result<Response, Error> {
    thread_local! {
        // More of them than the store still holds after they were replaced.
        static LISTS: Vec<Bytes> = (0..512).map(|number| list(100 + number)).collect();
        static TURN: Cell<usize> = const { Cell::new(0) };
    }
    let is_changing = request.head.uri.path_and_query().is_some_and(|target| target == CHANGING);
    let turn = TURN.get() + usize::from(is_changing);
    TURN.set(turn);
    let content = LISTS.with(|lists| lists[if is_changing { turn % lists.len() } else { 0 }].clone());
    let message = http::Response::builder().header("content-type", "application/json; charset=utf-8");
    Ok(Response::new(message.body(Body::from(content)).expect("the head is well-formed")))
}

fn stack() -> impl Stack {
    let (clock, metrics) = (Clock::start(), Metrics::new(prometheus::Registry::new()));
    let digests = DigestKey::random().expect("the system has random numbers");
    let (log, writer) = AccessLog::start(std::io::sink(), 1 << 20, metrics.access_log.clone()).expect("a thread");
    // It writes for as long as the process lives.
    std::mem::forget(writer);
    let edge = EdgeParts {
        access_log: AccessLogLayer::new(Some(log.lines(AccessFormat::Json, 100)), metrics.requests.clone(), clock),
        rescue: RescueLayer,
        admission: AdmissionLayer::new(1 << 20),
        digests: digests.clone(),
    };
    stack::edge(edge, stack::core(support::core(clock, &metrics, digests, Mode::Enforce), tower::service_fn(answer)))
}

/// A request as a connection hands it over. The token is as long as a small JWT.
fn request(target: &'static str, cache_control: Option<&'static str>) -> Request {
    let token = format!("Bearer {}", "t".repeat(180));
    let mut builder = http::Request::get(target).header("host", "127.0.0.1:2428").header("authorization", token);
    if let Some(value) = cache_control {
        builder = builder.header("cache-control", value);
    }
    let (head, ()) = builder.body(()).expect("the head is well-formed").into_parts();
    Request::new(head, Body::empty(), IpAddr::V4(Ipv4Addr::LOCALHOST), tokio::time::Instant::now())
}

async fn send(stack: impl Stack, request: Request) -> Result<Response, Infallible> {
    stack.oneshot(request).await
}

fn hit_path(criterion: &mut Criterion) {
    let runtime = support::runtime();
    let stack = runtime.block_on(async { stack() });
    let mut group = criterion.benchmark_group("stack");
    group.throughput(Throughput::Elements(1));
    let rows = [
        ("hit", "/api/operator?organizationId=24", None),
        ("miss_and_store", CHANGING, Some("no-cache")),
        ("miss_unchanged", "/api/operator?organizationId=24", Some("no-cache")),
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
