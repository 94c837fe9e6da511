//! Cache over fill over a mock, on paused time: what is answered from memory, what goes forward, and what it says.

use std::time::Duration;

use tower::Layer;
use tower_test::mock::{self, Mock};

use super::*;
use crate::buffer::Buffer;
use crate::cache::fill::Fill;
use crate::cache::{CacheLayer, FillLayer, Lifetimes, Refresh};
use crate::chathub::Groups;
use crate::clock::Clock;
use crate::error::Cause;
use crate::store::Store;
use crate::telemetry::metrics::BufferMetrics;
use crate::testing;
use crate::wire::Body;

type MapErr = tower::util::MapErr<Mock<RoutedRequest, Response>, fn(tower::BoxError) -> Error>;

struct Fixture {
    cache: Cache<Fill<MapErr>>,
    below: mock::Handle<RoutedRequest, Response>,
    store: Arc<Store>,
    clock: Clock,
    buffer: Buffer,
    buffered: BufferMetrics,
}

const LIST: &str = r#"[{"id":1,"name":"A","status":0}]"#;
const TARGET: &str = "/api/operator?organizationId=24";

fn fixture() -> Fixture {
    refreshing(Duration::ZERO)
}

/// Lists are fetched anew so long before their end.
fn refreshing(ahead: Duration) -> Fixture {
    let (mock, mut below) = mock::pair();
    below.allow(100);
    let clock = Clock::stepped();
    let lifetimes = Lifetimes { operators: Duration::from_secs(60), organizations: Duration::from_secs(300) };
    let store = Arc::new(Store::new(1 << 20, Duration::from_secs(300), &testing::metrics().store));
    let buffered = testing::metrics().fetch_buffer;
    let buffer = Buffer::new(1 << 10, buffered.clone());
    let fill = FillLayer {
        store: Arc::clone(&store),
        lifetimes,
        max_body: 1 << 10,
        buffer: buffer.clone(),
        total_timeout: Duration::from_secs(10),
        clock,
        operators: testing::metrics().operators,
    };
    let inner: MapErr = tower::util::MapErr::new(mock, |_| Cause::Internal.into());
    let refresh = Refresh { ahead, metrics: testing::metrics().refresh };
    let cache = CacheLayer { store: Arc::clone(&store), lifetimes, refresh, clock }.layer(fill.layer(inner));
    Fixture { cache, below, store, clock, buffer, buffered }
}

impl Fixture {
    /// Asks, and lets `answer` answer if the request goes forward.
    async fn ask(&mut self, fields: &[(&str, &str)], answer: impl FnOnce() -> Response) -> Response {
        let mut asked = tokio::spawn(self.cache.answer(testing::routed("GET", TARGET, fields)));
        tokio::select! {
            hit = &mut asked => return hit.unwrap().unwrap(),
            request = self.below.next_request() => request.unwrap().1.send_response(answer()),
        }
        asked.await.unwrap().unwrap()
    }

    async fn list(&mut self) -> String {
        self.list_as(&[("authorization", "Bearer a")]).await
    }

    async fn list_as(&mut self, fields: &[(&str, &str)]) -> String {
        told(&self.ask(fields, || testing::list(LIST)).await)
    }
}

fn told(response: &Response) -> String {
    response.account.cache.to_value().to_str().unwrap().trim_start_matches("chathub-gateway; ").to_owned()
}

