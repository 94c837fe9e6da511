//! What happens when the upstream itself refuses: 429 and 503.

use futures_util::future::join_all;

use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::soon;

/// What ChatHub's documents give as the content of a 429.
const TOO_MANY: &str = r#"{"error":"Too Many Requests","message":"Rate limit exceeded. Please wait before sending more requests.","status":429}"#;

/// A field that says how long to wait.
fn retry_after(seconds: &str) -> Fault {
    Fault::Fields(vec![("retry-after".to_owned(), seconds.to_owned())])
}

#[tokio::test]
async fn a_429_of_the_upstream_is_passed_on_and_not_kept() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
    let field = ("retry-after".to_owned(), "0".to_owned());
    chathub.fault(Endpoint::ListOperators, Fault::Fields(vec![field]), Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let refused = company.list(24).await;

    assert_eq!((refused.status, refused.text()), (429, TOO_MANY));
    assert_eq!((refused.cache(), refused.field("retry-after")), ("fwd=uri-miss; detail=status", Some("0")));
    assert_eq!(company.list(24).await.cache(), "fwd=uri-miss; stored");
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_until_a_probe_finds_the_upstream_willing() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
    chathub.fault(Endpoint::ListOperators, retry_after("4"), Some(1));
    assert_eq!(company.list(1).await.status, 429);
    let stopped_at = chathub.received()[0].at;

    let lists: Vec<_> = (2..5).map(|organization| tokio::spawn(company.list(organization))).collect();

    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 3.0).await;
    gateway.reaches(r#"throttle_stopped{class="operator"}"#, 1.0).await;
    assert!(join_all(lists).await.into_iter().all(|answer| answer.unwrap().status == 200));
    // The 429 is noted before it is heard, so the stop lasts from then on. Others may be noted late.
    let at: Vec<_> = chathub.received().iter().map(|received| (received.at - stopped_at).as_millis()).collect();
    assert!(at[1] >= 3990, "the stop is as long as the upstream says: {at:?}");
    // The others go after the probe's answer, one cell after the other: there is no burst.
    assert!(at[2] >= 4180 && at[3] >= 4330, "{at:?}");
    gateway.reaches(r#"throttle_stopped{class="operator"}"#, 0.0).await;
    assert_eq!(gateway.metrics().await.value(r#"throttle_stops_total{class="operator",status="429"}"#), 1.0);
}

#[tokio::test]
async fn while_the_upstream_has_stopped_a_credential_others_and_its_other_calls_go_on() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.max_wait = '0s'").start().await;
    let [company, other] = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(503), Some(1));
    chathub.fault(Endpoint::ListOperators, retry_after("240"), Some(1));
    assert_eq!(company.list(1).await.status, 503);

    let refused = company.list(2).await;

    assert_eq!((refused.status, refused.text(), refused.cache()), (429, TOO_MANY, "detail=cooling-down"));
    let told: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((220..=240).contains(&told), "{told}");
    assert_eq!(refused.field("ratelimit"), Some(&*format!(r#""operator";r=0;t={told}"#)));
    assert_eq!(other.list(2).await.status, 200);
    assert_eq!(company.ask("GET /api/chat/chats").send().await.status, 200);
}

#[tokio::test]
async fn the_answer_that_stops_a_credential_tells_that_nothing_is_left() {
    for (status, wait) in [(429, "240"), (503, "240")] {
        let chathub = Emulator::start().await;
        let gateway = Gateway::before(&chathub).start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(status), Some(1));
        chathub.fault(Endpoint::ListOperators, retry_after(wait), Some(1));

        let refused = company.list(1).await;

        assert_eq!((refused.status, refused.field("retry-after")), (status, Some(wait)));
        assert_eq!(refused.field("ratelimit"), Some(r#""operator";r=0;t=240"#));
    }
}

#[tokio::test]
async fn the_answer_that_stops_a_credential_tells_nothing_where_nobody_is_to_be_told() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'observe'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));

    let refused = company.list(1).await;

    assert_eq!((refused.status, refused.field("ratelimit")), (429, None));
}

#[tokio::test]
async fn a_429_is_heard_though_its_client_has_left() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::SetStatus, Fault::StatusBefore(429), Some(1));
    let gate = chathub.stall(Endpoint::SetStatus);
    let write = tokio::spawn(company.status(101, 1));
    soon(gate.reached(1)).await;

    write.abort();
    gateway.reaches("requests_in_flight", 0.0).await;
    gate.release();

    gateway.reaches(r#"throttle_stops_total{class="operator",status="429"}"#, 1.0).await;
}

#[tokio::test]
async fn repeated_429s_lower_the_rate_and_the_metrics_tell() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.operator = { rate = '20/s', burst = 5 }").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for organization in [1, 3] {
        chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
        assert_eq!(company.list(organization).await.status, 429);
        // It waits for the end of the stop, and is the probe.
        assert_eq!(company.list(organization + 1).await.status, 200);
    }

    gateway.reaches(r#"throttle_lowered{class="operator"}"#, 1.0).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.value(r#"throttle_rate_decreases_total{class="operator"}"#), 1.0);
    let share = metrics.value(r#"throttle_rate_share{class="operator"}"#);
    assert!((0.4..0.9).contains(&share), "{share}");
}
