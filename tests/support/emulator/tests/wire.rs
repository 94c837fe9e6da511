//! A client that sends exactly what a test says and shows exactly what came back.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::Emulator;

/// A request to one emulator.
pub(super) struct Ask<'a> {
    chathub: &'a Emulator,
    head: String,
    body: Vec<u8>,
}

/// What came back until the connection closed.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the body ended as its framing announced.
    pub(super) is_complete: bool,
}

/// A request with nothing but `Host`; the line is a method and a target.
pub(super) fn ask<'a>(chathub: &'a Emulator, line: &str) -> Ask<'a> {
    let head = format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", chathub.authority());
    Ask { chathub, head, body: Vec::new() }
}

/// A request with the profile key of acme.
pub(super) fn acme<'a>(chathub: &'a Emulator, line: &str) -> Ask<'a> {
    ask(chathub, line).with("X-Authorization-Key", &chathub.profile_key("acme"))
}

impl Ask<'_> {
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// A body with its length, of whatever type was said before.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.with("Content-Length", &length)
    }

    /// A body that brings its own framing.
    pub(super) fn raw_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn json(self, body: &str) -> Self {
        self.with("Content-Type", "application/json").body(body)
    }

    /// The reply; `None` if the connection closed without one.
    pub(super) async fn try_send(self) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.chathub.authority()).await.expect("the emulator listens");
        let mut whole = format!("{}\r\n", self.head).into_bytes();
        whole.extend(self.body);
        // A server that refuses early may close before all is written.
        let _ = stream.write_all(&whole).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        (!answer.is_empty()).then(|| Reply::parse(&answer))
    }

    pub(super) async fn send(self) -> Reply {
        let head = self.head.clone();
        self.try_send().await.unwrap_or_else(|| panic!("no answer to {head}"))
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("the answer has a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("there is a status line");
        let fields = lines.filter_map(|line| line.split_once(':'));
        let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let mut reply = Self {
            status: status.parse().expect("the status is a number"),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
            is_complete: true,
        };
        reply.unframe();
        reply
    }

    fn unframe(&mut self) {
        if self.field("transfer-encoding") == Some("chunked") {
            (self.body, self.is_complete) = dechunk(&self.body);
        } else if let Some(length) = self.field("content-length") {
            self.is_complete = length == self.body.len().to_string();
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The first text under a key of a validation problem.
    pub(super) fn validation(&self, key: &str) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json; charset=utf-8"), "{self:?}");
        self.json()["errors"][key][0].as_str().unwrap_or_default().to_owned()
    }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let length = String::from_utf8_lossy(&rest[..end]).into_owned();
        let length = usize::from_str_radix(&length, 16).expect("a chunk begins with its length");
        if length == 0 {
            return (body, true);
        }
        let part = &rest[end + 2..];
        body.extend_from_slice(&part[..length.min(part.len())]);
        rest = part.get(length + 2..).unwrap_or_default();
    }
}
