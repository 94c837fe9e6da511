//! How long a list is served from memory, which requests are, and which answers are kept.

use std::time::Duration;

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::client::{Ask, Client};
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::eventually;
use crate::support::gateway::Gateway;

const LIST: &str = "GET /api/operator?organizationId=24";

/// The remaining life that a hit tells.
fn ttl(answer: &Answer) -> u64 {
    let ttl = answer.cache().strip_prefix("hit; ttl=").unwrap_or_else(|| panic!("no hit: {answer:?}"));
    ttl.parse().unwrap_or_else(|_| panic!("not a number: {ttl}"))
}

fn age(answer: &Answer) -> Option<u64> {
    answer.field("age").and_then(|age| age.parse().ok())
}

fn fields(name: &str, value: &str) -> Fault {
    Fault::Fields(vec![(name.to_owned(), value.to_owned())])
}

#[tokio::test]
async fn a_second_list_within_a_minute_reaches_the_upstream_zero_times() {
    let chathub = Emulator::start().await;
    chathub.operators(24, ["Ann"]);
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let first = company.list(24).await;
    assert_eq!(first.cache(), "fwd=uri-miss; stored");
    chathub.reset_counters();

    let second = company.list(24).await;

    assert_eq!(chathub.total(), 0);
    assert_eq!(second.names(), ["Ann"]);
    assert!((58..60).contains(&ttl(&second)), "{second:?}");
}

#[tokio::test]
async fn a_hit_has_the_bytes_and_the_fields_of_the_upstreams_answer() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let first = company.list(6).await;

    let second = company.list(6).await;

    assert_eq!(second.content, first.content);
    assert_eq!(second.field("content-type"), Some("application/json; charset=utf-8"));
    for name in ["content-type", "date", "server", "via"] {
        assert_eq!(second.field(name), first.field(name), "{name}");
    }
}

#[tokio::test]
async fn organizations_are_kept_for_five_minutes() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.organizations().await.cache(), "fwd=uri-miss; stored");

    let second = company.organizations().await;

    assert_eq!(second.names(), ["Sales", "Customer Support", "Technical Support"]);
    assert!((298..300).contains(&ttl(&second)), "{second:?}");
    assert_eq!(chathub.count(Endpoint::ListOrganizations), 1);
}

#[tokio::test]
async fn a_list_whose_time_is_over_is_fetched_anew_while_others_are_still_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.operators_ttl = '100ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    company.organizations().await;

    let later = eventually(|| company.list(24), |answer| !answer.is_hit()).await;

    assert_eq!(later.cache(), "fwd=stale; stored; detail=expired");
    assert!(company.organizations().await.is_hit());
}

#[tokio::test]
async fn an_answers_age_counts_the_seconds_it_lies_in_memory() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(age(&company.list(24).await), None);

    let later = eventually(|| company.list(24), |answer| age(answer).is_some_and(|age| age >= 1)).await;

    let lived = age(&later).unwrap() + ttl(&later);
    assert!((59..=60).contains(&lived), "{later:?}");
}

#[tokio::test]
async fn an_answer_that_was_old_when_it_came_is_kept_for_the_rest_of_its_time() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, fields("age", "20"), Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;

    let second = company.list(24).await;

    assert!((20..22).contains(&age(&second).unwrap()), "{second:?}");
    assert!((38..40).contains(&ttl(&second)), "{second:?}");
}

#[tokio::test]
async fn the_upstream_may_shorten_a_life_but_not_lengthen_it() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::ListOperators, fields("cache-control", "max-age=10"), Some(1));
    chathub.fault(Endpoint::ListOrganizations, fields("cache-control", "max-age=86400"), Some(1));
    company.list(24).await;
    company.organizations().await;

    assert!((8..10).contains(&ttl(&company.list(24).await)));
    assert!((298..300).contains(&ttl(&company.organizations().await)));
}

#[tokio::test]
async fn a_stored_answer_does_not_outlive_the_token_it_was_fetched_with() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token_expiring("acme", Duration::from_secs(30));
    let company = gateway.client(&token);
    company.list(24).await;

    assert!((26..30).contains(&ttl(&company.list(24).await)));
}

