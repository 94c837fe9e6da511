//! How often a credential's requests reach the upstream, in which order, and what those are told who must not wait.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::soon;

/// What ChatHub's documents give as the content of a 429.
const TOO_MANY: &str = r#"{"error":"Too Many Requests","message":"Rate limit exceeded. Please wait before sending more requests.","status":429}"#;

/// One call to the upstream, and no waiting for a second.
const ONE_AN_HOUR: &str = "throttle.operator = { rate = '1/h', burst = 1 }\nthrottle.max_wait = '0s'";

fn decided(class: &str, decision: &str) -> String {
    format!(r#"throttle_decisions_total{{class="{class}",decision="{decision}"}}"#)
}

/// A field that says how long to wait.
fn retry_after(seconds: &str) -> Fault {
    Fault::Fields(vec![("retry-after".to_owned(), seconds.to_owned())])
}

#[tokio::test]
async fn of_six_lists_at_once_the_sixth_waits_its_turn_and_none_is_refused() {
    let chathub = Emulator::start().await;
    // A cell lasts longer than any pause of a busy machine, after which the sixth would find one.
    let gateway = Gateway::before(&chathub).set("throttle.operator = { rate = '12/m', burst = 5 }").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let sent = chathub.clock().now();

    let answers = join_all((1..=6).map(|organization| company.list(organization))).await;

    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let arrived: Vec<_> = chathub.received().iter().map(|received| received.at - sent).collect();
    // A burst of five, and then one each 5 s; the clocks of both sides are not read at the same moment.
    assert!(arrived[5] > Duration::from_millis(4990), "{arrived:?}");
    assert_eq!(gateway.metrics().await.value(&decided("operator", "waited")), 1.0);
}

#[tokio::test]
async fn at_no_moment_have_more_calls_gone_than_the_burst_and_the_rates_worth_of_the_time() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '20/s', burst = 5 }";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let sent = chathub.clock().now();

    let answers = join_all((1..=36).map(|organization| company.list(organization))).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    // GCRA lets a rested credential send its burst at once and then goes on at the rate. A call may arrive as late as a
    // busy machine likes, so each is held against the beginning and not against those before it.
    let mut arrived: Vec<_> = chathub.received().iter().map(|received| received.at - sent).collect();
    arrived.sort_unstable();
    for (cells, arrived) in (1..).zip(&arrived[5..]) {
        assert!(*arrived > cells * Duration::from_millis(50) - Duration::from_millis(10), "{cells}: {arrived:?}");
    }
}

#[tokio::test]
async fn calls_are_sent_in_the_order_in_which_they_came() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '20/s', burst = 1 }";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let mut lists = vec![tokio::spawn(company.list(1))];
    soon(gate.reached(1)).await;
    for (queued, organization) in (1..).zip([5, 3, 4, 2]) {
        lists.push(tokio::spawn(company.list(organization)));
        gateway.reaches("flights_total", f64::from(queued) + 1.0).await;
    }

    gate.release();

    join_all(lists).await;
    let targets: Vec<_> = chathub.received().iter().map(|received| received.target.clone()).collect();
    let expected = [1, 5, 3, 4, 2].map(|organization| format!("/api/operator?organizationId={organization}"));
    assert_eq!(targets, expected);
}

#[tokio::test]
async fn a_hundred_calls_at_once_never_meet_the_upstreams_own_limit() {
    // The emulator's limit is on: 75 in any second and 50 on average.
    let chathub = Emulator::start().await;
    // The default burst of 25 makes 75 in the fullest second as they are sent. They are counted as they arrive, and a
    // machine that is busy with other tests delays some: fifteen fewer leave room for 0.3 s.
    let gateway = Gateway::before(&chathub).set("throttle.other = { rate = '50/s', burst = 10 }").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answers = join_all((0..100).map(|_| company.ask("GET /api/chat/chats").send())).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(chathub.count(Endpoint::ListChats), 100);
}

