//! Operators by status, as whoever watches a company's staffing sees them: what the settings name, and what it takes for
//! the numbers to change.

use chathub_gateway::clock::Clock;

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::metrics::Exposition;
use crate::support::soon;

/// The counts of an organization, as they stand in the exposition: active, inactive, deleted, other.
fn counts(metrics: &Exposition, organization: u32) -> [f64; 4] {
    ["active", "inactive", "deleted", "other"]
        .map(|status| metrics.value(&format!(r#"operators{{organization="{organization}",status="{status}"}}"#)))
}

fn seen(metrics: &Exposition, organization: u32) -> f64 {
    metrics.value(&format!(r#"operators_seen_timestamp_seconds{{organization="{organization}"}}"#))
}

/// The organizations of which anything is told.
fn organizations(metrics: &Exposition) -> Vec<&str> {
    let named = metrics.own().filter_map(|(series, _)| series.split_once(r#"organization=""#)?.1.split('"').next());
    let mut all: Vec<_> = named.collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test]
async fn operators_are_counted_as_in_the_list_that_was_stored_last() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("metrics.organizations = [24, 6]").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let metrics = gateway.metrics().await;
    assert_eq!((counts(&metrics, 24), seen(&metrics, 24)), ([0.0; 4], 0.0));

    company.list(24).await;
    let first = gateway.metrics().await;
    assert_eq!(counts(&first, 24), [2.0, 1.0, 0.0, 0.0]);
    let now = Clock::start().wall().as_secs_f64();
    assert!((now - 60.0..now + 1.0).contains(&seen(&first, 24)), "{} at {now}", seen(&first, 24));

    company.status(101, 2).await;
    assert_eq!(counts(&gateway.metrics().await, 24), [2.0, 1.0, 0.0, 0.0], "no list has come since");
    company.list(24).await;
    company.list(6).await;
    let last = gateway.metrics().await;
    assert_eq!(counts(&last, 24), [1.0, 1.0, 1.0, 0.0]);
    assert!(seen(&last, 24) > seen(&first, 24) && seen(&last, 6) > 0.0);
    assert_eq!(organizations(&last), ["24", "6"]);
}

#[tokio::test]
async fn nobody_but_the_settings_names_an_organization_in_the_metrics() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    company.list(6).await;
    assert_eq!(organizations(&gateway.metrics().await), [""; 0]);
}

#[tokio::test]
async fn a_list_that_is_not_stored_is_not_counted() {
    let chathub = Emulator::start().await;
    let set = "metrics.organizations = [24]\ncache.operators_ttl = '0s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    assert_eq!(gateway.client(&chathub.company_token("acme")).list(24).await.status, 200);
    let metrics = gateway.metrics().await;
    assert_eq!((counts(&metrics, 24), seen(&metrics, 24)), ([0.0; 4], 0.0));
}

#[tokio::test]
async fn a_list_that_a_write_has_overtaken_is_not_counted() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("metrics.organizations = [24]").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let list = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    company.status(101, 2).await;

    gate.release();
    assert_eq!(soon(list).await.unwrap().status, 200);

    assert_eq!(counts(&gateway.metrics().await, 24), [0.0; 4]);
}
