//! Fields that end at one connection (RFC 9110 §7.6.1), and the trace a gateway leaves (`Via`, §7.6.3).
//!
//! `Connection` may name any field as hop-by-hop, and a hostile client names `Authorization`: a gateway that obeyed
//! would key by a credential that it then does not forward. Fields that this gateway's decisions rest on are kept
//! whatever `Connection` says.

use http::header::{
    ACCEPT, ACCEPT_CHARSET, AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, PRAGMA, RANGE, TE,
    TRAILER, VIA,
};

use crate::chathub::credential::X_AUTHORIZATION_KEY;

/// Fields that are always of one connection. `Trailer` is not: trailers are passed on. `Proxy-Authenticate` and
/// `Proxy-Authorization` go too: they address the next proxy, which this gateway is.
///
/// `Connection` is the first of them.
const ALWAYS: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Fields that `Connection` cannot remove, beside all that tell of the content.
static KEPT: [HeaderName; 17] = [
    AUTHORIZATION,
    X_AUTHORIZATION_KEY,
    HOST,
    COOKIE,
    ACCEPT,
    ACCEPT_CHARSET,
    CACHE_CONTROL,
    EXPECT,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    ORIGIN,
    PRAGMA,
    RANGE,
    TRAILER,
];

/// What the names begin with that tell of the content.
const CONTENT: &str = "content-";

/// Names that some servers take for another, since CGI writes a hyphen as an underscore. We decide by the other.
///
/// In each the hyphens are those that may be written either way.
const SHADOWED: [&str; 3] = ["x-authorization-key", "content-length", "transfer-encoding"];

/// Removes the fields that belong to the connection the message came by.
pub fn remove(fields: &mut HeaderMap) {
    remove_found(fields, find(fields));
}

/// Removes, of a request, also those that some servers would take for a credential or for framing, and returns whether
/// there were any. That a client takes trailers (RFC 9110 §10.1.4) is passed on.
pub fn remove_of_request(fields: &mut HeaderMap) -> bool {
    let found = find(fields);
    let takes_trailers = found.there[TE_PLACE] && lists(fields, &TE, b"trailers");
    remove_found(fields, found);
    if takes_trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
        fields.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    found.has_shadows && remove_shadows(fields)
}

/// Removes, of trailers, what must not come late (RFC 9110 §6.5.1): whatever decides about a request has decided by then,
/// and a server that merges trailers into the head would decide anew.
pub fn remove_of_trailers(fields: &mut HeaderMap) {
    let decides = |name: &&HeaderName| {
        let word = name.as_str();
        KEPT.contains(name)
            || ALWAYS.contains(&word)
            || word.starts_with(CONTENT)
            || SHADOWED.iter().any(|shadowed| is_shadow(word, shadowed))
    };
    let late: Vec<_> = fields.keys().filter(decides).cloned().collect();
    for name in late {
        fields.remove(name);
    }
}

/// Where `te` stands in [`ALWAYS`].
const TE_PLACE: usize = 5;

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Those of [`ALWAYS`].
    there: [bool; ALWAYS.len()],
    /// A name that some would take for one of [`SHADOWED`].
    has_shadows: bool,
}

/// One walk finds which there are: most messages have none of them, or `Connection` alone.
fn find(fields: &HeaderMap) -> Found {
    let mut found = Found::default();
    for name in fields.keys() {
        let name = name.as_str();
        // No name of another length is compared.
        if let Some(place) = ALWAYS.iter().position(|always| always.len() == name.len() && *always == name) {
            found.there[place] = true;
        }
        found.has_shadows |= SHADOWED.iter().any(|shadowed| is_shadow(name, shadowed));
    }
    found
}

/// Returns whether a name is another's, with an underscore in the place of a hyphen.
fn is_shadow(name: &str, shadowed: &str) -> bool {
    name.len() == shadowed.len()
        && name != shadowed
        && name.bytes().zip(shadowed.bytes()).all(|(byte, other)| byte == other || (byte, other) == (b'_', b'-'))
}

fn remove_shadows(fields: &mut HeaderMap) -> bool {
    let names = fields.keys().filter(|name| SHADOWED.iter().any(|shadowed| is_shadow(name.as_str(), shadowed)));
    let names: Vec<_> = names.cloned().collect();
    for name in &names {
        fields.remove(name);
    }
    !names.is_empty()
}

fn remove_found(fields: &mut HeaderMap, found: Found) {
    if found.there[0] {
        for name in nominated(fields) {
            if !name.as_str().starts_with(CONTENT) && !KEPT.contains(&name) {
                fields.remove(name);
            }
        }
    }
    for (name, _) in ALWAYS.into_iter().zip(found.there).filter(|(_, is_there)| *is_there) {
        fields.remove(name);
    }
}

