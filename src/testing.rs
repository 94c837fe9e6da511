//! Builders that unit tests share.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::chathub::credential::DigestKey;
use crate::chathub::id::OperatorId;
use crate::chathub::payload::Operators;
use crate::chathub::{List, OrganizationId, Route, RoutedRequest};
use crate::store::{CacheKey, Entry, Fetch, Found, Pools, Refusal, Store};
use crate::telemetry::metrics::Metrics;
use crate::wire::{Body, Request, Response};

/// One key for a whole test run, so that equal credentials have equal digests.
pub(crate) fn digests() -> &'static DigestKey {
    static KEY: OnceLock<DigestKey> = OnceLock::new();
    KEY.get_or_init(|| DigestKey::random().unwrap())
}

/// A request as the edge hands it to the core.
pub(crate) fn routed(method: &str, target: &str, fields: &[(&str, &str)]) -> RoutedRequest {
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let (route, list) = (Route::of(&head.method, &head.uri), List::from_canonical(&head.method, &head.uri));
    let identity = digests().identify(&head.headers);
    let request = Request::new(head, Body::empty(), IpAddr::V4(Ipv4Addr::LOCALHOST), tokio::time::Instant::now());
    RoutedRequest::new(request, route, list, identity)
}

/// A list of operators, as the upstream would answer.
pub(crate) fn list(content: &'static str) -> Response {
    let message = http::Response::builder()
        .header("content-type", "application/json; charset=utf-8")
        .body(Body::from(bytes::Bytes::from_static(content.as_bytes())))
        .unwrap();
    Response::new(message)
}

/// The list of that organization as one credential sees it.
pub(crate) fn key(who: &str, organization: u32) -> CacheKey {
    let list = List::Operators(OrganizationId::new(organization).unwrap());
    CacheKey { credential: digests().digest_other(who.as_bytes()), list }
}

/// What a fetch brought: an empty list, as far as anybody looks, that is said to hold these operators.
pub(crate) fn entry(fetch: &Fetch, operators: &[i32]) -> Arc<Entry> {
    let (pools, bytes) = (Pools::default(), bytes::Bytes::from_static(b"[]"));
    let operators = Operators { ids: operators.iter().copied().map(OperatorId).collect(), ..Operators::default() };
    let content = pools.contents.content(fetch.key().list, bytes, |_| Ok::<_, Refusal>(operators)).unwrap();
    let (now, life) = (tokio::time::Instant::now(), Duration::from_secs(60));
    Arc::new(Entry::new(&pools, &http::HeaderMap::new(), content, fetch, now, life))
}

/// Fetches and stores in one step.
pub(crate) fn store_list(store: &Store, key: CacheKey, operators: &[i32]) -> Result<(), Refusal> {
    store.publish(&entry(&store.begin_fetch(key, false), operators))
}

/// Whether what is stored may be used.
pub(crate) fn is_current(store: &Store, key: &CacheKey) -> bool {
    matches!(store.find(key), Found::Current(_))
}

/// An answer of that status without content.
pub(crate) fn status(code: u16) -> Response {
    Response::new(http::Response::builder().status(code).body(Body::empty()).unwrap())
}

/// Metrics of a registry of their own.
pub(crate) fn metrics() -> Metrics {
    Metrics::new(prometheus::Registry::new())
}

/// The content of a response.
pub(crate) async fn content(response: Response) -> bytes::Bytes {
    use http_body_util::BodyExt;
    response.message.into_body().collect().await.unwrap().to_bytes()
}
