//! What a request is for, decided on a normalised *copy* of method and path (contract 5.1).
//!
//! The rule that keeps this safe: a mistake may only ever cost a hit. What is not certainly a read, a token call or
//! hub traffic counts as a write of everything, and so does any path that two servers could read differently.

use std::borrow::Cow;

use http::{Method, Uri};

use super::id::OrganizationId;
use super::request::List;

crate::telemetry::label::words! {
    /// The routes of the API, as far as the gateway tells them apart.
    Route {
        /// `GET /api/operator`, in whatever spelling.
        ListOperators = "list_operators",
        /// `GET /api/company/organization`, in whatever spelling.
        ListOrganizations = "list_organizations",
        /// `POST /api/operator/synchronize`: adds operators.
        Synchronize = "synchronize",
        /// `POST /api/operator/status`: switches one operator.
        SetStatus = "set_status",
        /// `POST /api/company/get-token`.
        Login = "login",
        /// `POST /api/operator/get-token` and `…/validate-token`.
        Token = "token",
        /// Any method at or under `/chathub`.
        Hub = "hub",
        /// A write at or under `/api/chat`: it changes no list.
        ChatWrite = "chat_write",
        /// Any other GET, HEAD or OPTIONS.
        OtherRead = "other_read",
        /// Anything else: it may change every list.
        OtherWrite = "other_write",
    }
}

impl Route {
    /// Returns what a request with this method and target is for.
    #[must_use]
    pub fn of(method: &Method, target: &Uri) -> Self {
        Self::and_list(method, target).0
    }

    /// Returns what a request is for, and the list that it asks for if it does so in canonical form.
    #[must_use]
    pub fn and_list(method: &Method, target: &Uri) -> (Self, Option<List>) {
        match List::from_canonical(method, target) {
            Some(list @ List::Operators(_)) => (Self::ListOperators, Some(list)),
            Some(list @ List::Organizations) => (Self::ListOrganizations, Some(list)),
            None => (Self::in_any_form(method, target), None),
        }
    }

    fn in_any_form(method: &Method, target: &Uri) -> Self {
        let path = Path::normalised(target.path());
        let method = Verb::of(method);
        match (method, path.text.as_ref()) {
            (Verb::Get, b"/api/operator") => Self::ListOperators,
            (Verb::Get, b"/api/company/organization") => Self::ListOrganizations,
            (Verb::Post, b"/api/operator/synchronize") => Self::Synchronize,
            (Verb::Post, b"/api/operator/status") => Self::SetStatus,
            (Verb::Post, b"/api/company/get-token") if path.is_plain => Self::Login,
            (Verb::Post, b"/api/operator/get-token" | b"/api/operator/validate-token") if path.is_plain => Self::Token,
            (_, text) if path.is_plain && is_at_or_under(text, b"/chathub") => Self::Hub,
            (Verb::Get | Verb::OtherSafe, _) => Self::OtherRead,
            (_, text) if path.is_plain && is_at_or_under(text, b"/api/chat") => Self::ChatWrite,
            _ => Self::OtherWrite,
        }
    }

    /// Returns whether a request of this route only reads, and so may be sent again.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::ListOperators | Self::ListOrganizations | Self::OtherRead)
    }

    /// Returns whether a request of this route is a write that must be seen through though its client has left.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Synchronize | Self::SetStatus | Self::ChatWrite | Self::OtherWrite)
    }
}

/// A method, folded in case as the upstream does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    OtherSafe,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        let is = |other: &str| method.as_str().eq_ignore_ascii_case(other);
        if is("GET") {
            Self::Get
        } else if is("POST") {
            Self::Post
        } else if is("HEAD") || is("OPTIONS") {
            Self::OtherSafe
        } else {
            Self::Other
        }
    }
}

/// A path as the upstream's matcher would see it.
struct Path<'a> {
    text: Cow<'a, [u8]>,
    /// No server between here and the controller could read it as another path: no encoded or reversed slash, no empty
    /// segment, no byte outside visible ASCII, not even in a segment that a `..` removes.
    is_plain: bool,
}

impl<'a> Path<'a> {
    /// Decodes, removes dot segments, folds case and drops one trailing slash, in this order (contract 5.1).
    fn normalised(path: &'a str) -> Self {
        let raw = path.as_bytes();
        if raw.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'/' | b'-' | b'0'..=b'9')) {
            return Self { is_plain: !has_empty_segment(raw), text: Cow::Borrowed(without_trailing_slash(raw)) };
        }
        let decoded = decode_all_but_slash(raw);
        let odd = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'%' | b';');
        // Asked before any segment is removed: `/chathub//../x` is `/x` to a server that joins slashes.
        let is_plain = !decoded.iter().any(odd) && !has_empty_segment(&decoded);
        let text = without_trailing_slash(&without_dot_segments(&decoded)).to_ascii_lowercase();
        Self { text: Cow::Owned(text), is_plain }
    }
}

fn has_empty_segment(path: &[u8]) -> bool {
    path.windows(2).any(|pair| pair == b"//")
}

fn without_trailing_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(path)
}

fn is_at_or_under(path: &[u8], parent: &[u8]) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Decodes `%XX`, except `%2F`, which the upstream leaves as it is.
fn decode_all_but_slash(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten().and_then(hexadecimal);
        match escaped {
            Some(byte) if byte != b'/' => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// Removes `.` and `..` segments (RFC 3986 §5.2.4); `..` above the root stays at the root.
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            other => kept.push(other),
        }
        if is_last && matches!(segment, b"." | b"..") {
            kept.push(b"");
        }
    }
    kept.iter().fold(Vec::with_capacity(path.len()), |mut joined, segment| {
        joined.push(b'/');
        joined.extend_from_slice(segment);
        joined
    })
}

impl List {
    /// Reads the one form of each list that may be answered from memory (DESIGN 3, contract 5.2).
    #[must_use]
    pub fn from_canonical(method: &Method, target: &Uri) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        match (target.path(), target.query()) {
            ("/api/operator", Some(query)) => {
                let digits = query.as_bytes().strip_prefix(b"organizationId=")?;
                OrganizationId::from_canonical(digits).map(Self::Operators)
            }
            ("/api/company/organization", None) => Some(Self::Organizations),
            _ => None,
        }
    }
}

/// Returns whether a field is one that some servers take in the place of method or target: behind it may be a write,
/// whatever the request line says.
#[must_use]
pub fn overrides(name: &str) -> bool {
    matches!(
        name,
        "x-http-method-override" | "x-http-method" | "x-method-override" | "x-original-url" | "x-rewrite-url"
    )
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
