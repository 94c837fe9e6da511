//! What the emulator remembers of the requests it received.

use super::super::{Emulator, Endpoint};
use super::wire::{acme, ask};

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent_but_for_its_credential() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let request =
        ask(&chathub, "post /api/%6Fperator/status/?b=2&a=%20").with("Authorization", &format!("Bearer {token}"));
    let body = r#"{"id":103,"status":0}"#;
    request.with("X-Twice", "one").with("X-Twice", "two").json(body).send().await;
    let received = &chathub.received()[0];
    assert_eq!((received.method.as_str(), received.target.as_str()), ("post", "/api/%6Fperator/status/?b=2&a=%20"));
    assert_eq!(received.endpoint, Endpoint::SetStatus);
    assert_eq!(received.values("x-twice"), ["one", "two"]);
    assert_eq!(received.body_bytes, body.len() as u64);
    assert_eq!(received.credential, Some(Emulator::fingerprint(&token)));
    assert_eq!(received.values("authorization"), [format!("Bearer {}", Emulator::fingerprint(&token))]);
    let everything = format!("{received:?} {:?}", chathub.tallies());
    assert!(!everything.contains(&token), "no token is kept");
}

#[tokio::test]
async fn the_token_in_a_target_is_not_kept() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let line = format!("POST /chathub/negotiate?negotiateVersion=1&access_token={token}");
    assert_eq!(ask(&chathub, &line).body("").send().await.status, 200);
    let expected = format!("/chathub/negotiate?negotiateVersion=1&access_token={}", Emulator::fingerprint(&token));
    assert_eq!(chathub.received()[0].target, expected);
}

#[tokio::test]
async fn the_body_of_a_request_that_is_refused_is_counted_too() {
    let chathub = Emulator::start().await;
    assert_eq!(ask(&chathub, "POST /unknown").body("four").send().await.status, 404);
    assert_eq!(chathub.received()[0].body_bytes, 4);
    assert!(chathub.received()[0].body_digest.is_some());
}

#[tokio::test]
async fn requests_are_counted_by_endpoint_and_outcome() {
    let chathub = Emulator::start().await;
    for line in ["GET /api/operator?organizationId=24", "GET /api/operator?organizationId=x"] {
        acme(&chathub, line).send().await;
    }
    ask(&chathub, "GET /api/operator").send().await;
    assert_eq!((chathub.count(Endpoint::ListOperators), chathub.total()), (3, 3));
    let key = Emulator::fingerprint(&chathub.profile_key("acme"));
    let tallies = chathub.tallies();
    let shown: Vec<_> = tallies.iter().map(|tally| (tally.credential.as_deref(), tally.outcome.as_str())).collect();
    assert_eq!(shown, [(None, "401"), (Some(key.as_str()), "200"), (Some(key.as_str()), "400")]);
    chathub.reset_counters();
    assert_eq!((chathub.total(), chathub.received().len(), chathub.tallies().len()), (0, 0, 0));
}

#[tokio::test]
async fn only_the_last_requests_are_kept() {
    let chathub = Emulator::builder().kept_requests(2).start().await;
    for page in 1..=3 {
        acme(&chathub, &format!("GET /api/chat/chats?page={page}")).send().await;
    }
    let targets: Vec<_> = chathub.received().into_iter().map(|received| received.target).collect();
    assert_eq!(targets, ["/api/chat/chats?page=2", "/api/chat/chats?page=3"]);
    assert_eq!(chathub.total(), 3);
}
