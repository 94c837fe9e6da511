//! What passes through unchanged, and the little that must not.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::emulator::{Emulator, Endpoint, Fault, TokenShape, VerdictName};
use crate::support::gateway::Gateway;
use crate::support::scripted::Scripted;

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Sends a request through a gateway and returns what the upstream got.
async fn forwarded(request: &str) -> String {
    let upstream = Scripted::answering(EMPTY).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    connection.send(request).await;
    assert_eq!(connection.answer().await.status, 200, "{request}");
    upstream.first_request().await
}

/// Asks for `/` and returns what a client gets if the upstream answers so.
async fn passed_on(answer: &str) -> Answer {
    let upstream = Scripted::answering(answer).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    connection.answer().await
}

/// The values of a field in a request as it was on the wire.
fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_target_is_forwarded_to_the_byte() {
    let targets = [
        "/api/operator?organizationId=24&organizationId=25",
        "/API/Operator/?organizationId=0x18",
        "/api/./x/../operator",
        "/api/%6Fperator/%2e%2e/%2F%2f",
        "//api//operator//",
        "/a'b\"c[d]e{f}g|h\\i^j~",
        "/?b=2&a=1&&b=3&=&?/:@!$'()*+,;",
        "/%zz%",
        "/x?",
        "/;a=b;c",
        "/api/chat/chats?date=2026-01-01&date=2026-01-31",
    ];
    for target in targets {
        let seen = forwarded(&format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        assert_eq!(seen.split("\r\n").next(), Some(format!("GET {target} HTTP/1.1").as_str()));
    }
}

#[tokio::test]
async fn an_absolute_target_goes_to_our_upstream_whatever_it_names() {
    let seen =
        forwarded("GET http://elsewhere.example:99/a/../b?c HTTP/1.1\r\nhost: elsewhere.example:99\r\n\r\n").await;

    assert!(seen.starts_with("GET /a/../b?c HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains("elsewhere"), "{seen}");
}

#[tokio::test]
async fn a_method_is_forwarded_as_it_is_written() {
    for method in ["get", "Post", "PROPFIND", "PATCH", "OPTIONS", "x-!#$%&'*+.^_`|~"] {
        let seen = forwarded(&format!("{method} / HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        assert!(seen.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{seen}");
    }
}

#[tokio::test]
async fn a_question_for_options_may_be_passed_on_once_less_than_before_and_nothing_else_is_counted() {
    for (method, seen_as) in [("OPTIONS", "6"), ("GET", "7")] {
        let seen = forwarded(&format!("{method} / HTTP/1.1\r\nhost: h\r\nmax-forwards: 7\r\n\r\n")).await;
        assert_eq!(values(&seen, "max-forwards"), [seen_as], "{seen}");
    }
}

#[tokio::test]
async fn fields_are_forwarded_whatever_they_are_and_in_their_order() {
    let fields = "x-a: 1\r\nX-Method-Override: DELETE\r\nx-a: 2, 3\r\nuser-agent: \r\nx-a:\t4 \r\naccept: a/b;q=0.5\r\n\
        accept-encoding: br, zstd\r\nreferer: https://r.example/?q\r\nx-forwarded-for: 192.0.2.1\r\ncookie: a=b; c=d\r\n";

    let seen = forwarded(&format!("GET / HTTP/1.1\r\nhost: h\r\n{fields}\r\n")).await;

    assert_eq!(values(&seen, "x-a"), ["1", "2, 3", "4"]);
    assert_eq!(values(&seen, "x-method-override"), ["DELETE"]);
    assert_eq!(values(&seen, "accept"), ["a/b;q=0.5"]);
    assert_eq!(values(&seen, "accept-encoding"), ["br, zstd"]);
    assert_eq!(values(&seen, "referer"), ["https://r.example/?q"]);
    assert_eq!(values(&seen, "x-forwarded-for"), ["192.0.2.1"]);
    assert_eq!(values(&seen, "cookie"), ["a=b; c=d"]);
}

#[tokio::test]
async fn the_upstream_is_named_in_host_and_the_gateway_in_via() {
    let upstream = Scripted::answering(EMPTY.replace("\r\n\r\n", "\r\nvia: 1.1 front\r\n\r\n")).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET / HTTP/1.1\r\nhost: gateway.example\r\nvia: 1.0 inner\r\n\r\n").await;

    assert_eq!(connection.answer().await.values("via"), ["1.1 front", "1.1 chathub-gateway"]);
    let seen = upstream.first_request().await;
    assert_eq!(values(&seen, "host"), [upstream.authority()]);
    assert_eq!(values(&seen, "via"), ["1.0 inner", "1.1 chathub-gateway"]);
}

#[tokio::test]
async fn fields_of_the_clients_connection_stay_with_it() {
    let fields = "connection: X-Mine, keep-alive\r\nx-mine: 1\r\nkeep-alive: timeout=9\r\nproxy-connection: x\r\n\
        proxy-authorization: Basic dTpw\r\nte: gzip\r\nupgrade: h2c\r\n";

    let seen = forwarded(&format!("GET / HTTP/1.1\r\nhost: h\r\nx-yours: 2\r\n{fields}\r\n")).await;

    for name in ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"] {
        assert_eq!(values(&seen, name), [""; 0], "{name} in {seen}");
    }
    assert_eq!(values(&seen, "x-yours"), ["2"]);
}

#[tokio::test]
async fn fields_of_the_upstreams_connection_stay_with_it() {
    let fields = "connection: X-Mine\r\nx-mine: 1\r\nkeep-alive: timeout=9\r\nproxy-authenticate: Basic\r\n\
        proxy-connection: x\r\nupgrade: h2c\r\n";

    let answer = passed_on(&EMPTY.replace("content-length", &format!("{fields}x-yours: 2\r\ncontent-length"))).await;

    for name in ["connection", "x-mine", "keep-alive", "proxy-authenticate", "proxy-connection", "upgrade"] {
        assert_eq!(answer.field(name), None, "{name} in {answer:?}");
    }
    assert_eq!(answer.field("x-yours"), Some("2"));
}

#[tokio::test]
async fn a_client_cannot_make_the_gateway_drop_what_its_decisions_rest_on() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let named = "authorization, x-authorization-key, host, content-type, cookie";

    let list = company.ask("GET /api/operator?organizationId=24").with("connection", named).send().await;

    assert_eq!((list.status, list.names().len()), (200, 3));
    let status = company.ask("POST /api/operator/status").with("connection", "content-type, content-length");
    assert_eq!(status.json(&json!({ "id": 101, "status": 1 })).send().await.status, 200);
}

#[tokio::test]
async fn a_field_that_only_looks_like_a_credential_is_just_a_field() {
    let seen = forwarded("GET / HTTP/1.1\r\nhost: h\r\nx_authorization_key: a\r\n\r\n").await;

    assert_eq!(values(&seen, "x-authorization-key"), [""; 0]);
}

#[tokio::test]
async fn a_call_that_the_upstream_does_not_know_is_its_to_refuse() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);

    assert_eq!(company.ask("GET /api/unknown").send().await.status, 404);
    let wrong = company.ask("DELETE /api/operator").send().await;
    assert_eq!((wrong.status, wrong.field("allow")), (405, Some("GET")));

    let mut connection = gateway.connect().await;
    let fields = format!("host: h\r\nauthorization: Bearer {token}");
    connection.send(format!("HEAD /api/operator?organizationId=24 HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    let head = connection.answer_without_content().await;
    assert_eq!((head.status, head.field("allow")), (405, Some("GET")));
    connection.send(format!("get /api/operator?organizationId=24 HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    let list = connection.answer().await;
    assert_eq!((list.status, list.cache()), (200, "fwd=bypass; detail=target"));
}

#[tokio::test]
async fn a_browser_asks_the_upstream_for_permission_and_is_answered_by_it() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let preflight = gateway.anybody().ask("OPTIONS /api/operator?organizationId=24");
    let preflight = preflight.with("origin", "https://widget.example").with("access-control-request-method", "GET");

    let answer = preflight.with("access-control-request-headers", "authorization").send().await;

    assert_eq!((answer.status, answer.cache()), (204, "fwd=bypass; detail=route"));
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://widget.example"));
    assert_eq!(answer.field("access-control-allow-headers"), Some("authorization"));
}

#[tokio::test]
async fn an_origin_never_sees_an_answer_made_for_another() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let list = || company.ask("GET /api/operator?organizationId=24");
    let allowed = "access-control-allow-origin";
    assert_eq!(company.list(24).await.field(allowed), None);

    let widget = list().with("origin", "https://widget.example").send().await;
    let other = list().with("origin", "https://other.example").send().await;

    assert_eq!(widget.field(allowed), Some("https://widget.example"));
    assert_eq!(other.field(allowed), None);
    assert_eq!(company.list(24).await.field(allowed), None);
}

#[tokio::test]
async fn a_redirection_is_the_clients_to_follow() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let location = ("location".to_owned(), "http://elsewhere.example/".to_owned());
    for status in [301, 302, 303, 307, 308] {
        chathub.reset_counters();
        chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(status), Some(1));
        chathub.fault(Endpoint::ListOperators, Fault::Fields(vec![location.clone()]), Some(1));
        let answer = company.list(24).await;
        assert_eq!((answer.status, answer.field("location")), (status, Some("http://elsewhere.example/")));
        assert_eq!((answer.cache(), chathub.total()), ("fwd=uri-miss; detail=status", 1));
    }
}

