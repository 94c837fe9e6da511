//! What the server itself checks before anything looks at a request (contract 4).
//!
//! These refusals close the connection and carry no body. hyper has limits of its own, set wider, so that ours answer.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, HeaderMap};
use http::request::Parts;
use http::{StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// How large a request may be; the defaults are Kestrel's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The request line with its line end; more is a 414.
    pub(crate) request_line_bytes: usize,
    /// All fields with their line ends; more is a 431.
    pub(crate) head_bytes: usize,
    /// The number of fields; more is a 431.
    pub(crate) head_fields: usize,
    /// The body; more is a 413.
    pub(crate) body_bytes: u64,
    /// How long a connection waits for the next head, in real time; `None` is for ever.
    pub(crate) idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes: 8 * 1024,
            head_bytes: 32 * 1024,
            head_fields: 100,
            body_bytes: 30_000_000,
            idle: Some(Duration::from_secs(130)),
        }
    }
}

/// The request target as it was sent, without a fragment.
pub(super) fn target(parts: &Parts) -> String {
    match (parts.uri.scheme(), parts.uri.authority(), parts.uri.path_and_query()) {
        (None, None, Some(path)) => path.as_str().to_owned(),
        _ => parts.uri.to_string(),
    }
}

/// The status with which a head is refused, if it is.
pub(super) fn refusal(parts: &Parts, target: &str, limits: &Limits) -> Option<StatusCode> {
    // Two blanks, the version and the line end.
    let line = parts.method.as_str().len() + target.len() + " ".len() + " HTTP/1.1\r\n".len();
    if line > limits.request_line_bytes {
        return Some(StatusCode::URI_TOO_LONG);
    }
    if parts.headers.len() > limits.head_fields || head_bytes(&parts.headers) > limits.head_bytes {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let hosts = parts.headers.get_all(HOST).iter().count();
    (parts.version == Version::HTTP_11 && hosts != 1).then_some(StatusCode::BAD_REQUEST)
}

fn head_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len()).sum()
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BodyFault {
    TooLarge,
    /// The client left, or its framing is broken.
    Broken,
}

/// Reads a whole body.
pub(super) async fn read_body(headers: &HeaderMap, mut body: Incoming, limit: u64) -> Result<Bytes, BodyFault> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyFault::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyFault::Broken)?;
        let Ok(part) = frame.into_data() else { continue };
        if (whole.len() + part.len()) as u64 > limit {
            return Err(BodyFault::TooLarge);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