/// Returns whether a field lists a word, whatever its parameters.
fn lists(fields: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    let elements = fields.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    elements.into_iter().any(|element| {
        let element = element.split(|byte| *byte == b';').next().unwrap_or_default();
        element.trim_ascii().eq_ignore_ascii_case(word)
    })
}

/// Returns the field names that `Connection` lists. Most messages list none or only `keep-alive`, so this allocates
/// for nothing else.
fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|option| !option.eq_ignore_ascii_case("keep-alive") && !option.eq_ignore_ascii_case("close"))
        .filter_map(|option| option.parse().ok())
        .collect()
}

/// Adds this gateway to `Via` (RFC 9110 §7.6.3).
pub fn add_via(fields: &mut HeaderMap, received: http::Version) {
    let via = match received {
        http::Version::HTTP_10 => "1.0 chathub-gateway",
        http::Version::HTTP_2 => "2.0 chathub-gateway",
        _ => "1.1 chathub-gateway",
    };
    fields.append(VIA, HeaderValue::from_static(via));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn names(fields: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn fields_of_the_connection_go_and_others_stay() {
        let mut fields = fields(&[
            ("connection", "keep-alive, X-Trace"),
            ("keep-alive", "timeout=5"),
            ("x-trace", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("accept", "text/plain"),
        ]);
        remove(&mut fields);
        assert_eq!(names(&fields), ["accept"]);
    }

    #[test]
    fn connection_cannot_remove_what_decisions_rest_on() {
        let mut fields = fields(&[
            ("connection", "Authorization, X-Authorization-Key, Host, Content-Type, Content-Language, Accept, Range"),
            ("authorization", "Bearer a"),
            ("x-authorization-key", "b"),
            ("host", "h"),
            ("content-type", "application/json"),
            ("content-language", "en"),
            ("accept", "*/*"),
            ("range", "bytes=0-1"),
        ]);
        remove(&mut fields);
        let kept =
            ["accept", "authorization", "content-language", "content-type", "host", "range", "x-authorization-key"];
        assert_eq!(names(&fields), kept);
    }

    #[test]
    fn a_name_with_an_underscore_that_some_would_take_for_a_credential_goes() {
        for (name, is_taken_for_another) in [
            ("x_authorization_key", true),
            ("x-authorization_key", true),
            ("content_length", true),
            ("transfer_encoding", true),
            ("x_authorization_kez", false),
            ("x_trace", false),
            ("_", false),
        ] {
            let mut fields = fields(&[("x-authorization-key", "b"), (name, "1"), ("content-length", "1")]);
            assert_eq!(remove_of_request(&mut fields), is_taken_for_another, "{name}");
            assert_eq!(fields.contains_key(name), !is_taken_for_another, "{name}");
            assert_eq!(fields.len(), 3 - usize::from(is_taken_for_another), "{name}");
        }
    }

    #[test]
    fn nothing_that_decides_about_a_request_comes_late() {
        let mut fields = fields(&[
            ("authorization", "Bearer a"),
            ("x-authorization-key", "b"),
            ("x_authorization_key", "b"),
            ("cookie", "c"),
            ("host", "h"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("x-checksum", "7"),
        ]);
        remove_of_trailers(&mut fields);
        assert_eq!(names(&fields), ["x-checksum"]);
    }

    #[test]
    fn that_trailers_are_taken_is_passed_on_and_nothing_else_of_te() {
        for (te, passed) in [("trailers", true), ("gzip, Trailers;q=1", true), ("gzip", false)] {
            let mut fields = fields(&[("connection", "te, close"), ("te", te), ("accept", "a/b")]);
            assert!(!remove_of_request(&mut fields));
            let expected: &[&str] = if passed { &["accept", "connection", "te"] } else { &["accept"] };
            assert_eq!(names(&fields), expected, "{te}");
            if passed {
                assert_eq!(
                    (&fields["te"], &fields["connection"]),
                    (&"trailers".parse().unwrap(), &"te".parse().unwrap())
                );
            }
        }
        assert_eq!(ALWAYS[TE_PLACE], "te");
    }

    #[test]
    fn via_is_added_after_what_stood_there() {
        let mut fields = fields(&[("via", "1.1 front")]);
        add_via(&mut fields, http::Version::HTTP_11);
        let values: Vec<_> = fields.get_all(VIA).iter().collect();
        assert_eq!(values, ["1.1 front", "1.1 chathub-gateway"]);
    }
}
