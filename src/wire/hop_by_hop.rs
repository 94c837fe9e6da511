//! Fields that end at one connection (RFC 9110 §7.6.1), and the trace a gateway leaves (`Via`, §7.6.3).
//!
//! `Connection` may name any field as hop-by-hop, and a hostile client names `Authorization`: a gateway that obeyed
//! would key by a credential that it then does not forward. Fields that this gateway's decisions rest on are kept
//! whatever `Connection` says.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName,
    HeaderValue, VIA,
};

use crate::chathub::credential::X_AUTHORIZATION_KEY;

/// Fields that are always of one connection. `Proxy-Authenticate` and `Proxy-Authorization` go too: they address the
/// next proxy, which this gateway is.
///
/// `Connection` is the first of them.
const ALWAYS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that `Connection` cannot remove.
static KEPT: [HeaderName; 7] =
    [AUTHORIZATION, X_AUTHORIZATION_KEY, HOST, CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, COOKIE];

/// Removes the fields that belong to the connection the message came by.
pub fn remove(fields: &mut HeaderMap) {
    // One walk finds which there are: most messages have none of them, or `Connection` alone.
    let mut there = [false; ALWAYS.len()];
    for name in fields.keys() {
        let name = name.as_str();
        // No name of another length is compared.
        if let Some(place) = ALWAYS.iter().position(|always| always.len() == name.len() && *always == name) {
            there[place] = true;
        }
    }
    if there[0] {
        for name in nominated(fields) {
            if !KEPT.contains(&name) {
                fields.remove(name);
            }
        }
    }
    for (name, _) in ALWAYS.into_iter().zip(there).filter(|(_, is_there)| *is_there) {
        fields.remove(name);
    }
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
            ("connection", "Authorization, X-Authorization-Key, Host, Content-Type"),
            ("authorization", "Bearer a"),
            ("x-authorization-key", "b"),
            ("host", "h"),
            ("content-type", "application/json"),
        ]);
        remove(&mut fields);
        assert_eq!(names(&fields), ["authorization", "content-type", "host", "x-authorization-key"]);
    }

    #[test]
    fn via_is_added_after_what_stood_there() {
        let mut fields = fields(&[("via", "1.1 front")]);
        add_via(&mut fields, http::Version::HTTP_11);
        let values: Vec<_> = fields.get_all(VIA).iter().collect();
        assert_eq!(values, ["1.1 front", "1.1 chathub-gateway"]);
    }
}
