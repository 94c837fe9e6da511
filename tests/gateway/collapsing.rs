//! Equal requests share one fetch; what parts them again, and what one of them cannot do to the others.

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::support::answer::Answer;
use crate::support::client::Client;
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::{eventually, soon};

/// Sends one list after another, and waits until the gateway has joined all of them to the first.
async fn crowd(gateway: &Gateway, company: &Client, count: usize) -> Vec<JoinHandle<Answer>> {
    let lists = (0..count).map(|_| tokio::spawn(company.list(24))).collect();
    gateway.passes("followers_total", (count - 1) as f64).await;
    lists
}

async fn answers(lists: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    join_all(lists).await.into_iter().map(|answer| answer.expect("no client panics")).collect()
}

#[tokio::test]
async fn ten_clients_at_once_cost_one_fetch() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = crowd(&gateway, &company, 10).await;

    gate.release();

    let answers = answers(lists).await;
    assert_eq!(chathub.count(Endpoint::ListOperators), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.content == answers[0].content));
    let told = |words: &str| answers.iter().filter(|answer| answer.cache() == words).count();
    assert_eq!(told("fwd=uri-miss; stored"), 1);
    assert_eq!(told("fwd=uri-miss; collapsed"), 9);
    assert_eq!(gateway.metrics().await.value("followers_total"), 9.0);
}

#[tokio::test]
async fn two_tokens_cost_two_fetches() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let companies = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = join_all(companies.iter().flat_map(|company| (0..5).map(|_| company.list(24))));
    let lists = tokio::spawn(lists);

    soon(gate.reached(2)).await;
    gateway.reaches("followers_total", 8.0).await;
    gate.release();

    assert!(lists.await.unwrap().iter().all(|answer| answer.status == 200));
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn two_organizations_cost_two_fetches() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = tokio::spawn(join_all([24, 6, 24, 6].map(|organization| company.list(organization))));

    gateway.reaches("followers_total", 2.0).await;
    soon(gate.reached(2)).await;
    gate.release();

    let lists = lists.await.unwrap();
    assert_eq!(lists[0].content, lists[2].content);
    assert_eq!(lists[1].names(), ["Emma Brown", "Олена Коваль"]);
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn a_client_that_comes_after_a_write_is_not_given_the_fetch_begun_before_it() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall_answers(Endpoint::ListOperators);
    let early = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    assert_eq!(company.synchronize(&[(24, "Bea")]).await.status, 200);

    let late = tokio::spawn(company.list(24));

    soon(gate.reached(2)).await;
    gate.release();
    assert_eq!(early.await.unwrap().names(), ["Ann"]);
    assert_eq!(late.await.unwrap().names(), ["Ann", "Bea"]);
}

#[tokio::test]
async fn a_client_that_comes_after_a_write_is_not_given_a_fetch_begun_during_it() {
    for status in [200, 500] {
        let chathub = Emulator::start().await;
        chathub.operators(24, ["Ann"]);
        chathub.fault(Endpoint::Synchronize, Fault::StatusAfter(status), Some(1));
        let gateway = Gateway::before(&chathub).start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        let (writes, lists) = (chathub.stall(Endpoint::Synchronize), chathub.stall_answers(Endpoint::ListOperators));
        let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
        soon(writes.reached(1)).await;
        let during = tokio::spawn(company.list(24));
        soon(lists.reached(1)).await;
        writes.release();
        assert_eq!(write.await.unwrap().status, status);

        let after = tokio::spawn(company.list(24));

        soon(lists.reached(2)).await;
        lists.release();
        assert_eq!(during.await.unwrap().names(), ["Ann"], "{status}");
        assert_eq!(after.await.unwrap().names(), ["Ann", "Bea"], "{status}");
    }
}

#[tokio::test]
async fn a_client_that_wants_a_fresh_list_joins_no_fetch_begun_before_it_asked() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall_answers(Endpoint::ListOperators);
    let early = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    chathub.operators(24, ["Bea"]);

    let list = company.ask("GET /api/operator?organizationId=24").with("cache-control", "no-cache");
    let fresh = tokio::spawn(list.send());

    soon(gate.reached(2)).await;
    gate.release();
    assert_eq!(early.await.unwrap().names(), ["Ann"]);
    assert_eq!(fresh.await.unwrap().names(), ["Bea"]);
}

#[tokio::test]
async fn the_first_client_may_leave_without_harm_to_the_others() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let first = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    let second = tokio::spawn(company.list(24));
    gateway.reaches("followers_total", 1.0).await;
    first.abort();
    gateway.reaches("requests_in_flight", 1.0).await;

    gate.release();

    assert_eq!(second.await.unwrap().cache(), "fwd=uri-miss; collapsed");
    assert!(company.list(24).await.is_hit());
    assert_eq!(chathub.count(Endpoint::ListOperators), 1);
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_is_ended() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = crowd(&gateway, &company, 3).await;
    soon(gate.reached(1)).await;

    lists.iter().for_each(JoinHandle::abort);

    eventually(|| async { gate.inside() }, |inside| *inside == 0).await;
    gate.release();
    assert_eq!(company.list(24).await.cache(), "fwd=uri-miss; stored");
}

#[tokio::test]
async fn a_fetch_that_failed_fails_its_own_client_only() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::ListOperators, Fault::StatusAfter(503), Some(1));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = crowd(&gateway, &company, 3).await;

    gate.release();

    let mut statuses: Vec<_> = answers(lists).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
}

#[tokio::test]
async fn nobody_waits_for_anothers_fetch_longer_than_was_set() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.collapse_timeout = '30ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let slow = chathub.stall(Endpoint::ListOperators);
    let lists = crowd(&gateway, &company, 3).await;

    // One of the followers asks anew for both, and when that takes too long as well, the other asks for itself.
    soon(slow.reached(3)).await;
    slow.release();

    assert!(answers(lists).await.iter().all(|answer| answer.status == 200));
    let metrics = gateway.metrics().await;
    assert!(metrics.value(r#"follower_outcomes_total{outcome="timed_out"}"#) >= 3.0);
}

#[tokio::test]
async fn an_answer_that_may_not_be_stored_does_not_line_the_others_up_one_by_one() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let field = ("cache-control".to_owned(), "no-store".to_owned());
    chathub.fault(Endpoint::ListOperators, Fault::Fields(vec![field]), None);
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = crowd(&gateway, &company, 5).await;
    soon(gate.reached(1)).await;
    gate.release_one();

    // All others are at the upstream at once: none waits for another's answer.
    eventually(|| async { gate.inside() }, |inside| *inside == 4).await;
    gate.release();

    assert!(answers(lists).await.iter().all(|answer| answer.cache().ends_with("detail=no-store")));
    assert_eq!(gateway.metrics().await.value(r#"follower_outcomes_total{outcome="private"}"#), 4.0);
}
