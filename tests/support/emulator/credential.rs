//! Who calls (contract 3).
//!
//! Some rules surprise: another scheme than Bearer counts as no credential at all; repeated `Authorization` fields are
//! joined by commas, so they make one bad token; where both fields are sent, `X-Authorization-Key` is taken. A token in
//! the query counts only on the hub.

use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;

use super::endpoint::Endpoint;
use super::query::Query;
use super::shared::{Shared, lock};
use super::token::{self, CompanyId, TokenFault};

/// The field that takes a profile key, or a token.
pub(super) const KEY_FIELD: &str = "x-authorization-key";

/// A caller whose credential is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Caller {
    pub(super) company: CompanyId,
    /// Whose operator token it is; `None` for company tokens and profile keys.
    pub(super) operator: Option<u32>,
}

/// A credential as it was sent, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) caller: Option<Caller>,
    pub(super) fault: Option<TokenFault>,
    /// The fingerprint of what was sent.
    pub(super) fingerprint: Option<String>,
}

/// Finds the credential of a request and checks it.
pub(super) fn identify(shared: &Shared, parts: &Parts, endpoint: Endpoint) -> Identity {
    let Some((value, is_key)) = sent(parts, endpoint) else {
        return Identity::default();
    };
    let checked = check(shared, &value, is_key);
    Identity { caller: checked.ok(), fault: checked.err(), fingerprint: Some(token::fingerprint(&value)) }
}

/// The credential's text, and whether it stood in the field for profile keys.
fn sent(parts: &Parts, endpoint: Endpoint) -> Option<(String, bool)> {
    if let Some(key) = parts.headers.get(KEY_FIELD) {
        return Some((String::from_utf8_lossy(key.as_bytes()).trim().to_owned(), true));
    }
    if let Some(token) = bearer(&parts.headers) {
        return Some((token, false));
    }
    let is_hub = matches!(endpoint, Endpoint::Hub | Endpoint::Negotiate);
    let query = is_hub.then(|| Query::parse(parts.uri.query()))?;
    query.first("access_token").map(|token| (token.to_owned(), false))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes()).collect();
    let joined = String::from_utf8_lossy(&values.join(&b","[..])).into_owned();
    let (scheme, token) = joined.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

fn check(shared: &Shared, value: &str, is_key: bool) -> Result<Caller, TokenFault> {
    let known = lock(&shared.credentials);
    if known.revoked.contains(value) {
        return Err(TokenFault::Revoked);
    }
    let keyed = known.profile_keys.get(value).filter(|_| is_key).or_else(|| known.opaque.get(value));
    if let Some(company) = keyed {
        return Ok(Caller { company: *company, operator: None });
    }
    drop(known);
    let claims = token::verify(value, shared.clock.now())?;
    Ok(Caller { company: claims.client_id, operator: claims.operator_id })
}
