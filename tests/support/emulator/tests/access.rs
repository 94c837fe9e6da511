//! Credentials and the shapes of 401 and 403, section 3.

use std::time::Duration;

use super::super::Emulator;
use super::wire::{Ask, ask};

const LIST: &str = "GET /api/operator?organizationId=24";

async fn status(request: Ask<'_>) -> u16 {
    request.send().await.status
}

#[tokio::test]
async fn these_credentials_are_accepted() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    for (name, value) in [
        ("Authorization", format!("Bearer {token}")),
        ("authorization", format!("bearer {token}")),
        ("Authorization", format!("BEARER   {token}  ")),
        ("X-Authorization-Key", token.clone()),
        ("X-Authorization-Key", chathub.profile_key("acme")),
    ] {
        assert_eq!(status(ask(&chathub, LIST).with(name, &value)).await, 200, "{name}");
    }
}

#[tokio::test]
async fn no_credential_is_challenged_without_an_error() {
    let chathub = Emulator::start().await;
    for (name, value) in [("X", "y"), ("Authorization", "Basic YTpi"), ("Authorization", "Bearer "), ("Cookie", "a=b")]
    {
        let reply = ask(&chathub, LIST).with(name, value).send().await;
        assert_eq!(
            (reply.status, reply.field("www-authenticate"), reply.body.len()),
            (401, Some("Bearer"), 0),
            "{name}"
        );
    }
    let token = chathub.company_token("acme");
    let reply = ask(&chathub, &format!("{LIST}&access_token={token}")).send().await;
    assert_eq!((reply.status, reply.field("www-authenticate")), (401, Some("Bearer")), "only the hub reads the query");
}

#[tokio::test]
async fn a_bad_credential_is_challenged_with_its_fault() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let other = chathub.company_token("globex");
    let forged = format!("{}.{}", token.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    let expired = chathub.company_token_expiring("acme", Duration::from_secs(60));
    let revoked = chathub.company_token("acme");
    chathub.revoke(&revoked);
    chathub.clock().advance(Duration::from_secs(60));
    for (value, description) in [
        ("nonsense", "malformed"),
        (&chathub.profile_key("acme"), "malformed"),
        (&forged, "The signature is invalid"),
        (&expired, "The token expired at '"),
        (&revoked, "revoked"),
    ] {
        let reply = ask(&chathub, LIST).with("Authorization", &format!("Bearer {value}")).send().await;
        let challenge = reply.field("www-authenticate").unwrap();
        assert_eq!((reply.status, reply.body.len()), (401, 0), "{description}");
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""), "{challenge}");
        assert!(challenge.contains(description), "{challenge}");
    }
}

#[tokio::test]
async fn repeated_authorization_fields_make_one_bad_token() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.company_token("acme"));
    assert_eq!(status(ask(&chathub, LIST).with("Authorization", &token).with("Authorization", &token)).await, 401);
}

#[tokio::test]
async fn of_two_credentials_the_key_counts() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.company_token("acme"));
    let request = || ask(&chathub, LIST).with("Authorization", &token);
    assert_eq!(status(request().with("X-Authorization-Key", "wrong")).await, 401);
    let foreign = request().with("X-Authorization-Key", &chathub.profile_key("globex")).send().await;
    assert_eq!(foreign.text(), "[]");
}

#[tokio::test]
async fn an_operator_token_is_forbidden_what_is_the_companys() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.operator_token(101, Duration::from_secs(60)));
    for line in [
        "POST /api/operator/synchronize",
        "POST /api/operator/status",
        "GET /api/company/organization",
        "POST /api/operator/get-token",
    ] {
        let reply = ask(&chathub, line).with("Authorization", &token).json("[]").send().await;
        assert_eq!((reply.status, reply.body.len(), reply.field("www-authenticate")), (403, 0, None), "{line}");
    }
    assert_eq!(status(ask(&chathub, LIST).with("Authorization", &token)).await, 200);
}

#[tokio::test]
async fn authentication_comes_after_routing_and_before_binding() {
    let chathub = Emulator::start().await;
    for (line, expected) in [
        ("GET /nothing", 404),
        ("HEAD /api/operator", 405),
        ("GET /api/operator?organizationId=abc", 401),
        ("POST /api/operator/synchronize", 401),
    ] {
        assert_eq!(status(ask(&chathub, line).body("")).await, expected, "{line}");
    }
}

#[tokio::test]
async fn a_test_may_name_a_credential_of_its_own() {
    let chathub = Emulator::start().await;
    chathub.accept("token-a", "acme");
    assert_eq!(status(ask(&chathub, LIST).with("Authorization", "Bearer token-a")).await, 200);
    assert_eq!(status(ask(&chathub, LIST).with("X-Authorization-Key", "token-a")).await, 200);
    chathub.revoke("token-a");
    assert_eq!(status(ask(&chathub, LIST).with("X-Authorization-Key", "token-a")).await, 401);
}
