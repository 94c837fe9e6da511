//! Driven directly, over a mock that shows what went below. The fence is watched with stamps.

use std::sync::Arc;
use std::time::Duration;

use tower::Layer;
use tower_test::mock::{self, Mock};

use super::*;
use crate::buffer::Buffer;
use crate::chathub::List;
use crate::invalidation::inspect::{Inspection, InspectionLayer};
use crate::store::{CacheKey, Refusal, Store};
use crate::tally::Tally;
use crate::telemetry::metrics::Metrics;
use crate::testing::{self, entry, is_current, key, store_list};
use crate::upstream::UpstreamError;
use crate::wire::cache_status::Detail;

/// The mock fails with boxed errors, the stack with its own: here as a connection that broke.
type Below = tower::util::MapErr<Mock<RoutedRequest, Response>, fn(tower::BoxError) -> Error>;

struct Fixture {
    invalidation: Inspection<Invalidation<Below>>,
    below: mock::Handle<RoutedRequest, Response>,
    store: Arc<Store>,
    writes: Tally,
    buffer: Buffer,
    layer: InvalidationLayer,
    metrics: Metrics,
}

const QUARANTINE: Duration = Duration::from_secs(5);

fn fixture() -> Fixture {
    let (mock, mut below) = mock::pair();
    below.allow(1);
    let metrics = testing::metrics();
    let store = Arc::new(Store::new(1 << 20, Duration::from_secs(60), &metrics.store));
    let writes = Tally::new();
    let layer = InvalidationLayer {
        store: Arc::clone(&store),
        quarantine: QUARANTINE,
        metrics: metrics.invalidation.clone(),
        writes: writes.clone(),
    };
    let inner: Below = tower::util::MapErr::new(mock, broken);
    let buffer = Buffer::new(64, metrics.inspect_buffer.clone());
    let invalidation = InspectionLayer { max_inspect: 64, buffer: buffer.clone() }.layer(layer.clone().layer(inner));
    Fixture { invalidation, below, store, writes, buffer, layer, metrics }
}

fn broken(source: tower::BoxError) -> Error {
    UpstreamError::Broken { source, is_write: true }.into()
}

async fn content(request: RoutedRequest) -> bytes::Bytes {
    testing::content(Response::new(http::Response::new(request.request.into_parts().body))).await
}

impl Fixture {
    fn send(&mut self, target: &str, content: &'static str) -> tokio::task::JoinHandle<Result<Response, Error>> {
        let mut request = testing::routed("POST", target, &[("content-type", "application/json")]);
        request.body = bytes::Bytes::from_static(content.as_bytes()).into();
        tokio::spawn(self.invalidation.call(request))
    }

    /// Why a list of that organization that is fetched now cannot be stored, if it cannot.
    fn refusal(&self, organization: u32) -> Option<Refusal> {
        store_list(&self.store, key("b", organization), &[]).err()
    }

    /// The value of a series of ours.
    fn value(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.metrics.expose()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("chathub_gateway_")?.strip_prefix(series));
        line.unwrap().trim().parse().unwrap()
    }

    fn ended(&self, outcome: Outcome) -> f64 {
        self.value(&format!("writes_total{{outcome=\"{}\"}}", outcome.as_str()))
    }

    fn is_quiet(&self, organization: u32) -> bool {
        self.refusal(organization).is_none()
    }
}

const STATUS: &str = r#"{"id":101,"status":1}"#;

#[tokio::test(start_paused = true)]
async fn a_status_write_hides_the_lists_that_hold_the_operator_and_no_other() {
    let mut fixture = fixture();
    let store = Arc::clone(&fixture.store);
    store_list(&store, key("a", 24), &[100, 101]).unwrap();
    store_list(&store, key("b", 24), &[100, 101]).unwrap();
    store_list(&store, key("a", 6), &[102]).unwrap();
    let sent = fixture.send("/api/operator/status", STATUS);
    let (_, answer) = fixture.below.next_request().await.unwrap();
    assert_eq!(fixture.refusal(24), Some(Refusal::WriteInFlight), "nothing is stored while it runs");
    assert!(fixture.is_quiet(6));
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
    assert!(fixture.is_quiet(24));
    assert!(!is_current(&store, &key("a", 24)), "whoever fetched it");
    assert!(is_current(&store, &key("a", 6)));
}

#[tokio::test(start_paused = true)]
async fn a_status_write_for_an_operator_seen_nowhere_hides_every_list_of_operators_and_not_that_of_organizations() {
    let mut fixture = fixture();
    let store = Arc::clone(&fixture.store);
    let organizations = CacheKey { list: List::Organizations, ..key("a", 1) };
    store_list(&store, organizations, &[]).unwrap();
    store_list(&store, key("a", 24), &[100]).unwrap();
    store_list(&store, key("a", 6), &[102]).unwrap();
    let sent = fixture.send("/api/operator/status", STATUS);
    fixture.below.next_request().await.unwrap().1.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
    assert!(!is_current(&store, &key("a", 24)));
    assert!(!is_current(&store, &key("a", 6)));
    assert!(is_current(&store, &organizations));
}

