//! What a write hides, for how long, and that no list older than a write is ever given out after it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::{eventually, soon};

/// Fetches the lists of organizations 24 and 6 and of all organizations, so that they are stored.
async fn store_all(company: &Client) {
    for answer in [company.list(24).await, company.list(6).await, company.organizations().await] {
        assert!(answer.is_hit() || answer.cache().contains("stored"), "{answer:?}");
    }
}

/// Which of the three lists [`store_all`] fetched are still answered from memory.
async fn kept(company: &Client) -> [bool; 3] {
    [company.list(24).await, company.list(6).await, company.organizations().await].map(|answer| answer.is_hit())
}

#[tokio::test]
async fn a_list_after_a_write_reaches_the_upstream_once() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    assert_eq!(company.synchronize(&[(24, "Bea")]).await.status, 200);
    chathub.reset_counters();

    let lists = [company.list(24).await, company.list(24).await];

    assert_eq!(chathub.count(Endpoint::ListOperators), 1);
    assert_eq!(lists[0].cache(), "fwd=stale; stored; detail=invalidated");
    assert!(lists[1].is_hit());
    assert!(lists.iter().all(|list| list.names() == ["Ann", "Bea"]), "{lists:?}");
}

#[tokio::test]
async fn a_change_of_status_shows_in_the_next_list() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let changed = company.status(101, 2).await;
    assert_eq!((changed.status, changed.field("content-length")), (200, Some("0")));

    let list = company.list(24).await;

    assert_eq!(list.json()[0]["status"], 2);
    assert_eq!(list.cache(), "fwd=stale; stored; detail=invalidated");
}

#[tokio::test]
async fn a_list_fetched_before_a_write_is_not_kept_after_it() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall_answers(Endpoint::ListOperators);
    let early = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    company.synchronize(&[(24, "Bea")]).await;
    gate.release();
    let early = early.await.unwrap();
    assert_eq!((early.cache(), early.names()), ("fwd=uri-miss; detail=overtaken", vec!["Ann".to_owned()]));

    let next = company.list(24).await;

    assert_eq!(next.cache(), "fwd=uri-miss; stored");
    assert_eq!(next.names(), ["Ann", "Bea"]);
}

#[tokio::test]
async fn a_list_fetched_while_a_write_runs_is_not_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::Synchronize);
    let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
    soon(gate.reached(1)).await;

    let during = company.list(24).await;

    assert_eq!(during.cache(), "fwd=uri-miss; detail=write-in-flight");
    gate.release();
    assert_eq!(write.await.unwrap().status, 200);
    assert_eq!(company.list(24).await.cache(), "fwd=uri-miss; stored");
}

#[tokio::test]
async fn a_stored_list_is_hidden_from_the_moment_a_write_goes_out() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let gate = chathub.stall(Endpoint::SetStatus);
    let write = tokio::spawn(company.status(101, 1));
    soon(gate.reached(1)).await;

    let during = company.list(24).await;

    assert_eq!(during.cache(), "fwd=stale; detail=write-in-flight");
    gate.release();
    assert_eq!(write.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_write_by_one_credential_hides_the_lists_of_all() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let writer = gateway.client(&chathub.company_token("acme"));
    let readers = [
        gateway.client(&chathub.company_token("acme")),
        gateway.anybody().key(&chathub.profile_key("acme")),
        gateway.client(&chathub.operator_token(101, std::time::Duration::from_secs(3600))),
    ];
    for reader in &readers {
        reader.list(24).await;
    }

    writer.synchronize(&[(24, "Bea")]).await;

    for reader in &readers {
        let list = reader.list(24).await;
        assert_eq!(list.cache(), "fwd=stale; stored; detail=invalidated");
        assert_eq!(list.names().last().map(String::as_str), Some("Bea"));
    }
}

#[tokio::test]
async fn a_synchronize_of_one_organization_leaves_the_others_in_memory() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    store_all(&company).await;

    company.synchronize(&[(24, "Bea"), (24, "Cid")]).await;

    assert_eq!(kept(&company).await, [false, true, true]);
}

#[tokio::test]
async fn a_synchronize_of_two_organizations_hides_both() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    store_all(&company).await;

    company.synchronize(&[(24, "Bea"), (6, "Cid")]).await;

    assert_eq!(kept(&company).await, [false, false, true]);
}

