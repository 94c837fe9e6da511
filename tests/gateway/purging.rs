//! What operators hide by hand.

use crate::invalidation::{kept, store_all};
use crate::support::emulator::Emulator;
use crate::support::gateway::Gateway;

#[tokio::test]
async fn a_purge_hides_what_it_names() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let purges = [
        ("POST /purge?organization=24", [false, true, true]),
        ("POST /purge", [false, false, false]),
        ("POST /purge?credential=00000000", [true, true, true]),
        ("POST /purge?organisation=24", [true, true, true]),
    ];
    for (purge, left) in purges {
        store_all(&company).await;
        let answer = gateway.admin(purge).await;
        assert_eq!(answer.status, if purge.contains("organisation") { 400 } else { 200 }, "{answer:?}");
        assert_eq!(kept(&company).await, left, "{purge}");
    }
    assert_eq!(gateway.metrics().await.value(r#"purges_total{scope="organization"}"#), 1.0);
}

#[tokio::test]
async fn a_purge_of_a_credential_named_as_in_the_access_log_hides_what_was_fetched_with_it() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let companies = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));
    for company in &companies {
        company.list(24).await;
    }
    let lines = gateway.log().lines(2).await;
    let named = lines[0]["credential"].as_str().expect("there was a credential");

    let said = gateway.admin(&format!("POST /purge?credential={named}")).await;

    assert_eq!(said.json()["credentials"], 1);
    assert!(!companies[0].list(24).await.is_hit());
    assert!(companies[1].list(24).await.is_hit());
}