#[tokio::test]
async fn a_token_is_passed_on_in_whatever_shape_it_comes() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let (login, password) = chathub.login("acme");
    for (shape, first) in [(TokenShape::Raw, 'e'), (TokenShape::String, '"'), (TokenShape::Object, '{')] {
        chathub.switch(|switches| switches.token_shape = shape);
        let ask = gateway.anybody().ask("POST /api/company/get-token");
        let answer = ask.json(&json!({ "login": login, "password": password })).send().await;
        assert_eq!((answer.status, answer.text().chars().next()), (200, Some(first)), "{shape:?}");
    }
    assert_eq!(chathub.count(Endpoint::CompanyToken), 3, "none is kept");
}

#[tokio::test]
async fn a_verdict_on_a_token_is_asked_for_each_time_and_passed_on_as_it_is() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for (name, text) in [(VerdictName::IsValid, "isValid"), (VerdictName::Valid, "valid")] {
        chathub.switch(|switches| switches.verdict_name = name);
        let ask = company.ask("POST /api/operator/validate-token").json(&json!({ "token": "x" }));
        let verdict = ask.send().await;
        assert_eq!((verdict.status, verdict.json()[text].as_bool()), (200, Some(false)));
    }
    assert_eq!(chathub.count(Endpoint::ValidateToken), 2);
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let upstream = Scripted::answering(answer).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    let head = "POST /x HTTP/1.1\r\nhost: h\r\nte: trailers\r\nconnection: te, close\r\n";
    let content = "transfer-encoding: chunked\r\ntrailer: x-my\r\n\r\n2\r\nhi\r\n0\r\nx-my: 5\r\n\r\n";

    connection.send(format!("{head}{content}")).await;

    let answer = String::from_utf8(connection.rest().await).unwrap();
    assert!(answer.ends_with("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
    let seen = upstream.first_request().await;
    assert!(seen.ends_with("2\r\nhi\r\n0\r\nx-my: 5\r\n\r\n"), "{seen}");
    assert_eq!(values(&seen, "te"), ["trailers"]);
}

#[tokio::test]
async fn interim_responses_reach_the_client_before_the_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nconnection: x-b\r\nx-b: 1\r\n\r\n";
    let processing = "HTTP/1.1 102 Processing\r\n\r\n";
    let upstream = Scripted::answering(format!("{hints}{processing}{EMPTY}")).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    for _ in 0..3 {
        connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;

        let (hints, processing) = (connection.answer().await, connection.answer().await);

        assert_eq!((hints.status, hints.field("link"), hints.field("x-b")), (103, Some("</a>; rel=preload"), None));
        assert_eq!(processing.status, 102);
        assert_eq!(connection.answer().await.status, 200);
    }
    connection.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200, "HTTP/1.0 knows none");
}