#[tokio::test]
async fn a_synchronize_that_can_be_read_in_two_ways_hides_every_list_of_operators() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let doubtful = [
        ("application/json", r#"[{"organizationId":24,"organizationId":6,"name":"A"}]"#),
        ("application/json", r#"[{"organizationId":24,"OrganizationID":6,"name":"A"}]"#),
        ("application/json", r#"[{"OrganizationId":24,"name":"A"}]"#),
        ("application/json", r#"[{"organizationId":"24","name":"A"}]"#),
        ("application/json", r#"[{"organizationId":24,"name":"A"},{"name":"B"}]"#),
        ("application/json", r#"[{"organizationId":24,"name":"A"},]"#),
        ("application/json", "\u{feff}[{\"organizationId\":24,\"name\":\"A\"}]"),
        ("application/json; charset=utf-16", r#"[{"organizationId":24,"name":"A"}]"#),
        ("text/json", r#"[{"organizationId":24,"name":"A"}]"#),
    ];
    for (content_type, content) in doubtful {
        store_all(&company).await;
        let ask = company.ask("POST /api/operator/synchronize").with("content-type", content_type).content(content);
        ask.send().await;
        assert_eq!(kept(&company).await, [false, false, true], "{content_type} {content}");
    }
}

#[tokio::test]
async fn a_synchronize_too_long_to_be_inspected_hides_every_list_of_operators_and_arrives_whole() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.max_inspect = '64B'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    store_all(&company).await;
    let long = "x".repeat(100);

    assert_eq!(company.synchronize(&[(24, &long)]).await.json()[0]["name"], long);

    let gateway_log = gateway.metrics().await;
    assert_eq!(gateway_log.value(r#"invalidations_total{cause="synchronize",scope="operator_lists"}"#), 1.0);
    assert!(!company.list(6).await.is_hit());
}

#[tokio::test]
async fn a_status_write_hides_the_list_that_holds_the_operator_for_everyone_and_no_other() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let companies = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));
    for company in &companies {
        store_all(company).await;
    }

    assert_eq!(companies[0].status(101, 1).await.status, 200);

    for company in &companies {
        assert_eq!(kept(company).await, [false, true, true]);
    }
    let scope = r#"invalidations_total{cause="set_status",scope="organizations"}"#;
    assert_eq!(gateway.metrics().await.value(scope), 1.0);
}

#[tokio::test]
async fn a_status_write_for_an_operator_in_no_stored_list_hides_every_list_of_operators() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(6).await;
    company.organizations().await;

    assert_eq!(company.status(101, 1).await.status, 200);

    assert!(!company.list(6).await.is_hit());
    assert!(company.organizations().await.is_hit());
    let scope = r#"invalidations_total{cause="set_status",scope="operator_lists"}"#;
    assert_eq!(gateway.metrics().await.value(scope), 1.0);
}

#[tokio::test]
async fn a_status_write_that_can_be_read_in_two_ways_hides_every_list_of_operators() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for content in [r#"{"id":"101","status":1}"#, r#"{"id":102,"ID":101,"status":1}"#, r#"{"Id":101,"status":0}"#] {
        store_all(&company).await;
        let ask = company.ask("POST /api/operator/status").with("content-type", "application/json").content(content);
        assert_eq!(ask.send().await.status, 200, "the upstream reads it: {content}");
        assert_eq!(kept(&company).await, [false, false, true], "{content}");
    }
}

#[tokio::test]
async fn an_operator_that_has_left_the_list_is_no_longer_known() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    gateway.reaches("indexed_operators", 3.0).await;
    gateway.admin("POST /purge").await;
    assert_eq!(gateway.metrics().await.value("indexed_operators"), 3.0, "hidden, and still held");

    chathub.operators(24, ["Ann"]);
    company.list(24).await;

    gateway.reaches("indexed_operators", 1.0).await;
}

#[tokio::test]
async fn a_purge_hides_what_it_names() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let purges = [
        ("POST /purge?organization=24", [false, true, true]),
        ("POST /purge", [false, false, false]),
        ("POST /purge?credential=00000000", [true, true, true]),
        ("POST /purge?organisation=24", [true, true, true]),
    ];
    for (purge, left) in purges {
        store_all(&company).await;
        let answer = gateway.admin(purge).await;
        assert_eq!(answer.status, if purge.contains("organisation") { 400 } else { 200 }, "{answer:?}");
        assert_eq!(kept(&company).await, left, "{purge}");
    }
    assert_eq!(gateway.metrics().await.value(r#"purges_total{scope="organization"}"#), 1.0);
}

#[tokio::test]
async fn a_purge_of_a_credential_named_as_in_the_access_log_hides_what_was_fetched_with_it() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let companies = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));
    for company in &companies {
        company.list(24).await;
    }
    let lines = gateway.log().lines(2).await;
    let named = lines[0]["credential"].as_str().expect("there was a credential");

    let said = gateway.admin(&format!("POST /purge?credential={named}")).await;

    assert_eq!(said.json()["credentials"], 1);
    assert!(!companies[0].list(24).await.is_hit());
    assert!(companies[1].list(24).await.is_hit());
}

