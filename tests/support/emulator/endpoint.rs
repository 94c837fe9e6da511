//! The endpoints of the contract's section 1 and the way to them.
//!
//! A path that some route knows but not with this method is a 405 with `Allow`, never a 404; and `HEAD` is such a method,
//! for the upstream's `[HttpGet]` does not serve it.

use serde::{Deserialize, Serialize};

use super::path;

/// What a request asks for, and what counters, faults and stalls are kept by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Endpoint {
    /// `GET /api/operator`
    ListOperators,
    /// `POST /api/operator/synchronize`
    Synchronize,
    /// `POST /api/operator/status`
    SetStatus,
    /// `GET /api/company/organization`
    ListOrganizations,
    /// `POST /api/company/get-token`
    CompanyToken,
    /// `POST /api/operator/get-token`
    OperatorToken,
    /// `POST /api/operator/validate-token`
    ValidateToken,
    /// `GET /api/chat/chats`
    ListChats,
    /// `PUT /api/chat/status`
    SetChatStatus,
    /// `DELETE /api/chat/chats/{id}`
    DeleteChat,
    /// `GET /api/chat/chats/{id}/messages` and `GET /api/chat/{chatId}/messages`
    ListMessages,
    /// `POST /api/chat/{chatId}/message`
    SendMessage,
    /// `POST /chathub/negotiate`
    Negotiate,
    /// `/chathub` by any transport
    Hub,
    /// The Swagger pages
    Page,
    /// Whatever no endpoint took: unknown paths, wrong methods, preflights, malformed requests
    Other,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    Anyone,
    AnyToken,
    CompanyOnly,
}

impl Endpoint {
    pub(super) fn access(self) -> Access {
        match self {
            Self::CompanyToken | Self::Page | Self::Other => Access::Anyone,
            Self::Synchronize | Self::SetStatus | Self::ListOrganizations | Self::OperatorToken => Access::CompanyOnly,
            _ => Access::AnyToken,
        }
    }

    /// Whether the call changes data, so that it must run to its end even if the client has gone.
    pub(super) fn changes_data(self) -> bool {
        matches!(self, Self::Synchronize | Self::SetStatus | Self::SetChatStatus | Self::DeleteChat | Self::SendMessage)
    }

    /// Whether the call counts against the rate limit of its company.
    pub(super) fn is_limited(self) -> bool {
        !matches!(self, Self::Page | Self::Other)
    }
}

/// Method, path template and endpoint; of two templates that fit a path, the earlier wins.
pub(super) const ROUTES: &[(&str, &str, Endpoint)] = &[
    ("GET", "/api/operator", Endpoint::ListOperators),
    ("POST", "/api/operator/synchronize", Endpoint::Synchronize),
    ("POST", "/api/operator/status", Endpoint::SetStatus),
    ("GET", "/api/company/organization", Endpoint::ListOrganizations),
    ("POST", "/api/company/get-token", Endpoint::CompanyToken),
    ("POST", "/api/operator/get-token", Endpoint::OperatorToken),
    ("POST", "/api/operator/validate-token", Endpoint::ValidateToken),
    ("GET", "/api/chat/chats", Endpoint::ListChats),
    ("PUT", "/api/chat/status", Endpoint::SetChatStatus),
    ("DELETE", "/api/chat/chats/{id}", Endpoint::DeleteChat),
    ("GET", "/api/chat/chats/{id}/messages", Endpoint::ListMessages),
    ("GET", "/api/chat/{chatId}/messages", Endpoint::ListMessages),
    ("POST", "/api/chat/{chatId}/message", Endpoint::SendMessage),
    ("POST", "/chathub/negotiate", Endpoint::Negotiate),
    ("GET", "/chathub", Endpoint::Hub),
    ("POST", "/chathub", Endpoint::Hub),
    ("DELETE", "/chathub", Endpoint::Hub),
    ("GET", "/", Endpoint::Page),
    ("GET", "/index.html", Endpoint::Page),
    ("GET", "/swagger/v1/swagger.json", Endpoint::Page),
];

/// What routing makes of a method and a raw path.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Matched {
    /// A route, with the value of its `{parameter}` if it has one.
    Found { endpoint: Endpoint, parameter: Option<Parameter> },
    /// The path is known, the method is not; the value of `Allow`.
    WrongMethod { allow: String },
    /// No route knows the path.
    Unknown,
    /// The path cannot be read at all.
    Malformed,
}

/// A path parameter: its name in the template and its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl Matched {
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Found { endpoint, .. } => *endpoint,
            _ => Endpoint::Other,
        }
    }
}

/// Finds the route of a request; neither the method's nor the literals' case matters.
pub(super) fn resolve(method: &str, raw_path: &str) -> Matched {
    let Some(path) = path::normalize(raw_path) else {
        return Matched::Malformed;
    };
    let Some(segments) = path::segments(&path) else {
        return Matched::Unknown;
    };
    let mut allow = Vec::new();
    for (route_method, template, endpoint) in ROUTES.iter().filter(|(_, template, _)| fits(template, &segments)) {
        if route_method.eq_ignore_ascii_case(method) {
            return Matched::Found { endpoint: *endpoint, parameter: parameter(template, &segments) };
        }
        allow.push(*route_method);
    }
    if allow.is_empty() { Matched::Unknown } else { Matched::WrongMethod { allow: allow.join(", ") } }
}

fn parts_of(template: &'static str) -> impl Iterator<Item = &'static str> {
    template.split('/').skip(1).filter(|part| !part.is_empty())
}

fn fits(template: &'static str, segments: &[&str]) -> bool {
    parts_of(template).count() == segments.len()
        && parts_of(template)
            .zip(segments)
            .all(|(part, segment)| part.starts_with('{') || part.eq_ignore_ascii_case(segment))
}

fn parameter(template: &'static str, segments: &[&str]) -> Option<Parameter> {
    let (part, segment) = parts_of(template).zip(segments).find(|(part, _)| part.starts_with('{'))?;
    Some(Parameter { name: part.trim_matches(['{', '}']), text: (*segment).to_owned() })
}
