//! Content negotiation: which form and which encoding an answer takes (contract 5.3).
//!
//! The surprising part: an `Accept` that holds `*/*` anywhere is ignored as a whole, one that nothing meets falls back to
//! the default instead of 406, and the default of a bare string is `text/plain` while that of all else is JSON.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_CHARSET, HeaderName};

/// How the text of an answer becomes bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }
}

/// The media type of an object or array.
pub(super) fn object_type(headers: &HeaderMap) -> &'static str {
    choose(headers, &["application/json", "text/json"]).unwrap_or("application/json")
}

/// The media type of a string that a controller returns.
pub(super) fn string_type(headers: &HeaderMap) -> &'static str {
    choose(headers, &["text/plain", "application/json", "text/json"]).unwrap_or("text/plain")
}

/// The encoding that `Accept-Charset` asks for.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let wanted = weighted(headers, &ACCEPT_CHARSET);
    let known = wanted.iter().filter(|item| item.weight > 0.0).find_map(|item| match item.value.as_str() {
        "utf-8" | "*" => Some(Encoding::Utf8),
        "utf-16" => Some(Encoding::Utf16),
        _ => None,
    });
    known.unwrap_or(Encoding::Utf8)
}

fn choose(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let wanted = weighted(headers, &ACCEPT);
    if wanted.iter().any(|item| item.value == "*/*") {
        return None;
    }
    let mut plain = wanted.iter().filter(|item| !item.has_parameters);
    plain.find_map(|item| offered.iter().copied().find(|offer| covers(&item.value, offer)))
}

/// Whether a media range such as `text/*` covers a media type.
fn covers(range: &str, offer: &str) -> bool {
    let family = range.strip_suffix('*').filter(|family| family.ends_with('/'));
    range == offer || family.is_some_and(|family| offer.starts_with(family))
}

struct Weighted {
    value: String,
    weight: f32,
    /// Whether there are parameters besides `q`: none of the offers has any, so none would fit.
    has_parameters: bool,
}

/// The members of a list field, the heaviest first.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<Weighted> {
    let fields = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let members = fields.flat_map(|field| field.split(',')).map(str::trim).filter(|member| !member.is_empty());
    let mut members: Vec<Weighted> = members.map(read_member).collect();
    members.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    members
}

fn read_member(member: &str) -> Weighted {
    let mut parts = member.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default().to_ascii_lowercase();
    let mut read = Weighted { value, weight: 1.0, has_parameters: false };
    for part in parts.filter(|part| !part.is_empty()) {
        match part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")) {
            Some(weight) => read.weight = weight.trim().parse().unwrap_or(1.0),
            None => read.has_parameters = true,
        }
    }
    read
}
