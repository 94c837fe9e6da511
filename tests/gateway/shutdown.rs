//! How a gateway stops: readiness falls at once, what is in flight ends, and what does not end in time is cut.

use std::time::Duration;

use chathub_gateway::gateway::Ended;
use tokio::net::TcpStream;

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::nowhere::Nowhere;
use crate::support::program::Program;
use crate::support::{client::Client, eventually, soon};

/// Waits until the operators' listener says that the gateway is no longer ready.
async fn falls(operators: &Client) {
    eventually(|| operators.ask("GET /readyz").send(), |answer| answer.status == 503).await;
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_the_end() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(None);
    let list = tokio::spawn(company.list(24));
    let chats = tokio::spawn(company.ask("GET /api/chat/chats").send());
    let write = tokio::spawn(company.synchronize(&[(6, "Bea")]));
    soon(gate.reached(3)).await;
    let operators = gateway.operators();
    assert_eq!(operators.ask("GET /readyz").send().await.status, 200);

    let stopping = gateway.begin_to_stop();

    falls(&operators).await;
    assert_eq!(operators.ask("GET /livez").send().await.status, 200);
    gate.release();
    for answer in [list, chats, write] {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn the_last_answer_of_a_connection_says_that_it_is_the_last() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;
    let gate = chathub.stall(Endpoint::ListChats);
    let token = chathub.company_token("acme");
    connection.send(format!("GET /api/chat/chats HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n")).await;
    soon(gate.reached(1)).await;
    let address = gateway.address();
    let stopping = gateway.begin_to_stop();
    eventually(|| TcpStream::connect(address), |connected| connected.is_err()).await.unwrap_err();

    gate.release();

    assert_eq!(connection.answer().await.field("connection"), Some("close"));
    connection.closes().await;
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn connections_without_a_request_do_not_delay_the_end() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let (mut silent, mut used) = (gateway.connect().await, gateway.connect().await);
    used.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert_eq!(used.answer().await.status, 200);
    gateway.reaches("connections", 2.0).await;

    assert_eq!(gateway.stop().await, Ended::Drained);

    silent.closes().await;
    used.closes().await;
}

#[tokio::test]
async fn nobody_is_accepted_after_the_end() {
    let chathub = Emulator::start().await;
    let (clients, operators) = (Nowhere::new(), Nowhere::new());
    let admin = format!("admin.listen = '{}'", operators.address());
    let gateway = Gateway::before(&chathub).listen(clients.address()).set(&admin).start().await;
    TcpStream::connect(clients.address()).await.unwrap();

    gateway.stop().await;

    for address in [clients.address(), operators.address()] {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn those_who_have_not_noticed_yet_are_served_for_as_long_as_was_set() {
    let chathub = Emulator::start().await;
    let times = "server.drain_delay = '5m'\nserver.drain_deadline = '6m'";
    let gateway = Gateway::before(&chathub).set(times).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let operators = gateway.operators();
    let stopping = gateway.begin_to_stop();
    falls(&operators).await;

    let late = company.list(24).await;

    assert_eq!(late.status, 200);
    operators.ask("POST /quit?now").send().await;
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn what_has_not_ended_at_the_deadline_is_cut() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.drain_deadline = '100ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let lists = [24, 6].map(|organization| {
        tokio::spawn(company.ask(&format!("GET /api/operator?organizationId={organization}")).try_send())
    });
    soon(gate.reached(2)).await;

    assert_eq!(gateway.stop().await, Ended::Cut { connections: 2, writes: 0 });

    for list in lists {
        assert!(list.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_write_that_has_not_ended_at_the_deadline_is_told_of() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.drain_deadline = '100ms'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::Synchronize);
    let write = tokio::spawn(company.ask("POST /api/operator/synchronize").json(&serde_json::json!([])).try_send());
    soon(gate.reached(1)).await;

    assert_eq!(gateway.stop().await, Ended::Cut { connections: 1, writes: 1 });

    assert!(write.await.unwrap().is_err());
}

#[tokio::test]
async fn a_write_whose_client_has_left_is_waited_for() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::Synchronize);
    let write = tokio::spawn(company.synchronize(&[(24, "Bea")]));
    soon(gate.reached(1)).await;
    write.abort();
    gateway.reaches("connections", 0.0).await;
    let mut stopping = gateway.begin_to_stop();
    assert!(!stopping.has_ended_within(Duration::from_millis(100)).await, "nobody but the write is waited for");

    gate.release();

    assert_eq!(stopping.ended().await, Ended::Drained);
    assert_eq!(chathub.applied().len(), 1);
}

#[tokio::test]
async fn the_access_log_is_complete_at_the_end() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for _ in 0..50 {
        company.list(24).await;
    }
    let log = gateway.log();

    gateway.stop().await;

    assert_eq!(log.text().lines().count(), 50);
}

#[tokio::test]
async fn a_program_that_is_asked_to_stop_answers_first_and_ends_well() {
    let chathub = Emulator::start().await;
    let program = Program::before(&chathub.url(), &[]).await;
    let company = Client::of(program.address).bearer(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let list = tokio::spawn(company.list(24));
    soon(gate.reached(1)).await;
    let operators = Client::of(program.admin_address);
    let stopping = tokio::spawn(program.stop());
    falls(&operators).await;

    gate.release();

    assert_eq!(list.await.unwrap().status, 200);
    let said = stopping.await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("stopped: every request had its answer"), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
}