#[tokio::test]
async fn nothing_is_kept_for_a_token_that_has_run_out() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    // An upstream whose clock is late still takes a token that has run out by ours.
    let clock = chathub.clock();
    clock.set(clock.now() - Duration::from_secs(3600));
    let company = gateway.client(&chathub.company_token_expiring("acme", Duration::from_secs(60)));

    for _ in 0..2 {
        let answer = company.list(24).await;
        assert_eq!((answer.status, answer.cache()), (200, "fwd=uri-miss; detail=token-expired"));
    }
}

#[tokio::test]
async fn a_client_that_wants_a_fresh_list_gets_it_and_so_do_those_who_ask_next() {
    for (name, value) in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        let chathub = Emulator::start().await;
        chathub.operators(24, ["Ann"]);
        let gateway = Gateway::before(&chathub).start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        company.list(24).await;
        // In the dashboard, unseen by the gateway.
        chathub.operators(24, ["Bea"]);
        assert_eq!(company.list(24).await.names(), ["Ann"]);

        let fresh = company.ask(LIST).with(name, value).send().await;

        assert_eq!(fresh.names(), ["Bea"], "{name}: {value}");
        assert_eq!(fresh.cache(), "fwd=request; stored; detail=no-cache", "{name}: {value}");
        let next = company.list(24).await;
        assert!(next.is_hit());
        assert_eq!(next.names(), ["Bea"], "{name}: {value}");
    }
}

#[tokio::test]
async fn a_client_that_takes_an_older_list_gets_the_stored_one() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, fields("age", "20"), Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;

    let content = company.ask(LIST).with("cache-control", "max-age=30").send().await;
    let discontent = company.ask(LIST).with("cache-control", "max-age=10").send().await;

    assert!(content.is_hit());
    assert_eq!(discontent.cache(), "fwd=request; stored; detail=no-cache");
}

#[tokio::test]
async fn a_list_with_no_lifetime_is_never_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.operators_ttl = '0s'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    for _ in 0..2 {
        assert_eq!(company.list(24).await.cache(), "fwd=bypass; detail=disabled");
    }
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn the_common_ways_to_accept_a_list_share_one_stored_answer() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let company = gateway.client(&token);
    let mut silent = gateway.connect().await;
    let ask = format!("{LIST} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n");
    silent.send(ask).await;
    assert_eq!(silent.answer().await.cache(), "fwd=uri-miss; stored");

    for accept in ["*/*", "text/plain", "application/json", "application/json, text/plain, */*"] {
        assert!(company.ask(LIST).with("accept", accept).send().await.is_hit(), "{accept}");
    }
    assert_eq!(chathub.total(), 1);
}

