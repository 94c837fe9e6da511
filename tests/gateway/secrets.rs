//! No secret of a client is ever told to anybody but the upstream, not even by the program at its most talkative.

use serde_json::json;

use crate::support::certificates::Files;
use crate::support::client::Client;
use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::http2::Http2;
use crate::support::nowhere::Nowhere;
use crate::support::program::{Program, Said, run};

/// What must not show, each in the place where a client would have a secret.
const CANARIES: [&str; 9] = [
    "canary-token",
    "canary-key",
    "canary-login",
    "canary-password",
    "canary-query",
    "canary-cookie",
    "canary-content",
    "canary-broken",
    "canary-secret",
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
    told + &tell_broken_secrets(program).await + &tell_over_http2(program).await + &tell_operators(program).await
}

/// The same over HTTP/2, whole and malformed, and in a request that is taken back.
async fn tell_over_http2(program: &Program) -> String {
    let mut client = Http2::open(program.address).await;
    let (bearer, key) = (("authorization", "Bearer canary-token"), ("x-authorization-key", "canary-key"));
    let mut told = String::new();
    for (line, fields) in [
        ("GET /api/operator?organizationId=24", &[bearer][..]),
        ("GET /chathub?access_token=canary-query", &[key, ("cookie", "canary-cookie")]),
        ("GET /?access_token=canary-query", &[bearer, ("host", "canary-broken")]),
        ("TRACE /", &[bearer, key]),
    ] {
        told.push_str(&format!("{:?}\n", client.ask(line, fields, "").await));
    }
    drop(client.begin(Http2::request("POST /?access_token=canary-query", &[bearer], "canary-content")));
    told
}

/// Tells operators' secrets, right and wrong, and what is no secret of theirs.
async fn tell_operators(program: &Program) -> String {
    let mut told = String::new();
    for (line, secret) in [
        ("POST /purge", "canary-secret"),
        ("POST /purge?credential=canary-token", "canary-secret"),
        ("POST /drain?canary-query", "canary-broken"),
        ("GET /canary-query", "canary-broken"),
        ("GET /drain", "canary-broken"),
    ] {
        let answer = Client::of(program.admin_address).bearer(secret).ask(line).send().await;
        told.push_str(&format!("{answer:?}\n"));
    }
    told
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
    let files = Files::of("secrets");
    let secret = files.write("admin", "canary-secret\n");
    let quotas = files.write(
        "credentials.toml",
        &format!("[acme]\nfile = '{}'\nother = {{ rate = '9/s', burst = 9 }}\n", files.write("canary", "canary-token")),
    );
    let environment = [
        ("CHATHUB_GATEWAY__LOG__LEVEL", "trace"),
        ("CHATHUB_GATEWAY__SERVER__MAX_BODY", "1KiB"),
        ("CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", &secret),
        ("CHATHUB_GATEWAY__THROTTLE__CREDENTIALS_FILE", &quotas),
        ("RUST_LOG", "trace"),
    ];
    let program = Program::before(&chathub.url(), &environment).await;

    let answers = tell_secrets(&program, &chathub).await;

    let metrics = Client::of(program.admin_address).ask("GET /metrics").send().await;
    let dump = run(&["config"], &environment);
    let dump = String::from_utf8([dump.stdout, dump.stderr].concat()).unwrap();
    let Said { stdout, stderr, .. } = program.stop().await;
    assert!(stdout.lines().count() > 15, "{stdout}");
    assert!(dump.contains("token_file"), "{dump}");
    for (place, text) in [
        ("answers", &*answers),
        ("metrics", metrics.text()),
        ("access log", &*stdout),
        ("log", &*stderr),
        ("printed settings", &*dump),
    ] {
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
    let nowhere = Nowhere::new();
    let program = Program::before(&nowhere.url(), &[("CHATHUB_GATEWAY__LOG__LEVEL", "trace")]).await;
    let client = Client::of(program.address).bearer("canary-token");

    let answer = client.ask("GET /chathub?access_token=canary-query").send().await;

    assert_eq!(answer.problem(), "upstream-unreachable");
    let Said { stdout, stderr, .. } = program.stop().await;
    assert!(stderr.contains("upstream failed"), "{stderr}");
    for text in [answer.text(), &*stdout, &*stderr] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// Set, this test is the process that panics.
const PANICKING: &str = "PANICKING";

#[test]
fn a_panic_is_told_by_its_place_and_not_by_what_it_quotes() {
    if std::env::var_os(PANICKING).is_some() {
        chathub_gateway::telemetry::logging::start(chathub_gateway::config::Level::Trace, true);
        let quoted = "canary-token";
        std::panic::catch_unwind(|| panic!("what was worked on: {quoted}")).unwrap_err();
        return;
    }
    let test = std::env::current_exe().expect("this program has a path");
    let name = "secrets::a_panic_is_told_by_its_place_and_not_by_what_it_quotes";
    let said = std::process::Command::new(test).args(["--exact", name, "--nocapture"]).env(PANICKING, "yes").output();
    let said = said.expect("this program can be run");
    let (stdout, stderr) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{stdout}{stderr}");
    assert!(stderr.contains("tests/gateway/secrets.rs") && stderr.contains("a part of the gateway broke"), "{stderr}");
    assert!(!stdout.contains("canary") && !stderr.contains("canary"), "{stdout}{stderr}");
}
