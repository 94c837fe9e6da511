//! What a write hides, for how long, and that no list older than a write is ever given out after it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::soon;

/// Fetches the lists of organizations 24 and 6 and of all organizations, so that they are stored.
pub(crate) async fn store_all(company: &Client) {
    for answer in [company.list(24).await, company.list(6).await, company.organizations().await] {
        assert!(answer.is_hit() || answer.cache().contains("stored"), "{answer:?}");
    }
}

/// Which of the three lists [`store_all`] fetched are still answered from memory.
pub(crate) async fn kept(company: &Client) -> [bool; 3] {
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
async fn without_capacity_lists_pass_through_and_leave_no_trace() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.capacity = '0B'\ncache.max_body = '1B'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answers = [company.list(24).await, company.list(24).await];

    assert!(answers.iter().all(|answer| answer.status == 200 && !answer.is_hit()), "{answers:?}");
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.value("fence_groups"), metrics.value("indexed_operators")), (0.0, 0.0));
}

#[tokio::test]
async fn a_request_that_some_servers_would_read_as_a_write_hides_like_one() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for (line, field) in [
        ("GET /api/chat/chats", "x-http-method-override"),
        ("POST /chathub/negotiate", "x-original-url"),
        ("GET /api/operator?organizationId=6", "x-rewrite-url"),
    ] {
        company.list(24).await;
        assert!(company.list(24).await.is_hit(), "{line}");

        company.ask(line).with(field, "/api/operator/status").send().await;

        assert!(!company.list(24).await.is_hit(), "{line} with {field}");
    }
}