#[tokio::test]
async fn an_interim_response_reaches_the_client_while_the_upstream_still_works() {
    let upstream = Scripted::answering("HTTP/1.1 103 Early Hints\r\nx-a: 1\r\n\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;

    assert_eq!(connection.answer().await.status, 103);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_content_is_asked_before_it_waits_in_line() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.other.rate = '6/m'\nthrottle.other.burst = 1").start().await;
    let token = chathub.company_token("acme");
    assert_eq!(gateway.client(&token).ask("GET /api/chat/chats").send().await.status, 200);
    for (target, status) in [("/api/operator/synchronize", 200), ("/api/chat/message", 100)] {
        let mut connection = gateway.connect().await;
        let head = format!("POST {target} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n");
        let head = format!("{head}content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");

        connection.send(head).await;

        assert_eq!(connection.answer().await.status, 100, "{target}");
        connection.send("[]").await;
        if status == 200 {
            assert_eq!(connection.answer().await.status, 200, "{target}");
        }
    }
    assert!(chathub.received().iter().all(|request| request.values("expect").is_empty()));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_and_may_not_wait_in_line_is_refused_instead() {
    let chathub = Emulator::start().await;
    let quota = "throttle.max_wait = '0s'\nthrottle.other.rate = '1/m'\nthrottle.other.burst = 1";
    let gateway = Gateway::before(&chathub).set(quota).start().await;
    let head = "POST /x HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let mut connection = gateway.connect().await;
    connection.send(head).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send("[]").await;
    connection.answer().await;

    connection.send(head).await;

    assert_eq!(connection.answer().await.status, 429);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_content_over_the_limit_is_refused_instead() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_body = '1B'").start().await;
    let mut connection = gateway.connect().await;

    connection.send("POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await;

    assert_eq!(connection.answer().await.status, 413);
}

#[tokio::test]
async fn a_field_that_some_servers_would_take_for_a_credential_is_dropped_and_counted() {
    let upstream = Scripted::answering(EMPTY).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET / HTTP/1.1\r\nhost: h\r\nX_Authorization_Key: a\r\nx_other: b\r\n\r\n").await;

    assert_eq!(connection.answer().await.status, 200);
    let seen = upstream.first_request().await;
    assert_eq!((values(&seen, "x_authorization_key"), values(&seen, "x_other")), (vec![], vec!["b"]));
    assert_eq!(gateway.metrics().await.value("shadow_fields_total"), 1.0);
}

#[tokio::test]
async fn content_of_a_get_is_forwarded_though_its_length_is_not_known() {
    let content = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let seen = forwarded(&format!("GET /x HTTP/1.1\r\nhost: h\r\n{content}")).await;
    assert_eq!(values(&seen, "transfer-encoding"), ["chunked"]);
    assert!(seen.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn a_credential_cannot_come_behind_the_content() {
    let late = "x-authorization-key: a\r\nX_Authorization_Key: b\r\nauthorization: Bearer c\r\nx-sum: 7\r\n";
    let head = "POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n";
    let trailer = "trailer: x-authorization-key, x_authorization_key, authorization, x-sum\r\n";
    let seen = forwarded(&format!("{head}{trailer}\r\n2\r\nhi\r\n0\r\n{late}\r\n")).await;
    assert!(seen.ends_with("2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn no_protocol_but_that_of_websockets_is_changed_to() {
    let upgrade = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    let seen = forwarded(&format!("GET /api/operator?organizationId=24 HTTP/1.1\r\nhost: h\r\n{upgrade}\r\n")).await;
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(values(&seen, name), [""; 0], "{name} in {seen}");
    }
}
