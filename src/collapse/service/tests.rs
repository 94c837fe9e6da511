//! Driven directly, over a mock that shows what went below.

use std::time::Duration;

use tower_test::mock::{self, Mock, SendResponse};

use super::*;
use crate::chathub::payload::Operators;
use crate::chathub::{Groups, Identity};
use crate::collapse::{CollapseLayer, Flights};
use crate::store::{CacheKey, Store};
use crate::telemetry::metrics::CollapseMetrics;
use crate::testing;
use tower::Layer;

type Below = mock::Handle<RoutedRequest, Response>;

const TIMEOUT: Duration = Duration::from_secs(10);

struct Fixture {
    collapse: Collapse<MapErr>,
    below: Below,
    store: Arc<Store>,
    metrics: CollapseMetrics,
}

/// The mock fails with boxed errors, the stack with its own.
type MapErr = tower::util::MapErr<Mock<RoutedRequest, Response>, fn(tower::BoxError) -> Error>;

fn fixture() -> Fixture {
    let (mock, below) = mock::pair();
    let metrics = testing::metrics();
    let store = Arc::new(Store::new(1 << 20, Duration::from_secs(60), &metrics.store));
    let metrics = metrics.collapse;
    let inner: MapErr = tower::util::MapErr::new(mock, |_| Cause::Internal.into());
    let layer = CollapseLayer {
        flights: Arc::new(Flights::default()),
        store: Arc::clone(&store),
        timeout: TIMEOUT,
        clock: Clock::start(),
        metrics: metrics.clone(),
    };
    Fixture { collapse: layer.layer(inner), below, store, metrics }
}

impl Fixture {
    fn request(&self, is_refresh: bool) -> RoutedRequest {
        let fields = [("authorization", "Bearer a")];
        let mut request = testing::routed("GET", "/api/operator?organizationId=24", &fields);
        let Identity::One(credential) = request.identity else { unreachable!() };
        let key = CacheKey { credential: credential.digest, list: request.list.unwrap() };
        request.head.extensions.insert(self.store.begin_fetch(key, is_refresh));
        request
    }

    fn ask(&mut self) -> tokio::task::JoinHandle<Result<Response, Error>> {
        let request = self.request(false);
        tokio::spawn(self.collapse.call(request))
    }

    /// The next request that comes below at once: without that one who follows has given up waiting.
    async fn next(&mut self) -> SendResponse<Response> {
        let next = tokio::time::timeout(Duration::from_millis(1), self.below.next_request());
        next.await.expect("a request comes below").unwrap().1
    }

    fn storable(&self) -> Response {
        self.storable_with(&[])
    }

    fn storable_with(&self, operators: &[i32]) -> Response {
        let mut response = testing::list("[]");
        let request = self.request(false);
        let fetch = request.head.extensions.get::<Fetch>().unwrap();
        response.message.extensions_mut().insert(testing::entry(fetch, operators));
        response
    }
}

impl Fixture {
    fn storable_text(&self, text: &'static str) -> Response {
        let mut response = testing::list(text);
        let fetch = self.request(false).head.extensions.remove::<Fetch>().unwrap();
        let (pools, bytes) = (self.store.pools(), bytes::Bytes::from_static(text.as_bytes()));
        let content = pools.contents.content(fetch.key().list, bytes, |_| Ok::<_, ()>(Operators::default())).unwrap();
        let (now, life) = (tokio::time::Instant::now(), Duration::from_secs(60));
        let entry = Entry::new(pools, &http::HeaderMap::new(), content, &fetch, now, life);
        response.message.extensions_mut().insert(Arc::new(entry));
        response
    }
}

fn is_collapsed(response: &Response) -> bool {
    matches!(response.account.cache.outcome, Outcome::Forwarded { collapsed: true, .. })
}

#[tokio::test(start_paused = true)]
async fn equal_requests_share_one_fetch() {
    let mut fixture = fixture();
    fixture.below.allow(1);
    let asked: Vec<_> = (0..10).map(|_| fixture.ask()).collect();
    let answer = fixture.next().await;
    answer.send_response(fixture.storable());
    let mut collapsed = 0;
    for asked in asked {
        collapsed += usize::from(is_collapsed(&asked.await.unwrap().unwrap()));
    }
    assert_eq!(collapsed, 9);
    assert_eq!((fixture.metrics.flights.get(), fixture.metrics.followers.get()), (1, 9));
}