fn with(name: &'static str, value: &'static str) -> impl FnOnce() -> Response {
    move || {
        let mut response = testing::list(LIST);
        response.message.headers_mut().insert(name, http::HeaderValue::from_static(value));
        response
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_list_is_answered_from_memory_until_its_time_is_over() {
    let mut fixture = fixture();
    assert_eq!(fixture.list().await, "fwd=uri-miss; stored");
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(fixture.list().await, "hit; ttl=1");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(fixture.list().await, "fwd=stale; stored; detail=expired");
}

#[tokio::test(start_paused = true)]
async fn a_hit_tells_its_age_and_has_the_same_bytes() {
    let mut fixture = fixture();
    fixture.ask(&[("authorization", "Bearer a")], with("x-request-id", "upstreams")).await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let hit = fixture.ask(&[("authorization", "Bearer a")], || unreachable!()).await;
    assert_eq!(hit.message.headers()["age"], "7");
    assert_eq!(hit.message.headers()["x-request-id"], "", "there is room for this request's own");
    assert_eq!(testing::content(hit).await, LIST);
}

#[tokio::test(start_paused = true)]
async fn a_write_hides_the_answer_that_was_fetched_before_it() {
    let mut fixture = fixture();
    fixture.list().await;
    drop(fixture.store.fence().begin_write(&Groups::All));
    assert_eq!(fixture.list().await, "fwd=stale; stored; detail=invalidated");
}

#[tokio::test(start_paused = true)]
async fn an_answer_fetched_while_a_write_runs_is_not_stored() {
    let mut fixture = fixture();
    let write = fixture.store.fence().begin_write(&Groups::All);
    assert_eq!(fixture.list().await, "fwd=uri-miss; detail=write-in-flight");
    drop(write);
    assert_eq!(fixture.list().await, "fwd=uri-miss; stored");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_write_overtook_is_not_stored() {
    let mut fixture = fixture();
    let store = Arc::clone(&fixture.store);
    let fields = [("authorization", "Bearer a")];
    let overtaken = fixture.ask(&fields, move || {
        drop(store.fence().begin_write(&Groups::All));
        testing::list(LIST)
    });
    assert_eq!(told(&overtaken.await), "fwd=uri-miss; detail=overtaken");
}

#[tokio::test(start_paused = true)]
async fn credentials_share_nothing() {
    let mut fixture = fixture();
    fixture.list().await;
    for other in [("authorization", "Bearer b"), ("x-authorization-key", "a")] {
        assert_eq!(fixture.list_as(&[other]).await, "fwd=uri-miss; stored", "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_wants_a_fresh_answer_refreshes_it_for_all() {
    let mut fixture = fixture();
    fixture.list().await;
    tokio::time::advance(Duration::from_secs(30)).await;
    let refresh = [("authorization", "Bearer a"), ("cache-control", "no-cache")];
    assert_eq!(fixture.list_as(&refresh).await, "fwd=request; stored; detail=no-cache");
    assert_eq!(fixture.list().await, "hit; ttl=60");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_names_an_age_is_given_nothing_older() {
    let mut fixture = fixture();
    fixture.list().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(fixture.list_as(&[("authorization", "Bearer a"), ("cache-control", "max-age=10")]).await, "hit; ttl=50");
    let stricter = [("authorization", "Bearer a"), ("cache-control", "max-age=9")];
    assert_eq!(fixture.list_as(&stricter).await, "fwd=request; stored; detail=no-cache");
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_loses_what_was_stored_for_it() {
    let mut fixture = fixture();
    fixture.list().await;
    let refresh = [("authorization", "Bearer a"), ("cache-control", "no-cache")];
    let refused = fixture.ask(&refresh, || testing::status(401)).await;
    assert_eq!(told(&refused), "fwd=request; detail=status");
    assert_eq!(fixture.list().await, "fwd=stale; stored; detail=invalidated");
}

#[tokio::test(start_paused = true)]
async fn each_answer_that_is_not_stored_says_why() {
    type Answer = Box<dyn FnOnce() -> Response>;
    let long = "[{\"id\":1,\"name\":\"".to_owned() + &"x".repeat(2_000) + "\",\"status\":0}]";
    let long: &'static str = long.leak();
    let rows: [(Answer, &str); 8] = [
        (Box::new(|| testing::status(500)), "status"),
        (Box::new(with("content-type", "text/html")), "content-type"),
        (Box::new(|| testing::list("{}")), "shape"),
        (Box::new(move || testing::list(long)), "too-large"),
        (Box::new(with("set-cookie", "a=b")), "set-cookie"),
        (Box::new(with("cache-control", "no-store")), "no-store"),
        (Box::new(with("cache-control", "max-age=0")), "no-lifetime"),
        (Box::new(with("vary", "user-agent")), "vary"),
    ];
    for (answer, detail) in rows {
        let mut fixture = fixture();
        let first = fixture.ask(&[("authorization", "Bearer a")], answer).await;
        assert_eq!(told(&first), format!("fwd=uri-miss; detail={detail}"));
        assert_eq!(fixture.list().await, "fwd=uri-miss; stored", "{detail}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_to_store_is_answered_whole() {
    let mut fixture = fixture();
    let long: &'static str = "x".repeat(5_000).leak();
    let response = fixture.ask(&[("authorization", "Bearer a")], move || testing::list(long)).await;
    assert_eq!(testing::content(response).await, long);
}

/// A credential that ends in so many seconds by its own words.
fn token(clock: Clock, seconds: u64) -> String {
    use base64::Engine;
    let claims = format!(r#"{{"exp":{}}}"#, clock.wall().as_secs() + seconds);
    format!("Bearer e30.{}.x", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_beyond_the_life_of_the_token() {
    let mut fixture = fixture();
    let (soon, past) = (token(fixture.clock, 10), token(fixture.clock, 0));
    assert_eq!(fixture.list_as(&[("authorization", &soon)]).await, "fwd=uri-miss; stored");
    tokio::time::advance(Duration::from_secs(10)).await;
    let told = fixture.list_as(&[("authorization", &soon)]).await;
    assert_eq!(told, "fwd=stale; detail=token-expired");
    assert_eq!(fixture.list_as(&[("authorization", &past)]).await, "fwd=uri-miss; detail=token-expired");
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_with_its_token_though_the_clock_was_wrong_when_it_was_stored() {
    let mut fixture = fixture();
    let token = token(fixture.clock, 3600);
    let fields = [("authorization", token.as_str())];
    assert_eq!(fixture.list_as(&fields).await, "fwd=uri-miss; stored");
    assert_eq!(fixture.list_as(&fields).await, "hit; ttl=60");

    fixture.clock.step(3590);
    let near_the_end = fixture.list_as(&fields).await;
    fixture.clock.step(10);

    assert!(near_the_end == "hit; ttl=9" || near_the_end == "hit; ttl=10", "{near_the_end}");
    assert_eq!(fixture.list_as(&fields).await, "fwd=stale; detail=token-expired");
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_fetched_without_a_coding() {
    let mut fixture = fixture();
    let fields = [("authorization", "Bearer a"), ("accept-encoding", "gzip")];
    let asked = tokio::spawn(fixture.cache.answer(testing::routed("GET", TARGET, &fields)));
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert_eq!(request.head.headers["accept-encoding"], "identity");
    answer.send_response(testing::list(LIST));
    asked.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_says_that_it_went_forward() {
    let mut fixture = fixture();
    let asked = tokio::spawn(fixture.cache.answer(testing::routed("GET", TARGET, &[("authorization", "Bearer a")])));
    let (_, answer) = fixture.below.next_request().await.unwrap();
    let mut broken = testing::list("");
    *broken.message.body_mut() = Body::streamed(http_body_util::StreamBody::new(futures_util::stream::once(async {
        Err(crate::wire::BodyError::UpstreamTimeout)
    })));
    answer.send_response(broken);
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.forward, Some(Forward::UriMiss));
    assert_eq!(error.status(), 504);
}

#[tokio::test(start_paused = true)]
async fn the_time_for_a_list_runs_from_the_sending_not_from_its_head() {
    let mut fixture = fixture();
    let asked = tokio::spawn(fixture.cache.answer(testing::routed("GET", TARGET, &[("authorization", "Bearer a")])));
    let (request, answer) = fixture.below.next_request().await.unwrap();
    assert_eq!(request.total_timeout, Some(Duration::from_secs(10)), "it is waited no longer for the head");
    let mut endless = testing::list("");
    endless.account.upstream_time = Some(Duration::from_secs(9));
    *endless.message.body_mut() =
        Body::streamed(http_body_util::StreamBody::new(futures_util::stream::pending::<Result<_, _>>()));
    let began = fixture.clock.now();

    answer.send_response(endless);

    assert_eq!(asked.await.unwrap().unwrap_err().status(), 504);
    let waited = fixture.clock.now() - began;
    assert!(waited <= Duration::from_millis(1_010), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_finds_no_room_to_be_read_is_answered_whole_and_not_stored() {
    let mut fixture = fixture();
    let mut others = fixture.buffer.share();
    assert!(others.grow_to((1 << 10) - LIST.len() + 1));

    let response = fixture.ask(&[("authorization", "Bearer a")], || testing::list(LIST)).await;

    assert_eq!(told(&response), "fwd=uri-miss; detail=no-room");
    assert_eq!(testing::content(response).await, LIST);
    drop(others);
    let stored = fixture.ask(&[("authorization", "Bearer a")], || testing::list(LIST)).await;
    assert_eq!(told(&stored), "fwd=uri-miss; stored");
    assert_eq!((fixture.buffered.full.get(), fixture.buffered.held.get()), (1, 0), "what is stored needs no more room");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_stored_has_its_room_until_its_client_has_it() {
    const NO_LIST: &str = r#"{"id":1}"#;
    let mut fixture = fixture();
    let response = fixture.ask(&[("authorization", "Bearer a")], || testing::list(NO_LIST)).await;
    assert_eq!(told(&response), "fwd=uri-miss; detail=shape");
    assert_eq!(fixture.buffered.held.get(), NO_LIST.len() as i64);
    drop(response);
    assert_eq!(fixture.buffered.held.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_older_fetch_does_not_take_the_place_of_a_newer_one() {
    const NEWER: &str = r#"[{"id":2,"name":"B","status":0}]"#;
    let mut fixture = fixture();
    let fields = [("authorization", "Bearer a")];
    let slow = tokio::spawn(fixture.cache.answer(testing::routed("GET", TARGET, &fields)));
    let (_, older) = fixture.below.next_request().await.unwrap();
    let refresh = [fields[0], ("cache-control", "no-cache")];
    let refreshed = fixture.ask(&refresh, || testing::list(NEWER)).await;
    assert_eq!(told(&refreshed), "fwd=request; stored; detail=no-cache");

    older.send_response(testing::list(LIST));

    assert_eq!(told(&slow.await.unwrap().unwrap()), "fwd=uri-miss; detail=overtaken");
    let next = fixture.ask(&fields, || unreachable!("it is stored")).await;
    assert_eq!(testing::content(next).await, NEWER);
}

#[tokio::test(start_paused = true)]
async fn a_hit_near_the_end_of_a_lifetime_has_the_list_fetched_anew_once_a_second() {
    let mut fixture = refreshing(Duration::from_secs(10));
    fixture.list().await;
    tokio::time::advance(Duration::from_secs(49)).await;
    let hit =
        |fixture: &mut Fixture| fixture.cache.answer(testing::routed("GET", TARGET, &[("authorization", "Bearer a")]));
    hit(&mut fixture).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;

    for _ in 0..3 {
        let answer = hit(&mut fixture).await.unwrap();
        assert_eq!(answer.account.cache.outcome, Outcome::Hit { ttl: 9 }, "nobody waits for it");
    }

    let (request, send) = fixture.below.next_request().await.unwrap();
    assert!(request.head.extensions.get::<crate::chathub::InBackground>().is_some());
    assert_eq!(request.head.headers["authorization"], "Bearer a");
    send.send_response(testing::list(LIST));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let answer = hit(&mut fixture).await.unwrap();
    assert_eq!(answer.account.cache.outcome, Outcome::Hit { ttl: 59 });
    let second = tokio::time::timeout(Duration::from_millis(1), fixture.below.next_request()).await;
    assert!(second.is_err(), "it was fetched once for the three");
}
