//! What the server refuses by itself, section 4.

use super::super::{Emulator, Endpoint, Limits};
use super::wire::acme;

async fn strict() -> Emulator {
    let limits = Limits { body_bytes: 1_000, ..Limits::default() };
    Emulator::builder().limits(limits).start().await
}

#[tokio::test]
async fn a_request_line_above_8_kib_is_too_long() {
    let chathub = strict().await;
    let line = |padding: usize| format!("GET /api/operator?organizationId=24&x={}", "x".repeat(padding));
    let fixed = line(0).len() + " HTTP/1.1\r\n".len();
    assert_eq!(acme(&chathub, &line(8_192 - fixed)).send().await.status, 200);
    let refused = acme(&chathub, &line(8_193 - fixed)).send().await;
    assert_eq!((refused.status, refused.body.len(), refused.field("connection")), (414, 0, Some("close")));
}

#[tokio::test]
async fn too_many_or_too_large_fields_are_refused() {
    let chathub = strict().await;
    let many =
        |count: usize| (0..count).fold(acme(&chathub, "GET /api/operator"), |ask, n| ask.with(&format!("X-{n}"), "y"));
    // Three fields are there already.
    assert_eq!(many(97).send().await.status, 200);
    assert_eq!(many(98).send().await.status, 431);
    let large = acme(&chathub, "GET /api/operator").with("X-Large", &"x".repeat(32_768));
    assert_eq!(large.send().await.status, 431);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_announced_or_not() {
    let chathub = strict().await;
    let body = format!(r#"{{"id":103,"status":0,"x":"{}"}}"#, "x".repeat(1_000));
    assert_eq!(acme(&chathub, "POST /api/operator/status").json(&body).send().await.status, 413);
    let chunked = acme(&chathub, "POST /api/operator/status").with("Transfer-Encoding", "chunked");
    let chunked = chunked.with("Content-Type", "application/json");
    let framed = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(chunked.raw_body(framed).send().await.status, 413);
    assert_eq!(chathub.applied(), []);
}

#[tokio::test]
async fn a_host_must_be_named_once() {
    let chathub = strict().await;
    let reply = acme(&chathub, "GET /api/operator").with("Host", "elsewhere.example").send().await;
    assert_eq!((reply.status, reply.body.len()), (400, 0));
}

#[tokio::test]
async fn a_null_in_the_path_is_malformed() {
    let chathub = strict().await;
    assert_eq!(acme(&chathub, "GET /api/operator%00").send().await.status, 400);
    assert_eq!(chathub.count(Endpoint::Other), 1);
}
