//! What clients see when settings are read again while they are served: nothing, but by other rules.

use std::time::Duration;

use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::scripted::Scripted;
use crate::support::{eventually, soon};

const FAILED: &str = r#"settings_reloads_total{outcome="failed"}"#;

#[tokio::test]
async fn a_connection_that_is_open_goes_on_and_its_next_request_meets_the_new_settings() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;
    let content = "POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n123456789";
    connection.send(content).await;
    assert_eq!(connection.answer().await.status, 404);

    gateway.changes_to("server.max_body = '8B'").await;

    connection.send(content).await;
    assert_eq!(connection.answer().await.status, 413);
}

#[tokio::test]
async fn a_shorter_lifetime_ends_what_is_stored_and_a_longer_one_keeps_what_comes() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);
    assert!(company.list(24).await.is_hit());

    gateway.changes_to("cache.operators_ttl = '1ms'").await;
    eventually(|| company.list(24), |list| list.cache().contains("detail=expired")).await;

    gateway.changes_to("cache.operators_ttl = '0s'").await;
    assert!(company.list(24).await.cache().contains("detail=disabled"));

    gateway.changes_to("cache.operators_ttl = '12h'").await;
    // What was stored before has its old lifetime.
    eventually(|| company.list(24), |list| list.cache().contains("stored")).await;
    let list = company.list(24).await;
    assert!(list.is_hit() && list.cache().contains("ttl=431"), "{}", list.cache());
}

#[tokio::test]
async fn whoever_waits_goes_by_the_new_quota_and_used_cells_do_not_come_back() {
    let chathub = Emulator::start().await;
    let quota = "throttle.operator.burst = 1\nthrottle.max_wait = '1h'";
    let gateway = Gateway::before(&chathub).set(quota).set("throttle.operator.rate = '1/m'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);
    let waiting = [6, 7].map(|organization| tokio::spawn(company.list(organization)));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 2.0).await;

    gateway.changes_to("throttle.other.rate = '1/m'").await;
    assert_eq!(
        gateway.metrics().await.value(r#"throttle_waiting{class="operator"}"#),
        2.0,
        "nothing of it has changed"
    );
    gateway.changes_to("throttle.mode = 'observe'").await;
    assert_eq!(company.list(8).await.status, 200, "in observe mode nobody waits");
    gateway.changes_to("throttle.operator.rate = '100/s'").await;

    for list in waiting {
        assert_eq!(soon(list).await.unwrap().status, 200);
    }
    gateway.changes_to("throttle.operator.rate = '1/h'\nthrottle.max_wait = '1s'").await;
    // A cell may have come back meanwhile.
    company.list(9).await;
    assert_eq!(company.list(10).await.status, 429);
}

#[tokio::test]
async fn settings_that_are_wrong_change_nothing_and_metrics_say_so() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);

    gateway.reload("cache.operators_ttl = '0s'\ncache.quarantine = '5 parsecs'");

    gateway.reaches(FAILED, 1.0).await;
    assert!(company.list(24).await.is_hit(), "nor does what is right in it");
    assert_eq!(gateway.metrics().await.value("settings_reload_failed"), 1.0);
    gateway.changes_to("cache.operators_ttl = '30s'").await;
    assert_eq!(gateway.metrics().await.value("settings_reload_failed"), 0.0);
    assert!(company.list(24).await.is_hit());
}

#[tokio::test]
async fn what_is_read_at_the_start_only_waits_for_the_next() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    gateway.changes_to("server.workers = 7\ncache.capacity = '9MiB'\ncache.operators_ttl = '0s'").await;

    assert_eq!(gateway.metrics().await.value("settings_awaiting_restart"), 2.0);
    assert_eq!(gateway.metrics().await.value("cache_capacity_bytes"), f64::from(64 << 20));
    assert!(company.list(24).await.cache().contains("detail=disabled"), "the others are in force");
    gateway.changes_to("").await;
    assert_eq!(gateway.metrics().await.value("settings_awaiting_restart"), 0.0);
}

