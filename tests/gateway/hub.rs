//! The SignalR hub through the gateway: negotiation, and a WebSocket that leaves HTTP behind.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::soon;

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

#[tokio::test]
async fn a_long_poll_may_last_longer_than_an_answer_may_take() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("upstream.head_timeout = '50ms'").start().await;
    let client = gateway.client(&chathub.company_token("acme"));
    let negotiated = client.ask("POST /chathub/negotiate?negotiateVersion=1").content("").send().await.json();
    let id = negotiated["connectionToken"].as_str().expect("a connection has a token").to_owned();
    client.ask(&format!("GET /chathub?id={id}")).send().await;
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
