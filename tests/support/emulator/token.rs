//! The JWTs that the emulator issues and checks (HS256).
//!
//! They are signed with a key that only the emulator knows and that is worth nothing elsewhere; because it is constant,
//! tokens outlive a restart of the emulator, as they would outlive one of the upstream. There is no leeway on `exp`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calendar;

const KEY: &[u8] = b"chathub emulator only; signs nothing of worth";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Which company a credential speaks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(super) struct CompanyId(pub(super) u32);

/// What a token says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    pub(super) client_id: CompanyId,
    /// Absent from company tokens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) operator_id: Option<u32>,
    /// Makes every token a credential of its own.
    pub(super) jti: u64,
    /// Seconds since the Unix epoch.
    pub(super) exp: u64,
}

/// Why a credential is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenFault {
    Malformed,
    Signature,
    Expired { exp: u64 },
    Revoked,
}

impl TokenFault {
    /// The `error_description` of the challenge.
    pub(super) fn description(self) -> String {
        match self {
            Self::Malformed => "The token is malformed".to_owned(),
            Self::Signature => "The signature is invalid".to_owned(),
            Self::Revoked => "The token has been revoked".to_owned(),
            Self::Expired { exp } => {
                let moment = calendar::format_invariant(i64::try_from(exp).unwrap_or_default());
                format!("The token expired at '{moment}'")
            }
        }
    }
}

/// Signs a token.
pub(super) fn issue(claims: &Claims) -> String {
    let payload = serde_json::to_vec(claims).expect("claims have text keys and integers");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(mac(&signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// Checks signature and expiry.
pub(super) fn verify(token: &str, now: Duration) -> Result<Claims, TokenFault> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (_, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault::Malformed)?;
    mac(signed).verify_slice(&signature).map_err(|_| TokenFault::Signature)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenFault::Malformed)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
    if now.as_secs() >= claims.exp { Err(TokenFault::Expired { exp: claims.exp }) } else { Ok(claims) }
}

fn mac(signed: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY).expect("HMAC takes keys of any length");
    mac.chain_update(signed)
}

/// The SHA-256 of some bytes, as hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The short name under which a credential appears in counters and logs.
pub(super) fn fingerprint(credential: &str) -> String {
    let mut text = String::with_capacity(12);
    for byte in &Sha256::digest(credential.as_bytes())[..6] {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('?')));
    }
    text
}
