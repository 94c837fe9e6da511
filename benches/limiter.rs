//! What pacing costs: a request that passes the whole core with the throttle off and on, and what the pacer itself takes
//! for a newcomer, with few and many credentials, and with few and many who wait.
//!
//! Compare figures of one run only: machines are noisy.

mod support;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use chathub_gateway::chathub::credential::{Digest, DigestKey};
use chathub_gateway::chathub::{Route, RoutedRequest};
use chathub_gateway::clock::Clock;
use chathub_gateway::config::Mode;
use chathub_gateway::error::Error;
use chathub_gateway::stack;
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::throttle::pacer::{Arrival, Ask, Pacer, Terms};
use chathub_gateway::throttle::{Class, Quota, Rank};
use chathub_gateway::wire::{Body, Request, Response};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use tower::ServiceExt;

async fn answer(_: RoutedRequest) -> Result<Response, Error> {
    Ok(Response::new(http::Response::new(Body::empty())))
}

fn request(digests: &DigestKey) -> RoutedRequest {
    let builder = http::Request::get("/api/chat/chats").header("authorization", "Bearer a-token");
    let (head, ()) = builder.body(()).expect("the head is well-formed").into_parts();
    let (route, list) = (Route::of(&head.method, &head.uri), None);
    let identity = digests.identify(&head.headers);
    let request = Request::new(head, Body::empty(), IpAddr::V4(Ipv4Addr::LOCALHOST), tokio::time::Instant::now());
    RoutedRequest::new(request, route, list, identity)
}

fn pass_through(criterion: &mut Criterion) {
    let runtime = support::runtime();
    let mut group = criterion.benchmark_group("pass_through");
    for (name, mode) in [("off", Mode::Off), ("enforce", Mode::Enforce)] {
        let digests = DigestKey::random().expect("the system has random numbers");
        let metrics = Metrics::new(prometheus::Registry::new());
        let parts = runtime.block_on(async { support::core(Clock::start(), &metrics, digests.clone(), mode) });
        let core = stack::core(parts, tower::service_fn(answer));
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || (core.clone(), request(&digests)),
                |(core, request)| async { black_box(core.oneshot(request).await) },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn terms(period: Duration) -> Terms {
    Terms {
        quotas: [Quota::new(period, NonZeroU32::MIN); Class::ALL.len()],
        upstream: None,
        max_wait: Duration::from_secs(3600),
        max_waiting: 1_000_000,
        max_waiting_per_lane: 1_000_000,
        max_lanes: 1_000_000,
        max_stop: Duration::from_secs(300),
        is_adaptive: true,
    }
}

fn ask(owner: Digest, rank: Rank) -> Ask {
    Ask { class: Class::Other, owner, rank, peer: IpAddr::V4(Ipv4Addr::LOCALHOST), is_rested: true }
}

/// A pacer's clock that goes on by a second each time somebody comes, so that there is always a cell.
struct Coming {
    pacer: Pacer<()>,
    now: Duration,
}

impl Coming {
    fn comes(&mut self, owner: Digest) -> Arrival {
        self.now += Duration::from_secs(1);
        self.pacer.arrive(self.now, &ask(owner, Rank::Foreground), 1, || None, || ()).0
    }
}

fn credentials(criterion: &mut Criterion) {
    let digests = DigestKey::random().expect("the system has random numbers");
    let owner = |number: u32| digests.digest_other(&number.to_be_bytes());
    let mut group = criterion.benchmark_group("newcomer_among_credentials");
    for count in [1, 1_000, 100_000] {
        // The others have taken their cells in a far future, so that none is idle when the one comes.
        let mut coming = Coming { pacer: Pacer::new(terms(Duration::from_secs(1))), now: Duration::ZERO };
        let later = Duration::from_secs(1_000_000_000);
        for number in 1..count {
            coming.pacer.arrive(later, &ask(owner(number), Rank::Foreground), 1, || None, || ());
        }
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| black_box(coming.comes(owner(0))));
        });
    }
    group.finish();
}

fn new_credentials(criterion: &mut Criterion) {
    let digests = DigestKey::random().expect("the system has random numbers");
    let mut coming = Coming { pacer: Pacer::new(terms(Duration::from_millis(20))), now: Duration::ZERO };
    let mut number = 0_u64;
    criterion.bench_function("credential_never_seen", |bencher| {
        bencher.iter(|| {
            number += 1;
            black_box(coming.comes(digests.digest_other(&number.to_be_bytes())))
        });
    });
}

fn waiting(criterion: &mut Criterion) {
    let digests = DigestKey::random().expect("the system has random numbers");
    let owner = digests.digest_other(b"somebody");
    let mut group = criterion.benchmark_group("joins_and_leaves_a_line");
    for (name, rank) in [("read", Rank::Foreground), ("write", Rank::Write)] {
        for count in [1, 100, 1_000] {
            let mut pacer = Pacer::new(terms(Duration::from_millis(20)));
            (0..=count).for_each(|_| {
                pacer.arrive(Duration::ZERO, &ask(owner, Rank::Foreground), 1, || None, || ());
            });
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    let (arrival, _) = pacer.arrive(Duration::ZERO, &ask(owner, rank), 1, || None, || ());
                    let Arrival::Wait(ticket, _) = arrival else { panic!("there is no cell: {arrival:?}") };
                    pacer.leave(Duration::ZERO, ticket);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pass_through, credentials, new_credentials, waiting);
criterion_main!(benches);