#[tokio::test]
async fn bounds_change_while_they_are_reached() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let gate = chathub.stall(None);
    let first = tokio::spawn(gateway.anybody().ask("GET /").send());
    soon(gate.reached(1)).await;
    gateway.changes_to("server.max_in_flight = 1\nserver.max_connections_per_peer = 2").await;
    let mut second = gateway.connect().await;
    second.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert_eq!(second.answer().await.status, 503);
    let mut third = gateway.connect().await;
    third.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert_eq!(third.answer().await.problem(), "too-many-connections");
    gate.release();
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_request_that_is_under_way_ends_by_the_settings_with_which_it_began() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.operators_ttl = '60s'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let leader = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;

    // Too little for anybody who begins by it.
    gateway.changes_to("upstream.head_timeout = '1ms'").await;
    assert_eq!(company.list(6).await.status, 504);
    gateway.changes_to("cache.organizations_ttl = '10s'").await;
    let follower = tokio::spawn(company.list(24));
    gateway.reaches("followers_total", 1.0).await;
    gate.release();

    assert_eq!((leader.await.unwrap().status, follower.await.unwrap().status), (200, 200));
    assert_eq!(chathub.count(Endpoint::ListOperators), 2, "what runs is shared by old and new");
    assert!(company.list(24).await.is_hit(), "and what is stored is found by both");
}

#[tokio::test]
async fn a_write_fences_reads_across_a_change_of_settings() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);
    let gate = chathub.stall(Endpoint::Synchronize);
    let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
    soon(gate.reached(1)).await;

    gateway.changes_to("cache.quarantine = '30s'").await;

    assert!(!company.list(24).await.is_hit(), "a write is under way");
    gate.release();
    assert_eq!(write.await.unwrap().status, 200);
    assert!(company.list(24).await.text().contains("Bea"));
}

#[tokio::test]
async fn time_limits_of_the_upstream_change() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    assert_eq!(gateway.anybody().ask("GET /").send().await.status, 200);

    gateway.changes_to("upstream.head_timeout = '50ms'").await;

    chathub.fault(None, Fault::LatencyBefore(Duration::from_secs(60)), None);
    assert_eq!(gateway.anybody().ask("GET /").send().await.status, 504);
}

#[tokio::test]
async fn the_secret_of_those_who_may_purge_is_read_again() {
    let chathub = Emulator::start().await;
    let file = format!("{}/reloading_secret", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, "first-long-word").unwrap();
    let gateway = Gateway::before(&chathub).set(&format!("admin.token_file = '{file}'")).start().await;
    let purge = |word: &'static str| gateway.operators().bearer(word).ask("POST /purge").send();
    assert_eq!(purge("first-long-word").await.status, 200);

    std::fs::write(&file, "second-long-word").unwrap();
    gateway.changes_to("").await;

    assert_eq!(purge("first-long-word").await.status, 403);
    assert_eq!(purge("second-long-word").await.status, 200);
    std::fs::write(&file, "").unwrap();
    gateway.reload("");
    gateway.reaches(FAILED, 1.0).await;
    assert_eq!(purge("second-long-word").await.status, 200, "an empty file opens nothing");
}

#[tokio::test]
async fn connections_to_the_upstream_stay_if_nothing_of_them_has_changed() {
    let upstream = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::before_url(&upstream.url()).set("upstream.warm = false").start().await;
    let mut connection = gateway.connect().await;
    let mut ask = async || {
        connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        connection.answer().await.status
    };
    assert_eq!(ask().await, 200);

    gateway.changes_to("cache.operators_ttl = '1s'\nupstream.head_timeout = '9s'\nupstream.retry_percent = 1").await;
    assert_eq!(ask().await, 200);
    assert_eq!(upstream.connections(), 1);

    gateway.changes_to("upstream.connect_timeout = '9s'").await;
    assert_eq!(ask().await, 200);
    assert_eq!(upstream.connections(), 2, "a connection is made by the new time limit");
}

#[tokio::test]
async fn a_credential_gets_another_quota_of_its_own_and_gives_it_back() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let [quotas, word] =
        ["quotas.toml", "token"].map(|name| format!("{}/reloading_{name}", env!("CARGO_TARGET_TMPDIR")));
    std::fs::write(&word, &token).unwrap();
    let give =
        |quota: &str| std::fs::write(&quotas, format!("[acme]\nfile = '{word}'\noperator = {{ {quota} }}")).unwrap();
    give("rate = '1/h', burst = 1");
    let set = "throttle.max_wait = '0s'\nthrottle.operator = { rate = '1/h', burst = 4 }";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&token);
    assert_eq!(company.list(1).await.status, 200);

    let named = format!("throttle.credentials_file = '{quotas}'");
    gateway.changes_to(&named).await;
    assert_eq!(company.list(2).await.status, 429, "one cell is missing, and there is but one");

    give("rate = '1000/s', burst = 1000");
    gateway.changes_to(&named).await;
    eventually(|| company.list(3), |list| list.status == 200).await;
    assert_eq!(company.list(4).await.status, 200);

    gateway.changes_to("").await;
    let mut answered = 0;
    for organization in 5..10 {
        answered += u32::from(company.list(organization).await.status == 200);
    }
    assert!(answered <= 4, "{answered} of five, and four at once are all that others have");
}
