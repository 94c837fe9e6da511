//! Requests that the gateway refuses itself: each with a problem that says why, a count, and nothing for the upstream.

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::soon;

const GOOD: &str = "GET /api/company/organization HTTP/1.1\r\nhost: h\r\n\r\n";

/// Sends bytes on a connection of their own and checks the refusal.
async fn assert_refused(settings: &str, bytes: &str, status: u16, reason: &str, closes: bool) {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(settings).start().await;
    let mut connection = gateway.connect().await;
    connection.send(bytes).await;

    let refused = connection.answer().await;

    let shown = &bytes[..bytes.len().min(120)];
    assert_eq!((refused.status, refused.problem()), (status, reason.to_owned()), "{shown}");
    assert_eq!(refused.cache(), "detail=refused", "{shown}");
    assert_eq!(refused.field("x-request-id").map(str::len), Some(16), "{shown}");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.value(&format!(r#"refusals_total{{reason="{reason}"}}"#)), 1.0, "{shown}");
    if closes {
        assert_eq!(refused.field("connection"), Some("close"), "{shown}");
        connection.closes().await;
    } else {
        connection.send(GOOD).await;
        assert_eq!(connection.answer().await.status, 401, "{shown}");
        chathub.reset_counters();
    }
    assert_eq!(chathub.total(), 0, "{shown}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {}\r\n\r\n", "x".repeat(32 * 1024));
    assert_refused("", &long, 431, "head-too-large", true).await;
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert_refused("", &many, 431, "head-too-large", true).await;
}

#[tokio::test]
async fn a_head_at_the_limit_is_forwarded() {
    let chathub = Emulator::start().await;
    // The gateway sends on two fields of its own.
    let gateway = Gateway::before(&chathub).set("server.max_fields = 50").start().await;
    let mut connection = gateway.connect().await;

    connection.send(format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(49))).await;

    assert_eq!(connection.answer().await.status, 200);
    assert_eq!(chathub.received()[0].values("x").len(), 49);
}

#[tokio::test]
async fn a_target_over_the_limit_is_refused() {
    let long = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "x".repeat(8 * 1024));
    assert_refused("", &long, 414, "target-too-long", true).await;
}

#[tokio::test]
async fn content_announced_over_the_limit_is_refused_before_it_is_read() {
    let announced = "POST /api/operator HTTP/1.1\r\nhost: h\r\ncontent-length: 101\r\n\r\n";
    assert_refused("server.max_body = '100B'", announced, 413, "content-too-large", true).await;
}

