//! The SignalR hub: its connections and what they say to one another (contract 1.9).
//!
//! A connection is the same whatever carries it. It has a queue of records for the client and a transport that empties
//! it; records end with the byte 0x1e. The client speaks first: until its handshake every other record is an error.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::answer::{Answer, Content, to_json};
use super::calendar;
use super::exchange::Call;
use super::random::hex;
use super::refusal::Refusal;
use super::shared::{Shared, lock};
use super::token::CompanyId;

/// Ends every record.
pub(super) const RECORD_END: char = '\u{1e}';

/// What carries a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    WebSocket,
    EventStream,
    LongPolling,
}

/// All connections, by the value of `id` in their requests.
#[derive(Debug, Default)]
pub(super) struct Hub {
    connections: Mutex<HashMap<String, Arc<Connection>>>,
}

/// One client of the hub.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) company: CompanyId,
    state: watch::Sender<State>,
}

/// The part of a connection that changes; who waits for a change subscribes to it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) transport: Option<Transport>,
    pub(super) outbox: VecDeque<String>,
    pub(super) is_greeted: bool,
    pub(super) is_closed: bool,
    /// The number of the newest poll: an older one has been displaced.
    pub(super) poll: u64,
}

impl Hub {
    /// A new connection, which no transport carries yet.
    pub(super) fn open(&self, company: CompanyId) -> Arc<Connection> {
        let state = watch::Sender::new(State::default());
        let connection = Arc::new(Connection { id: hex(16), company, state });
        lock(&self.connections).insert(connection.id.clone(), connection.clone());
        connection
    }

    pub(super) fn find(&self, id: &str, company: CompanyId) -> Option<Arc<Connection>> {
        lock(&self.connections).get(id).filter(|connection| connection.company == company).cloned()
    }

    pub(super) fn forget(&self, connection: &Connection) {
        connection.close();
        lock(&self.connections).remove(&connection.id);
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.connections).len()
    }
}

/// `POST /chathub/negotiate`
pub(super) fn negotiate(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let connection = shared.hub.open(call.caller()?.company);
    let wants_token = call.query.first("negotiateVersion").is_some_and(|version| version.trim() != "0");
    let connection_id = if wants_token { hex(16) } else { connection.id.clone() };
    let answer = Negotiated {
        negotiate_version: u8::from(wants_token),
        connection_id,
        connection_token: wants_token.then_some(&connection.id),
        available_transports: TRANSPORTS,
    };
    Ok(Answer::new(StatusCode::OK, Content::Fixed("application/json", to_json(&answer))))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated<'a> {
    negotiate_version: u8,
    connection_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<&'a str>,
    available_transports: &'static [Offer],
}

/// A transport and what it carries.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    transport: &'static str,
    transfer_formats: &'static [&'static str],
}

const TRANSPORTS: &[Offer] = &[
    Offer { transport: "WebSockets", transfer_formats: &["Text", "Binary"] },
    Offer { transport: "ServerSentEvents", transfer_formats: &["Text"] },
    Offer { transport: "LongPolling", transfer_formats: &["Text", "Binary"] },
];

/// A call of a method on the other side.
#[derive(Serialize)]
struct Invocation<'a> {
    r#type: u8,
    target: &'a str,
    arguments: [Value; 1],
}

/// The end of a call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Completion<'a> {
    r#type: u8,
    invocation_id: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<()>,
}

// === impl Connection ===

impl Connection {
    /// Gives the connection a transport; `false` if it has one already.
    pub(super) fn claim(&self, transport: Transport) -> bool {
        self.state.send_if_modified(|state| {
            let is_free = state.transport.is_none();
            state.transport.get_or_insert(transport);
            is_free
        })
    }

    pub(super) fn transport(&self) -> Option<Transport> {
        self.state.borrow().transport
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Announces one more poll and returns its number.
    pub(super) fn begin_poll(&self) -> u64 {
        let mut number = 0;
        self.state.send_modify(|state| {
            state.poll += 1;
            number = state.poll;
        });
        number
    }

    /// Takes all records that wait for the client.
    pub(super) fn take_outbox(&self) -> String {
        let mut records = String::new();
        self.state.send_if_modified(|state| {
            records.extend(state.outbox.drain(..));
            false
        });
        records
    }

    pub(super) fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }

    /// Puts a ping into the outbox of a connection that has said hello.
    pub(super) fn ping(&self) {
        if self.state.borrow().is_greeted {
            self.push(&json!({ "type": 6 }));
        }
    }

    /// Takes what the client sent; every record is whole.
    pub(super) fn receive(&self, text: &str, now: Duration) {
        for record in text.split(RECORD_END).filter(|record| !record.is_empty()) {
            let Ok(message) = serde_json::from_str::<Value>(record) else {
                return self.fail("Invalid JSON.");
            };
            let is_greeted = self.state.borrow().is_greeted;
            if is_greeted { self.answer(&message, now) } else { self.greet(&message) }
        }
    }

    fn push(&self, message: &impl Serialize) {
        let mut record = String::from_utf8_lossy(&to_json(message)).into_owned();
        record.push(RECORD_END);
        self.state.send_modify(|state| state.outbox.push_back(record));
    }

    fn fail(&self, error: &str) {
        self.push(&json!({ "type": 7, "error": error }));
        self.close();
    }

    fn greet(&self, message: &Value) {
        let protocol = message["protocol"].as_str().unwrap_or_default();
        if protocol == "json" && message["version"].as_u64().is_some_and(|version| version <= 2) {
            self.state.send_modify(|state| state.is_greeted = true);
            return self.push(&json!({}));
        }
        self.push(&json!({ "error": format!("The protocol '{protocol}' is not supported.") }));
        self.close();
    }

    fn answer(&self, message: &Value, now: Duration) {
        match message["type"].as_u64() {
            Some(1) => self.invoke(message, now),
            Some(7) => self.close(),
            // A ping among them: it shows that the client lives, and wants no answer.
            _ => {}
        }
    }

    fn invoke(&self, message: &Value, now: Duration) {
        let target = message["target"].as_str().unwrap_or_default();
        let (chat, content) = (&message["arguments"][0], &message["arguments"][1]);
        let sent_at = calendar::format(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let echo = match target.to_ascii_lowercase().as_str() {
            "sendmessage" => Some(("ReceiveMessage", "textMessage")),
            "sendmediamessage" => Some(("ReceiveMediaMessage", "media")),
            _ => None,
        };
        if let Some((event, name)) = echo {
            let received = json!({ "chatId": chat, name: content, "author": 0, "date": sent_at });
            self.push(&Invocation { r#type: 1, target: event, arguments: [received] });
        }
        let Some(invocation) = message.get("invocationId") else {
            return;
        };
        let error = echo.is_none().then(|| format!("Unknown hub method '{target}'"));
        let completion = Completion { r#type: 3, invocation_id: invocation, error, result: echo.map(|_| ()) };
        self.push(&completion);
    }
}
