//! The access log in every format, as whoever collects it reads it, and which hits are left out of it.

use std::net::Ipv4Addr;

use crate::support::emulator::Emulator;
use crate::support::gateway::Gateway;

/// A target that would end a line, or a member of one, if it were written as it comes.
const HOSTILE: &str = "/a\"}\\b=c%0ad?access_token=canary";

/// What a gateway with these settings logs of a hostile request with fields that must not be repeated.
async fn logged(settings: &str) -> String {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(settings).start().await;
    let mut connection = gateway.connect().await;
    let fields = "host: h\r\nx-request-id: r=17\r\nuser-agent: canary\r\nreferer: http://h/?access_token=canary";
    connection.send(format!("GET {HOSTILE} HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    assert_eq!(connection.answer().await.status, 404, "the upstream's answer");
    let log = gateway.log();
    gateway.stop().await;
    log.text()
}

#[tokio::test]
async fn a_request_is_one_line_of_logfmt_if_that_is_asked_for() {
    let text = logged("log.access_format = 'logfmt'").await;
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("time=20") && text.contains("Z request_id=\"r=17\" method=GET path="), "{text}");
    assert!(text.contains(r#" path="/a\"}\\b=c%0ad" route=other_read status=404 cache=forwarded "#), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_request_is_one_line_of_the_combined_format_if_that_is_asked_for() {
    let text = logged("log.access_format = 'combined'").await;
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with(&format!("{} - - [", Ipv4Addr::LOCALHOST)), "{text}");
    assert!(text.ends_with("+0000] \"GET /a\\\"}\\\\b=c%0ad HTTP/1.1\" 404 - \"-\" \"-\"\n"), "{text}");
}

#[tokio::test]
async fn of_answers_from_memory_only_the_wanted_share_is_logged_and_the_rest_is_counted() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("log.access_hit_percent = 25").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    for _ in 0..100 {
        company.list(24).await;
    }
    company.ask("GET /nowhere").send().await;
    assert_eq!(gateway.metrics().await.value("access_log_skipped_total"), 75.0);
    let log = gateway.log();

    gateway.stop().await;

    let text = log.text();
    let with = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!((with(r#""cache":"hit""#), with(r#""cache":"forwarded""#), text.lines().count()), (25, 2, 27), "{text}");
}
