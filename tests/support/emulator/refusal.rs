//! The answers that say no, in the shapes of the contract's section 6.
//!
//! Who refuses decides the shape: routing, authentication and the server answer with an empty body, a controller with
//! problem+json or with SMSBAT's common form (a switch), and the rate limit with a text of its own.

use std::collections::BTreeMap;

use http::StatusCode;
use http::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::answer::{Answer, Content, to_json};
use super::random::hex;
use super::switches::{ErrorStyle, Switches};

/// What the documentation promises for a request above the limit, to the letter.
pub(super) const TOO_MANY: &str = r#"{"error":"Too Many Requests","message":"Rate limit exceeded. Please wait before sending more requests.","status":429}"#;

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 400 of the framework: what was wrong, by key.
    Invalid(Vec<(String, String)>),
    /// 400, in SMSBAT's form 422: the request was read, but the values will not do.
    Unprocessable(Vec<(String, String)>),
    /// 401 for a wrong login.
    WrongLogin,
    /// 401; the description is absent if no credential was sent.
    Unauthorized(Option<String>),
    /// 403 with an empty body.
    Forbidden,
    /// 404 of a controller.
    NotFound,
    /// 404 of routing.
    NoRoute,
    /// 405 with `Allow`.
    WrongMethod(String),
    /// 415 of a controller.
    UnsupportedMediaType,
    /// 429; how long to wait, in seconds.
    TooMany(u64),
    /// What the server itself refuses before any route is looked for; it closes the connection.
    Server(StatusCode),
    /// 500 of a controller that failed half-way.
    Failed,
}

impl Refusal {
    pub(super) fn invalid(key: &str, text: impl Into<String>) -> Self {
        Self::Invalid(vec![(key.to_owned(), text.into())])
    }

    pub(super) fn unprocessable(key: &str, text: impl Into<String>) -> Self {
        Self::Unprocessable(vec![(key.to_owned(), text.into())])
    }

    /// The answer in the form that the switches ask for.
    pub(super) fn into_answer(self, switches: &Switches) -> Answer {
        match self {
            Self::Invalid(errors) => failed(switches, StatusCode::BAD_REQUEST, Some(&errors)),
            Self::Unprocessable(errors) => failed(switches, unprocessable_status(switches), Some(&errors)),
            Self::WrongLogin => failed(switches, StatusCode::UNAUTHORIZED, None),
            Self::NotFound => failed(switches, StatusCode::NOT_FOUND, None),
            Self::UnsupportedMediaType => failed(switches, StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
            Self::Failed => failed(switches, StatusCode::INTERNAL_SERVER_ERROR, None),
            Self::Unauthorized(description) => unauthorized(description.as_deref()),
            Self::Forbidden => Answer::empty(StatusCode::FORBIDDEN),
            Self::NoRoute => Answer::empty(StatusCode::NOT_FOUND),
            Self::WrongMethod(allow) => Answer::empty(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, &allow),
            Self::TooMany(seconds) => too_many(switches, seconds),
            Self::Server(status) => Answer::empty(status).with(CONNECTION, "close"),
        }
    }
}

fn unprocessable_status(switches: &Switches) -> StatusCode {
    match switches.error_style {
        ErrorStyle::Problem => StatusCode::BAD_REQUEST,
        ErrorStyle::Smsbat => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn too_many(switches: &Switches, seconds: u64) -> Answer {
    let answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, Content::Json(TOO_MANY.into()));
    if switches.retry_after { answer.with(RETRY_AFTER, &seconds.to_string()) } else { answer }
}

fn unauthorized(description: Option<&str>) -> Answer {
    let challenge = description.map_or_else(
        || "Bearer".to_owned(),
        |text| format!("Bearer error=\"invalid_token\", error_description=\"{text}\""),
    );
    Answer::empty(StatusCode::UNAUTHORIZED).with(WWW_AUTHENTICATE, &challenge)
}

/// An error of a controller; with `errors` it is a validation error.
fn failed(switches: &Switches, status: StatusCode, errors: Option<&[(String, String)]>) -> Answer {
    let content = match switches.error_style {
        ErrorStyle::Problem => Content::Problem(to_json(&Problem::new(status, errors))),
        ErrorStyle::Smsbat => Content::Json(to_json(&CommonForm::new(status, errors))),
    };
    Answer::new(status, content)
}

/// The framework's problem+json.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<BTreeMap<&'a str, [&'a str; 1]>>,
}

impl<'a> Problem<'a> {
    fn new(status: StatusCode, errors: Option<&'a [(String, String)]>) -> Self {
        let title = match errors {
            Some(_) => "One or more validation errors occurred.",
            None => problem_title(status),
        };
        Self {
            r#type: format!("https://tools.ietf.org/html/rfc9110#section-{}", problem_section(status)),
            title,
            status: status.as_u16(),
            trace_id: format!("00-{}-{}-00", hex(16), hex(8)),
            errors: errors.map(|errors| errors.iter().map(|(key, text)| (key.as_str(), [text.as_str()])).collect()),
        }
    }
}

fn problem_title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => "An error occurred while processing your request.",
        other => other.canonical_reason().unwrap_or_default(),
    }
}

/// The section of RFC 9110 that the framework names for a status.
fn problem_section(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "15.5.1",
        401 => "15.5.2",
        404 => "15.5.5",
        415 => "15.5.16",
        422 => "15.5.21",
        _ => "15.6.1",
    }
}

/// The form that SMSBAT documents for all its APIs.
#[derive(Serialize)]
struct CommonForm<'a> {
    status: u16,
    error: &'static str,
    message: &'a str,
    code: u16,
}

impl<'a> CommonForm<'a> {
    fn new(status: StatusCode, errors: Option<&'a [(String, String)]>) -> Self {
        let error = status.canonical_reason().unwrap_or_default();
        let message = errors.and_then(|errors| errors.first()).map_or(error, |(_, text)| text);
        let code = match status.as_u16() {
            400 => 1001,
            401 => 1002,
            404 => 1003,
            415 => 1004,
            422 => 1005,
            _ => 1099,
        };
        Self { status: status.as_u16(), error, message, code }
    }
}

/// A field value from text that the emulator made itself or was checked before.
pub(super) fn field_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
