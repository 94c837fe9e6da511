//! What those who run a gateway see: metrics, health, request ids and the access log.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::scripted::Scripted;
use crate::support::soon;

/// The families that the README documents.
fn documented() -> impl Iterator<Item = &'static str> {
    let readme = include_str!("../../README.md");
    let table =
        readme.split("<!-- table: metrics -->").nth(1).and_then(|rest| rest.split("<!-- end: metrics -->").next());
    let rows = table.expect("the README marks the table").lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next())
}

/// The names of a line's members, in the order in which they stand.
fn members(line: &Value) -> BTreeSet<&str> {
    line.as_object().expect("a line is an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn every_documented_metric_is_there_from_the_start_and_says_zero() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.workers = 3\nmetrics.organizations = [24]").start().await;

    let metrics = gateway.metrics().await;

    let families = metrics.families();
    assert!(documented().count() > 20);
    for family in documented() {
        assert!(families.contains(family), "{family} in {families:?}");
    }
    for (series, value) in metrics.own() {
        let expected = match series.trim_start_matches("chathub_gateway_") {
            "cache_capacity_bytes" => f64::from(64 << 20),
            "workers" => 3.0,
            build if build.starts_with("build_info") => 1.0,
            share if share.starts_with("throttle_rate_share") => 1.0,
            "throttle_max_wait_seconds" => 15.0,
            quota if quota.starts_with("throttle_quota") => continue, // see below
            _ => 0.0,
        };
        assert_eq!(value, expected, "{series}");
    }
}

#[tokio::test]
async fn an_alert_can_compare_with_the_quotas_and_the_longest_wait_of_the_settings() {
    let chathub = Emulator::start().await;
    let series = |name: &str, class: &str| format!(r#"throttle_quota_{name}{{class="{class}"}}"#);
    let by_default = [("operator", 5.0, 5.0), ("login", 1.0, 5.0), ("other", 50.0, 25.0), ("upstream", 0.0, 0.0)];
    let set = [("operator", 2.5, 7.0), ("login", 1.0, 5.0), ("other", 50.0, 25.0), ("upstream", 40.0, 20.0)];
    let settings = "throttle.operator.rate = '150/m'\nthrottle.operator.burst = 7\nthrottle.upstream.rate = '40/s'\n\
        throttle.max_wait = '2500ms'";
    for (settings, max_wait, expected) in [("", 15.0, by_default), (settings, 2.5, set)] {
        let gateway = Gateway::before(&chathub).set(settings).start().await;

        let metrics = gateway.metrics().await;

        assert_eq!(metrics.value("throttle_max_wait_seconds"), max_wait);
        for (class, rate, burst) in expected {
            assert_eq!(
                (metrics.value(&series("rate", class)), metrics.value(&series("burst", class))),
                (rate, burst),
                "{class}"
            );
        }
    }
}

#[tokio::test]
async fn a_crowd_of_operators_is_bounded_and_keeps_no_probe_out() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("admin.max_connections = 2").start().await;
    let from_elsewhere = || async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        socket.connect(gateway.admin_address()).await.unwrap()
    };
    let _crowd = [from_elsewhere().await, from_elsewhere().await];

    let ended = soon(from_elsewhere().await.read_u8()).await;

    assert!(ended.is_err(), "it is hung up on");
    gateway.reaches("admin_connections_refused_total", 1.0).await;
    assert_eq!(gateway.admin("GET /readyz").await.status, 200);
    gateway.changes_to("admin.max_connections = 3").await;
    let mut third = from_elsewhere().await;
    third.write_all(b"GET /readyz HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(third.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nready\n"), "{answer}");
}

