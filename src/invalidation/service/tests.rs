//! Driven directly, over a mock that shows what went below. The fence is watched with stamps.

use std::sync::Arc;
use std::time::Duration;

use tower::Layer;
use tower_test::mock::{self, Mock};

use super::*;
use crate::chathub::{List, OrganizationId};
use crate::invalidation::WritesInFlight;
use crate::invalidation::inspect::{Inspection, InspectionLayer};
use crate::store::{CacheKey, Store};
use crate::testing;
use crate::upstream::UpstreamError;
use crate::wire::body::{Collected, collect};

/// The mock fails with boxed errors, the stack with its own: here as a connection that broke.
type Below = tower::util::MapErr<Mock<RoutedRequest, Response>, fn(tower::BoxError) -> Error>;

struct Fixture {
    invalidation: Inspection<Invalidation<Below>>,
    below: mock::Handle<RoutedRequest, Response>,
    store: Arc<Store>,
    writes: WritesInFlight,
}

const QUARANTINE: Duration = Duration::from_secs(5);

fn fixture() -> Fixture {
    let (mock, mut below) = mock::pair();
    below.allow(1);
    let metrics = testing::metrics();
    let store = Arc::new(Store::new(1 << 20, Duration::from_secs(60), &metrics.store));
    let writes = WritesInFlight::new();
    let layer = InvalidationLayer {
        store: Arc::clone(&store),
        quarantine: QUARANTINE,
        metrics: metrics.invalidation,
        writes: writes.counter(),
    };
    let inner: Below = tower::util::MapErr::new(mock, broken);
    let invalidation = InspectionLayer { max_inspect: 64 }.layer(layer.layer(inner));
    Fixture { invalidation, below, store, writes }
}

fn broken(source: tower::BoxError) -> Error {
    UpstreamError::Broken { source, is_write: true }.into()
}

impl Fixture {
    fn send(&mut self, target: &str, content: &'static str) -> tokio::task::JoinHandle<Result<Response, Error>> {
        let mut request = testing::routed("POST", target, &[("content-type", "application/json")]);
        request.body = bytes::Bytes::from_static(content.as_bytes()).into();
        tokio::spawn(self.invalidation.call(request))
    }

    /// Whether a fetch of that organization's list, begun now, could be stored.
    fn is_quiet(&self, organization: u32) -> bool {
        self.store.fence().stamp(&key(organization)).is_quiet()
    }
}

fn key(organization: u32) -> CacheKey {
    let list = List::Operators(OrganizationId::new(organization).unwrap());
    CacheKey { credential: testing::digests().digest_other(b"a"), list }
}

#[tokio::test(start_paused = true)]
async fn a_status_write_hides_every_list_until_it_is_answered() {
    let mut fixture = fixture();
    let before = fixture.store.fence().stamp(&key(24));
    let sent = fixture.send("/api/operator/status", r#"{"id":1,"status":1}"#);
    let (_, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(24), "nothing is stored while it runs");
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
    assert!(fixture.is_quiet(24));
    assert!(!fixture.store.fence().is_current(&key(24), &before), "what was stored before it is hidden");
}

#[tokio::test(start_paused = true)]
async fn a_synchronize_hides_the_organizations_it_names_and_goes_on_unchanged() {
    let mut fixture = fixture();
    let sent = fixture.send("/api/operator/synchronize", r#"[{"organizationId":24,"name":"A"}]"#);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(24));
    assert!(fixture.is_quiet(6));
    let Collected::Whole(content, _) = collect(request.body, 1 << 10).await.unwrap() else { unreachable!() };
    assert_eq!(content, r#"[{"organizationId":24,"name":"A"}]"#);
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronize_too_long_to_inspect_hides_all_and_goes_on_whole() {
    let mut fixture = fixture();
    let long = r#"[{"organizationId":24,"name":"A name that is longer than what is inspected of a body"}]"#;
    let sent = fixture.send("/api/operator/synchronize", long);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(6));
    let Collected::Whole(content, _) = collect(request.body, 1 << 10).await.unwrap() else { unreachable!() };
    assert_eq!(content, long);
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_does_not_stop_its_write() {
    let mut fixture = fixture();
    let sent = fixture.send("/api/operator/status", "{}");
    let (_, answer) = fixture.below.next_request().await.unwrap();
    sent.abort();
    assert!(sent.await.is_err());
    tokio::task::yield_now().await;
    assert!(!fixture.is_quiet(24), "the write goes on");
    answer.send_response(testing::status(200));
    fixture.writes.ended().await;
    assert!(fixture.store.fence().stamp(&key(24)).is_quiet());
}

#[tokio::test(start_paused = true)]
async fn after_a_write_of_unknown_outcome_nothing_is_stored_for_a_while() {
    for fails_by_status in [true, false] {
        let mut fixture = fixture();
        let sent = fixture.send("/api/operator/status", "{}");
        let (_, answer) = fixture.below.next_request().await.unwrap();
        match fails_by_status {
            true => answer.send_response(testing::status(500)),
            false => answer.send_error("reset"),
        }
        let _ = sent.await.unwrap();
        let ended = tokio::time::Instant::now();
        assert!(!fixture.is_quiet(24), "the upstream may still apply it");
        tokio::time::sleep_until(ended + QUARANTINE - Duration::from_millis(1)).await;
        assert!(!fixture.is_quiet(24));
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(fixture.is_quiet(24));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_over_when_it_is_answered() {
    let mut fixture = fixture();
    let sent = fixture.send("/api/operator/status", "{}");
    let (_, answer) = fixture.below.next_request().await.unwrap();
    answer.send_response(testing::status(404));
    sent.await.unwrap().unwrap();
    assert!(fixture.is_quiet(24));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_no_list_hides_none() {
    let mut fixture = fixture();
    let before = fixture.store.fence().stamp(&key(24));
    let sent = fixture.send("/api/chat/7/message", "{}");
    let (_, answer) = fixture.below.next_request().await.unwrap();
    answer.send_response(testing::status(500));
    sent.await.unwrap().unwrap();
    assert!(fixture.store.fence().is_current(&key(24), &before));
}
