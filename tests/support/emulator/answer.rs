//! An answer before and after content negotiation.
//!
//! Handlers say what they answer ([`Answer`]); [`Answer::into_response`] decides how it looks on the wire. JSON goes out
//! chunked and without a length, as the upstream sends it: a body that ends early can be told from a whole one only by
//! its missing last chunk.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, SERVER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::accept::{self, Encoding};
use super::body::{Body, Ending};
use super::exchange::Call;
use super::refusal::field_value;

/// What a handler answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    /// The order number of the last write that this answer shows.
    pub(super) version: Option<u64>,
    /// Of a list: for whom it was made, and when.
    pub(super) origin: Option<Origin>,
}

/// For whom a list was made, and when. A cache that stores the answer stores this too, and so gives itself away.
#[derive(Debug)]
pub(super) struct Origin {
    /// The fingerprint of the credential.
    pub(super) credential: Option<String>,
    /// Since the Unix epoch; taken before the list is read.
    pub(super) at: Duration,
}

/// The content of an answer, by what the framework would make of it.
#[derive(Debug)]
pub(super) enum Content {
    Nothing,
    /// An object or array, already JSON.
    Json(Bytes),
    /// problem+json.
    Problem(Bytes),
    /// A string that a controller returns: raw or quoted, as `Accept` wants.
    Text(String),
    /// A form that is not negotiated, with its length.
    Fixed(&'static str, Bytes),
    /// As [`Fixed`](Self::Fixed), but chunked.
    Chunked(&'static str, Bytes),
    /// An endless body.
    Stream(&'static str, tokio::sync::mpsc::UnboundedReceiver<Bytes>),
}

impl Answer {
    pub(super) fn new(status: StatusCode, content: Content) -> Self {
        Self { status, content, fields: Vec::new(), version: None, origin: None }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, Content::Nothing)
    }

    /// A 200 with JSON.
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, Content::Json(to_json(value)))
    }

    /// A 200 with bytes that are JSON already.
    pub(super) fn json_bytes(bytes: Bytes) -> Self {
        Self::new(StatusCode::OK, Content::Json(bytes))
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.fields.push((name, field_value(value)));
        self
    }

    pub(super) fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    pub(super) fn with_origin(mut self, call: &Call, at: Duration) -> Self {
        self.origin = Some(Origin { credential: call.fingerprint.clone(), at });
        self
    }

    /// The response to a request with these headers.
    pub(super) fn into_response(self, request: &HeaderMap, ending: Ending) -> Response<Body> {
        let (content_type, body) = self.content.render(request, ending);
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.insert(SERVER, HeaderValue::from_static("Kestrel"));
        for (name, value) in self.fields {
            headers.append(name, value);
        }
        response
    }
}

impl Content {
    fn render(self, request: &HeaderMap, ending: Ending) -> (Option<HeaderValue>, Body) {
        match self {
            Self::Nothing => (None, Body::Empty),
            Self::Json(bytes) => {
                let (content_type, bytes) = encoded(accept::object_type(request), bytes, request);
                (Some(content_type), Body::chunked(bytes, ending))
            }
            Self::Problem(bytes) => {
                let (content_type, bytes) = encoded("application/problem+json", bytes, request);
                (Some(content_type), Body::chunked(bytes, ending))
            }
            Self::Text(text) => {
                let form = accept::string_type(request);
                let text = if form == "text/plain" { text.into() } else { to_json(&text) };
                let (content_type, bytes) = encoded(form, text, request);
                (Some(content_type), Body::chunked(bytes, ending))
            }
            Self::Fixed(content_type, bytes) => (Some(field_value(content_type)), Body::sized(bytes, ending)),
            Self::Chunked(content_type, bytes) => (Some(field_value(content_type)), Body::chunked(bytes, ending)),
            Self::Stream(content_type, receiver) => (Some(field_value(content_type)), Body::Stream(receiver)),
        }
    }
}

/// The content type with its charset, and the bytes in that charset.
fn encoded(media_type: &'static str, text: Bytes, request: &HeaderMap) -> (HeaderValue, Bytes) {
    let encoding = accept::encoding(request);
    if encoding == Encoding::Utf8 && media_type == "application/json" {
        return (HeaderValue::from_static("application/json; charset=utf-8"), text);
    }
    let content_type = field_value(&format!("{media_type}; charset={}", encoding.name()));
    match encoding {
        Encoding::Utf8 => (content_type, text),
        Encoding::Utf16 => (content_type, to_utf16(&text)),
    }
}

fn to_utf16(text: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(text);
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// JSON without blanks and with letters as they are.
pub(super) fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("what the emulator answers has text keys and finite numbers").into()
}
