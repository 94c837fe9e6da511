//! How the upstream reads a query string and binds integers from it (contract 5.2).
//!
//! A newcomer would take `organizationId=0x18` for an error: the framework's integer converter reads hexadecimal, signs
//! and blanks, and of a repeated key it takes the first value, whatever the spelling of the key.

use percent_encoding::percent_decode_str;

/// What binding an integer came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Bound {
    /// The key does not occur.
    Absent,
    /// An integer in the range of 32 bits.
    Value(i32),
    /// The text which is no integer; empty for blanks.
    Invalid(String),
}

/// The decoded pairs of a query string.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Parts at `&`; a pair without `=` is a key with an empty value.
    pub(super) fn parse(raw: Option<&str>) -> Self {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    /// The first value of a key, whose case does not matter.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value of a key, in order.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    /// Binds the first value of a key as an `int` parameter.
    pub(super) fn integer(&self, key: &str) -> Bound {
        self.first(key).map_or(Bound::Absent, bind_integer)
    }
}

/// Binds one text as an `int`.
pub(super) fn bind_integer(text: &str) -> Bound {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Bound::Invalid(String::new());
    }
    convert(trimmed).map_or_else(|| Bound::Invalid(text.to_owned()), Bound::Value)
}

fn convert(text: &str) -> Option<i32> {
    for prefix in ["#", "0x", "0X", "&h", "&H"] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return hexadecimal(digits);
        }
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

/// `Convert.ToInt32(text, 16)`: up to 32 bits, the highest of which is the sign.
fn hexadecimal(digits: &str) -> Option<i32> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = is_plain.then(|| u32::from_str_radix(digits, 16).ok())??;
    Some(bits.cast_signed())
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