#[tokio::test]
async fn a_request_that_may_mean_more_than_the_list_goes_past_the_cache_and_says_why() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    let list = || company.ask(LIST);
    let rows: [(Ask, &str); 17] = [
        (list().with("cookie", "a=b"), "cookie"),
        (list().with("origin", "https://widget.example"), "origin"),
        (list().with("range", "bytes=0-1"), "range"),
        (list().with("if-none-match", "\"x\""), "conditional"),
        (list().with("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), "conditional"),
        (list().with("accept", "text/html"), "accept"),
        (list().with("accept", "application/json;q=0"), "accept"),
        (list().with("accept-charset", "utf-16"), "accept-charset"),
        (list().with("cache-control", "no-store"), "request-no-store"),
        (list().content("x"), "content"),
        (list().with("x-authorization-key", "k"), "two-credentials"),
        (gateway.anybody().ask(LIST), "no-credential"),
        (gateway.anybody().ask(LIST).with("authorization", "Basic dTpw"), "no-credential"),
        (company.ask("GET /api/operator?organizationId=024"), "target"),
        (company.ask("GET /api/operator?organizationId=24&x=1"), "target"),
        (company.ask("GET /API/Operator?organizationId=24"), "target"),
        (company.ask("GET /api/chat/chats"), "route"),
    ];
    for (seen, (ask, detail)) in (2..).zip(rows) {
        assert_eq!(ask.send().await.cache(), format!("fwd=bypass; detail={detail}"));
        assert_eq!(chathub.total(), seen, "{detail}");
    }
    assert!(company.list(24).await.is_hit(), "what was stored is still there");
}

#[tokio::test]
async fn a_call_that_is_no_read_says_that_its_method_sent_it_forward() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let (login, password) = chathub.login("acme");
    let credentials = json!({ "login": login, "password": password });

    let asks = [
        company.ask("POST /api/operator/status").json(&json!({ "id": 101, "status": 1 })),
        company.ask("PUT /api/chat/status").json(&json!({ "id": 1001, "status": 4 })),
        company.ask("POST /api/company/get-token").json(&credentials),
    ];
    for ask in asks {
        let answer = ask.send().await;
        assert_eq!((answer.status, answer.cache()), (200, "fwd=method; detail=route"));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_surely_the_list_is_passed_on_and_not_kept() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("throttle.mode = 'off'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let rows = [
        (fields("cache-control", "no-store"), "no-store"),
        (fields("cache-control", "private"), "private"),
        (fields("cache-control", "no-cache"), "no-lifetime"),
        (fields("cache-control", "max-age=0"), "no-lifetime"),
        (fields("expires", "0"), "no-lifetime"),
        (fields("set-cookie", "a=b"), "set-cookie"),
        (fields("vary", "*"), "vary"),
        (fields("vary", "Accept-Language"), "vary"),
        (fields("content-encoding", "gzip"), "content-type"),
        (Fault::Html, "content-type"),
        (Fault::Large(100), "shape"),
        (Fault::StatusBefore(204), "status"),
        (Fault::StatusBefore(404), "status"),
        (Fault::StatusBefore(500), "status"),
    ];
    for (fault, detail) in rows {
        chathub.reset_counters();
        chathub.fault(Endpoint::ListOperators, fault.clone(), Some(2));
        for seen in [1, 2] {
            assert_eq!(company.list(24).await.cache(), format!("fwd=uri-miss; detail={detail}"), "{fault:?}");
            assert_eq!(chathub.total(), seen, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_list_longer_than_may_be_stored_is_passed_on_whole() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.max_body = '100B'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answer = company.list(24).await;

    assert_eq!(answer.cache(), "fwd=uri-miss; detail=too-large");
    assert_eq!(answer.names(), ["John Smith", "Sarah Johnson", "Mike Wilson"]);
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company: Client = gateway.client(&chathub.company_token("globex"));
    company.list(8).await;

    let second = company.list(8).await;

    assert!(second.is_hit());
    assert_eq!(second.text(), "[]");
}

#[tokio::test]
async fn the_longest_kept_list_too_says_that_its_time_is_over() {
    let chathub = Emulator::start().await;
    let set = "cache.organizations_ttl = '5s'\ncache.operators_ttl = '5s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.organizations().await;

    let later = eventually(|| company.organizations(), |answer| !answer.is_hit()).await;

    assert_eq!(later.cache(), "fwd=stale; stored; detail=expired");
}

#[tokio::test]
async fn a_list_that_is_polled_is_fetched_before_its_end_with_a_cell_that_nobody_wants() {
    let chathub = Emulator::start().await;
    let set = "cache.refresh_ahead = '60s'\nthrottle.operator = { rate = '1/h', burst = 2 }\nthrottle.max_wait = '0s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;

    // The bucket is not full, so no cell would be lost: the list stays what it is, and a hit.
    let skipped = || async {
        assert!(company.list(24).await.is_hit());
        gateway.metrics().await.value(r#"refreshes_total{outcome="skipped"}"#)
    };
    eventually(skipped, |count| *count > 0.0).await;
    assert_eq!(chathub.total(), 1);

    let plenty = Gateway::before(&chathub).set("cache.refresh_ahead = '60s'").start().await;
    let company = plenty.client(&chathub.company_token("acme"));
    company.list(24).await;
    let refreshed = || async {
        assert!(company.list(24).await.is_hit());
        plenty.metrics().await.value(r#"refreshes_total{outcome="refreshed"}"#)
    };
    eventually(refreshed, |count| *count > 0.0).await;
    assert!(chathub.total() >= 3);
}
