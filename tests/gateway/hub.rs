//! The SignalR hub through the gateway: negotiation, a WebSocket that leaves HTTP behind, and what lasts when the gateway stops.

use chathub_gateway::gateway::Ended;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::{eventually, soon};

/// The end of a record in SignalR's JSON protocol.
const END: char = '\u{1e}';

async fn open(gateway: &Gateway, query: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let stream = TcpStream::connect(gateway.address()).await.expect("the gateway listens");
    match soon(client_async(format!("ws://{}/chathub?{query}", gateway.address()), stream)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, record: &Value) {
    socket.send(Message::text(format!("{record}{END}"))).await.expect("the socket is open");
}

async fn heard(socket: &mut WebSocketStream<TcpStream>) -> Vec<Value> {
    let message = soon(socket.next()).await.expect("the socket is open").expect("the socket is well");
    let text = message.into_text().expect("the hub speaks text");
    text.split_terminator(END).map(|record| serde_json::from_str(record).expect("a record is JSON")).collect()
}

#[tokio::test]
async fn a_websocket_talks_to_the_hub_through_the_gateway() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let mut socket = open(&gateway, &format!("access_token={token}")).await.expect("the hub agrees");
    say(&mut socket, &json!({ "protocol": "json", "version": 1 })).await;
    assert_eq!(heard(&mut socket).await, [json!({})]);
    say(&mut socket, &json!({ "type": 1, "invocationId": "7", "target": "SendMessage", "arguments": [1001, "Hello"] }))
        .await;
    assert_eq!(heard(&mut socket).await[0]["target"], "ReceiveMessage");
    socket.close(None).await.expect("the socket is open");
    let line = &gateway.log().lines(1).await[0];
    assert_eq!((&line["route"], &line["status"]), (&json!("hub"), &json!(101)));
    assert!(!gateway.log().text().contains(&token), "the token in the query is not logged");
}

#[tokio::test]
async fn a_refused_websocket_is_refused_by_the_upstream() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    assert_eq!(open(&gateway, "id=unknown&access_token=wrong").await.unwrap_err(), 401);
}

#[tokio::test]
async fn a_connection_that_was_upgraded_leaves_the_lists_as_they_are() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let client = gateway.client(&token);
    client.list(24).await;
    let negotiated = client.ask("POST /chathub/negotiate?negotiateVersion=1").content("").send().await;
    assert_eq!(negotiated.status, 200);
    let socket = open(&gateway, &format!("access_token={token}")).await;
    assert!(socket.is_ok());
    assert!(client.list(24).await.is_hit());
}

/// Negotiates a connection, and returns its id and the token.
async fn negotiate(gateway: &Gateway, token: &str) -> String {
    let client = gateway.client(token);
    let negotiated = client.ask("POST /chathub/negotiate?negotiateVersion=1").content("").send().await.json();
    negotiated["connectionToken"].as_str().expect("a connection has a token").to_owned()
}

fn streams(metric: &str, kind: &str) -> String {
    format!(r#"{metric}{{kind="{kind}"}}"#)
}

#[tokio::test]
async fn a_websocket_is_told_that_the_gateway_stops_and_both_ends_say_goodbye() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut socket = open(&gateway, &format!("access_token={}", chathub.company_token("acme"))).await.unwrap();
    say(&mut socket, &json!({ "protocol": "json", "version": 1 })).await;
    assert_eq!(heard(&mut socket).await, [json!({})]);
    gateway.reaches(&streams("streams", "upgrade"), 1.0).await;

    let stopping = gateway.begin_to_stop();

    let Some(Ok(Message::Close(Some(goodbye)))) = soon(socket.next()).await else { panic!("there is no goodbye") };
    assert_eq!(goodbye.code, CloseCode::Away);
    assert!(soon(socket.next()).await.is_none_or(|message| message.is_err()), "nothing follows it");
    assert_eq!(stopping.ended().await, Ended::Drained);
    eventually(async || chathub.hub_connections(), |open| *open == 0).await;
}

#[tokio::test]
async fn a_websocket_keeps_its_place_among_the_connections() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_connections = 1").start().await;
    let token = chathub.company_token("acme");
    let socket = open(&gateway, &format!("access_token={token}")).await.unwrap();
    gateway.reaches(&streams("streams", "upgrade"), 1.0).await;

    let waiting = tokio::spawn(gateway.client(&token).list(24));

    gateway.reaches("connections_full_total", 1.0).await;
    assert_eq!(gateway.metrics().await.value("connections"), 1.0);
    drop(socket);
    assert_eq!(soon(waiting).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_event_stream_ends_whole_when_the_gateway_stops() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let id = negotiate(&gateway, &token).await;
    let events = gateway.client(&token).ask(&format!("GET /chathub?id={id}")).with("accept", "text/event-stream");
    let events = tokio::spawn(events.send());
    gateway.reaches(&streams("streams", "events"), 1.0).await;
    assert_eq!(gateway.admin("GET /drain").await.json()["requests"], 0, "nobody waits for it");

    let stopping = gateway.begin_to_stop();

    let answer = soon(events).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, ":\r\n"), "it is complete");
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn a_long_poll_is_answered_with_nothing_when_the_gateway_stops_so_that_its_client_polls_again() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let id = negotiate(&gateway, &token).await;
    let client = gateway.client(&token);
    client.ask(&format!("GET /chathub?id={id}")).send().await;
    let poll = tokio::spawn(client.ask(&format!("GET /chathub?id={id}")).send());
    gateway.reaches(&streams("streams", "poll"), 1.0).await;

    let stopping = gateway.begin_to_stop();

    let answer = soon(poll).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(stopping.ended().await, Ended::Drained);
}

#[tokio::test]
async fn a_websocket_that_does_not_answer_the_goodbye_is_cut_at_the_deadline() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.drain_deadline = '300ms'").start().await;
    let socket = open(&gateway, &format!("access_token={}", chathub.company_token("acme"))).await.unwrap();
    gateway.reaches(&streams("streams", "upgrade"), 1.0).await;

    assert_eq!(gateway.stop().await, Ended::Cut { connections: 1, writes: 0 });

    drop(socket);
}

#[tokio::test]
async fn a_long_poll_may_last_longer_than_an_answer_may_take() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let client = gateway.client(&token);
    let id = negotiate(&gateway, &token).await;
    client.ask(&format!("GET /chathub?id={id}")).send().await;
    gateway.changes_to("upstream.head_timeout = '50ms'").await;
    let gate = chathub.stall(Endpoint::Hub);
    let poll = tokio::spawn(client.ask(&format!("GET /chathub?id={id}")).send());
    soon(gate.reached(1)).await;

    // The time that an answer may take has passed when another request has taken all of it.
    let stalled = chathub.stall(Endpoint::ListChats);
    assert_eq!(client.ask("GET /api/chat/chats").send().await.status, 504);
    drop(stalled);

    assert!(!poll.is_finished());
    poll.abort();
    drop(gate);
}
