//! Who asks: one of two credential fields, known to the rest of the gateway only by a keyed digest (contract section 3).
//!
//! The digest's key is random per process, so a digest in a log says that two lines are of one credential and nothing
//! else, and nobody can search for two credentials that collide: to the cache such a pair would be one client.

use std::hash::Hasher;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::object::Object;
use crate::secret::Secret;
use crate::wire::octets;

/// The second credential field.
pub const X_AUTHORIZATION_KEY: HeaderName = HeaderName::from_static("x-authorization-key");

crate::telemetry::label::words! {
    /// Which field held the credential.
    CredentialKind {
        /// `Authorization: Bearer …`: a token of get-token.
        Bearer = "bearer",
        /// `X-Authorization-Key: …`: a profile key or a token.
        Key = "key",
    }
}

/// A keyed 128-bit digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u128);

impl Digest {
    /// Returns the first 32 bits in hexadecimal: enough to tell credentials apart in a log.
    #[must_use]
    pub fn prefix(self) -> u32 {
        (self.0 >> 96) as u32
    }
}

/// A credential without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The field that held it.
    pub kind: CredentialKind,
    /// The digest over kind and value.
    pub digest: Digest,
}

/// What a request says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Neither field, or another scheme, or a value that is not one token.
    Anonymous,
    /// Exactly one credential.
    One(Credential),
    /// Both fields: which counts is the upstream's choice. The digest is over both.
    Both(Digest),
    /// One field stands there twice: it is unknown which of the values a server takes.
    Repeated,
}

/// The key of this process for all digests.
#[derive(Clone)]
pub struct DigestKey(u64, u64);

impl DigestKey {
    /// Draws a random key.
    ///
    /// # Errors
    ///
    /// The system's error if it has no random numbers to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        Ok(Self(getrandom::u64()?, getrandom::u64()?))
    }

    /// Finds out who sent the request.
    #[must_use]
    pub fn identify(&self, fields: &HeaderMap) -> Identity {
        self.identify_again(fields, &mut Remembered::default())
    }

    /// Finds out who sent the request, without hashing a credential that is the remembered one.
    pub fn identify_again(&self, fields: &HeaderMap, remembered: &mut Remembered) -> Identity {
        let (mut bearer, mut key) = (None, None);
        // One walk: to look for each name would cost a hash each.
        for (name, value) in fields {
            let place = if *name == AUTHORIZATION {
                &mut bearer
            } else if *name == X_AUTHORIZATION_KEY {
                &mut key
            } else {
                continue;
            };
            if place.replace(value.as_bytes()).is_some() {
                return Identity::Repeated;
            }
        }
        match (bearer, key) {
            (None, None) => Identity::Anonymous,
            (Some(bearer), None) => remembered
                .or_find(CredentialKind::Bearer, bearer, || self.one(CredentialKind::Bearer, bearer_token(bearer))),
            (None, Some(key)) => {
                remembered.or_find(CredentialKind::Key, key, || self.one(CredentialKind::Key, token(key)))
            }
            (Some(bearer), Some(key)) => Identity::Both(self.digest(b"both", &[bearer, key])),
        }
    }

    /// Returns a digest over an address.
    #[must_use]
    pub fn digest_address(&self, octets: &[u8]) -> Digest {
        self.digest(b"address", &[octets])
    }

    /// Returns a digest over a word, whichever field it came in.
    #[must_use]
    pub fn digest_other(&self, what: &[u8]) -> Digest {
        self.digest(b"other", &[what])
    }

    fn one(&self, kind: CredentialKind, value: Option<&[u8]>) -> Identity {
        value.map_or(Identity::Anonymous, |value| {
            Identity::One(Credential { kind, digest: self.digest(kind.as_str().as_bytes(), &[value]) })
        })
    }

    /// Each part is preceded by its length, so that no two lists of parts give the same bytes.
    fn digest(&self, domain: &[u8], parts: &[&[u8]]) -> Digest {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(domain);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Digest(hasher.finish128().as_u128())
    }
}

/// The last credential that came by a connection: most clients send the same with every request, and to see that costs a
/// comparison.
///
/// What a newcomer would get wrong: it holds the credential itself. So it lives no longer than its connection, compares
/// nothing but what the same client sent, and is neither cloned nor shown.
#[derive(Default)]
pub struct Remembered {
    /// The field's value as it came; empty for none.
    value: Secret,
    last: Option<(CredentialKind, Identity)>,
}

/// Longer ones are not remembered.
const MAX_REMEMBERED: usize = 4096;

impl Remembered {
    fn or_find(&mut self, kind: CredentialKind, value: &[u8], find: impl FnOnce() -> Identity) -> Identity {
        match self.last {
            Some((last, identity)) if last == kind && self.value.expose() == value => identity,
            _ => {
                let identity = find();
                self.last = (value.len() <= MAX_REMEMBERED).then_some((kind, identity));
                self.value.replace(if self.last.is_some() { value } else { b"" });
                identity
            }
        }
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered")
    }
}

/// Returns the token of `Bearer <token>`; the scheme is compared without case and blanks around the token do not count
/// (contract section 3).
pub(crate) fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") || !rest.starts_with(b" ") {
        return None;
    }
    token(rest)
}

