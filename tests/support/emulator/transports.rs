//! What carries a hub connection: WebSocket, event stream, long polling (contract 1.9).
//!
//! A WebSocket needs no negotiation; the other two do, for their requests find one another by `id`. The first poll of a
//! connection returns at once and empty, which tells the client that it is connected. Who polls is not pinged: a poll
//! that brings nothing ends after its time, and the next one shows that the client lives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, HeaderMap, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::answer::{Answer, Content};
use super::exchange::Call;
use super::hub::{Connection, RECORD_END, Transport};
use super::refusal::Refusal;
use super::shared::{Shared, lock};

/// How often the server pings over a WebSocket or an event stream on which it has nothing to say.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long a poll without records stays open.
const POLL_LIMIT: Duration = Duration::from_secs(90);

/// `GET`, `POST` and `DELETE /chathub`
pub(super) async fn serve(shared: &Arc<Shared>, call: &Call) -> Result<Answer, Refusal> {
    let company = call.caller()?.company;
    let method = call.parts.method.as_str().to_ascii_uppercase();
    let key = websocket_key(&call.parts.headers).filter(|_| method == "GET");
    let connection = match call.query.first("id") {
        None if key.is_some() => shared.hub.open(company),
        None => return Ok(plain(StatusCode::BAD_REQUEST, "Connection ID required")),
        Some(id) => match shared.hub.find(id, company) {
            Some(connection) => connection,
            None => return Ok(plain(StatusCode::NOT_FOUND, "No Connection with that ID")),
        },
    };
    match (method.as_str(), key) {
        ("POST", _) => Ok(post(shared, call, &connection)),
        ("DELETE", _) => {
            shared.hub.forget(&connection);
            Ok(plain(StatusCode::ACCEPTED, ""))
        }
        (_, Some(key)) => Ok(websocket(shared, call, connection, &key)),
        _ if wants_events(&call.parts.headers) => Ok(event_stream(shared, connection)),
        _ => Ok(poll(shared, &connection).await),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::new(status, Content::Fixed("text/plain", Bytes::from_static(text.as_bytes())))
}

fn conflict() -> Answer {
    plain(StatusCode::CONFLICT, "A connection with this ID is already active.")
}

fn post(shared: &Shared, call: &Call, connection: &Connection) -> Answer {
    if connection.transport() == Some(Transport::WebSocket) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "POST requests are not allowed for WebSocket connections.");
    }
    connection.receive(&String::from_utf8_lossy(&call.body), shared.clock.now());
    plain(StatusCode::OK, "")
}

// === long polling ===

async fn poll(shared: &Shared, connection: &Connection) -> Answer {
    if connection.claim(Transport::LongPolling) {
        return records(String::new());
    }
    if connection.transport() != Some(Transport::LongPolling) {
        return conflict();
    }
    let number = connection.begin_poll();
    let mut state = connection.watch();
    let changed = state.wait_for(|state| !state.outbox.is_empty() || state.is_closed || state.poll != number);
    let (is_closed, is_displaced) = tokio::select! {
        changed = changed => changed.map_or((true, false), |state| (state.is_closed, state.poll != number)),
        () = shared.clock.sleep(POLL_LIMIT) => (false, false),
    };
    if is_displaced {
        return Answer::empty(StatusCode::NO_CONTENT);
    }
    let waiting = connection.take_outbox();
    if waiting.is_empty() && is_closed {
        shared.hub.forget(connection);
        return Answer::empty(StatusCode::NO_CONTENT);
    }
    records(waiting)
}

fn records(text: String) -> Answer {
    Answer::new(StatusCode::OK, Content::Fixed("application/octet-stream", text.into()))
}

// === event stream ===

fn wants_events(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.to_ascii_lowercase().contains("text/event-stream"))
}

fn event_stream(shared: &Arc<Shared>, connection: Arc<Connection>) -> Answer {
    if !connection.claim(Transport::EventStream) {
        return conflict();
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(send_events(shared.clone(), connection, sender));
    let answer = Answer::new(StatusCode::OK, Content::Stream("text/event-stream", receiver));
    answer.with(CACHE_CONTROL, "no-cache,no-store")
}

async fn send_events(shared: Arc<Shared>, connection: Arc<Connection>, sender: UnboundedSender<Bytes>) {
    let mut is_open = sender.send(Bytes::from_static(b":\r\n")).is_ok();
    while is_open {
        is_open = tokio::select! {
            is_open = wait_for_records(&shared, &connection) => is_open,
            () = sender.closed() => false,
        };
        for record in connection.take_outbox().split_inclusive(RECORD_END) {
            is_open &= sender.send(format!("data: {record}\r\n\r\n").into()).is_ok();
        }
    }
    shared.hub.forget(&connection);
}

/// Waits for records or the time to ping; `false` once the connection is closed or the emulator ends.
async fn wait_for_records(shared: &Shared, connection: &Connection) -> bool {
    let (mut state, mut ended) = (connection.watch(), shared.ended.subscribe());
    tokio::select! {
        state = state.wait_for(|state| !state.outbox.is_empty() || state.is_closed) => {
            state.is_ok_and(|state| !state.is_closed)
        }
        _ = ended.wait_for(|ended| *ended) => false,
        () = shared.clock.sleep(PING_INTERVAL) => {
            connection.ping();
            true
        }
    }
}

// === WebSocket ===

/// The key of a request to become a WebSocket.
fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let upgrade = headers.get(UPGRADE)?.to_str().ok()?;
    let key = headers.get("sec-websocket-key")?.to_str().ok()?;
    upgrade.eq_ignore_ascii_case("websocket").then(|| key.to_owned())
}

fn websocket(shared: &Arc<Shared>, call: &Call, connection: Arc<Connection>, key: &str) -> Answer {
    if !connection.claim(Transport::WebSocket) {
        return conflict();
    }
    let Some(upgrade) = lock(&call.upgrade).take() else {
        return plain(StatusCode::BAD_REQUEST, "The connection cannot be upgraded.");
    };
    tokio::spawn(run_websocket(shared.clone(), connection, upgrade));
    let answer = Answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let answer = answer.with(CONNECTION, "Upgrade").with(UPGRADE, "websocket");
    answer.with(http::header::SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes()))
}

async fn run_websocket(shared: Arc<Shared>, connection: Arc<Connection>, upgrade: OnUpgrade) {
    if let Ok(upgraded) = upgrade.await {
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while exchange(&shared, &connection, &mut socket).await {}
        let _ = socket.close(None).await;
    }
    shared.hub.forget(&connection);
}

/// Takes one message in or sends what waits; `false` when the connection is at its end.
async fn exchange(shared: &Shared, connection: &Connection, socket: &mut WebSocketStream<TokioIo<Upgraded>>) -> bool {
    let is_open = tokio::select! {
        message = socket.next() => match message {
            Some(Ok(Message::Text(text))) => {
                connection.receive(text.as_str(), shared.clock.now());
                true
            }
            Some(Ok(Message::Binary(bytes))) => {
                connection.receive(&String::from_utf8_lossy(&bytes), shared.clock.now());
                true
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => false,
            Some(Ok(_)) => true,
        },
        is_open = wait_for_records(shared, connection) => is_open,
    };
    let waiting = connection.take_outbox();
    is_open & (waiting.is_empty() || socket.send(Message::text(waiting)).await.is_ok())
}
