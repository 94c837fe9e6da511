//! The pure functions on a hit's way: what a request is for, who sent it, what its fields say.

use std::hint::black_box;

use chathub_gateway::chathub::credential::DigestKey;
use chathub_gateway::chathub::{List, Route};
use chathub_gateway::wire::cache_control::CacheControl;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri, header};

fn decisions(criterion: &mut Criterion) {
    let canonical = Uri::from_static("/api/operator?organizationId=24");
    let disguised = Uri::from_static("/API/x/%2e%2e/Operator/status");
    criterion.bench_function("route/canonical", |b| b.iter(|| Route::of(&Method::GET, black_box(&canonical))));
    criterion.bench_function("route/disguised", |b| b.iter(|| Route::of(&Method::POST, black_box(&disguised))));
    criterion.bench_function("list", |b| b.iter(|| List::from_canonical(&Method::GET, black_box(&canonical))));

    let digests = DigestKey::random().expect("the system has random numbers");
    let token = HeaderValue::from_str(&format!("Bearer {}", "t".repeat(180))).expect("it is visible ASCII");
    let fields = HeaderMap::from_iter([(header::AUTHORIZATION, token)]);
    criterion.bench_function("identify", |b| b.iter(|| digests.identify(black_box(&fields))));
    criterion.bench_function("cache_control/absent", |b| b.iter(|| CacheControl::of(black_box(&fields))));
}

criterion_group!(benches, decisions);
criterion_main!(benches);
