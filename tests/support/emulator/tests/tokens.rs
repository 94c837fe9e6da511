//! The token calls, sections 1.5 to 1.7.

use std::time::Duration;

use serde_json::json;

use super::super::calendar;
use super::super::{Emulator, VerdictName};
use super::wire::{Reply, acme, ask};

fn moment(chathub: &Emulator, ahead: i64) -> String {
    calendar::format(i64::try_from(chathub.clock().now().as_secs()).unwrap() + ahead)
}

async fn operator_token(chathub: &Emulator, id: i32, expires_at: &str) -> Reply {
    let body = json!({ "id": id, "expiresAt": expires_at }).to_string();
    acme(chathub, "POST /api/operator/get-token").json(&body).send().await
}

async fn validate(chathub: &Emulator, token: &str) -> serde_json::Value {
    let body = json!({ "token": token }).to_string();
    let reply = acme(chathub, "POST /api/operator/validate-token").json(&body).send().await;
    assert_eq!(reply.status, 200);
    reply.json()
}

#[tokio::test]
async fn a_login_gives_a_token_that_works() {
    let chathub = Emulator::start().await;
    let (login, password) = chathub.login("globex");
    let body = json!({ "login": login, "password": password }).to_string();
    let token = ask(&chathub, "POST /api/company/get-token").json(&body).send().await.text();
    let request = ask(&chathub, "GET /api/company/organization").with("Authorization", &format!("Bearer {token}"));
    assert_eq!(request.send().await.text(), r#"[{"id":7,"name":"Billing"},{"id":8,"name":"Returns"}]"#);
}

#[tokio::test]
async fn a_wrong_login_is_refused() {
    let chathub = Emulator::start().await;
    for (body, status) in [
        (r#"{"login":"demo@acme.example","password":"wrong"}"#, 401),
        (r#"{"login":"demo@acme.example"}"#, 400),
        ("{}", 400),
    ] {
        let reply = ask(&chathub, "POST /api/company/get-token").json(body).send().await;
        assert_eq!(reply.status, status, "{body}");
        assert_eq!(reply.field("content-type"), Some("application/problem+json; charset=utf-8"), "{body}");
    }
}

#[tokio::test]
async fn an_operator_token_lives_for_a_day_at_most() {
    let chathub = Emulator::start().await;
    chathub.clock().freeze();
    for (ahead, status) in [(60, 200), (86_400, 200), (86_401, 400), (30 * 86_400, 400), (0, 400), (-60, 400)] {
        let reply = operator_token(&chathub, 101, &moment(&chathub, ahead)).await;
        assert_eq!(reply.status, status, "{ahead}: {}", reply.text());
    }
    let refused = operator_token(&chathub, 101, "tomorrow").await;
    assert_ne!(refused.validation("$.expiresAt"), "");
    assert_eq!(operator_token(&chathub, 999, &moment(&chathub, 60)).await.status, 404);
    assert_eq!(operator_token(&chathub, 71, &moment(&chathub, 60)).await.status, 404, "another company's");
}

#[tokio::test]
async fn the_verdict_on_a_token_is_always_a_200() {
    let chathub = Emulator::start().await;
    let token = operator_token(&chathub, 101, &moment(&chathub, 60)).await.text();
    let verdict = validate(&chathub, &token).await;
    assert_eq!(
        (&verdict["isValid"], &verdict["operatorId"], &verdict["clientId"]),
        (&json!(true), &json!(101), &json!(1))
    );
    assert!(verdict["expiresAt"].is_string() && verdict["error"].is_null());
    let invalid = json!({ "isValid": false, "error": "Invalid token" });
    assert_eq!(validate(&chathub, "nonsense").await, invalid);
    chathub.clock().advance(Duration::from_secs(61));
    assert_eq!(validate(&chathub, &token).await, invalid);
    chathub.switch(|switches| switches.verdict_name = VerdictName::Valid);
    assert_eq!(validate(&chathub, &token).await, json!({ "valid": false, "error": "Invalid token" }));
}

#[test]
fn moments_are_read_with_fractions_and_offsets() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-01-25T10:00:00Z", Some(1_769_335_200)),
        ("2026-01-25T10:00:00.1234567Z", Some(1_769_335_200)),
        ("2026-01-25T12:00:00+02:00", Some(1_769_335_200)),
        ("2026-01-25T10:00:00", Some(1_769_335_200)),
        ("2026-01-25 10:00", Some(1_769_335_200)),
        ("2024-02-29", Some(1_709_164_800)),
        ("2026-13-01", None),
        ("2026-1-1", None),
        ("2026-01-25T25:00:00Z", None),
        ("tomorrow", None),
    ] {
        assert_eq!(calendar::parse(text), expected, "{text}");
    }
    assert_eq!(calendar::format(1_769_335_200), "2026-01-25T10:00:00Z");
    assert_eq!(calendar::format(1_709_164_800), "2024-02-29T00:00:00Z");
    assert_eq!(calendar::format_invariant(1_769_335_200), "01/25/2026 10:00:00");
}
