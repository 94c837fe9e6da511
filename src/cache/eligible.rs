//! Which requests may be answered from memory: one narrow form, everything else goes forward (DESIGN 3, contract 5.3).
//!
//! The question is not what HTTP would allow but for which requests it is *certain* that the upstream's answer depends
//! on nothing but list and credential.

use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, PRAGMA};

use crate::chathub::route::overrides;
use crate::chathub::{Identity, Route, RoutedRequest};
use crate::store::CacheKey;
use crate::wire::cache_control::CacheControl;
use crate::wire::cache_status::{Detail, Forward};

/// A request that may be answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eligible {
    /// What to look up.
    pub key: CacheKey,
    /// What the client says about freshness.
    pub wishes: CacheControl,
}

/// Returns what a field tells that, by being there, makes the answer depend on more than list and credential.
fn telling(name: &str) -> Option<Detail> {
    Some(match name {
        "cookie" => Detail::Cookie,
        "origin" => Detail::Origin,
        "range" => Detail::Range,
        "accept-charset" => Detail::AcceptCharset,
        "if-none-match" | "if-modified-since" | "if-match" | "if-unmodified-since" | "if-range" => Detail::Conditional,
        _ if overrides(name) => Detail::Override,
        _ => return None,
    })
}

/// Returns what to look up, or why the request goes forward past the cache.
///
/// # Errors
///
/// The `fwd` reason and `detail` word.
pub fn eligible(request: &RoutedRequest) -> Result<Eligible, (Forward, Detail)> {
    let bypass = |detail| (Forward::Bypass, detail);
    let fields = &request.head.headers;
    let Some(list) = request.list else {
        return Err(unlisted(request.route));
    };
    let credential = match request.identity {
        Identity::One(credential) => credential,
        Identity::Anonymous => return Err(bypass(Detail::NoCredential)),
        Identity::Both(_) | Identity::Repeated => return Err(bypass(Detail::TwoCredentials)),
    };
    let said = said(fields).map_err(bypass)?;
    if !request.body.is_empty() {
        return Err(bypass(Detail::Content));
    }
    if !said.accepts_the_common_form {
        return Err(bypass(Detail::Accept));
    }
    let wishes = if said.has_wishes { CacheControl::of(fields) } else { CacheControl::default() };
    if wishes.no_store {
        return Err(bypass(Detail::RequestNoStore));
    }
    Ok(Eligible { key: CacheKey { credential: credential.digest, list }, wishes })
}

fn unlisted(route: Route) -> (Forward, Detail) {
    match route {
        Route::ListOperators | Route::ListOrganizations => (Forward::Bypass, Detail::Target),
        Route::OtherRead | Route::Hub => (Forward::Bypass, Detail::Route),
        Route::Synchronize | Route::SetStatus | Route::Login | Route::Token | Route::ChatWrite | Route::OtherWrite => {
            (Forward::Method, Detail::Route)
        }
    }
}

/// What the fields say, found in one walk over them: requests have few, and each look for a name costs a hash.
struct Said {
    accepts_the_common_form: bool,
    has_wishes: bool,
}

/// Walks over the fields, up to the first on which the answer depends.
fn said(fields: &HeaderMap) -> Result<Said, Detail> {
    let mut said = Said { accepts_the_common_form: true, has_wishes: false };
    for (name, value) in fields {
        if let Some(detail) = telling(name.as_str()) {
            return Err(detail);
        }
        if name == ACCEPT {
            said.accepts_the_common_form &= is_of_the_common_form(value.as_bytes());
        } else if name == CACHE_CONTROL || name == PRAGMA {
            said.has_wishes = true;
        }
    }
    Ok(said)
}

/// Returns whether the upstream answers this `Accept` with the common form.
///
/// An absent field, `*/*`, `text/plain` and `application/json` all give the same bytes (contract 5.3), and so does any
/// list of them, such as the `application/json, text/plain, */*` of Node's axios. A member with parameters other than
/// a weight above zero is not of the class.
fn is_of_the_common_form(accept: &[u8]) -> bool {
    let members = accept.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty()).all(is_common)
}

fn is_common(member: &[u8]) -> bool {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next().unwrap_or_default();
    let is = |other: &[u8]| media.eq_ignore_ascii_case(other);
    (is(b"*/*") || is(b"application/json") || is(b"text/plain")) && parts.all(is_weight_above_zero)
}

/// `q=1`, `q=0.9`: RFC 9110 §12.4.2.
fn is_weight_above_zero(parameter: &[u8]) -> bool {
    let Some((b"q=" | b"Q=", weight)) = parameter.split_at_checked(2) else {
        return false;
    };
    weight.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && weight.iter().any(|byte| (b'1'..=b'9').contains(byte))
}

#[cfg(test)]
#[path = "eligible/tests.rs"]
mod tests;
