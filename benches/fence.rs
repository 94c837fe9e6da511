//! What the fence costs: a lookup with it and without, a status write among few and many stored lists, and storing a
//! list with few and many operators.
//!
//! Compare figures of one run only: machines are noisy.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chathub_gateway::chathub::credential::{Digest, DigestKey};
use chathub_gateway::chathub::id::OperatorId;
use chathub_gateway::chathub::payload::Operators;
use chathub_gateway::chathub::{Groups, List, OrganizationId};
use chathub_gateway::store::{CacheKey, Entry, Fetch, Found, Pools, Refusal, Store};
use chathub_gateway::telemetry::metrics::Metrics;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::HeaderMap;

const HOUR: Duration = Duration::from_secs(3600);

fn store() -> Store {
    Store::new(1 << 40, HOUR, &Metrics::new(prometheus::Registry::new()).store)
}

fn credential() -> Digest {
    DigestKey::random().expect("the system has random numbers").digest_other(b"a credential")
}

fn key(credential: Digest, organization: u32) -> CacheKey {
    let organization = OrganizationId::new(organization).expect("it is in range");
    CacheKey { credential, list: List::Operators(organization) }
}

/// The operators of an organization: ids that no other has.
fn operators(organization: u32, count: u32) -> Box<[OperatorId]> {
    let first = organization * count;
    (first..first + count).map(|id| OperatorId(id.try_into().expect("it is in range"))).collect()
}

fn entry(fetch: &Fetch, operators: Box<[OperatorId]>) -> Arc<Entry> {
    let (pools, bytes) = (Pools::default(), Bytes::from_static(b"[]"));
    let operators = Operators { ids: operators, ..Operators::default() };
    let content = pools.contents.content(fetch.key().list, bytes, |_| Ok::<_, Refusal>(operators));
    let (content, now) = (content.expect("it is a list"), tokio::time::Instant::now());
    Arc::new(Entry::new(&pools, &HeaderMap::new(), content, fetch, now, HOUR))
}

fn store_list(store: &Store, key: CacheKey, operators: Box<[OperatorId]>) -> Arc<Entry> {
    let entry = entry(&store.begin_fetch(key, false), operators);
    store.publish(&entry).expect("no write is going on");
    entry
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    let (store, credential) = (store(), credential());
    let (wanted, elsewhere) =
        (key(credential, 24), Groups::Organizations(vec![OrganizationId::new(6).expect("it is")]));
    let entry = store_list(&store, wanted, operators(24, 24));
    let bare: moka::sync::Cache<CacheKey, Arc<Entry>> = moka::sync::Cache::builder().time_to_live(HOUR).build();
    bare.insert(wanted, entry);
    group.bench_function("without_fence", |b| b.iter(|| bare.get(black_box(&wanted))));
    group.bench_function("with_fence", |b| b.iter(|| store.find(black_box(&wanted))));
    group.bench_function("with_fence_first_after_a_write_elsewhere", |b| {
        b.iter_batched(
            || drop(store.fence().begin_write(&elsewhere)),
            |()| store.find(&wanted),
            BatchSize::PerIteration,
        );
    });
    assert!(matches!(store.find(&wanted), Found::Current(_)));
    group.finish();
}

fn status_write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("status_write");
    for count in [1_000, 10_000, 100_000] {
        let (store, credential) = (store(), credential());
        for organization in 1..=count {
            store_list(&store, key(credential, organization), operators(organization, 24));
        }
        let known = operators(count / 2, 24)[7];
        for (name, operator) in [("known", known), ("unknown", OperatorId(-1))] {
            let groups = Groups::Operator(operator);
            group.bench_with_input(BenchmarkId::new(name, count), &groups, |b, groups| {
                b.iter(|| drop(store.fence().begin_write(groups)));
            });
        }
    }
    group.finish();
}

fn storing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    for count in [0, 24, 200, 10_000] {
        let (store, key) = (store(), key(credential(), 24));
        let operators = operators(24, count);
        group.bench_with_input(BenchmarkId::new("operators", count), &operators, |b, operators| {
            b.iter_batched(
                || entry(&store.begin_fetch(key, false), operators.clone()),
                |entry| store.publish(&entry),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, lookup, status_write, storing);
criterion_main!(benches);
