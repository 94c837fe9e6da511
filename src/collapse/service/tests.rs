//! Driven directly, over a mock that shows what went below.

use tower_test::mock::{self, Mock, SendResponse};

use super::*;
use crate::chathub::{Groups, Identity};
use crate::collapse::CollapseLayer;
use crate::store::{CacheKey, Fence};
use crate::testing;
use tower::Layer;

type Below = mock::Handle<RoutedRequest, Response>;

struct Fixture {
    collapse: Collapse<MapErr>,
    below: Below,
    fence: Arc<Fence>,
    metrics: CollapseMetrics,
}

/// The mock fails with boxed errors, the stack with its own.
type MapErr = tower::util::MapErr<Mock<RoutedRequest, Response>, fn(tower::BoxError) -> Error>;

fn fixture() -> Fixture {
    let (mock, below) = mock::pair();
    let metrics = testing::metrics().collapse;
    let inner: MapErr = tower::util::MapErr::new(mock, |_| Cause::Internal.into());
    let collapse = CollapseLayer::new(Clock::start(), metrics.clone()).layer(inner);
    Fixture { collapse, below, fence: Arc::new(Fence::new()), metrics }
}

impl Fixture {
    fn request(&self, is_refresh: bool) -> RoutedRequest {
        let fields = [("authorization", "Bearer a")];
        let mut request = testing::routed("GET", "/api/operator?organizationId=24", &fields);
        let Identity::One(credential) = request.identity else { unreachable!() };
        let key = CacheKey { credential: credential.digest, list: request.list.unwrap() };
        let stamp = self.fence.stamp(&key);
        request.head.extensions.insert(Fetch { key, stamp, order: 0, is_refresh });
        request
    }

    fn ask(&mut self) -> tokio::task::JoinHandle<Result<Response, Error>> {
        let request = self.request(false);
        tokio::spawn(self.collapse.call(request))
    }

    async fn next(&mut self) -> SendResponse<Response> {
        self.below.next_request().await.unwrap().1
    }

    fn storable(&self) -> Response {
        let mut response = testing::list("[]");
        let request = self.request(false);
        let fetch = request.head.extensions.get::<Fetch>().unwrap();
        let now = tokio::time::Instant::now();
        let life = std::time::Duration::from_secs(60);
        let entry = Entry::new(response.message.headers(), &bytes::Bytes::from_static(b"[]"), fetch, now, life);
        response.message.extensions_mut().insert(Arc::new(entry));
        response
    }
}

fn is_collapsed(response: &Response) -> bool {
    matches!(response.account.cache.outcome, Outcome::Forwarded { collapsed: true, .. })
}

#[tokio::test]
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

#[tokio::test]
async fn a_request_after_a_write_does_not_join_the_fetch_before_it() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let before = fixture.ask();
    let first = fixture.next().await;
    drop(fixture.fence.begin(Groups::All));
    let after = fixture.ask();
    let second = fixture.next().await;
    second.send_response(testing::list("[2]"));
    assert_eq!(testing::content(after.await.unwrap().unwrap()).await, "[2]");
    first.send_response(testing::list("[1]"));
    assert_eq!(testing::content(before.await.unwrap().unwrap()).await, "[1]");
}

#[tokio::test]
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

#[tokio::test]
async fn when_all_have_left_the_fetch_ends() {
    let mut fixture = fixture();
    fixture.below.allow(2);
    let only = fixture.ask();
    let unanswered = fixture.next().await;
    only.abort();
    assert!(only.await.is_err());
    assert_eq!(fixture.collapse.flights.count(), 0);
    let next = fixture.ask();
    fixture.next().await.send_response(testing::list("[]"));
    assert!(next.await.unwrap().is_ok(), "nobody waits for the ended fetch");
    drop(unanswered);
}

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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
