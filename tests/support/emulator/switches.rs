//! Everything about the upstream that nobody knows for sure, or that a test wants otherwise.
//!
//! The defaults are the contract's section 8. A switch holds for all requests until it is set again; what should befall
//! only the next few requests is a [`Fault`](super::fault::Fault).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rate::RateLimit;

/// The global switches; on the control port in camelCase, durations in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Switches {
    /// How often a company may call.
    pub(crate) rate_limit: RateLimit,
    /// Whether a 429 carries `Retry-After`.
    pub(crate) retry_after: bool,
    /// A wait before every request is applied.
    #[serde(rename = "latencyBeforeMs", with = "millis")]
    pub(crate) latency_before: Duration,
    /// A wait before every answer is sent.
    #[serde(rename = "latencyAfterMs", with = "millis")]
    pub(crate) latency_after: Duration,
    /// By how much operator lists trail the writes.
    #[serde(rename = "replicaLagMs", with = "millis")]
    pub(crate) replica_lag: Duration,
    /// What an operator list without an organization answers to a company token.
    pub(crate) missing_id: MissingId,
    /// Whether deleted operators are listed.
    pub(crate) deleted_operators: DeletedOperators,
    /// What an operator list of an unknown or foreign organization answers.
    pub(crate) unknown_organization: UnknownOrganization,
    /// The form in which tokens are answered.
    pub(crate) token_shape: TokenShape,
    /// The name of the verdict on a token.
    pub(crate) verdict_name: VerdictName,
    /// The form of a controller's errors.
    pub(crate) error_style: ErrorStyle,
    /// The origins whose scripts may read the answers.
    pub(crate) cors_origins: Vec<String>,
    /// If set, a message list is a JSON array of so many bytes.
    pub(crate) messages_bytes: Option<usize>,
    /// Whether lists and writes carry `X-Emulator-Version`, and lists `X-Emulator-Credential`, the fingerprint of the
    /// credential for which they were made, and `X-Emulator-Moment`, the emulator's time then.
    pub(crate) version_field: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            rate_limit: RateLimit::default(),
            retry_after: false,
            latency_before: Duration::ZERO,
            latency_after: Duration::ZERO,
            replica_lag: Duration::ZERO,
            missing_id: MissingId::Zero,
            deleted_operators: DeletedOperators::Listed,
            unknown_organization: UnknownOrganization::Empty,
            token_shape: TokenShape::Negotiated,
            verdict_name: VerdictName::IsValid,
            error_style: ErrorStyle::Problem,
            cors_origins: vec!["https://widget.example".to_owned()],
            messages_bytes: None,
            version_field: false,
        }
    }
}

/// A list without an organization.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum MissingId {
    /// The parameter is zero, which no organization has.
    Zero,
    /// 400.
    Refused,
    /// All operators of the company.
    All,
}

/// Operators with status 2.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DeletedOperators {
    /// They stay in the list.
    Listed,
    /// They are left out.
    Hidden,
}

/// A list of an organization that the token may not see.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum UnknownOrganization {
    /// `200 []`.
    Empty,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
}

/// The body of the token calls.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TokenShape {
    /// As the framework does: raw text unless `Accept` prefers JSON.
    Negotiated,
    /// Always raw text.
    Raw,
    /// Always a JSON string.
    String,
    /// `{"token","expiration"}`.
    Object,
}

/// The name of the verdict in the answer of validate-token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum VerdictName {
    /// `isValid`, since January 2026.
    IsValid,
    /// `valid`, before.
    Valid,
}

/// The form of errors.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ErrorStyle {
    /// problem+json.
    Problem,
    /// `{"status","error","message","code"}`.
    Smsbat,
}

/// Durations as whole milliseconds.
pub(super) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