#[tokio::test(start_paused = true)]
async fn a_request_after_a_write_does_not_join_the_fetch_before_it() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let before = fixture.ask();
    let first = fixture.next().await;
    drop(fixture.store.fence().begin_write(&Groups::All));
    let after = fixture.ask();
    let second = fixture.next().await;
    second.send_response(testing::list("[2]"));
    assert_eq!(testing::content(after.await.unwrap().unwrap()).await, "[2]");
    first.send_response(testing::list("[1]"));
    assert_eq!(testing::content(before.await.unwrap().unwrap()).await, "[1]");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_takes_nobody_down() {
    let mut fixture = fixture();
    fixture.below.allow(1);
    let leader = fixture.ask();
    let answer = fixture.next().await;
    let follower = fixture.ask();
    leader.abort();
    assert!(leader.await.is_err());
    answer.send_response(fixture.storable());
    assert!(is_collapsed(&follower.await.unwrap().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_fetch_ends() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let only = fixture.ask();
    let unanswered = fixture.next().await;
    only.abort();
    assert!(only.await.is_err());
    assert_eq!(fixture.collapse.settings.flights.count(), 0);
    let next = fixture.ask();
    fixture.next().await.send_response(testing::list("[]"));
    assert!(next.await.unwrap().is_ok(), "nobody waits for the ended fetch");
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_for_all_lets_the_others_fetch_at_once() {
    let mut fixture = fixture();
    fixture.below.allow(3);
    let leader = fixture.ask();
    let refused = fixture.next().await;
    let others = [fixture.ask(), fixture.ask()];
    refused.send_response(testing::status(500));
    assert_eq!(leader.await.unwrap().unwrap().message.status(), 500);
    let (second, third) = (fixture.next().await, fixture.next().await);
    second.send_response(testing::list("[]"));
    third.send_response(testing::list("[]"));
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().message.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaders_error_is_its_own() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let leader = fixture.ask();
    let failing = fixture.next().await;
    let follower = fixture.ask();
    failing.send_error("broken");
    assert!(leader.await.unwrap().is_err());
    fixture.next().await.send_response(testing::list("[]"));
    assert!(follower.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_joins_nobody_and_may_be_joined() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let old = fixture.ask();
    let first = fixture.next().await;
    let refresh = tokio::spawn({
        let request = fixture.request(true);
        fixture.collapse.call(request)
    });
    let second = fixture.next().await;
    let joined = fixture.ask();
    second.send_response(fixture.storable());
    assert!(!is_collapsed(&refresh.await.unwrap().unwrap()));
    assert!(is_collapsed(&joined.await.unwrap().unwrap()));
    first.send_response(testing::list("[]"));
    assert!(old.await.unwrap().is_ok());
}

impl Fixture {
    /// An answer with an operator that is switched now, and was known from another organization only.
    fn overtaken(&self) -> Response {
        testing::store_list(&self.store, testing::key("a", 6), &[101]).unwrap();
        let response = self.storable_with(&[101]);
        drop(self.store.fence().begin_write(&Groups::Operator(crate::chathub::id::OperatorId(101))));
        response
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_fetch_was_overtaken_the_others_share_a_new_one() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let leader = fixture.ask();
    let first = fixture.next().await;
    let others: Vec<_> = (0..9).map(|_| fixture.ask()).collect();
    first.send_response(fixture.overtaken());
    assert_eq!(leader.await.unwrap().unwrap().message.status(), 200);
    fixture.next().await.send_response(fixture.storable());
    let mut collapsed = 0;
    for other in others {
        collapsed += usize::from(is_collapsed(&other.await.unwrap().unwrap()));
    }
    assert_eq!(collapsed, 8);
    assert_eq!(fixture.metrics.flights.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_overtaken_again_and_again_is_not_waited_for_for_ever() {
    let mut fixture = fixture();
    fixture.below.allow(10);
    let asked: Vec<_> = (0..10).map(|_| fixture.ask()).collect();
    for _ in 0..=MOST_ELECTIONS {
        fixture.next().await.send_response(fixture.overtaken());
    }
    // The six that are left fetch at once.
    let mut alone = Vec::new();
    for _ in 0..10 - 1 - MOST_ELECTIONS {
        alone.push(fixture.next().await);
    }
    alone.into_iter().for_each(|answer| answer.send_response(fixture.overtaken()));
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap().message.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_panics_harms_nobody_else() {
    let mut fixture = fixture();
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (reached, gate) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let leaf = {
        let (calls, reached, gate) = (Arc::clone(&calls), Arc::clone(&reached), Arc::clone(&gate));
        tower::service_fn(move |_: RoutedRequest| {
            let first = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            let (reached, gate) = (Arc::clone(&reached), Arc::clone(&gate));
            async move {
                if first {
                    reached.notify_one();
                    gate.notified().await;
                    panic!("a fault below");
                }
                Ok::<_, Error>(testing::list("[2]"))
            }
        })
    };
    let mut collapse = fixture.collapse.settings.clone().layer(leaf);
    let leader = tokio::spawn(collapse.call(fixture.request(false)));
    reached.notified().await;
    let follower = tokio::spawn(collapse.call(fixture.request(false)));
    gate.notify_one();
    assert!(leader.await.unwrap().is_err(), "the leader is told of the fault");
    assert_eq!(testing::content(follower.await.unwrap().unwrap()).await, "[2]");
    fixture.below.allow(0);
}

#[tokio::test(start_paused = true)]
async fn those_who_have_waited_long_enough_share_a_fetch_of_their_own() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let slow = fixture.ask();
    let unanswered = fixture.next().await;
    let asked = tokio::time::Instant::now();
    let followers = [fixture.ask(), fixture.ask(), fixture.ask()];
    let own = fixture.below.next_request().await.unwrap().1;
    assert_eq!(asked.elapsed(), TIMEOUT);
    own.send_response(fixture.storable());
    for follower in followers {
        assert!(follower.await.unwrap().is_ok());
    }
    assert_eq!(fixture.metrics.flights.get(), 2);
    unanswered.send_response(testing::list("[1]"));
    assert!(slow.await.unwrap().is_ok());
}

/// Two fetches of one list at once: the second is a refresh. The first has been answered.
async fn two_at_once(fixture: &mut Fixture, answered: Response) -> SendResponse<Response> {
    let old = fixture.ask();
    let first = fixture.next().await;
    let request = fixture.request(true);
    let refresh = tokio::spawn(fixture.collapse.call(request));
    let second = fixture.next().await;
    first.send_response(answered);
    assert!(old.await.unwrap().is_ok());
    drop(tokio::spawn(async { refresh.await.unwrap() }));
    second
}

#[tokio::test(start_paused = true)]
async fn who_has_seen_an_answer_is_given_no_other_by_a_fetch_that_was_running_by_then() {
    let mut fixture = fixture();
    fixture.below.allow(3);
    let first = fixture.storable_with(&[1]);
    let second = two_at_once(&mut fixture, first).await;
    let after = fixture.ask();
    tokio::task::yield_now().await;
    // The upstream may have read this one before it read the first.
    let other = fixture.storable_text("[2]");
    second.send_response(other);
    fixture.next().await.send_response(testing::list("[3]"));
    assert_eq!(testing::content(after.await.unwrap().unwrap()).await, "[3]");
}

#[tokio::test(start_paused = true)]
async fn who_has_seen_an_answer_shares_a_fetch_that_was_running_by_then_if_it_brings_the_same() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let first = fixture.storable();
    let second = two_at_once(&mut fixture, first).await;
    let after = fixture.ask();
    tokio::task::yield_now().await;
    second.send_response(fixture.storable());
    assert!(is_collapsed(&after.await.unwrap().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn nobody_boards_a_fetch_when_another_was_answered_with_something_that_cannot_be_compared() {
    let mut fixture = fixture();
    fixture.below.allow(3);
    let second = two_at_once(&mut fixture, testing::list("[1]")).await;
    let after = fixture.ask();
    fixture.next().await.send_response(fixture.storable());
    assert!(!is_collapsed(&after.await.unwrap().unwrap()));
    second.send_response(fixture.storable());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_failed_leaves_another_to_be_shared() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let second = two_at_once(&mut fixture, testing::status(503)).await;
    let after = fixture.ask();
    tokio::task::yield_now().await;
    second.send_response(fixture.storable());
    assert!(is_collapsed(&after.await.unwrap().unwrap()));
}
