//! The gateway's own error answers: `application/problem+json` (RFC 9457), and the contract's body for 429.
//!
//! The `type` is stable, for programs; `title` and `detail` are for people and may change. Nothing of the request is
//! ever repeated in them: a target can hold a token.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::Body;

/// The body that ChatHub's documents give for 429 (contract section 4).
const TOO_MANY_REQUESTS: &[u8] = br#"{"error":"Too Many Requests","message":"Rate limit exceeded. Please wait before sending more requests.","status":429}"#;

/// Builds a problem answer. `reason` is a fixed word and becomes the `type`; `detail` says what to do.
#[must_use]
pub fn response(status: StatusCode, reason: &str, detail: &str) -> Response<Body> {
    let content = serde_json::json!({
        "type": format!("urn:chathub-gateway:problem:{reason}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    with_content(status, "application/problem+json", content.to_string().into())
}

/// Builds the answer to a request over quota, with the upstream's own body so that clients need to know one shape.
#[must_use]
pub fn too_many_requests() -> Response<Body> {
    with_content(StatusCode::TOO_MANY_REQUESTS, "application/json", Bytes::from_static(TOO_MANY_REQUESTS))
}

fn with_content(status: StatusCode, content_type: &'static str, content: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_429_body_is_the_contracts_to_the_letter() {
        let body: serde_json::Value = serde_json::from_slice(TOO_MANY_REQUESTS).unwrap();
        assert_eq!(body["error"], "Too Many Requests");
        assert_eq!(body["message"], "Rate limit exceeded. Please wait before sending more requests.");
        assert_eq!(body["status"], 429);
    }
}
