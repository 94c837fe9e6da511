//! Whose quota a call uses, and how many may share one.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::Client;
use crate::support::emulator::Emulator;
use crate::support::gateway::Gateway;

/// One call to the upstream, and no waiting for a second.
const ONE_AN_HOUR: &str = "throttle.operator = { rate = '1/h', burst = 1 }\nthrottle.max_wait = '0s'";

/// Writes a file and returns its path.
fn file(name: &str, content: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the directory is there");
    path.to_str().expect("it is text").to_owned()
}

async fn log_in(client: &Client, chathub: &Emulator) -> u16 {
    let (login, password) = chathub.login("acme");
    let call = client.ask("POST /api/company/get-token").json(&json!({ "login": login, "password": password }));
    call.send().await.status
}

#[tokio::test]
async fn each_credential_has_its_own_quota_in_whichever_field_it_stands() {
    let chathub = Emulator::start().await;
    chathub.accept("one-value", "acme");
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).start().await;
    for token in [chathub.company_token("acme"), chathub.company_token("acme")] {
        let company = gateway.client(&token);
        assert_eq!([company.list(24).await.status, company.list(6).await.status], [200, 429]);
    }

    let (bearer, key) = (gateway.client("one-value"), gateway.anybody().key("one-value"));

    assert_eq!([bearer.list(24).await.status, key.list(6).await.status], [200, 429]);
    // A new word in the other field brings no new quota: both together are counted by address. The upstream takes neither.
    let both = |word| gateway.client("one-value").key(word);
    assert_eq!([both("a").list(6).await.status, both("b").list(6).await.status], [401, 429]);
}

#[tokio::test]
async fn a_quota_over_all_holds_credentials_and_classes_together() {
    let chathub = Emulator::start().await;
    let set = "throttle.upstream = { rate = '3/h', burst = 3 }\nthrottle.max_wait = '0s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let [company, other] = [(); 2].map(|()| gateway.client(&chathub.company_token("acme")));

    let statuses = [
        company.list(1).await.status,
        other.list(1).await.status,
        company.ask("GET /api/chat/chats").send().await.status,
    ];

    assert_eq!(statuses, [200; 3]);
    let refused = other.ask("GET /api/chat/chats").send().await;
    assert_eq!(refused.status, 429);
    let told: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((1180..=1200).contains(&told), "{told}");
    let policy = r#""other";q=50;w=1, "upstream";q=3;w=3600"#;
    assert_eq!(refused.field("ratelimit-policy"), Some(policy));
}

#[tokio::test]
async fn more_than_may_wait_are_refused_with_a_word_of_their_own() {
    for (bound, reason) in [("max_waiting_per_credential", "line_full"), ("max_waiting", "full")] {
        let chathub = Emulator::start().await;
        let quota = "throttle.operator = { rate = '1/m', burst = 1 }\nthrottle.max_wait = '10m'";
        let gateway = Gateway::before(&chathub).set(&format!("{quota}\nthrottle.{bound} = 2")).start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        company.list(1).await;
        let waiting = [2, 3].map(|organization| tokio::spawn(company.list(organization)));
        gateway.reaches(r#"throttle_waiting{class="operator"}"#, 2.0).await;

        let refused = company.list(4).await;

        assert_eq!((refused.status, refused.cache()), (429, "detail=queue-full"), "{bound}");
        let told: u64 = refused.field("retry-after").unwrap().parse().unwrap();
        assert!((40..=60).contains(&told), "{told}: until the first of them goes");
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.value(&format!(r#"throttle_rejections_total{{reason="{reason}"}}"#)), 1.0);
        assert_eq!(metrics.value("upstream_in_flight"), 0.0, "who waits holds no connection");
        waiting.iter().for_each(|list| list.abort());
    }
}

#[tokio::test]
async fn a_credential_named_in_a_file_has_quotas_of_its_own_in_either_field() {
    let chathub = Emulator::start().await;
    chathub.accept("reports-key", "acme");
    chathub.accept("night-job", "acme");
    file("throttling-token", "reports-key\n");
    // The second is named by what printf %s night-job | sha256sum prints.
    let credentials = "[reports]\nfile = 'throttling-token'\noperator = { rate = '3/h', burst = 3 }\n\
        [night]\nsha256 = '3478d1ab0de806d0e39c74476f9a740fe5861bbddd6890451e7285a68e7dfa2e'\nother = { rate = '2/h', burst = 2 }\n";
    let file = file("throttling-credentials.toml", credentials);
    let set = format!("{ONE_AN_HOUR}\nthrottle.credentials_file = '{file}'");
    let gateway = Gateway::before(&chathub).set(&set).start().await;

    let (bearer, key) = (gateway.client("reports-key"), gateway.anybody().key("reports-key"));
    let statuses =
        [bearer.list(1).await.status, key.list(2).await.status, bearer.list(3).await.status, key.list(4).await.status];
    assert_eq!(statuses, [200, 200, 200, 429]);
    let night = gateway.client("night-job");
    let chats = join_all((0..3).map(|_| night.ask("GET /api/chat/chats").send())).await;
    assert_eq!(chats.iter().filter(|answer| answer.status == 200).count(), 2);
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!([company.list(1).await.status, company.list(2).await.status], [200, 429]);
}

#[tokio::test]
async fn lists_starve_neither_logins_nor_chats() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    assert_eq!(company.list(6).await.status, 429);

    assert_eq!(log_in(&company, &chathub).await, 200);
    assert_eq!(company.ask("GET /api/chat/chats").send().await.status, 200);
}

#[tokio::test]
async fn logins_are_counted_by_address_whatever_credential_comes_with_them() {
    let chathub = Emulator::start().await;
    let set = "throttle.login = { rate = '1/h', burst = 2 }\nthrottle.max_wait = '0s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let statuses = [
        log_in(&gateway.anybody(), &chathub).await,
        log_in(&company, &chathub).await,
        log_in(&gateway.client("another"), &chathub).await,
    ];

    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(company.list(24).await.status, 200);
}

#[tokio::test]
async fn more_credentials_than_are_told_apart_share_one_quota() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(ONE_AN_HOUR).set("throttle.max_credentials = 1").start().await;

    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(gateway.client(&chathub.company_token("acme")).list(24).await.status);
    }

    assert_eq!(statuses, [200, 200, 429]);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.value(r#"throttle_credentials{class="operator"}"#), 1.0);
    assert_eq!(metrics.value(r#"throttle_crowded_total{class="operator"}"#), 2.0);
}
