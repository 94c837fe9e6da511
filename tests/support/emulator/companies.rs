//! Organizations and tokens (contract 1.4 to 1.7).
//!
//! A token is a string that a controller returns, so it goes out raw as `text/plain` unless `Accept` prefers JSON; and
//! the verdict on a token is always a 200, whatever it says.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::answer::{Answer, Content, to_json};
use super::calendar;
use super::document;
use super::exchange::Call;
use super::refusal::Refusal;
use super::shared::{Shared, lock};
use super::switches::{TokenShape, VerdictName};
use super::token::{self, CompanyId};

/// How long company tokens live.
const COMPANY_TOKEN_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// How long operator tokens may live.
const OPERATOR_TOKEN_LIMIT: Duration = Duration::from_secs(86_400);

/// `GET /api/company/organization`
pub(super) fn organizations(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let now = shared.clock.now();
    let data = lock(&shared.data);
    Ok(Answer::json(&data.organizations(caller.company)).with_origin(call, now))
}

/// `POST /api/company/get-token`
pub(super) fn company_token(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let body = document::read(&call.parts.headers, &call.body)?;
    let body = body.object("$")?;
    let required = |name: &str, key: &str| {
        let missing = || Refusal::unprocessable(key, format!("The {key} field is required."));
        body.text(name)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    };
    let (login, password) = (required("login", "Login")?, required("password", "Password")?);
    let data = lock(&shared.data);
    let mut companies = data.companies.iter();
    let company = companies.find(|company| company.login == login && company.password == password);
    let company = company.ok_or(Refusal::WrongLogin)?.id;
    let exp = (shared.clock.now() + COMPANY_TOKEN_LIFE).as_secs();
    Ok(token_answer(shared.issue(company, None, exp), exp, call.switches.token_shape))
}

/// `POST /api/operator/get-token`
pub(super) fn operator_token(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let body = document::read(&call.parts.headers, &call.body)?;
    let body = body.object("$")?;
    let id = body.int("id")?;
    let wanted = match body.text("expiresAt")? {
        Some(text) => calendar::parse(text).ok_or_else(|| body.cannot_convert("expiresAt", "System.DateTime"))?,
        None => i64::MIN,
    };
    let now = shared.clock.now();
    let exp = u64::try_from(wanted).ok().filter(|exp| *exp > now.as_secs());
    let exp = exp
        .filter(|exp| *exp <= (now + OPERATOR_TOKEN_LIMIT).as_secs())
        .ok_or_else(|| Refusal::unprocessable("ExpiresAt", "The field ExpiresAt must lie in the next 24 hours."))?;
    let data = lock(&shared.data);
    let (operator, _) = data.operator(caller.company, id).ok_or(Refusal::NotFound)?;
    Ok(token_answer(shared.issue(caller.company, Some(operator.id), exp), exp, call.switches.token_shape))
}

#[derive(Serialize)]
struct TokenObject {
    token: String,
    expiration: String,
}

fn token_answer(token: String, exp: u64, shape: TokenShape) -> Answer {
    let content = match shape {
        TokenShape::Negotiated => Content::Text(token),
        TokenShape::Raw => Content::Chunked("text/plain; charset=utf-8", token.into()),
        TokenShape::String => Content::Chunked("application/json; charset=utf-8", to_json(&token)),
        TokenShape::Object => Content::Json(to_json(&TokenObject { token, expiration: moment(exp) })),
    };
    Answer::new(StatusCode::OK, content)
}

/// `POST /api/operator/validate-token`
pub(super) fn validate_token(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let body = document::read(&call.parts.headers, &call.body)?;
    let token = body.object("$")?.text("token")?.unwrap_or_default();
    let is_revoked = lock(&shared.credentials).revoked.contains(token);
    let claims = token::verify(token, shared.clock.now()).ok().filter(|_| !is_revoked);
    let claims = claims.filter(|claims| claims.client_id == caller.company);
    let is_valid = claims.is_some();
    let is_current = call.switches.verdict_name == VerdictName::IsValid;
    Ok(Answer::json(&Verdict {
        is_valid: is_current.then_some(is_valid),
        valid: (!is_current).then_some(is_valid),
        error: (!is_valid).then_some("Invalid token"),
        claims: claims.map(|claims| VerdictClaims {
            operator_id: claims.operator_id,
            client_id: claims.client_id,
            expires_at: moment(claims.exp),
            error: (),
        }),
    }))
}

/// One of the first two members is absent, and so is what the verdict leaves open.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    #[serde(skip_serializing_if = "Option::is_none")]
    is_valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(flatten)]
    claims: Option<VerdictClaims>,
}

/// What is said of a valid token only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerdictClaims {
    operator_id: Option<u32>,
    client_id: CompanyId,
    expires_at: String,
    /// Null.
    error: (),
}

fn moment(unix_seconds: u64) -> String {
    calendar::format(i64::try_from(unix_seconds).unwrap_or(i64::MAX))
}