#[tokio::test]
async fn a_call_that_would_wait_too_long_is_refused_in_the_upstreams_own_words() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;

    let refused = company.list(6).await;

    assert_eq!((refused.status, refused.text()), (429, TOO_MANY));
    assert_eq!(refused.field("content-type"), Some("application/json"));
    let told: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((3580..=3600).contains(&told), "{told}");
    assert_eq!(refused.cache(), "detail=throttled");
    assert_eq!(refused.field("ratelimit-policy"), Some(r#""operator";q=1;w=3600"#));
    assert_eq!(refused.field("ratelimit"), Some(&*format!(r#""operator";r=0;t={told}"#)));
    assert_eq!(chathub.total(), 1);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.value(&decided("operator", "rejected")), 1.0);
    assert_eq!(metrics.value(r#"refusals_total{reason="throttled"}"#), 1.0);
}

#[tokio::test]
async fn a_client_that_waits_as_it_was_told_is_admitted() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '15/m', burst = 1 }\nthrottle.max_wait = '0s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let sent = Instant::now();
    company.list(24).await;
    let told = company.list(6).await.field("retry-after").unwrap().parse().unwrap();
    let told_at = Instant::now();
    assert!(told_at + Duration::from_secs(told) >= sent + Duration::from_secs(4), "never early");

    tokio::time::sleep_until(told_at + Duration::from_secs(told)).await;

    assert_eq!(company.list(6).await.status, 200);
}

#[tokio::test]
async fn what_is_told_counts_those_who_wait_already() {
    let chathub = Emulator::start().await;
    // Reads may wait for 150 s of the 200; the rest is for writes.
    let set = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '200s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(1).await;
    let waiting = [2, 3].map(|organization| tokio::spawn(company.list(organization)));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 2.0).await;

    let refused = company.list(4).await;

    // Its turn is in three minutes, and in half a minute it would be let in to wait for the rest.
    assert_eq!(refused.status, 429);
    let told: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((10..=30).contains(&told), "{told}");
    assert_eq!(refused.field("ratelimit"), Some(&*format!(r#""operator";r=0;t={told}"#)));
    waiting.iter().for_each(|list| list.abort());
}

#[tokio::test]
async fn hits_and_shared_fetches_cost_nothing() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let shared = tokio::spawn(join_all((0..5).map(|_| company.list(24))));
    gateway.reaches("followers_total", 4.0).await;
    gate.release();
    assert!(shared.await.unwrap().iter().all(|answer| answer.status == 200));

    for _ in 0..20 {
        assert!(company.list(24).await.is_hit());
    }
    assert_eq!(company.list(6).await.status, 429, "the one cell is spent");
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_its_place_back() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '90s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(1).await;
    let waiting = tokio::spawn(company.list(2));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;
    assert_eq!(company.list(3).await.status, 429, "two minutes are too long");

    waiting.abort();

    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 0.0).await;
    let next = tokio::spawn(company.list(3));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;
    assert_eq!(chathub.total(), 1);
    next.abort();
}

#[tokio::test]
async fn a_write_that_leaves_the_queue_is_never_sent() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    // While the upstream has stopped the credential there is time for the write to come and to leave.
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
    chathub.fault(Endpoint::ListOperators, retry_after("4"), Some(1));
    company.list(42).await;
    let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;
    write.abort();
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 0.0).await;

    // The next call in the queue goes when the write would have gone.
    assert_eq!(company.list(6).await.status, 200);

    assert_eq!(chathub.count(Endpoint::Synchronize), 0);
    assert!(company.list(24).await.is_hit());
}

#[tokio::test]
async fn in_observe_mode_every_call_goes_and_is_counted_as_it_would_have_fared() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '200s'\nthrottle.mode = 'observe'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answers = join_all((1..=6).map(|organization| company.list(organization))).await;

    assert!(answers.iter().all(|answer| answer.status == 200 && answer.field("ratelimit").is_none()));
    let metrics = gateway.metrics().await;
    // One goes, two would wait, and for the rest it would be too long.
    let counts = ["admitted", "would_wait", "would_reject", "waited", "rejected"];
    assert_eq!(counts.map(|decision| metrics.value(&decided("operator", decision))), [1.0, 2.0, 3.0, 0.0, 0.0]);
}

#[tokio::test]
async fn with_the_throttle_off_nothing_waits_and_nothing_is_counted() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answers = join_all((1..=5).map(|organization| company.list(organization))).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    let metrics = gateway.metrics().await;
    assert!(metrics.own().filter(|(name, _)| name.contains("throttle_decisions")).all(|(_, count)| count == 0.0));
}

