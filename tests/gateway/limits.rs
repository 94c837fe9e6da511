//! How much a client may have of the gateway at once, and how slow it may be. Each bound has a setting and is counted.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::scripted::Scripted;
use crate::support::{eventually, soon};

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";

fn closed(cause: &str) -> String {
    format!(r#"connections_closed_total{{cause="{cause}"}}"#)
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_another_has_its_own() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_connections_per_peer = 2").start().await;
    let mut held = [gateway.connect().await, gateway.connect().await];
    for connection in &mut held {
        connection.send(GET).await;
        assert_eq!(connection.answer().await.status, 200);
    }

    let mut third = gateway.connect().await;

    let refused = third.answer().await;
    assert_eq!((refused.status, refused.problem()), (503, "too-many-connections".to_owned()));
    assert_eq!((refused.field("connection"), refused.field("retry-after")), (Some("close"), Some("1")));
    third.closes().await;
    gateway.reaches(&closed("max-per-peer"), 1.0).await;
    let other = crate::support::client::Client::coming_from([127, 0, 0, 2].into(), gateway.address());
    assert_eq!(other.ask("GET /").send().await.status, 200);
    drop(held);
    gateway.reaches("connections", 1.0).await;
    let mut again = gateway.connect().await;
    again.send(GET).await;
    assert_eq!(again.answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_ends_politely_after_so_many_requests() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_requests_per_connection = 3").start().await;
    let mut connection = gateway.connect().await;
    for last in [None, None, Some("close")] {
        connection.send(GET).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (200, last));
    }
    connection.closes().await;
    gateway.reaches(&closed("max-requests"), 1.0).await;
}

#[tokio::test]
async fn a_connection_that_stays_silent_is_closed_and_so_is_one_that_has_nothing_more_to_say() {
    let chathub = Emulator::start().await;
    let times = "server.head_timeout = '500ms'\nserver.idle_timeout = '100ms'";
    let gateway = Gateway::before(&chathub).set(times).start().await;
    let mut idle = gateway.connect().await;
    idle.send(GET).await;
    assert_eq!(idle.answer().await.status, 200);
    let mut silent = gateway.connect().await;

    silent.closes().await;
    idle.closes().await;

    gateway.reaches(&closed("silent"), 1.0).await;
    gateway.reaches(&closed("idle"), 1.0).await;
}

#[tokio::test]
async fn a_first_head_that_does_not_end_is_answered_in_time() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.head_timeout = '500ms'").start().await;
    for half in ["G", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: h"] {
        let mut connection = gateway.connect().await;
        connection.send(half).await;
        let answer = String::from_utf8(connection.rest().await).unwrap();
        let is_answered = answer.starts_with("HTTP/1.1 408 ");
        assert!(is_answered || half.starts_with('P') && answer.is_empty(), "{half}: {answer}");
    }
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn content_that_drips_is_refused_though_it_never_stalls() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.body_timeout = '300ms'").start().await;
    let mut connection = gateway.connect().await;
    connection.send("POST /api/operator/synchronize HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n").await;
    // Slowness is what this is about: each byte comes well before the time for content is over.
    let dripping = async {
        while connection.try_send("x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };

    tokio::select! {
        () = dripping => {}
        () = gateway.reaches(r#"refusals_total{reason="content-timeout"}"#, 1.0) => {}
    }

    assert_eq!(connection.answer().await.status, 408);
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut() {
    let large = format!("HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n{}", "x".repeat(50_000_000));
    let upstream = Scripted::answering(large).await;
    let gateway = Gateway::before_url(&upstream.url()).set("server.send_timeout = '200ms'").start().await;
    let mut connection = gateway.connect().await;

    connection.send(GET).await;

    gateway.reaches(&closed("untaken"), 1.0).await;
    assert!(connection.rest().await.len() < 50_000_000);
    gateway.reaches("connections", 0.0).await;
}

#[tokio::test]
async fn what_is_over_the_bound_is_shed_at_once_and_hits_are_not() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_in_flight = 2").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);
    let gate = chathub.stall(None);
    let held = [6, 7].map(|organization| tokio::spawn(company.list(organization)));
    soon(gate.reached(2)).await;

    let (shed, hit) = (company.ask("GET /api/chat/chats").send().await, company.list(24).await);

    assert_eq!((shed.status, shed.problem()), (503, "overloaded".to_owned()));
    assert_eq!(shed.field("retry-after"), Some("1"));
    assert!(hit.is_hit());
    let write = company.synchronize(&[(24, "Bea")]).await;
    assert_eq!((write.status, write.cache()), (503, "detail=refused"));
    assert!(company.list(24).await.is_hit(), "a write that was not sent hides nothing");
    assert_eq!(gateway.metrics().await.value(r#"refusals_total{reason="overloaded"}"#), 2.0);
    gate.release();
    for list in held {
        assert_eq!(list.await.unwrap().status, 200);
    }
    assert_eq!(company.ask("GET /api/chat/chats").send().await.status, 200);
}

#[tokio::test]
async fn whoever_waits_for_the_fetch_of_another_takes_no_place() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_in_flight = 1").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let leader = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    let followers: Vec<_> = (0..5).map(|_| tokio::spawn(company.list(24))).collect();
    gateway.reaches("followers_total", 5.0).await;

    gate.release();

    for list in followers.into_iter().chain([leader]) {
        assert_eq!(list.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn whoever_waits_in_line_takes_no_place() {
    let chathub = Emulator::start().await;
    let quota = "throttle.operator.rate = '1/m'\nthrottle.operator.burst = 1\nthrottle.max_wait = '1h'";
    let gateway = Gateway::before(&chathub).set(&format!("server.max_in_flight = 1\n{quota}")).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    assert_eq!(company.list(24).await.status, 200);
    let in_line: Vec<_> = [6, 7].map(|organization| tokio::spawn(company.list(organization))).into();
    gateway.reaches(r#"throttle_waiting{class="operator"}"#, 2.0).await;

    let other = eventually(|| company.ask("GET /api/chat/chats").send(), |answer| answer.status != 503).await;

    assert_eq!(other.status, 200, "the only place is free while two wait in line");
    in_line.iter().for_each(|list| list.abort());
}

#[tokio::test]
async fn streams_take_no_place() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_in_flight = 1").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::Hub);
    let polls: Vec<_> = (0..3).map(|_| tokio::spawn(company.ask("GET /chathub?id=x").send())).collect();
    soon(gate.reached(3)).await;

    assert_eq!(company.list(24).await.status, 200);

    gate.release();
    for poll in polls {
        assert_ne!(poll.await.unwrap().status, 503);
    }
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_in_flight = 1").start().await;
    let gate = chathub.stall(None);
    let mut leaving = Connection::open(gateway.address()).await;
    leaving.send(GET).await;
    soon(gate.reached(1)).await;
    drop(leaving);
    gateway.reaches("upstream_in_flight", 0.0).await;
    gate.release();

    assert_eq!(gateway.anybody().ask("GET /").send().await.status, 200);
    drop(TcpStream::connect(gateway.address()).await);
}

#[tokio::test]
async fn clients_that_send_slowly_take_no_place_from_others() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_in_flight = 1").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let mut slow = Vec::new();
    for number in 1..=3 {
        let mut connection = gateway.connect().await;
        connection.send("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n").await;
        gateway.reaches("upstream_in_flight", f64::from(number)).await;
        slow.push(connection);
    }

    eventually(|| company.list(24), |answer| answer.status == 200).await;

    for mut connection in slow {
        connection.send("hi").await;
        assert_eq!(connection.answer().await.status, 404, "whoever was let in is not turned away");
    }
}
