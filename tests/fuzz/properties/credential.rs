//! Who sends a request, and until when (contract section 3).
//!
//! An input is the fields of several requests with empty lines between them, as they come over one connection. Two
//! credentials that were taken for one would be shown each other's lists.

use std::sync::OnceLock;

use chathub_gateway::chathub::Identity;
use chathub_gateway::chathub::credential::{self, CredentialKind, Digest, DigestKey, Remembered};
use http::HeaderMap;

use super::fields;
use super::json::{self, Json};

/// Requests of one input: each is compared with each.
const MOST_REQUESTS: usize = 16;

/// Who sent a request, by its own words.
#[derive(Debug, Clone, PartialEq)]
enum Sender {
    Anonymous,
    One(CredentialKind, Vec<u8>),
    Both(Vec<u8>, Vec<u8>),
    Repeated,
}

/// Checks the requests of one connection.
pub(crate) fn check(input: &[u8]) {
    let mut remembered = Remembered::default();
    let mut known: Vec<(Sender, Identity)> = Vec::new();
    let mut rest = input;
    while !rest.is_empty() && known.len() < MOST_REQUESTS {
        let fields;
        (fields, rest) = fields::split(rest);
        let (sender, identity) = (sender(&fields), digests().identify(&fields));
        assert_eq!(digests().identify(&fields), identity, "it is found again");
        assert_eq!(digests().identify_again(&fields, &mut remembered), identity, "a connection changes nobody");
        is_of_its_kind(&sender, identity);
        for (other, theirs) in &known {
            assert_eq!(*other == sender, *theirs == identity, "two are one only if they are the same");
            // By its digest alone a credential's lists are found.
            let is_shared = digest(*theirs).is_some_and(|theirs| Some(theirs) == digest(identity));
            assert!(!is_shared || *other == sender, "two that are not the same have one digest");
        }
        gives_its_value(&fields, &sender);
        ends_when_its_token_says(&fields);
        known.push((sender, identity));
    }
}

fn digests() -> &'static DigestKey {
    static DIGESTS: OnceLock<DigestKey> = OnceLock::new();
    DIGESTS.get_or_init(|| DigestKey::random().expect("the system has random numbers"))
}

fn digest(identity: Identity) -> Option<Digest> {
    match identity {
        Identity::One(credential) => Some(credential.digest),
        Identity::Both(digest) => Some(digest),
        Identity::Anonymous | Identity::Repeated => None,
    }
}

fn sender(fields: &HeaderMap) -> Sender {
    let all = |name: &str| fields.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>();
    let (bearers, keys) = (all("authorization"), all("x-authorization-key"));
    match (&bearers[..], &keys[..]) {
        ([], []) => Sender::Anonymous,
        ([bearer], []) => one(CredentialKind::Bearer, bearer_word(bearer)),
        ([], [key]) => one(CredentialKind::Key, word(key)),
        ([bearer], [key]) => Sender::Both(bearer.clone(), key.clone()),
        _ => Sender::Repeated,
    }
}

fn one(kind: CredentialKind, word: Option<&[u8]>) -> Sender {
    word.map_or(Sender::Anonymous, |word| Sender::One(kind, word.to_vec()))
}

/// Returns the one word behind `Bearer` and a blank.
fn bearer_word(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let blank = value.iter().position(|byte| *byte == b' ')?;
    value[..blank].eq_ignore_ascii_case(b"bearer").then(|| word(&value[blank..]))?
}

/// Returns the one word that a value is; a comma would make it two, for a server that joins fields.
fn word(value: &[u8]) -> Option<&[u8]> {
    let word = value.trim_ascii();
    let is_one = !word.is_empty() && word.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b',');
    is_one.then_some(word)
}

fn is_of_its_kind(sender: &Sender, identity: Identity) {
    let is_right = match (sender, identity) {
        (Sender::Anonymous, Identity::Anonymous)
        | (Sender::Repeated, Identity::Repeated)
        | (Sender::Both(..), Identity::Both(_)) => true,
        (Sender::One(kind, _), Identity::One(credential)) => *kind == credential.kind,
        _ => false,
    };
    assert!(is_right, "{sender:?} is taken for {identity:?}");
}

fn gives_its_value(fields: &HeaderMap, sender: &Sender) {
    let value = credential::value(fields);
    match sender {
        Sender::Anonymous => assert_eq!(value, None),
        Sender::One(_, word) => assert_eq!(value, Some(&word[..])),
        Sender::Both(..) | Sender::Repeated => {}
    }
}

/// The time is that of the one claim `exp` of an object in the second part; and if that is JSON to everybody, it is read.
fn ends_when_its_token_says(fields: &HeaderMap) {
    let expiry = credential::expiry(fields);
    let claims = credential::value(fields).and_then(claims).unwrap_or_default();
    if expiry.is_some() || serde_json::from_slice::<serde_json::Value>(&claims).is_ok() {
        assert_eq!(expiry, exp(&claims), "what the token says was read");
    }
}

fn claims(token: &[u8]) -> Option<Vec<u8>> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, claims) = (parts.next()?, parts.next()?);
    decode(claims)
}

/// Returns the whole seconds of the one claim `exp`, if it is a number that is not below zero.
fn exp(claims: &[u8]) -> Option<u64> {
    let Json::Object(members) = json::read(claims)? else { return None };
    let mut alike = members.iter().filter(|(name, _)| name == b"exp").map(|(_, value)| value);
    let (Some(Json::Word(number)), None) = (alike.next(), alike.next()) else { return None };
    let number: f64 = serde_json::from_slice(number).ok()?;
    (number >= 0.0).then(|| number.floor() as u64)
}

/// Decodes base64url without padding (RFC 4648 §5), bit by bit.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = Vec::new();
    for letter in text {
        let number = LETTERS.iter().position(|known| known == letter)?;
        bits.extend((0..6).rev().map(|bit| number >> bit & 1));
    }
    let bytes = bits.chunks_exact(8);
    let left = bytes.remainder();
    let is_whole = left.len() < 6 && left.iter().all(|bit| *bit == 0);
    is_whole.then(|| bytes.map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect())
}
