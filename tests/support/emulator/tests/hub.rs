//! The SignalR hub, section 1.9.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::super::{Emulator, Endpoint};
use super::wire::ask;

const HELLO: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";

/// The id of a negotiated connection.
async fn negotiate(chathub: &Emulator, token: &str) -> String {
    let line = format!("POST /chathub/negotiate?negotiateVersion=1&access_token={token}");
    let reply = ask(chathub, &line).body("").send().await.json();
    assert_eq!(
        (reply["negotiateVersion"].clone(), reply["availableTransports"].as_array().unwrap().len()),
        (json!(1), 3)
    );
    assert_ne!(reply["connectionToken"], reply["connectionId"]);
    reply["connectionToken"].as_str().unwrap().to_owned()
}

/// A WebSocket, or the status with which it was refused.
async fn connect(chathub: &Emulator, query: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let stream = TcpStream::connect(chathub.authority()).await.unwrap();
    match client_async(format!("ws://{}/chathub?{query}", chathub.authority()), stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn next_records(socket: &mut WebSocketStream<TcpStream>) -> Vec<Value> {
    let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
    records(text.as_str())
}

fn records(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\u{1e}'), "records are whole: {text:?}");
    text.split_terminator('\u{1e}').map(|record| serde_json::from_str(record).unwrap()).collect()
}

fn invocation(target: &str) -> String {
    let message = json!({ "type": 1, "invocationId": "7", "target": target, "arguments": [1001, "Hello"] });
    format!("{message}\u{1e}")
}

#[tokio::test]
async fn a_websocket_shakes_hands_echoes_and_pings() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let id = negotiate(&chathub, &token).await;
    let mut socket = connect(&chathub, &format!("id={id}&access_token={token}")).await.unwrap();
    socket.send(Message::text(HELLO)).await.unwrap();
    assert_eq!(next_records(&mut socket).await, [json!({})]);
    socket.send(Message::text(invocation("SendMessage"))).await.unwrap();
    let answers = next_records(&mut socket).await;
    assert_eq!(
        (&answers[0]["target"], &answers[0]["arguments"][0]["chatId"]),
        (&json!("ReceiveMessage"), &json!(1001))
    );
    assert_eq!(answers[0]["arguments"][0]["textMessage"], "Hello");
    assert_eq!(answers[1], json!({ "type": 3, "invocationId": "7", "result": null }));
    let pinged = tokio::select! {
        pinged = next_records(&mut socket) => pinged,
        () = keep_advancing(&chathub) => unreachable!("it never ends"),
    };
    assert_eq!(pinged[0], json!({ "type": 6 }));
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_clients_ping_is_not_answered() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let mut socket = connect(&chathub, &format!("access_token={token}")).await.unwrap();
    socket.send(Message::text(HELLO)).await.unwrap();
    assert_eq!(next_records(&mut socket).await, [json!({})]);
    socket.send(Message::text(format!("{{\"type\":6}}\u{1e}{}", invocation("NoSuchCall")))).await.unwrap();
    let answers = next_records(&mut socket).await;
    assert_eq!((answers.len(), &answers[0]["type"]), (1, &json!(3)));
}

#[tokio::test]
async fn a_poll_that_brings_nothing_ends_empty_after_its_time() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.company_token("acme"));
    let id = negotiate(&chathub, &chathub.company_token("acme")).await;
    let call = |method: &str, body: &'static str| {
        ask(&chathub, &format!("{method} /chathub?id={id}")).with("Authorization", &token).body(body).send()
    };
    assert_eq!(call("GET", "").await.status, 200);
    assert_eq!(call("POST", HELLO).await.status, 200);
    assert_eq!(records(&call("GET", "").await.text()), [json!({})]);
    chathub.clock().freeze();
    let began = chathub.clock().now();
    let polled = tokio::select! {
        polled = call("GET", "") => polled,
        () = keep_advancing(&chathub) => unreachable!("it never ends"),
    };
    assert_eq!((polled.status, polled.body.len()), (200, 0));
    assert!(chathub.clock().now() - began >= Duration::from_secs(90));
}