/// Returns the one word that `value` is, blanks around it aside.
pub(crate) fn token(value: &[u8]) -> Option<&[u8]> {
    let word = value.trim_ascii();
    (!word.is_empty() && octets::all(word, |byte| byte.is_ascii_graphic() & (byte != b','))).then_some(word)
}

/// Returns the second, counted from 1970, at which the request's bearer token or key runs out, if it is a JWT that says
/// so (RFC 7519 §4.1.4).
///
/// The signature is not checked: the time only ever shortens what the gateway does.
#[must_use]
pub fn expiry(fields: &HeaderMap) -> Option<u64> {
    jwt_expiry(value(fields)?)
}

/// Returns the credential itself: the bearer token, or else the key.
#[must_use]
pub fn value(fields: &HeaderMap) -> Option<&[u8]> {
    let bearer = fields.get(AUTHORIZATION).and_then(|value| bearer_token(value.as_bytes()));
    bearer.or_else(|| fields.get(X_AUTHORIZATION_KEY).and_then(|value| token(value.as_bytes())))
}

fn jwt_expiry(token: &[u8]) -> Option<u64> {
    use base64::Engine;
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).ok()?);
    let Object(Claims { exp }) = serde_json::from_slice(claims.expose()).ok()?;
    (exp >= 0.0).then_some(exp as u64)
}

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const KEY: DigestKey = DigestKey(1, 2);

    fn fields(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn identify(lines: &[(HeaderName, &str)]) -> Identity {
        KEY.identify(&fields(lines))
    }

    #[test]
    fn the_same_word_in_the_other_field_is_another_credential() {
        let bearer = identify(&[(AUTHORIZATION, "Bearer word")]);
        let key = identify(&[(X_AUTHORIZATION_KEY, "word")]);
        assert!(matches!((bearer, key), (Identity::One(a), Identity::One(b)) if a.digest != b.digest));
    }

    #[test]
    fn the_scheme_is_compared_without_case_and_blanks_are_trimmed() {
        let plain = identify(&[(AUTHORIZATION, "Bearer t")]);
        assert!(matches!(plain, Identity::One(_)));
        for other in ["bearer t", "BEARER   t", "Bearer t "] {
            assert_eq!(identify(&[(AUTHORIZATION, other)]), plain, "{other}");
        }
    }

    #[test]
    fn what_is_not_one_token_is_no_credential() {
        for value in ["Basic dTpw", "Bearer", "Bearer ", "Bearer a b", "Bearert", "Bearer a,b", ""] {
            assert_eq!(identify(&[(AUTHORIZATION, value)]), Identity::Anonymous, "{value}");
        }
    }

    #[test]
    fn both_fields_are_no_single_credential() {
        let both = [(AUTHORIZATION, "Bearer t"), (X_AUTHORIZATION_KEY, "t")];
        assert!(matches!(identify(&both), Identity::Both(_)));
    }

    #[test]
    fn a_repeated_field_is_seen() {
        let repeated = [(AUTHORIZATION, "Bearer t"), (AUTHORIZATION, "Bearer t")];
        assert_eq!(identify(&repeated), Identity::Repeated);
    }

    #[test]
    fn the_expiry_of_a_jwt_is_read_from_either_field() {
        // {"alg":"none"} . {"exp":1700000000}
        let jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.";
        assert_eq!(expiry(&fields(&[(AUTHORIZATION, &format!("Bearer {jwt}"))])), Some(1_700_000_000));
        assert_eq!(expiry(&fields(&[(X_AUTHORIZATION_KEY, jwt)])), Some(1_700_000_000));
        assert_eq!(expiry(&fields(&[(X_AUTHORIZATION_KEY, "opaque.key")])), None);
        // {"alg":"none"} . [1700000000]
        assert_eq!(expiry(&fields(&[(X_AUTHORIZATION_KEY, "eyJhbGciOiJub25lIn0.WzE3MDAwMDAwMDBd.")])), None);
    }

    proptest! {
        #[test]
        fn what_is_remembered_of_a_connection_changes_no_identity(
            requests in prop::collection::vec((0..4_usize, 0..4_usize), 1..20),
        ) {
            let long = format!("Bearer {}", "x".repeat(MAX_REMEMBERED));
            let values = ["Bearer a", "Bearer b", "a", &long];
            let mut remembered = Remembered::default();
            for (bearer, key) in requests {
                // The last of the keys stands for none, and so does the first of the bearers.
                let lines = [(AUTHORIZATION, bearer, 0), (X_AUTHORIZATION_KEY, key, 3)];
                let lines = lines.iter().filter(|(_, value, none)| value != none);
                let fields = lines.map(|(name, value, _)| (name.clone(), values[*value].parse().unwrap())).collect();
                prop_assert_eq!(KEY.identify_again(&fields, &mut remembered), KEY.identify(&fields));
            }
        }

        #[test]
        fn two_credentials_never_share_a_digest(a in "[!-+--~]{1,80}", b in "[!-+--~]{1,80}") {
            let digest = |word: &str| match identify(&[(X_AUTHORIZATION_KEY, word)]) {
                Identity::One(credential) => credential.digest,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }
    }
}