#[tokio::test]
async fn the_process_itself_is_measured() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let metrics = gateway.metrics().await;
    for family in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(metrics.families().contains(family), "{family}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_status_and_part_of_the_cache() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    company.list(24).await;
    company.synchronize(&[(24, "Bea")]).await;
    company.list(24).await;
    company.ask("GET /nowhere").send().await;

    let metrics = gateway.metrics().await;

    let expected = [
        (r#"requests_total{route="list_operators",status="2xx"}"#, 3.0),
        (r#"requests_total{route="synchronize",status="2xx"}"#, 1.0),
        (r#"requests_total{route="other_read",status="4xx"}"#, 1.0),
        (r#"request_duration_seconds_count{cache="hit",route="list_operators"}"#, 1.0),
        (r#"request_duration_seconds_count{cache="forwarded",route="list_operators"}"#, 2.0),
        (r#"cache_lookups_total{outcome="hit",route="list_operators"}"#, 1.0),
        (r#"cache_lookups_total{outcome="miss",route="list_operators"}"#, 1.0),
        (r#"cache_lookups_total{outcome="stale",route="list_operators"}"#, 1.0),
        (r#"cache_details_total{detail="invalidated"}"#, 1.0),
        (r#"invalidations_total{cause="synchronize",scope="organizations"}"#, 1.0),
        (r#"writes_total{outcome="accepted"}"#, 1.0),
        (r#"upstream_requests_total{outcome="2xx",route="list_operators"}"#, 2.0),
        (r#"throttle_decisions_total{class="operator",decision="admitted"}"#, 3.0),
        ("flights_total", 2.0),
        ("cache_entries", 1.0),
        ("connections", 1.0),
        ("requests_in_flight", 0.0),
        ("upstream_in_flight", 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(metrics.value(series), value, "{series}");
    }
    assert!(metrics.value("cache_size_bytes") > 0.0);
}

/// A request of each kind, with everything in it that a client chooses: a token, an organization, ids, paths, fields.
fn one_of_each_kind(number: u32) -> Vec<String> {
    let organization = number % 1_000 + 1;
    let synchronized = format!(r#"[{{"organizationId":{organization},"name":"A{number}"}}]"#);
    let rows: [(String, String); 11] = [
        (list_of(organization), String::new()),
        ("GET /api/company/organization".to_owned(), String::new()),
        ("POST /api/operator/synchronize".to_owned(), synchronized),
        ("POST /api/operator/status".to_owned(), format!(r#"{{"id":{number},"status":1}}"#)),
        ("POST /api/company/get-token".to_owned(), format!(r#"{{"login":"l{number}","password":"p"}}"#)),
        ("POST /api/operator/get-token".to_owned(), format!(r#"{{"id":{number}}}"#)),
        (format!("GET /api/chat/chats?organizationId={organization}"), String::new()),
        (format!("POST /api/chat/{number}/message"), format!(r#"{{"textMessage":"{number}"}}"#)),
        (format!("GET /chathub?id={number}"), String::new()),
        (format!("GET /thing/{number}?access_token=t{number}"), String::new()),
        (format!("DELETE /thing/{number}"), String::new()),
    ];
    rows.iter().map(|(line, content)| written(line, number, content)).collect()
}

fn list_of(organization: u32) -> String {
    format!("GET /api/operator?organizationId={organization}")
}

/// A request as it is on the wire.
fn written(line: &str, number: u32, content: &str) -> String {
    let length = content.len();
    format!(
        "{line} HTTP/1.1\r\nhost: h{number}\r\nauthorization: Bearer token-{number}\r\nx-request-id: r{number}\r\n\
        user-agent: agent-{number}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{content}"
    )
}

async fn series(gateway: &Gateway) -> Vec<String> {
    gateway.metrics().await.own().map(|(series, _)| series.to_owned()).collect()
}

#[tokio::test]
async fn the_number_of_series_does_not_grow_with_clients_and_organizations() {
    const LIST: &str = r#"[{"id":1,"name":"A","status":0}]"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", LIST.len());
    let chathub = Scripted::forgetting(format!("{head}\r\n\r\n{LIST}")).await;
    let set = "throttle.mode = 'observe'\nmetrics.organizations = [24]\nlog.access = false";
    let gateway = Gateway::before_url(&chathub.url()).set(set).start().await;
    let at_the_start = series(&gateway).await;
    ask_all(&gateway, one_of_each_kind(0)).await;
    let after_one = series(&gateway).await;

    // Ten thousand tokens, each with its list of one of a thousand organizations, and some with one of each kind.
    let clients = (0..50_u32).map(|client| {
        let numbers = (1..=10_000).filter(move |number| number % 50 == client);
        let requests = numbers.flat_map(|number| match number % 100 {
            0 | 1 => one_of_each_kind(number),
            _ => vec![written(&list_of(number % 1_000 + 1), number, "")],
        });
        ask_all(&gateway, requests)
    });
    join_all(clients).await;

    assert!(gateway.metrics().await.value(r#"requests_total{route="list_operators",status="2xx"}"#) > 10_000.0);
    let after_all = series(&gateway).await;
    assert_eq!(after_one, after_all);
    assert_eq!(at_the_start, after_all, "each series is there from the start");
    // And whoever is idle again is forgotten.
    gateway.reaches(r#"throttle_credentials{class="operator"}"#, 0.0).await;
}

/// Asks over one connection, one after the other.
async fn ask_all(gateway: &Gateway, requests: impl IntoIterator<Item = String>) {
    let mut connection = gateway.connect().await;
    for request in requests {
        connection.send(&request).await;
        assert_eq!(connection.answer().await.status, 200, "{request}");
    }
}

#[tokio::test]
async fn the_operators_listener_tells_how_the_gateway_is() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    for path in ["/livez", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(gateway.admin(&format!("GET {path}")).await.status, 200, "{path}");
        assert_eq!(gateway.admin(&format!("HEAD {path}")).await.status, 200, "{path}");
        assert_eq!(gateway.admin(&format!("POST {path}")).await.status, 405, "{path}");
    }
    assert_eq!(gateway.admin("GET /api/operator").await.status, 404);
    let kind = gateway.admin("GET /metrics").await;
    assert_eq!(kind.field("content-type"), Some("text/plain; version=0.0.4"));
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn clients_cannot_reach_what_is_for_operators() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(gateway.anybody().ask(&format!("GET {path}")).send().await.status, 404, "the upstream's answer");
    }
    assert_eq!(chathub.total(), 3);
}

#[tokio::test]
async fn a_request_id_is_taken_from_the_client_told_to_it_and_logged() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    for _ in 0..2 {
        let answer = company.ask("GET /api/operator?organizationId=24").with("x-request-id", "order-17").send().await;
        assert_eq!(answer.field("x-request-id"), Some("order-17"));
    }

    let lines = gateway.log().lines(2).await;
    assert!(lines.iter().all(|line| line["request_id"] == "order-17"), "{lines:?}");
}

#[tokio::test]
async fn a_request_without_a_fit_id_is_given_one() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let ask = || company.ask("GET /api/operator?organizationId=24");

    let ids = [
        ask().send().await,
        ask().with("x-request-id", "two words").send().await,
        ask().with("x-request-id", &"x".repeat(129)).send().await,
        ask().with("x-request-id", "a").with("x-request-id", "b").send().await,
    ]
    .map(|answer| answer.field("x-request-id").unwrap().to_owned());

    assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())), "{ids:?}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4);
    let lines = gateway.log().lines(4).await;
    let logged: Vec<_> = lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(logged, ids);
}

#[tokio::test]
async fn each_request_is_one_line_that_tells_what_became_of_it() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let length = company.list(24).await.content.len();
    company.list(24).await;
    company.ask("GET /API/Operator?organizationId=24").send().await;
    gateway.anybody().key("nobody").with("cookie", "a=b").organizations().await;

    let lines = gateway.log().lines(4).await;

    let always = ["time", "request_id", "method", "path", "route", "status", "cache", "duration", "bytes"];
    for line in &lines {
        assert!(always.iter().all(|name| members(line).contains(name)), "{line}");
    }
    let [miss, hit, alias, refused] = [&lines[0], &lines[1], &lines[2], &lines[3]];
    assert_eq!((&miss["method"], &miss["path"]), (&Value::from("GET"), &Value::from("/api/operator")));
    assert_eq!((&miss["route"], &miss["cache"]), (&Value::from("list_operators"), &Value::from("forwarded")));
    assert_eq!((&miss["status"], &miss["organization"]), (&Value::from(200), &Value::from(24)));
    assert_eq!(miss["bytes"], length);
    assert!(miss["upstream_time"].as_f64() > Some(0.0) && miss["upstream_time"].as_f64() <= miss["duration"].as_f64());
    assert_eq!(miss["throttle_wait"], 0.0);
    assert!(miss["credential"].as_str().unwrap().starts_with("bearer:"));

    assert_eq!((&hit["cache"], &hit["bytes"]), (&Value::from("hit"), &Value::from(length)));
    assert_eq!(hit["credential"], miss["credential"]);
    assert!(!members(hit).contains("upstream_time") && !members(hit).contains("throttle_wait"));

    assert_eq!((&alias["path"], &alias["detail"]), (&Value::from("/API/Operator"), &Value::from("target")));
    assert!(!members(alias).contains("organization"));

    assert_eq!((&refused["status"], &refused["detail"]), (&Value::from(401), &Value::from("cookie")));
    assert!(refused["credential"].as_str().unwrap().starts_with("key:"));
}

#[tokio::test]
async fn a_refused_request_has_its_line_too() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET /secret HTTP/1.1\r\n\r\n").await;

    let id = connection.answer().await.field("x-request-id").unwrap().to_owned();
    let lines = gateway.log().lines(1).await;
    assert_eq!((&lines[0]["status"], &lines[0]["detail"]), (&Value::from(400), &Value::from("refused")));
    assert_eq!((&lines[0]["request_id"], &lines[0]["route"]), (&Value::from(id), &Value::from("none")));
    assert_eq!(lines[0]["cache"], "unasked");
}

#[tokio::test]
async fn the_access_log_can_be_switched_off() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("log.access = false").start().await;
    gateway.client(&chathub.company_token("acme")).list(24).await;
    let log = gateway.log();

    gateway.stop().await;

    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn a_path_cannot_write_a_line_of_its_own_into_the_log() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET /a\"}\\b%0a HTTP/1.1\r\nhost: h\r\n\r\n").await;

    connection.answer().await;
    assert_eq!(gateway.log().lines(1).await[0]["path"], "/a\"}\\b%0a");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_counted_and_has_its_line() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let list = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;

    list.abort();

    gateway.reaches("requests_abandoned_total", 1.0).await;
    gateway.reaches(r#"upstream_requests_total{outcome="client",route="list_operators"}"#, 1.0).await;
    let line = &gateway.log().lines(1).await[0];
    assert_eq!((&line["status"], &line["route"]), (&Value::from(499), &Value::from("list_operators")));
    assert_eq!(line["detail"], "client-failed");
}
