//! The organization in the query, table 5.2.

use super::super::{Emulator, MissingId, UnknownOrganization};
use super::wire::{acme, ask};

#[tokio::test]
async fn these_queries_are_read_as_24() {
    let chathub = Emulator::start().await;
    let expected = acme(&chathub, "GET /api/operator?organizationId=24").send().await.text();
    assert!(expected.contains("John Smith"));
    for query in [
        "ORGANIZATIONID=24",
        "%6FrganizationId=24",
        "organizationId=024",
        "organizationId=%2B24",
        "organizationId=+24",
        "organizationId=24%20",
        "organizationId=%0924",
        "organizationId=0x18",
        "organizationId=0X18",
        "organizationId=%2318",
        "organizationId=%26h18",
        "organizationId=%26H18",
        "organizationId=24&organizationId=25",
        "organizationId=24&ORGANIZATIONID=25",
        "OrganizationId=24&organizationId=25",
        "organizationId=24&x=1",
        "x=1&organizationId=24",
    ] {
        let reply = acme(&chathub, &format!("GET /api/operator?{query}")).send().await;
        assert_eq!((reply.status, reply.text()), (200, expected.clone()), "{query}");
    }
}

#[tokio::test]
async fn these_queries_are_answered_with_an_empty_list() {
    let chathub = Emulator::start().await;
    for query in ["", "?", "?x=1", "?organizationId=0", "?organizationId=-1", "?organizationId=25", "?organizationId=7"]
    {
        let reply = acme(&chathub, &format!("GET /api/operator{query}")).send().await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "[]"), "{query}");
    }
}

#[tokio::test]
async fn these_queries_are_refused_with_the_text_that_is_wrong() {
    let chathub = Emulator::start().await;
    for (value, message) in [
        ("=", "The value '' is invalid."),
        ("=%20%20", "The value '' is invalid."),
        ("=+", "The value '' is invalid."),
        ("", "The value '' is invalid."),
        ("=abc", "The value 'abc' is not valid."),
        ("=24.0", "The value '24.0' is not valid."),
        ("=2147483648", "The value '2147483648' is not valid."),
        ("=24,25", "The value '24,25' is not valid."),
        ("=24;organizationId=25", "The value '24;organizationId=25' is not valid."),
        ("=abc&organizationId=24", "The value 'abc' is not valid."),
        ("=0x", "The value '0x' is not valid."),
        ("=2 4".replace(' ', "%20").as_str(), "The value '2 4' is not valid."),
    ] {
        let reply = acme(&chathub, &format!("GET /api/operator?organizationId{value}")).send().await;
        assert_eq!(reply.status, 400, "{value}");
        assert_eq!(reply.validation("organizationId"), message, "{value}");
        assert_eq!(reply.json()["title"], "One or more validation errors occurred.");
        assert!(reply.json()["traceId"].is_string() && reply.json()["type"].is_string());
    }
}

#[tokio::test]
async fn hexadecimal_of_32_bits_has_a_sign_bit() {
    let chathub = Emulator::start().await;
    for (value, status) in [("0xFFFFFFFF", 200), ("0x100000000", 400), ("0x7fffffff", 200)] {
        let reply = acme(&chathub, &format!("GET /api/operator?organizationId={value}")).send().await;
        assert_eq!(reply.status, status, "{value}");
    }
}

#[tokio::test]
async fn without_an_id_an_operator_token_shows_its_own_organization() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.operator_token(101, std::time::Duration::from_secs(60)));
    for (query, holds) in [("", true), ("?organizationId=24", true), ("?organizationId=6", false)] {
        let reply = ask(&chathub, &format!("GET /api/operator{query}")).with("Authorization", &token).send().await;
        assert_eq!((reply.status, reply.text().contains("John Smith")), (200, holds), "{query}");
    }
}

#[tokio::test]
async fn the_missing_id_mode_decides_about_a_list_without_id() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.missing_id = MissingId::Refused);
    let refused = acme(&chathub, "GET /api/operator").send().await;
    assert_eq!(refused.status, 400);
    assert!(refused.validation("organizationId").contains("was not provided"));
    chathub.switch(|switches| switches.missing_id = MissingId::All);
    let all = acme(&chathub, "GET /api/operator").send().await.json();
    let organizations: Vec<_> = all.as_array().unwrap().iter().map(|item| item["organization"]["id"].clone()).collect();
    assert_eq!(organizations, [6, 6, 24, 24, 24, 42, 42]);
}

#[tokio::test]
async fn the_unknown_organization_mode_decides_about_foreign_and_unknown_ids() {
    let chathub = Emulator::start().await;
    for (mode, status) in
        [(UnknownOrganization::Empty, 200), (UnknownOrganization::Forbidden, 403), (UnknownOrganization::NotFound, 404)]
    {
        chathub.switch(|switches| switches.unknown_organization = mode);
        for id in [7, 25] {
            let reply = acme(&chathub, &format!("GET /api/operator?organizationId={id}")).send().await;
            assert_eq!(reply.status, status, "{id}");
        }
    }
}