#[tokio::test]
async fn a_client_that_sends_content_nobody_reads_still_gets_its_answer() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_body = '100B'").start().await;
    let mut connection = gateway.connect().await;
    let head = "POST /api/operator HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n";

    connection.send(head).await;
    // The other side may close as soon as it has answered.
    let _ = connection.try_send("x".repeat(1_000_000)).await;

    assert_eq!(connection.answer().await.problem(), "content-too-large");
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn content_that_grows_over_the_limit_is_refused() {
    for path in ["/api/operator/synchronize", "/api/chat/1001/message"] {
        let chathub = Emulator::start().await;
        let gateway = Gateway::before(&chathub).set("server.max_body = '100B'").start().await;
        let mut connection = gateway.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");

        connection.send(format!("{head}65\r\n{}\r\n0\r\n\r\n", "x".repeat(101))).await;

        let refused = connection.answer().await;
        assert_eq!((refused.status, refused.problem()), (413, "content-too-large".to_owned()), "{path}");
        connection.closes().await;
        assert_eq!(gateway.metrics().await.value(r#"refusals_total{reason="content-too-large"}"#), 1.0);
        assert!(chathub.applied().is_empty());
    }
}

#[tokio::test]
async fn content_at_the_limit_is_forwarded() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_body = '100B'").start().await;

    let answer = gateway.anybody().ask("POST /api/operator").content("x".repeat(100)).send().await;

    assert_eq!(answer.status, 405);
    assert_eq!(chathub.received()[0].body_bytes, 100);
}

#[tokio::test]
async fn a_request_whose_length_is_in_doubt_is_refused() {
    let heads = [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 5\r\ncontent-length: 5",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 5",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: -1",
        "content-length: 99999999999999999999",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding : chunked",
    ];
    for fields in heads {
        let bytes = format!("POST /api/operator HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n0\r\n\r\n");
        assert_refused("", &bytes, 400, "malformed-request", true).await;
    }
}

#[tokio::test]
async fn a_head_that_two_servers_could_read_differently_is_refused() {
    let heads = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET / HTTP/1.1\nhost: h\n\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\n x: y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx y: z\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx: y\0z\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET /#x HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET x HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET http://a@b/ HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: h\r\n\r\n",
        "GET /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    ];
    for bytes in heads {
        assert_refused("", bytes, 400, "malformed-request", true).await;
    }
}

#[tokio::test]
async fn a_repeated_credential_is_refused_and_the_connection_stays() {
    for field in ["authorization: Bearer a", "x-authorization-key: a"] {
        let bytes = format!("GET /api/company/organization HTTP/1.1\r\nhost: h\r\n{field}\r\n{field}\r\n\r\n");
        assert_refused("", &bytes, 400, "repeated-credential", false).await;
    }
}

#[tokio::test]
async fn tunnels_and_echoes_are_refused() {
    assert_refused("", "TRACE / HTTP/1.1\r\nhost: h\r\n\r\n", 405, "method-refused", true).await;
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;

    connection.send("CONNECT chat.example:443 HTTP/1.1\r\nhost: chat.example:443\r\n\r\n").await;

    let refused = connection.answer().await;
    assert_eq!((refused.status, refused.problem()), (405, "method-refused".to_owned()));
    assert_eq!(refused.field("allow"), Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn a_question_for_options_that_is_to_go_no_further_is_answered_here() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;

    for target in ["*", "/api/operator"] {
        connection.send(format!("OPTIONS {target} HTTP/1.1\r\nhost: h\r\nmax-forwards: 0\r\n\r\n")).await;

        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.cache(), answer.text()), (200, "detail=max-forwards", ""));
        assert_eq!(answer.field("allow"), Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
    }
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_refused_in_time() {
    let begun = "GET / HTTP/1.1\r\nhost: ";
    assert_refused("server.head_timeout = '500ms'", begun, 408, "head-timeout", true).await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_in_time() {
    let chathub = Emulator::start().await;
    let set = "server.head_timeout = '500ms'\nserver.idle_timeout = '50ms'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let mut used = gateway.connect().await;

    used.send(GOOD).await;

    assert_eq!(used.answer().await.status, 401);
    let mut silent = gateway.connect().await;
    used.closes().await;
    silent.closes().await;
}

#[tokio::test]
async fn content_that_stops_coming_is_refused_in_time() {
    let paths = [("/api/operator/synchronize", "client-failed"), ("/api/chat/1001/message", "write-cut-short")];
    for (path, detail) in paths {
        let chathub = Emulator::start().await;
        // While the client owes content, the upstream owes no answer, however short its time is.
        let set = "server.body_timeout = '200ms'\nupstream.head_timeout = '50ms'";
        let gateway = Gateway::before(&chathub).set(set).start().await;
        let mut connection = gateway.connect().await;

        connection.send(format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf")).await;

        let refused = connection.answer().await;
        assert_eq!((refused.status, refused.problem()), (408, "content-timeout".to_owned()), "{path}");
        assert!(refused.cache().ends_with(detail), "{path}: {refused:?}");
        connection.closes().await;
        assert_eq!(gateway.metrics().await.value(r#"refusals_total{reason="content-timeout"}"#), 1.0);
        assert!(chathub.applied().is_empty());
    }
}

#[tokio::test]
async fn content_that_is_badly_framed_is_the_clients_fault() {
    for path in ["/api/operator/synchronize", "/api/chat/1001/message"] {
        let chathub = Emulator::start().await;
        let gateway = Gateway::before(&chathub).start().await;
        let mut connection = gateway.connect().await;

        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
        connection.send(format!("{head}4\r\nhalf\r\nzz\r\n")).await;

        let refused = connection.answer().await;
        assert_eq!((refused.status, refused.problem()), (400, "content-broken".to_owned()), "{path}");
        connection.closes().await;
        assert_eq!(gateway.metrics().await.value(r#"refusals_total{reason="content-broken"}"#), 1.0);
        assert!(chathub.applied().is_empty());
    }
}

#[tokio::test]
async fn a_bad_request_behind_good_ones_is_refused_in_its_turn() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let list = |organization: u32| {
        let target = format!("/api/operator?organizationId={organization}");
        format!("GET {target} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n")
    };
    let bad = "POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut connection = gateway.connect().await;

    connection.send(format!("{}{}{bad}{}", list(24), list(6), list(42))).await;

    assert_eq!(connection.answer().await.names()[0], "John Smith");
    assert_eq!(connection.answer().await.names()[0], "Emma Brown");
    assert_eq!(connection.answer().await.problem(), "malformed-request");
    connection.closes().await;
    assert_eq!(chathub.total(), 2);
}

#[tokio::test]
async fn a_refusal_is_never_kept_in_memory() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let mut connection = gateway.connect().await;
    let field = format!("authorization: Bearer {token}\r\n");
    connection.send(format!("GET /api/operator?organizationId=24 HTTP/1.1\r\nhost: h\r\n{field}{field}\r\n")).await;
    assert_eq!(connection.answer().await.problem(), "repeated-credential");

    assert_eq!(gateway.client(&token).list(24).await.cache(), "fwd=uri-miss; stored");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_connections = 1").start().await;
    let gate = chathub.stall(Endpoint::ListOrganizations);
    let token = chathub.company_token("acme");
    let ask = GOOD.replace("\r\n\r\n", &format!("\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"));
    let mut first = gateway.connect().await;
    first.send(&ask).await;
    soon(gate.reached(1)).await;
    let mut second = gateway.connect().await;
    second.send(&ask).await;
    gateway.reaches("connections_full_total", 1.0).await;
    assert_eq!(gateway.metrics().await.value("connections"), 1.0);

    gate.release();

    assert_eq!([first.answer().await.status, second.answer().await.status], [200, 200]);
}
