//! The access log in every format, as whoever collects it reads it, where the time of failures went, and which hits are left out of it.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::soon;

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

#[tokio::test]
async fn the_access_log_tells_of_a_request_that_failed_where_its_time_went() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '5/s', burst = 1 }\nupstream.head_timeout = '50ms'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let _gates = [Endpoint::ListOperators, Endpoint::SetStatus].map(|endpoint| chathub.stall(endpoint));

    // The first goes at once, and the others wait: another list, a write.
    let (first, second, write) = tokio::join!(company.list(1), company.list(2), company.status(101, 1));

    assert_eq!([first.status, second.status, write.status], [504; 3]);
    let lines = gateway.log().lines(3).await;
    let number = |line: &Value, name: &str| line[name].as_f64();
    for line in &lines {
        assert!(number(line, "upstream_time") >= Some(0.05), "{line}");
        assert!(number(line, "throttle_wait") <= number(line, "throttle_predicted").or(Some(0.0)), "{line}");
    }
    let waited = lines.iter().filter(|line| number(line, "throttle_wait") >= Some(0.1));
    assert_eq!(waited.count(), 2, "{lines:?}");
}

#[tokio::test]
async fn the_access_log_tells_how_long_a_request_waited_that_was_refused_since() {
    let chathub = Emulator::start().await;
    let set = "throttle.operator = { rate = '1/s', burst = 1 }\nthrottle.max_wait = '10s'";
    let gateway = Gateway::before(&chathub).set(set).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(429), Some(1));
    chathub.fault(Endpoint::ListOperators, Fault::Fields(vec![("retry-after".to_owned(), "60".to_owned())]), Some(1));
    let stops = tokio::spawn(company.list(1));
    soon(gate.reached(1)).await;
    let waits = tokio::spawn(company.list(2));
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 1.0).await;

    gate.release();

    assert_eq!((stops.await.unwrap().status, waits.await.unwrap().cache()), (429, "detail=cooling-down"));
    let lines = gateway.log().lines(2).await;
    let refused = lines.iter().find(|line| line["detail"] == "cooling-down").unwrap();
    assert!(refused["throttle_wait"].as_f64() > Some(0.0) && refused["throttle_predicted"].is_number(), "{refused}");
    assert!(refused["upstream_time"].is_null(), "{refused}");
}
