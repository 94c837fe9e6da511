//! JSON bodies, read by the strict rules of the upstream's serializer (contract 5.4).
//!
//! `serde_json::Value` would hide what matters here: a name may occur twice, in different case, and the last one counts;
//! a number may stand in quotes; more than 32 levels are an error. So a body becomes a [`Node`] that keeps every member.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::refusal::Refusal;

/// The deepest nesting the upstream reads.
const MAX_DEPTH: usize = 32;

/// A JSON value with all its members, duplicates included.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Integer(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Reads a request's body as JSON, or says which refusal it earns.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Node, Refusal> {
    let charset = charset(headers).ok_or(Refusal::UnsupportedMediaType)?;
    let text = decode(body, charset).ok_or_else(|| unreadable("the text is not valid in its encoding", 0, 0))?;
    if text.trim().is_empty() {
        return Err(empty_body());
    }
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let node = Level(1).deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
    match node.map_err(|error| unreadable(&error.to_string(), error.line(), error.column()))? {
        Node::Null => Err(empty_body()),
        node => Ok(node),
    }
}

fn empty_body() -> Refusal {
    Refusal::invalid("", "A non-empty request body is required.")
}

fn unreadable(cause: &str, line: usize, column: usize) -> Refusal {
    let line = line.saturating_sub(1);
    Refusal::invalid("$", format!("{cause}. Path: $ | LineNumber: {line} | BytePositionInLine: {column}."))
}

// === the text ===

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Charset {
    Utf8,
    Utf16,
}

/// The charset of a JSON body; `None` if the content type is missing, no JSON, or names a charset nobody reads.
fn charset(headers: &HeaderMap) -> Option<Charset> {
    let field = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    let mut parts = field.split(';').map(str::trim);
    let (family, subtype) = parts.next()?.split_once('/')?;
    let is_json = match family {
        "application" => subtype == "json" || subtype.ends_with("+json"),
        "text" => subtype == "json",
        _ => false,
    };
    if !is_json {
        return None;
    }
    match parts.find_map(|part| part.strip_prefix("charset=")).map(|name| name.trim_matches('"')) {
        None | Some("utf-8" | "utf8") => Some(Charset::Utf8),
        Some("utf-16" | "utf-16le") => Some(Charset::Utf16),
        Some(_) => None,
    }
}

fn decode(body: &[u8], charset: Charset) -> Option<Cow<'_, str>> {
    let text = match charset {
        Charset::Utf8 => Cow::Borrowed(std::str::from_utf8(body).ok()?),
        Charset::Utf16 => Cow::Owned(decode_utf16(body)?),
    };
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.trim_start_matches('\u{feff}').to_owned()),
    })
}

fn decode_utf16(body: &[u8]) -> Option<String> {
    let (units, rest) = body.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

// === impl Node ===

impl Node {
    /// The items of an array; `path` is what an error names.
    pub(super) fn items(&self, path: &str) -> Result<&[Node], Refusal> {
        match self {
            Self::List(items) => Ok(items),
            _ => Err(cannot_convert(path, "System.Collections.Generic.List`1")),
        }
    }

    /// An object to take members from; `path` is what errors name, such as `$[0]`.
    pub(super) fn object<'a>(&'a self, path: &'a str) -> Result<Object<'a>, Refusal> {
        match self {
            Self::Object(members) => Ok(Object { members, path }),
            _ => Err(cannot_convert(path, "System.Object")),
        }
    }

    fn to_int(&self) -> Option<i32> {
        match self {
            Self::Integer(value) => i32::try_from(*value).ok(),
            Self::Fraction(value) if *value == 0.0 && value.is_sign_negative() => Some(0),
            Self::Text(text) => quoted_int(text),
            _ => None,
        }
    }
}

/// A number in quotes: digits and a minus sign, no blanks.
fn quoted_int(text: &str) -> Option<i32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

/// The members of a JSON object, by names whose case does not matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    members: &'a [(String, Node)],
    path: &'a str,
}

impl<'a> Object<'a> {
    /// An `int` property: zero if missing, an error if any of its occurrences is no integer.
    pub(super) fn int(&self, name: &str) -> Result<i32, Refusal> {
        let read = |node: &Node| node.to_int().ok_or_else(|| self.cannot_convert(name, "System.Int32"));
        self.all(name).try_fold(0, |_, node| read(node))
    }

    /// A `string` property; `None` if missing or null.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.all(name).try_fold(None, |_, node| match node {
            Node::Text(text) => Ok(Some(text.as_str())),
            Node::Null => Ok(None),
            _ => Err(self.cannot_convert(name, "System.String")),
        })
    }

    /// The last member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&'a Node> {
        self.all(name).last()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        self.members.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, node)| node)
    }

    /// The refusal of a property that has the wrong type.
    pub(super) fn cannot_convert(&self, name: &str, target: &str) -> Refusal {
        cannot_convert(&format!("{}.{name}", self.path), target)
    }
}

fn cannot_convert(path: &str, target: &str) -> Refusal {
    Refusal::invalid(path, format!("The JSON value could not be converted to {target}. Path: {path}."))
}

// === reading with a depth ===

/// Reads one value that stands on this level.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: de::Error>(self) -> Result<Self, E> {
        if self.0 > MAX_DEPTH {
            return Err(E::custom(format_args!("the maximum configured depth of {MAX_DEPTH} has been exceeded")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value_seed(below)?));
        }
        Ok(Node::Object(members))
    }
}
