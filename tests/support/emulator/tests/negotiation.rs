//! What request fields change in an answer, section 5.3, and how answers look, section 6.

use super::super::{Emulator, TokenShape};
use super::wire::{acme, ask};

const LIST: &str = "GET /api/operator?organizationId=24";

#[tokio::test]
async fn an_array_is_json_whatever_is_accepted() {
    let chathub = Emulator::start().await;
    for (accept, content_type) in [
        ("*/*", "application/json; charset=utf-8"),
        ("text/plain", "application/json; charset=utf-8"),
        ("application/json", "application/json; charset=utf-8"),
        ("text/json", "text/json; charset=utf-8"),
        ("text/*", "text/json; charset=utf-8"),
        ("text/json, */*;q=0.1", "application/json; charset=utf-8"),
        ("application/xml", "application/json; charset=utf-8"),
        ("text/json;q=0.5, application/json", "application/json; charset=utf-8"),
        ("application/json;q=0.5, text/json", "text/json; charset=utf-8"),
    ] {
        let reply = acme(&chathub, LIST).with("Accept", accept).send().await;
        assert_eq!((reply.status, reply.field("content-type")), (200, Some(content_type)), "{accept}");
        assert_eq!(reply.json()[0]["name"], "John Smith", "{accept}");
    }
}

#[tokio::test]
async fn accept_charset_utf_16_makes_a_utf_16_body() {
    let chathub = Emulator::start().await;
    let plain = acme(&chathub, LIST).send().await.text();
    let reply = acme(&chathub, LIST).with("Accept-Charset", "utf-16").send().await;
    assert_eq!(reply.field("content-type"), Some("application/json; charset=utf-16"));
    let expected: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(reply.body, expected);
    let preferred = acme(&chathub, LIST).with("Accept-Charset", "utf-16;q=0.5, utf-8").send().await;
    assert_eq!(preferred.text(), plain);
}

#[tokio::test]
async fn a_token_is_raw_text_unless_json_is_preferred() {
    let chathub = Emulator::start().await;
    for (accept, content_type, is_quoted) in [
        (None, "text/plain; charset=utf-8", false),
        (Some("*/*"), "text/plain; charset=utf-8", false),
        (Some("text/plain"), "text/plain; charset=utf-8", false),
        (Some("application/json, text/plain, */*"), "text/plain; charset=utf-8", false),
        (Some("application/json"), "application/json; charset=utf-8", true),
        (Some("application/json; charset=utf-8"), "text/plain; charset=utf-8", false),
        (Some("text/json"), "text/json; charset=utf-8", true),
    ] {
        let reply = login(&chathub, accept).await;
        assert_eq!(reply.field("content-type"), Some(content_type), "{accept:?}");
        assert_eq!(reply.text().starts_with("\"ey"), is_quoted, "{accept:?}");
        assert_eq!(reply.text().starts_with("ey"), !is_quoted, "{accept:?}");
    }
}

#[tokio::test]
async fn the_token_shape_overrides_negotiation() {
    let chathub = Emulator::start().await;
    for (shape, beginning) in
        [(TokenShape::Raw, "ey"), (TokenShape::String, "\"ey"), (TokenShape::Object, "{\"token\":\"ey")]
    {
        chathub.switch(|switches| switches.token_shape = shape);
        for accept in [None, Some("application/json")] {
            let reply = login(&chathub, accept).await;
            assert!(reply.text().starts_with(beginning), "{shape:?} {accept:?}");
        }
    }
}

async fn login(chathub: &Emulator, accept: Option<&str>) -> super::wire::Reply {
    let (login, password) = chathub.login("acme");
    let mut request = ask(chathub, "POST /api/company/get-token");
    if let Some(accept) = accept {
        request = request.with("Accept", accept);
    }
    let body = serde_json::json!({ "login": login, "password": password });
    let reply = request.json(&body.to_string()).send().await;
    assert_eq!(reply.status, 200);
    reply
}

#[tokio::test]
async fn an_allowed_origin_is_echoed_and_varies_only_beside_others() {
    let chathub = Emulator::start().await;
    let origin = "https://widget.example";
    let alone = acme(&chathub, LIST).with("Origin", origin).send().await;
    assert_eq!((alone.field("access-control-allow-origin"), alone.field("vary")), (Some(origin), None));
    chathub.switch(|switches| switches.cors_origins.push("https://shop.example".to_owned()));
    let beside = acme(&chathub, LIST).with("Origin", origin).send().await;
    assert_eq!((beside.field("access-control-allow-origin"), beside.field("vary")), (Some(origin), Some("Origin")));
    let other = acme(&chathub, LIST).with("Origin", "https://evil.example").send().await;
    assert_eq!((other.status, other.field("access-control-allow-origin"), other.field("vary")), (200, None, None));
    let none = acme(&chathub, LIST).send().await;
    assert_eq!(none.field("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_list_is_chunked_json_without_validators() {
    let chathub = Emulator::start().await;
    let reply = acme(&chathub, "GET /api/operator?organizationId=6").send().await;
    assert_eq!(reply.field("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.field("server"), Some("Kestrel"));
    assert!(reply.field("date").is_some());
    for absent in ["content-length", "etag", "last-modified", "cache-control", "vary", "x-emulator-version"] {
        assert_eq!(reply.field(absent), None, "{absent}");
    }
    assert!(reply.text().contains("Олена Коваль"), "letters are not escaped");
    assert!(reply.is_complete);
}

#[tokio::test]
async fn a_status_write_is_answered_with_an_empty_200() {
    let chathub = Emulator::start().await;
    let reply = acme(&chathub, "POST /api/operator/status").json(r#"{"id":101,"status":2}"#).send().await;
    assert_eq!((reply.status, reply.field("content-length"), reply.field("content-type")), (200, Some("0"), None));
}

#[tokio::test]
async fn conditional_and_partial_requests_get_the_whole_list() {
    let chathub = Emulator::start().await;
    let plain = acme(&chathub, LIST).send().await.text();
    for (name, value) in [("Range", "bytes=0-3"), ("If-None-Match", "*"), ("Cache-Control", "no-cache")] {
        let reply = acme(&chathub, LIST).with(name, value).send().await;
        assert_eq!((reply.status, reply.text()), (200, plain.clone()), "{name}");
    }
}
