//! What is known of a write when it has ended, and what follows for its lists.

use crate::invalidation::store_all;
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::{eventually, soon};

#[tokio::test]
async fn a_write_of_unknown_outcome_keeps_its_lists_out_of_memory() {
    let faults = [
        (Fault::DropAfter, 502, "detail=write-broken", "broken"),
        (Fault::StatusAfter(500), 500, "fwd=method; detail=write-failed", "failed"),
        (Fault::StatusBefore(503), 503, "fwd=method; detail=write-failed", "failed"),
    ];
    for (fault, status, told, outcome) in faults {
        let chathub = Emulator::start().await;
        let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        store_all(&company).await;
        chathub.fault(Endpoint::Synchronize, fault.clone(), Some(1));
        let answer = company.synchronize(&[(24, "Bea")]).await;
        assert_eq!(answer.status, status);
        assert!(answer.cache().ends_with(told), "{answer:?}");
        let ended = format!(r#"writes_total{{outcome="{outcome}"}}"#);
        assert_eq!(gateway.metrics().await.value(&ended), 1.0);

        let doubted = [company.list(24).await, company.list(24).await];

        assert!(doubted.iter().all(|list| list.cache().ends_with("detail=quarantined")), "{fault:?}: {doubted:?}");
        let is_applied = !chathub.applied().is_empty();
        assert_eq!(doubted[1].names().contains(&"Bea".to_owned()), is_applied, "{fault:?}");
        assert!(company.list(6).await.is_hit(), "{fault:?}: another organization");
        assert_eq!(gateway.metrics().await.value("quarantined_writes"), 1.0, "{fault:?}");
    }
}

#[tokio::test]
async fn the_lists_of_a_write_of_unknown_outcome_come_back_after_the_quarantine() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'\ncache.quarantine = '50ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    chathub.fault(Endpoint::Synchronize, Fault::DropAfter, Some(1));
    company.synchronize(&[(24, "Bea")]).await;

    let kept = eventually(|| company.list(24), |list| list.is_hit()).await;

    assert_eq!(kept.names().last().map(String::as_str), Some("Bea"));
    assert_eq!(gateway.metrics().await.value("quarantined_writes"), 0.0);
}

#[tokio::test]
async fn a_write_that_the_upstream_refused_hides_its_lists_once_and_leaves_no_doubt() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let refused = company.status(99_999, 1).await;
    assert_eq!((refused.status, refused.cache()), (404, "fwd=method; detail=write-refused"));

    assert_eq!(company.list(24).await.cache(), "fwd=stale; stored; detail=invalidated");
    assert!(company.list(24).await.is_hit());
}

#[tokio::test]
async fn a_write_that_the_gateway_refused_hides_nothing() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '1/h', burst = 1 }\nthrottle.max_wait = '0s'\nserver.max_body = '100B'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;

    assert_eq!(company.status(101, 1).await.status, 429);
    assert_eq!(company.ask("POST /api/operator").content("x".repeat(101)).send().await.status, 413);

    assert!(company.list(24).await.is_hit());
}

#[tokio::test]
async fn a_write_whose_client_has_left_is_carried_out_and_hides_its_lists() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let gate = chathub.stall(Endpoint::Synchronize);
    let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
    soon(gate.reached(1)).await;
    write.abort();
    gateway.reaches("requests_in_flight", 0.0).await;
    assert_eq!(company.list(24).await.cache(), "fwd=stale; detail=write-in-flight");

    gate.release();

    gateway.reaches(r#"writes_total{outcome="accepted"}"#, 1.0).await;
    gateway.reaches("writes_abandoned_total", 1.0).await;
    assert_eq!(gateway.metrics().await.value("writes_in_flight"), 0.0);
    assert_eq!(chathub.applied().len(), 1);
    let list = company.list(24).await;
    assert_eq!(list.names(), ["Ann", "Bea"]);
    assert_eq!(list.cache(), "fwd=stale; stored; detail=invalidated");
}

#[tokio::test]
async fn a_write_that_asks_for_events_has_no_more_time_than_any_other() {
    let chathub = Emulator::start().await;
    let _gate = chathub.stall(Endpoint::Synchronize);
    let gateway = Gateway::before(&chathub).set("upstream.head_timeout = '500ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme")).with("accept", "text/event-stream");

    let answer = company.synchronize(&[(24, "Bea")]).await;

    assert_eq!((answer.status, answer.problem()), (504, "outcome-unknown".to_owned()));
}
