//! What clients see when the upstream is down, slow or breaks off, and what is never done in their name then.

use serde_json::json;
use tokio::net::TcpListener;

use crate::support::emulator::{Emulator, Endpoint, Fault};
use crate::support::gateway::Gateway;
use crate::support::nowhere::Nowhere;
use crate::support::scripted::Scripted;
use crate::support::{eventually, soon};

fn refused(reason: &str) -> String {
    format!(r#"refusals_total{{reason="{reason}"}}"#)
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_for_reads_and_writes() {
    let nowhere = Nowhere::new();
    let gateway = Gateway::before_url(&nowhere.url()).start().await;
    let company = gateway.client("token");

    let answers = [company.list(24).await, company.status(101, 1).await, company.ask("GET /").send().await];

    for answer in &answers {
        assert_eq!((answer.status, answer.problem()), (502, "upstream-unreachable".to_owned()));
    }
    assert_eq!(answers[0].cache(), "fwd=uri-miss; detail=upstream-failed");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.value(&refused("upstream-unreachable")), 3.0);
    assert_eq!(metrics.value(r#"upstream_requests_total{outcome="unreachable",route="set_status"}"#), 1.0);
    assert!(answers[1].cache().ends_with("detail=write-unsent"), "{:?}", answers[1]);
    assert_eq!(metrics.value(r#"writes_total{outcome="unsent"}"#), 1.0, "nothing was sent, so nothing is in doubt");
}

#[tokio::test]
async fn a_list_is_served_again_when_the_upstream_is_back() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::DropBefore, Some(2));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let failed = company.list(24).await;
    assert_eq!((failed.status, failed.problem()), (502, "upstream-broken".to_owned()));

    let next = company.list(24).await;

    assert_eq!((next.status, next.cache()), (200, "fwd=uri-miss; stored"));
}

#[tokio::test]
async fn an_upstream_whose_answer_does_not_begin_in_time_is_a_504() {
    let chathub = Emulator::start().await;
    let _gate = chathub.stall(Endpoint::ListOperators);
    let gateway = Gateway::before(&chathub).set("upstream.head_timeout = '500ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answer = company.list(24).await;

    assert_eq!((answer.status, answer.problem()), (504, "upstream-timeout".to_owned()));
    assert_eq!(answer.cache(), "fwd=uri-miss; detail=upstream-failed");
    soon(chathub.wait_for_requests(Endpoint::ListOperators, 1)).await;
    assert_eq!(chathub.count(Endpoint::ListOperators), 1, "a slow upstream is not asked twice");
    assert_eq!(gateway.metrics().await.value(&refused("upstream-timeout")), 1.0);
}

#[tokio::test]
async fn a_write_without_an_answer_says_that_its_outcome_is_unknown() {
    let chathub = Emulator::start().await;
    let _gate = chathub.stall_answers(Endpoint::Synchronize);
    let gateway = Gateway::before(&chathub).set("upstream.head_timeout = '500ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answer = company.synchronize(&[(24, "Bea")]).await;

    assert_eq!((answer.status, answer.problem()), (504, "outcome-unknown".to_owned()));
    assert!(answer.cache().ends_with("detail=write-timed-out"), "{answer:?}");
    eventually(|| async { chathub.applied().len() }, |applied| *applied == 1).await;
    assert_eq!(gateway.metrics().await.value(r#"writes_total{outcome="timed_out"}"#), 1.0);
}

#[tokio::test]
async fn a_read_whose_connection_died_is_sent_once_more() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::DropBefore, Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let answer = company.list(24).await;

    assert_eq!((answer.status, answer.cache()), (200, "fwd=uri-miss; stored"));
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
    assert_eq!(gateway.metrics().await.value("upstream_retries_total"), 1.0);
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    for fault in [Fault::DropBefore, Fault::DropAfter] {
        let chathub = Emulator::start().await;
        let gateway = Gateway::before(&chathub).start().await;
        let company = gateway.client(&chathub.company_token("acme"));
        let message = json!({ "textMessage": "Hello" });
        let writes = [
            (Endpoint::Synchronize, company.ask("POST /api/operator/synchronize").json(&json!([]))),
            (Endpoint::SetStatus, company.ask("POST /api/operator/status").json(&json!({ "id": 101, "status": 1 }))),
            (Endpoint::SendMessage, company.ask("POST /api/chat/1001/message").json(&message)),
            (Endpoint::DeleteChat, company.ask("DELETE /api/chat/chats/1001")),
            (Endpoint::ValidateToken, company.ask("POST /api/operator/validate-token").json(&json!({ "token": "x" }))),
        ];
        for (endpoint, write) in writes {
            chathub.fault(endpoint, fault.clone(), Some(1));
            let answer = write.send().await;
            assert_eq!((answer.status, answer.problem()), (502, "outcome-unknown".to_owned()), "{endpoint:?}");
            assert_eq!(chathub.count(endpoint), 1, "{endpoint:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_write_on_a_connection_that_the_upstream_has_closed_is_not_lost() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    // The connection is used, and then closed by the upstream with its answer.
    let field = ("connection".to_owned(), "close".to_owned());
    chathub.fault(Endpoint::ListOperators, Fault::Fields(vec![field]), Some(1));
    assert_eq!(company.list(24).await.status, 200);

    assert_eq!(company.synchronize(&[(24, "Bea")]).await.status, 200);
    assert_eq!(chathub.count(Endpoint::Synchronize), 1);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_a_502_and_never_kept() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::CutBody, Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));

    let broken = company.list(24).await;

    assert_eq!((broken.status, broken.problem()), (502, "upstream-broken".to_owned()));
    let next = company.list(24).await;
    assert_eq!((next.names().len(), next.cache()), (3, "fwd=uri-miss; stored"));
}

#[tokio::test]
async fn a_list_with_a_length_that_breaks_off_is_never_kept() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n";
    let upstream = Scripted::answering_once(format!("{head}[]")).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let company = gateway.client("token");
    for seen in 1..3 {
        assert_eq!(company.list(24).await.problem(), "upstream-broken");
        assert_eq!(upstream.requests().len(), seen);
    }
}

#[tokio::test]
async fn a_list_that_stops_in_the_middle_is_a_504() {
    for timeout in ["upstream.idle_timeout", "upstream.total_timeout"] {
        let chathub = Emulator::start().await;
        chathub.fault(Endpoint::ListOperators, Fault::HangInBody, Some(1));
        let gateway = Gateway::before(&chathub).set(&format!("{timeout} = '500ms'")).start().await;
        let company = gateway.client(&chathub.company_token("acme"));

        let stopped = company.list(24).await;

        assert_eq!((stopped.status, stopped.problem()), (504, "upstream-timeout".to_owned()), "{timeout}");
        let line = &gateway.log().lines(1).await[0];
        assert!(line["upstream_time"].is_number() && line["throttle_wait"] == 0.0, "{line}");
        gateway.changes_to(&format!("{timeout} = '60s'")).await;
        assert_eq!(company.list(24).await.cache(), "fwd=uri-miss; stored", "{timeout}");
    }
}

#[tokio::test]
async fn a_list_that_does_not_begin_within_the_time_for_all_of_it_is_a_504() {
    let chathub = Emulator::start().await;
    let stalled = [Endpoint::ListOperators, Endpoint::ListChats].map(|endpoint| chathub.stall(endpoint));
    let gateway = Gateway::before(&chathub).set("upstream.total_timeout = '50ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let streamed = tokio::spawn(company.ask("GET /api/chat/chats").send());
    stalled[1].reached(1).await;

    let late = soon(company.list(24)).await;

    assert_eq!((late.status, late.problem()), (504, "upstream-timeout".to_owned()));
    stalled[1].release();
    assert_eq!(streamed.await.unwrap().status, 200, "what streams may take longer");
}

#[tokio::test]
async fn an_answer_that_breaks_off_while_it_streams_is_cut_for_the_client_too() {
    for (fault, set) in [(Fault::CutBody, ""), (Fault::HangInBody, "upstream.idle_timeout = '50ms'")] {
        let chathub = Emulator::start().await;
        chathub.fault(Endpoint::ListChats, fault.clone(), Some(1));
        let gateway = Gateway::before(&chathub).set(set).start().await;
        let company = gateway.client(&chathub.company_token("acme"));

        let cut = company.ask("GET /api/chat/chats").try_send().await;

        assert!(cut.is_err(), "{fault:?}: {cut:?}");
    }
}

#[tokio::test]
async fn a_streamed_answer_reaches_the_client_before_it_is_complete() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListChats, Fault::HangInBody, Some(1));
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let mut connection = gateway.connect().await;

    connection.send(format!("GET /api/chat/chats HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n")).await;

    // The head, and of the content a chunk size with the first bytes behind it.
    assert_eq!(connection.answer_without_content().await.status, 200);
    assert_eq!(connection.count_content(20).await, 20);
}

#[tokio::test]
async fn a_failure_does_not_bring_an_old_list_back() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    company.synchronize(&[(24, "Bea")]).await;
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(503), Some(1));

    assert_eq!(company.list(24).await.status, 503);
    assert_eq!(company.list(24).await.names().last().map(String::as_str), Some("Bea"));
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_stored_list_as_it_was() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    company.list(24).await;
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(500), Some(1));

    let refresh = company.ask("GET /api/operator?organizationId=24").with("cache-control", "no-cache").send().await;

    assert_eq!((refresh.status, refresh.cache()), (500, "fwd=request; detail=status"));
    assert!(company.list(24).await.is_hit());
}

#[tokio::test]
async fn a_client_that_breaks_off_its_upload_is_no_failure_of_the_upstream() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let mut connection = gateway.connect().await;
    let fields = format!("host: h\r\nauthorization: Bearer {token}\r\ncontent-type: application/json");
    connection.send(format!("POST /api/chat/1001/message HTTP/1.1\r\n{fields}\r\ncontent-length: 99\r\n\r\n{{")).await;
    soon(chathub.wait_for_requests(Endpoint::SendMessage, 1)).await;

    drop(connection);

    gateway.reaches(r#"upstream_requests_total{outcome="client",route="chat_write"}"#, 1.0).await;
    assert_eq!(gateway.metrics().await.value(r#"upstream_requests_total{outcome="broken",route="chat_write"}"#), 0.0);
    assert!(chathub.applied().is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_http_are_a_502() {
    let upstream = Scripted::answering_once("220 mail.example ready\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;

    let answer = gateway.client("token").ask("GET /").send().await;

    assert_eq!((answer.status, answer.problem()), (502, "upstream-broken".to_owned()));
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up_in_time_and_nothing_was_sent() {
    // The system accepts for it; nobody ever answers the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback is free");
    let url = format!("https://{}", silent.local_addr().expect("it is bound"));
    // An answer that is owed sooner is owed only once there is a connection.
    let settings = "upstream.connect_timeout = '50ms'\nupstream.head_timeout = '5ms'";
    let gateway = Gateway::before_url(&url).set(settings).start().await;

    let answer = gateway.client("t").status(101, 1).await;

    assert_eq!((answer.status, answer.problem()), (504, "upstream-unreachable".to_owned()));
    gateway.reaches(r#"upstream_requests_total{outcome="timeout",route="set_status"}"#, 1.0).await;
    gateway.reaches(r#"writes_total{outcome="unsent"}"#, 1.0).await;
    assert_eq!(gateway.metrics().await.value("quarantined_writes"), 0.0);
}
