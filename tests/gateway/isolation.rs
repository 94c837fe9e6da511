//! No credential is ever served what was fetched with another, nor with itself after it was refused.

use std::time::Duration;

use crate::support::emulator::{Emulator, Endpoint, Fault, UnknownOrganization};
use crate::support::gateway::Gateway;

#[tokio::test]
async fn two_companies_asking_for_one_organization_each_get_their_own_answer() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let acme = gateway.client(&chathub.company_token("acme"));
    let globex = gateway.client(&chathub.company_token("globex"));
    for _ in 0..2 {
        assert_eq!(acme.list(24).await.names(), ["John Smith", "Sarah Johnson", "Mike Wilson"]);
        assert_eq!(globex.list(24).await.text(), "[]");
    }
    assert!(acme.list(24).await.is_hit() && globex.list(24).await.is_hit());
}

#[tokio::test]
async fn two_tokens_of_one_company_share_nothing() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    gateway.client(&chathub.company_token("acme")).list(24).await;

    let other = gateway.client(&chathub.company_token("acme")).list(24).await;

    assert_eq!(other.cache(), "fwd=uri-miss; stored");
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn one_value_in_the_two_credential_fields_is_two_credentials() {
    let chathub = Emulator::start().await;
    chathub.accept("one-value", "acme");
    let gateway = Gateway::before(&chathub).start().await;
    let (bearer, key) = (gateway.client("one-value"), gateway.anybody().key("one-value"));
    assert_eq!(bearer.list(24).await.cache(), "fwd=uri-miss; stored");

    assert_eq!(key.list(24).await.cache(), "fwd=uri-miss; stored");

    assert!(bearer.list(24).await.is_hit() && key.list(24).await.is_hit());
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn a_request_with_both_credentials_is_forwarded_with_both_and_not_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let (token, key) = (chathub.company_token("acme"), chathub.profile_key("acme"));
    let both = gateway.client(&token).key(&key);
    for _ in 0..2 {
        assert_eq!(both.list(24).await.cache(), "fwd=bypass; detail=two-credentials");
    }
    let seen = chathub.received().pop().unwrap();
    assert_eq!(seen.values("authorization"), [format!("Bearer {}", Emulator::fingerprint(&token))]);
    assert_eq!(seen.values("x-authorization-key"), [Emulator::fingerprint(&key)]);
}

#[tokio::test]
async fn a_credential_in_the_query_is_none_to_the_cache() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let target = format!("GET /api/operator?organizationId=24&access_token={}", chathub.company_token("acme"));

    assert_eq!(gateway.anybody().ask(&target).send().await.cache(), "fwd=bypass; detail=target");
}

#[tokio::test]
async fn a_401_is_passed_on_with_its_challenge_and_not_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let stranger = gateway.client("nobody.knows.this");
    for seen in 1..3 {
        let answer = stranger.list(24).await;
        assert_eq!((answer.status, answer.cache()), (401, "fwd=uri-miss; detail=status"));
        let challenge = answer.field("www-authenticate").unwrap();
        assert!(challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#), "{challenge}");
        assert_eq!(chathub.count(Endpoint::ListOperators), seen);
    }
}

#[tokio::test]
async fn a_request_without_a_credential_is_challenged_by_the_upstream() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;

    let answer = gateway.anybody().list(24).await;

    assert_eq!((answer.status, answer.field("www-authenticate")), (401, Some("Bearer")));
}

#[tokio::test]
async fn after_a_401_nothing_is_served_from_memory_to_that_credential() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);
    company.list(24).await;
    company.list(6).await;
    chathub.revoke(&token);
    assert!(company.list(24).await.is_hit(), "nothing has told the gateway yet");
    assert_eq!(company.organizations().await.status, 401);

    for organization in [24, 6] {
        let refused = company.list(organization).await;
        assert_eq!((refused.status, refused.cache()), (401, "fwd=stale; detail=status"));
    }
}

#[tokio::test]
async fn a_401_for_one_credential_does_not_concern_the_others() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    // Credentials share some thousand slots of the fence: one of the others may meet the stranger in its own, not all.
    let others = [(); 3].map(|()| gateway.client(&chathub.company_token("acme")));
    for other in &others {
        other.list(24).await;
    }

    assert_eq!(gateway.client("nobody.knows.this").list(24).await.status, 401);

    let lists = futures_util::future::join_all(others.iter().map(|other| other.list(24))).await;
    assert!(lists.iter().filter(|list| list.is_hit()).count() >= 2, "{lists:?}");
}

#[tokio::test]
async fn after_a_403_nothing_is_served_from_memory_to_that_credential() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let operator = gateway.client(&chathub.operator_token(101, Duration::from_secs(3600)));
    operator.list(24).await;
    assert!(operator.list(24).await.is_hit());
    assert_eq!(operator.organizations().await.status, 403);

    assert_eq!(operator.list(24).await.cache(), "fwd=stale; stored; detail=invalidated");
}

#[tokio::test]
async fn a_refused_write_makes_the_gateway_forget_the_credential_too() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    chathub.fault(Endpoint::SendMessage, Fault::Unauthorized, Some(1));
    let message = company.ask("POST /api/chat/1001/message").json(&serde_json::json!({ "textMessage": "Hello" }));
    assert_eq!(message.send().await.status, 401);

    assert!(!company.list(24).await.is_hit());
}

#[tokio::test]
async fn a_403_for_one_organization_is_passed_on_and_not_kept() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.unknown_organization = UnknownOrganization::Forbidden);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for _ in 0..2 {
        let answer = company.list(7).await;
        assert_eq!((answer.status, answer.cache()), (403, "fwd=uri-miss; detail=status"));
    }
}