#[tokio::test]
async fn any_write_that_may_concern_operators_hides_everything() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let writes = [
        "POST /api/operator",
        "PUT /api/operator/24",
        "DELETE /api/operator/24",
        "PATCH /api/company/organization",
        "POST /api/unknown",
        "PUT /elsewhere",
        "DELETE /",
        "PROPFIND /api/operator",
        "POST /api/chats",
        "POST /chathubs",
    ];
    for write in writes {
        store_all(&company).await;
        company.ask(write).json(&json!({ "id": 101, "status": 1 })).send().await;
        assert_eq!(kept(&company).await, [false; 3], "{write}");
    }
}

#[tokio::test]
async fn a_write_is_known_by_whatever_spelling_the_upstream_understands() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);
    let spellings = [
        ("POST", "/API/Operator/STATUS"),
        ("POST", "/api/operator/status/"),
        ("POST", "/api/operator/%73tatus"),
        ("POST", "/api/./operator/status"),
        ("POST", "/api/chat/../operator/status"),
        ("POST", "/api/chat/%2e%2e/operator/status"),
        ("POST", "/chathub/../api/operator/status"),
        ("POST", "http://elsewhere/api/operator/status"),
        ("post", "/api/operator/status"),
        ("Post", "/api/operator/status?x=1"),
    ];
    for (round, (method, target)) in spellings.into_iter().enumerate() {
        store_all(&company).await;
        chathub.reset_counters();
        let content = json!({ "id": 101, "status": round % 2 }).to_string();
        let mut connection = gateway.connect().await;
        let fields = format!("authorization: Bearer {token}\r\ncontent-type: application/json");
        let length = content.len();
        let head = format!("{method} {target} HTTP/1.1\r\nhost: h\r\n{fields}\r\ncontent-length: {length}\r\n\r\n");
        connection.send(format!("{head}{content}")).await;
        assert_eq!(connection.answer().await.status, 200, "{method} {target}");
        assert_eq!(chathub.applied().len(), 1, "{method} {target}");
        assert_eq!(company.list(24).await.json()[0]["status"], round % 2, "{method} {target}");
    }
}

#[tokio::test]
async fn calls_that_change_no_list_hide_nothing() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);
    store_all(&company).await;
    let (login, password) = chathub.login("acme");
    let calls: [(&str, Value); 9] = [
        ("POST /api/company/get-token", json!({ "login": login, "password": password })),
        ("POST /api/operator/get-token", json!({ "id": 101, "expiresAt": "2000-01-01T00:00:00Z" })),
        ("POST /api/operator/validate-token", json!({ "token": token })),
        ("PUT /api/chat/status", json!({ "id": 1001, "status": 4 })),
        ("POST /api/chat/1001/message", json!({ "textMessage": "Hello" })),
        ("DELETE /api/chat/chats/1001", Value::Null),
        ("POST /chathub/negotiate?negotiateVersion=1", Value::Null),
        ("GET /api/chat/chats", Value::Null),
        ("OPTIONS /api/operator", Value::Null),
    ];
    for (call, content) in calls {
        let ask = company.ask(call);
        let ask = if content.is_null() { ask } else { ask.json(&content) };
        let answer = ask.send().await;
        assert!(answer.status < 500, "{call}: {answer:?}");
        assert_eq!(kept(&company).await, [true; 3], "{call}");
    }
}

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
    let gateway = Gateway::before(&chathub).set("upstream.head_timeout = '50ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme")).with("accept", "text/event-stream");

    let answer = company.synchronize(&[(24, "Bea")]).await;

    assert_eq!((answer.status, answer.problem()), (504, "outcome-unknown".to_owned()));
}

#[tokio::test]
async fn without_capacity_lists_pass_through_and_leave_no_trace() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.capacity = '0B'\ncache.max_body = '1B'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answers = [company.list(24).await, company.list(24).await];

    assert!(answers.iter().all(|answer| answer.status == 200 && !answer.is_hit()), "{answers:?}");
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.value("fence_groups"), metrics.value("indexed_operators")), (0.0, 0.0));
}