#[tokio::test(start_paused = true)]
async fn a_status_write_that_two_parsers_could_read_differently_hides_every_list_of_operators() {
    for content in [
        r#"{"id":"101"}"#,
        r#"{"id":101,"ID":102}"#,
        "{}",
        r#"{"id":101,"status":0,"padding":"too long to be read, for only 64 bytes are"}"#,
    ] {
        let mut fixture = fixture();
        let store = Arc::clone(&fixture.store);
        store_list(&store, key("a", 24), &[101]).unwrap();
        store_list(&store, key("a", 6), &[102]).unwrap();
        let sent = fixture.send("/api/operator/status", content);
        fixture.below.next_request().await.unwrap().1.send_response(testing::status(200));
        sent.await.unwrap().unwrap();
        assert!(!is_current(&store, &key("a", 6)), "{content}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_on_its_way_is_not_stored_if_an_operator_in_it_was_switched_meanwhile() {
    let mut fixture = fixture();
    let store = Arc::clone(&fixture.store);
    // The operator is known from one organization, and the fetch of another will show it too.
    store_list(&store, key("a", 24), &[101]).unwrap();
    let (moved, other) = (store.begin_fetch(key("a", 6), false), store.begin_fetch(key("a", 42), false));
    let sent = fixture.send("/api/operator/status", STATUS);
    let (_, answer) = fixture.below.next_request().await.unwrap();
    let during = store.begin_fetch(key("b", 6), false);
    assert_eq!(store.publish(&entry(&during, &[101])), Err(Refusal::Switched));
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
    assert_eq!(store.publish(&entry(&moved, &[7, 101])), Err(Refusal::Switched));
    assert_eq!(store.publish(&entry(&other, &[8])), Ok(()));
    assert_eq!(store_list(&store, key("a", 6), &[101]), Ok(()), "one that is fetched now is stored");
}

#[tokio::test(start_paused = true)]
async fn a_synchronize_hides_the_organizations_it_names_and_goes_on_unchanged() {
    let mut fixture = fixture();
    let sent = fixture.send("/api/operator/synchronize", r#"[{"organizationId":24,"name":"A"}]"#);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(24));
    assert!(fixture.is_quiet(6));
    assert_eq!(content(request).await, r#"[{"organizationId":24,"name":"A"}]"#);
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronize_too_long_to_inspect_hides_every_list_of_operators_and_goes_on_whole() {
    let mut fixture = fixture();
    let long = r#"[{"organizationId":24,"name":"A name that is longer than what is inspected of a body"}]"#;
    let sent = fixture.send("/api/operator/synchronize", long);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(6));
    assert_eq!(content(request).await, long);
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronize_that_finds_no_room_to_be_read_hides_every_list_of_operators_and_goes_on_whole() {
    let mut fixture = fixture();
    let mut others = fixture.buffer.share();
    assert!(others.grow_to(40));
    let sent = fixture.send("/api/operator/synchronize", r#"[{"organizationId":24,"name":"A"}]"#);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert!(!fixture.is_quiet(6));
    assert_eq!(content(request).await, r#"[{"organizationId":24,"name":"A"}]"#);
    assert_eq!(fixture.value(r#"buffer_full_total{content="write"}"#), 1.0);
    answer.send_response(testing::status(200));
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_has_its_room_until_its_content_has_gone_out() {
    let mut fixture = fixture();
    let sent = fixture.send("/api/operator/status", STATUS);
    let (request, answer) = fixture.below.next_request().await.unwrap();
    let held = |fixture: &Fixture| fixture.value(r#"buffered_bytes{content="write"}"#);
    assert_eq!(held(&fixture), STATUS.len() as f64);
    let going_out = content(request).await;
    assert_eq!(held(&fixture), STATUS.len() as f64);
    drop(going_out);
    assert_eq!(held(&fixture), 0.0);
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
    assert_eq!(fixture.refusal(24), Some(Refusal::WriteInFlight), "the write goes on");
    answer.send_response(testing::status(200));
    fixture.writes.ended().await;
    assert!(fixture.is_quiet(24));
    assert_eq!(fixture.value("writes_abandoned_total"), 1.0);
}

/// How a write ends below, and what is then known of it.
type End = (fn() -> Result<Response, UpstreamError>, Outcome, Option<Detail>);

const CERTAIN: [End; 4] = [
    (|| Ok(testing::status(200)), Outcome::Accepted, None),
    (|| Ok(testing::status(404)), Outcome::Refused, Some(Detail::WriteRefused)),
    (|| Err(UpstreamError::Unreachable("no".into())), Outcome::Unsent, Some(Detail::WriteUnsent)),
    (|| Err(UpstreamError::ConnectTimeout), Outcome::Unsent, Some(Detail::WriteUnsent)),
];

const IN_DOUBT: [End; 3] = [
    (|| Ok(testing::status(503)), Outcome::Failed, Some(Detail::WriteFailed)),
    (|| Err(UpstreamError::HeadTimeout { is_write: true }), Outcome::TimedOut, Some(Detail::WriteTimedOut)),
    (
        || Err(UpstreamError::Broken { source: "reset".into(), is_write: true }),
        Outcome::Broken,
        Some(Detail::WriteBroken),
    ),
];

fn detail(result: Result<Response, Error>) -> Option<Detail> {
    result.map_or_else(|error| Some(error.detail()), |response| response.account.cache.detail)
}

/// A layer over a leaf that always ends like this.
async fn end(ends: fn() -> Result<Response, UpstreamError>) -> (Fixture, Option<Detail>) {
    let fixture = fixture();
    store_list(&fixture.store, key("a", 24), &[101]).unwrap();
    let leaf = tower::service_fn(move |_: RoutedRequest| async move { ends().map_err(Error::from) });
    let request = testing::routed("POST", "/api/operator/status", &[]);
    let result = fixture.layer.layer(leaf).oneshot(request).await;
    (fixture, detail(result))
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_certain_is_over_when_it_is_answered() {
    for (ends, outcome, told) in CERTAIN {
        let (fixture, detail) = end(ends).await;
        assert_eq!(detail, told);
        assert!(fixture.is_quiet(24), "{outcome:?}");
        assert!(!is_current(&fixture.store, &key("a", 24)), "what was fetched before it is hidden all the same");
        assert_eq!(fixture.ended(outcome), 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_write_in_doubt_nothing_is_stored_or_used_for_a_while() {
    for (ends, outcome, told) in IN_DOUBT {
        let (fixture, detail) = end(ends).await;
        let ended = tokio::time::Instant::now();
        assert_eq!(detail, told);
        assert_eq!(fixture.ended(outcome), 1.0);
        assert_eq!(fixture.value("quarantined_writes"), 1.0);
        let during = fixture.store.begin_fetch(key("a", 24), false);
        tokio::time::sleep_until(ended + QUARANTINE - Duration::from_millis(1)).await;
        assert_eq!(fixture.refusal(24), Some(Refusal::Quarantined), "{outcome:?}: the upstream may still apply it");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(fixture.store.publish(&entry(&during, &[])), Err(Refusal::Overtaken));
        assert!(fixture.is_quiet(24), "{outcome:?}");
        assert_eq!(fixture.value("quarantined_writes"), 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_panics_below_is_in_doubt() {
    let fixture = fixture();
    let leaf = tower::service_fn(|_: RoutedRequest| async { panic!("a fault below") });
    let request = testing::routed("POST", "/api/operator/status", &[]);
    let result: Result<Response, Error> = fixture.layer.layer(leaf).oneshot(request).await;
    assert_eq!(detail(result), Some(Detail::WriteAborted));
    assert_eq!(fixture.refusal(24), Some(Refusal::Quarantined));
    assert_eq!(fixture.ended(Outcome::Aborted), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_content_the_client_breaks_off_is_in_doubt() {
    let fixture = fixture();
    let leaf = tower::service_fn(|_: RoutedRequest| async {
        Err::<Response, Error>(Cause::Content(crate::wire::BodyError::ClientTimeout).into())
    });
    let request = testing::routed("DELETE", "/api/unknown", &[]);
    assert_eq!(detail(fixture.layer.layer(leaf).oneshot(request).await), Some(Detail::WriteCutShort));
    assert_eq!(fixture.refusal(24), Some(Refusal::Quarantined));
}

#[test]
fn a_write_whose_task_is_ended_counts_as_aborted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut fixture = runtime.block_on(async { fixture() });
    runtime.block_on(async {
        let sent = fixture.send("/api/operator/status", STATUS);
        let (_, answer) = fixture.below.next_request().await.unwrap();
        std::mem::forget(answer);
        drop(sent);
    });
    drop(runtime);
    assert_eq!(fixture.ended(Outcome::Aborted), 1.0);
    assert_eq!(fixture.writes.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_no_list_hides_none_and_leaves_no_doubt() {
    let mut fixture = fixture();
    store_list(&fixture.store, key("a", 24), &[101]).unwrap();
    let sent = fixture.send("/api/chat/7/message", "{}");
    let (_, answer) = fixture.below.next_request().await.unwrap();
    answer.send_response(testing::status(500));
    sent.await.unwrap().unwrap();
    assert!(is_current(&fixture.store, &key("a", 24)));
    assert_eq!(fixture.value("quarantined_writes"), 0.0);
}
