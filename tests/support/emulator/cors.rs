//! Answers to browsers of other origins (contract 5.1 and 5.3).
//!
//! An origin that is not on the white list is not refused: it gets the plain answer, without the fields that would let a
//! script read it. `Vary: Origin` appears only when the list names more than one origin.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};

use super::answer::Answer;
use super::switches::Switches;

/// Whether a request asks for permission instead of for an answer.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method.as_str().eq_ignore_ascii_case("OPTIONS")
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight, before [`fields`] are added to it.
pub(super) fn preflight(request: &HeaderMap, switches: &Switches) -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    if allowed_origin(request, switches).is_none() {
        return answer;
    }
    let echoes = [
        (ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_REQUEST_METHOD),
        (ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS),
    ];
    for (name, asked) in echoes {
        answer.fields.extend(request.get(asked).map(|value| (name, value.clone())));
    }
    answer
}

/// The fields that every answer to an allowed origin carries.
pub(super) fn fields(request: &HeaderMap, switches: &Switches) -> Vec<(HeaderName, HeaderValue)> {
    let Some(origin) = allowed_origin(request, switches) else {
        return Vec::new();
    };
    let mut fields = vec![
        (ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
    ];
    if switches.cors_origins.len() > 1 {
        fields.push((VARY, HeaderValue::from_static("Origin")));
    }
    fields
}

fn allowed_origin<'a>(request: &'a HeaderMap, switches: &Switches) -> Option<&'a HeaderValue> {
    let origin = request.get(ORIGIN)?;
    switches.cors_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then_some(origin)
}
