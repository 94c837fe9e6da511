//! Several workers are one gateway: what one of them stores, fetches and counts is the others', too.

use std::time::Duration;

use chathub_gateway::gateway::{Ended, StartError};
use futures_util::FutureExt;
use tokio::net::TcpListener;

use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::soon;

/// Enough that connections meet on no worker by chance: all of these on one of four is as good as impossible.
const CONNECTIONS: usize = 64;

const WORKERS: &str = "server.workers = 4";

fn list(token: &str) -> String {
    format!("GET /api/operator?organizationId=24 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n")
}

/// Opens all connections, and sends a head on each.
async fn all_send(gateway: &Gateway, head: &str) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = gateway.connect().await;
        connection.send(head).await;
        connections.push(connection);
    }
    connections
}

#[tokio::test]
async fn a_list_is_fetched_once_and_then_answered_from_memory_on_every_worker() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(WORKERS).start().await;
    let list = list(&chathub.company_token("acme"));
    let gate = chathub.stall(Endpoint::ListOperators);
    let mut connections = all_send(&gateway, &list).await;
    gateway.reaches("followers_total", (CONNECTIONS - 1) as f64).await;

    gate.release();

    for connection in &mut connections {
        assert_eq!(connection.answer().await.status, 200);
    }
    for connection in &mut connections {
        connection.send(&list).await;
        assert!(connection.answer().await.cache().starts_with("hit"));
    }
    assert_eq!(chathub.count(Endpoint::ListOperators), 1);
    assert_eq!(gateway.metrics().await.value("workers"), 4.0);
}

#[tokio::test]
async fn the_bound_on_connections_is_that_of_all_workers_together() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(WORKERS).set("server.max_connections = 1").start().await;
    let list = list(&chathub.company_token("acme")).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let mut connections = all_send(&gateway, &list).await;

    // The last ones first: whoever has the place gives it up when its answer is given, whether it is read or not.
    for connection in connections.iter_mut().rev() {
        assert_eq!(connection.answer().await.status, 200);
    }
    assert!(gateway.metrics().await.value("connections_full_total") > 0.0);
}

#[tokio::test]
async fn connections_of_every_worker_end_before_the_gateway_does() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(WORKERS).set("throttle.mode = 'off'").start().await;
    // So that each of them fetches.
    let list = list(&chathub.company_token("acme")).replace("\r\n\r\n", "\r\ncache-control: no-cache\r\n\r\n");
    let gate = chathub.stall(Endpoint::ListOperators);
    let mut connections = all_send(&gateway, &list).await;
    soon(gate.reached(CONNECTIONS)).await;
    let mut stopping = gateway.begin_to_stop();
    assert!(!stopping.has_ended_within(Duration::from_millis(50)).await);

    gate.release();

    for connection in &mut connections {
        assert_eq!(connection.answer().await.status, 200);
    }
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn a_connection_to_the_upstream_is_made_before_anybody_asks() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let cold = Gateway::before_url(&url).set("upstream.warm = false").start().await;
    // By now the first worker would have begun.
    cold.admin("GET /readyz").await;
    cold.stop().await;
    assert!(upstream.accept().now_or_never().is_none());

    let gateway = Gateway::before_url(&url).set(WORKERS).start().await;

    for _ in 0..4 {
        soon(upstream.accept()).await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_address_that_another_gateway_shares_among_its_workers_is_taken() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set(WORKERS).start().await;

    for workers in [1, 2] {
        let another = Gateway::before(&chathub).listen(gateway.address()).set(&format!("server.workers = {workers}"));
        let refused = another.try_bind();

        let refused = *refused.unwrap_err().downcast().unwrap();
        assert!(matches!(refused, StartError::Bind { setting: "server.listen", .. }), "{refused:?}");
    }
}
