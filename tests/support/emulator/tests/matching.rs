//! Paths and methods, table 5.1.

use super::super::{Emulator, Endpoint};
use super::wire::{acme, ask};

const LIST: &str = r#"[{"id":101,"name":"John Smith","status":0,"organization":{"id":24,"name":"Customer Support"}},{"id":102,"name":"Sarah Johnson","status":0,"organization":{"id":24,"name":"Customer Support"}},{"id":103,"name":"Mike Wilson","status":1,"organization":{"id":24,"name":"Customer Support"}}]"#;

#[tokio::test]
async fn these_paths_are_the_operator_list() {
    let chathub = Emulator::start().await;
    let host = format!("GET http://{}/api/operator", chathub.authority());
    let forms = [
        "GET /api/operator",
        "GET /API/Operator",
        "GET /api/operator/",
        "GET /api/%6Fperator",
        "GET /api/./operator",
        "GET /api/x/../operator",
        "GET /api/%2e%2E/api/operator",
        "GET /../api/operator",
        "GET http://elsewhere.example/api/operator",
        host.as_str(),
        "get /api/operator",
        "GeT /api/operator",
    ];
    for form in forms {
        let reply = acme(&chathub, &format!("{form}?organizationId=24")).send().await;
        assert_eq!((reply.status, reply.text().as_str()), (200, LIST), "{form}");
    }
}

#[tokio::test]
async fn these_paths_are_unknown_and_answered_with_an_empty_404() {
    let chathub = Emulator::start().await;
    let forms = [
        "/api/operator//",
        "/api//operator",
        "//api/operator",
        "/api%2Foperator",
        "/api%2foperator",
        "/api/operators",
        "/api/operator/24",
        "/api/x/./operator",
        "/nothing",
    ];
    for form in forms {
        let reply = acme(&chathub, &format!("GET {form}?organizationId=24")).send().await;
        assert_eq!((reply.status, reply.body.len()), (404, 0), "{form}");
        assert_eq!(reply.field("content-length"), Some("0"), "{form}");
    }
    assert_eq!(chathub.count(Endpoint::Other), 9);
}

#[tokio::test]
async fn a_known_path_with_a_wrong_method_is_answered_with_405_and_allow() {
    let chathub = Emulator::start().await;
    let cases = [
        ("HEAD /api/operator", "GET"),
        ("POST /api/operator", "GET"),
        ("GET /api/operator/synchronize", "POST"),
        ("PUT /api/operator/status", "POST"),
        ("OPTIONS /api/operator", "GET"),
        ("HEAD /api/company/organization", "GET"),
        ("GET /api/chat/status", "PUT"),
        ("PATCH /api/chat/chats/1001", "DELETE"),
        ("PUT /chathub", "GET, POST, DELETE"),
    ];
    for (line, allow) in cases {
        let reply = ask(&chathub, line).body("").send().await;
        assert_eq!((reply.status, reply.field("allow"), reply.body.len()), (405, Some(allow), 0), "{line}");
    }
}

#[tokio::test]
async fn a_method_in_other_case_is_that_method() {
    let chathub = Emulator::start().await;
    let reply = acme(&chathub, "Post /api/operator/status").json(r#"{"id":103,"status":0}"#).send().await;
    assert_eq!(reply.status, 200);
    assert_eq!(chathub.applied().len(), 1);
}

#[tokio::test]
async fn a_preflight_is_answered_with_204_and_permission_only_for_listed_origins() {
    let chathub = Emulator::start().await;
    for (origin, allowed) in
        [("https://widget.example", Some("https://widget.example")), ("https://evil.example", None)]
    {
        let preflight = ask(&chathub, "OPTIONS /api/operator").with("Origin", origin);
        let preflight = preflight.with("Access-Control-Request-Method", "GET");
        let reply = preflight.with("Access-Control-Request-Headers", "authorization").send().await;
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (204, allowed), "{origin}");
        assert_eq!(reply.field("access-control-allow-methods"), allowed.map(|_| "GET"), "{origin}");
        assert_eq!(reply.field("access-control-allow-headers"), allowed.map(|_| "authorization"), "{origin}");
    }
}

#[tokio::test]
async fn a_method_override_is_ignored() {
    let chathub = Emulator::start().await;
    let reply =
        acme(&chathub, "POST /api/operator?organizationId=24").with("X-HTTP-Method-Override", "GET").body("").send();
    assert_eq!(reply.await.status, 405);
}

#[tokio::test]
async fn the_pages_are_open_to_all() {
    let chathub = Emulator::start().await;
    for (path, content_type) in [
        ("/", "text/html;charset=utf-8"),
        ("/index.html", "text/html;charset=utf-8"),
        ("/swagger/v1/swagger.json", "application/json;charset=utf-8"),
    ] {
        let reply = ask(&chathub, &format!("GET {path}")).send().await;
        assert_eq!((reply.status, reply.field("content-type")), (200, Some(content_type)), "{path}");
    }
}
