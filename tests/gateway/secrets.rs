//! No secret of a client is ever told to anybody but the upstream, not even by the program at its most talkative.

use serde_json::json;

use crate::support::client::Client;
use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::program::{Program, Said};

/// What must not show, each in the place where a client would have a secret.
const CANARIES: [&str; 8] = [
    "canary-token",
    "canary-key",
    "canary-login",
    "canary-password",
    "canary-query",
    "canary-cookie",
    "canary-content",
    "canary-broken",
];

/// Sends every kind of secret on every way that leads to an answer, a refusal or a failure, and returns all answers.
async fn tell_secrets(program: &Program, chathub: &Emulator) -> String {
    let anybody = Client::of(program.address);
    let token = anybody.clone().bearer("canary-token");
    let key = anybody.clone().key("canary-key");
    let both = token.clone().key("canary-key").with("cookie", "canary-cookie");
    let login = json!({ "login": "canary-login", "password": "canary-password" });
    chathub.fault(Endpoint::SetStatus, Fault::DropBefore, Some(1));
    let asks = [
        token.ask("GET /api/operator?organizationId=24"),
        token.ask("GET /api/operator?organizationId=24"),
        key.ask("GET /api/operator?organizationId=24"),
        both.ask("GET /api/operator?organizationId=24"),
        token.ask("POST /api/operator/status").json(&json!({ "id": 101, "name": "canary-content" })),
        token.ask("POST /api/operator/synchronize").json(&json!([{ "organizationId": 24, "name": "canary-content" }])),
        anybody.ask("POST /api/company/get-token").json(&login),
        anybody.ask("POST /api/operator/validate-token").json(&json!({ "token": "canary-content" })),
        anybody.ask("POST /chathub/negotiate?access_token=canary-query"),
        anybody.ask("GET /chathub?access_token=canary-query"),
        token.ask("GET /api/operator?access_token=canary-query").with("authorization", "Bearer canary-key"),
        token.ask("TRACE /?access_token=canary-query"),
        token.ask("POST /api/chat/1001/message").content("x".repeat(2_000) + "canary-content"),
    ];
    let mut told = String::new();
    for ask in asks {
        let answer = ask.send().await;
        told.push_str(&format!("{answer:?}\n"));
    }
    told + &tell_broken_secrets(program).await
}

/// The same in requests that are malformed.
async fn tell_broken_secrets(program: &Program) -> String {
    let mut told = String::new();
    for head in [
        "GET /?access_token=canary-broken HTTP/1.1\r\nauthorization: Bearer canary-broken\r\n\r\n",
        "GET /canary broken HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: canary-broken/\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nauthorization: Bearer canary-broken\0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\ncanary-broken\r\n",
    ] {
        let mut connection = Connection::open(program.address).await;
        connection.send(head).await;
        told.push_str(connection.answer().await.text());
    }
    told
}

#[tokio::test]
async fn no_secret_is_told_by_a_program_at_its_most_talkative() {
    let chathub = Emulator::start().await;
    chathub.accept("canary-token", "acme");
    let environment = [
        ("CHATHUB_GATEWAY__LOG__LEVEL", "trace"),
        ("CHATHUB_GATEWAY__SERVER__MAX_BODY", "1KiB"),
        ("RUST_LOG", "trace"),
    ];
    let program = Program::before(&chathub.url(), &environment).await;

    let answers = tell_secrets(&program, &chathub).await;

    let metrics = Client::of(program.admin_address).ask("GET /metrics").send().await;
    let Said { stdout, stderr, .. } = program.stop().await;
    assert!(stdout.lines().count() > 15, "{stdout}");
    for (place, text) in
        [("answers", &*answers), ("metrics", metrics.text()), ("access log", &*stdout), ("log", &*stderr)]
    {
        for canary in CANARIES {
            // The upstream repeats the names of the operators that it has added; that answer is the client's own.
            if (place, canary) != ("answers", "canary-content") {
                assert!(!text.contains(canary), "{canary} in the {place}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_told_when_the_upstream_is_down() {
    let chathub = Emulator::start().await;
    let url = chathub.url();
    drop(chathub);
    let program = Program::before(&url, &[("CHATHUB_GATEWAY__LOG__LEVEL", "trace")]).await;
    let client = Client::of(program.address).bearer("canary-token");

    let answer = client.ask("GET /chathub?access_token=canary-query").send().await;

    assert_eq!(answer.problem(), "upstream-unreachable");
    let Said { stdout, stderr, .. } = program.stop().await;
    assert!(stderr.contains("upstream failed"), "{stderr}");
    for text in [answer.text(), &*stdout, &*stderr] {
        assert!(!text.contains("canary"), "{text}");
    }
}