#[tokio::test]
async fn the_content_of_a_refused_call_is_never_taken_for_the_next_request() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).start().await;
    let token = chathub.company_token("acme");
    gateway.client(&token).list(24).await;
    let mut connection = gateway.connect().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    let fields = format!("host: h\r\nauthorization: Bearer {token}");
    let length = smuggled.len();
    let refused = format!("POST /api/operator/status HTTP/1.1\r\n{fields}\r\ncontent-length: {length}\r\n\r\n");
    let list = format!("GET /api/operator?organizationId=24 HTTP/1.1\r\n{fields}\r\n\r\n");

    connection.send(format!("{refused}{smuggled}{list}")).await;

    assert_eq!(connection.answer().await.status, 429);
    if let Ok(next) = connection.try_answer().await {
        assert!(next.is_hit(), "{next:?}");
    }
    assert_eq!(chathub.total(), 1);
}

#[tokio::test]
async fn a_write_that_leaves_the_queue_with_much_content_gives_its_place_back() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '90s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let write = tokio::spawn(company.synchronize(&[(24, &"x".repeat(20_000))]));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;

    write.abort();

    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 0.0).await;
}

#[tokio::test]
async fn what_goes_upstream_is_told_what_is_left_and_a_hit_is_not() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.operator = { rate = '5/h', burst = 5 }").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    for (left, least, most) in [(4, 700, 720), (3, 1420, 1440)] {
        let answer = company.ask("GET /api/operator?organizationId=24").with("cache-control", "no-cache").send().await;
        assert_eq!(answer.field("ratelimit-policy"), Some(r#""operator";q=5;w=3600"#));
        let told = answer.field("ratelimit").and_then(|told| told.strip_prefix(&format!(r#""operator";r={left};t="#)));
        let lasts = told.unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap();
        assert!((least..=most).contains(&lasts), "{lasts}");
    }

    let hit = company.list(24).await;
    assert!(hit.is_hit());
    assert_eq!((hit.field("ratelimit"), hit.field("ratelimit-policy")), (None, None));
}

#[tokio::test]
async fn a_write_is_sent_before_the_reads_that_wait() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    // While the upstream has stopped the credential there is time for all to come.
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
    chathub.fault(Endpoint::ListOperators, retry_after("4"), Some(1));
    company.list(1).await;
    let lists: Vec<_> = (2..6).map(|organization| tokio::spawn(company.list(organization))).collect();
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 4.0).await;

    assert_eq!(company.status(101, 1).await.status, 200);

    join_all(lists).await;
    let order: Vec<_> = chathub.received().iter().map(|received| received.endpoint).collect();
    assert_eq!(order[1], Endpoint::SetStatus, "{order:?}");
}

#[tokio::test]
async fn the_access_log_tells_a_wait_and_what_was_predicted() {
    let chathub = Emulator::start().await;
    // A cell lasts longer than any pause of a busy machine, after which the second would find one.
    let gateway = Gateway::before(&chathub).set("throttle.operator = { rate = '12/m', burst = 1 }").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    join_all((1..=3).map(|organization| company.list(organization))).await;

    let lines = gateway.log().lines(3).await;
    let waited = lines.iter().filter(|line| line["throttle_predicted"].is_number());
    let pairs: Vec<_> =
        waited.map(|line| ["throttle_wait", "throttle_predicted"].map(|name| line[name].as_f64())).collect();
    assert_eq!(pairs.len(), 2);
    assert!(pairs.iter().all(|[wait, predicted]| wait <= predicted), "{pairs:?}");
}

#[tokio::test]
async fn answers_from_memory_do_not_count_as_asking_on_and_on() {
    let chathub = Emulator::start().await;
    // Reads may wait for 127 s; the last sixteen of these are for newcomers and whoever has rested.
    let set = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '170s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);
    company.list(24).await;
    let waiting = tokio::spawn(company.list(1));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;
    let mut connection = gateway.connect().await;
    let list = |organization| {
        let fields = format!("host: h\r\nauthorization: Bearer {token}");
        format!("GET /api/operator?organizationId={organization} HTTP/1.1\r\n{fields}\r\n\r\n")
    };
    connection.send(list(24)).await;
    assert!(connection.answer().await.is_hit());

    connection.send(list(2)).await;

    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 2.0).await;
    waiting.abort();
}