/// Moves the clock by an interval of pings, again and again: the server may not be waiting yet.
async fn keep_advancing(chathub: &Emulator) {
    loop {
        chathub.clock().advance(Duration::from_secs(15));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_websocket_needs_no_negotiation_but_a_credential_and_a_known_id() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let mut socket = connect(&chathub, &format!("access_token={token}")).await.unwrap();
    socket.send(Message::text("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}")).await.unwrap();
    assert_eq!(next_records(&mut socket).await, [json!({ "error": "The protocol 'messagepack' is not supported." })]);
    assert_eq!(connect(&chathub, "").await.err(), Some(401));
    assert_eq!(connect(&chathub, &format!("id=unknown&access_token={token}")).await.err(), Some(404));
    let id = negotiate(&chathub, &token).await;
    let _first = connect(&chathub, &format!("id={id}&access_token={token}")).await.unwrap();
    assert_eq!(connect(&chathub, &format!("id={id}&access_token={token}")).await.err(), Some(409));
    assert_eq!(chathub.count(Endpoint::Hub), 5);
}

#[tokio::test]
async fn long_polling_carries_a_connection_from_hello_to_goodbye() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.company_token("acme"));
    let id = negotiate(&chathub, &chathub.company_token("acme")).await;
    let call = |method: &str, body: &str| {
        let request = ask(&chathub, &format!("{method} /chathub?id={id}")).with("Authorization", &token);
        request.body(body.to_owned()).send()
    };
    let first = call("GET", "").await;
    assert_eq!((first.status, first.body.len()), (200, 0));
    assert_eq!(call("POST", HELLO).await.status, 200);
    assert_eq!(records(&call("GET", "").await.text()), [json!({})]);
    let (polled, posted) = tokio::join!(call("GET", ""), call("POST", &invocation("NoSuchCall")));
    assert_eq!((posted.status, polled.field("content-type")), (200, Some("application/octet-stream")));
    assert_eq!(records(&polled.text())[0]["error"], "Unknown hub method 'NoSuchCall'");
    let (displaced, (newer, deleted)) = tokio::join!(call("GET", ""), async {
        chathub.wait_for_requests(Endpoint::Hub, 6).await;
        let delete = async {
            chathub.wait_for_requests(Endpoint::Hub, 7).await;
            call("DELETE", "").await
        };
        tokio::join!(call("GET", ""), delete)
    });
    assert_eq!((displaced.status, newer.status, deleted.status), (204, 204, 202));
    assert_eq!(call("GET", "").await.status, 404);
}

#[tokio::test]
async fn an_event_stream_carries_records_as_data() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let id = negotiate(&chathub, &token).await;
    let mut stream = TcpStream::connect(chathub.authority()).await.unwrap();
    let head = format!(
        "GET /chathub?id={id}&access_token={token} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
        chathub.authority()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, ":\r\n").await;
    let posted = ask(&chathub, &format!("POST /chathub?id={id}&access_token={token}")).body(HELLO).send().await;
    assert_eq!(posted.status, 200);
    read_until(&mut stream, "data: {}\u{1e}\r\n\r\n").await;
    let second = ask(&chathub, &format!("GET /chathub?id={id}&access_token={token}")).send().await;
    assert_eq!(second.status, 409);
    drop(stream);
    while chathub.hub_connections() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut text = String::new();
    while !text.contains(end) {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "the stream ended after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}

#[tokio::test]
async fn another_companys_connection_is_unknown() {
    let chathub = Emulator::start().await;
    let id = negotiate(&chathub, &chathub.company_token("acme")).await;
    let token = chathub.company_token("globex");
    assert_eq!(ask(&chathub, &format!("GET /chathub?id={id}&access_token={token}")).send().await.status, 404);
}
