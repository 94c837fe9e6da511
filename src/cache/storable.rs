//! Which responses may be stored (RFC 9111 §3, DESIGN 3): a complete 200 that is the list the route promises.
//!
//! RFC 9111 §3.5 forbids a shared cache to store an answer to a request with `Authorization` unless told so. This
//! gateway may: its key holds the credential, so nothing stored for one is ever given to another.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, SET_COOKIE, VARY};
use http::{StatusCode, response};

use crate::chathub::List;
use crate::chathub::payload::{self, Operators};
use crate::wire::cache_control::CacheControl;
use crate::wire::cache_status::Detail;

/// Judges a response by its head.
///
/// # Errors
///
/// Why it is not to be stored.
pub fn judge_head(head: &response::Parts, control: &CacheControl) -> Result<(), Detail> {
    if head.status != StatusCode::OK {
        return Err(Detail::Status);
    }
    if control.no_store {
        return Err(Detail::NoStore);
    }
    if control.private {
        return Err(Detail::Private);
    }
    if control.no_cache {
        return Err(Detail::NoLifetime);
    }
    if head.headers.contains_key(SET_COOKIE) {
        return Err(Detail::SetCookie);
    }
    if !is_json(&head.headers) || head.headers.contains_key(CONTENT_ENCODING) {
        return Err(Detail::ContentType);
    }
    if !vary_is_covered(&head.headers) {
        return Err(Detail::Vary);
    }
    Ok(())
}

/// Judges complete content, and returns the operators that it holds.
///
/// # Errors
///
/// [`Detail::Shape`] if it is not the array that the route promises.
pub fn judge_content(list: List, content: &[u8]) -> Result<Operators, Detail> {
    payload::operators(list, content).ok_or(Detail::Shape)
}

/// Returns whether there is one content type, JSON in UTF-8.
fn is_json(fields: &HeaderMap) -> bool {
    let mut types = fields.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = only.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/json"))
        && parts.all(|parameter| parameter.eq_ignore_ascii_case(b"charset=utf-8"))
}

/// Returns whether all that the answer varies by is the same for every request with this key: because it is in the key,
/// because eligible requests do not have it, or because the gateway sends one value for all.
fn vary_is_covered(fields: &HeaderMap) -> bool {
    const COVERED: [&str; 8] =
        ["accept", "accept-charset", "accept-encoding", "authorization", "cookie", "origin", "x-authorization-key", ""];
    let names = fields.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names
        .map(<[u8]>::trim_ascii)
        .all(|name| COVERED.iter().any(|covered| name.eq_ignore_ascii_case(covered.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, lines: &[(&str, &str)]) -> Result<(), Detail> {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        judge_head(&head, &CacheControl::of(&head.headers))
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

    #[test]
    fn a_plain_list_may_be_stored() {
        assert_eq!(judge(200, &[JSON]), Ok(()));
        assert_eq!(judge(200, &[JSON, ("vary", "Accept-Encoding, Origin")]), Ok(()));
    }

    #[test]
    fn each_reason_against_storing_has_its_word() {
        type Fields = &'static [(&'static str, &'static str)];
        let rows: [(u16, Fields, Detail); 12] = [
            (204, &[JSON], Detail::Status),
            (401, &[JSON], Detail::Status),
            (500, &[JSON], Detail::Status),
            (200, &[], Detail::ContentType),
            (200, &[("content-type", "text/html")], Detail::ContentType),
            (200, &[("content-type", "application/json; charset=utf-16")], Detail::ContentType),
            (200, &[JSON, ("content-encoding", "gzip")], Detail::ContentType),
            (200, &[JSON, ("set-cookie", "a=b")], Detail::SetCookie),
            (200, &[JSON, ("cache-control", "no-store")], Detail::NoStore),
            (200, &[JSON, ("cache-control", "private")], Detail::Private),
            (200, &[JSON, ("cache-control", "no-cache")], Detail::NoLifetime),
            (200, &[JSON, ("vary", "accept, *")], Detail::Vary),
        ];
        for (status, fields, detail) in rows {
            assert_eq!(judge(status, fields), Err(detail), "{status} {fields:?}");
        }
    }
}
