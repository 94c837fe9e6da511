//! `Cache-Control` (RFC 9111 §5.2) is read as its grammar has it, and where it breaks the grammar, cautiously.
//!
//! An input is fields, as of a request or of a response.

use std::time::{Duration, SystemTime};

use chathub_gateway::cache::freshness;
use chathub_gateway::wire::cache_control::CacheControl;
use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::fields;

/// A directive in lower case, with its argument and whether that was quoted.
type Directive = (String, Option<Vec<u8>>);

/// Checks what some fields say together.
pub(crate) fn check(input: &[u8]) {
    let (fields, _) = fields::split(input);
    let read = CacheControl::of(&fields);
    assert_eq!(read, CacheControl::of(&fields), "it is read the same again");
    assert_eq!(read, CacheControl::of(&reversed(&fields)), "the order of fields says nothing");
    assert_eq!(read, CacheControl::of(&printed(read)), "what is printed is read as itself");
    let ages = [read.max_age, read.s_maxage].into_iter().flatten();
    ages.for_each(|age| assert!(age <= Duration::from_secs(u32::MAX.into()) && age.subsec_nanos() == 0, "{age:?}"));
    says_what_the_grammar_says(&fields, read);
    sees_what_is_not_quoted(&fields, read);
    grows_only_more_cautious(&fields, read);
    lives_no_longer_than_set(&fields, read);
}

fn reversed(fields: &HeaderMap) -> HeaderMap {
    let lines: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    lines.into_iter().rev().collect()
}

fn printed(read: CacheControl) -> HeaderMap {
    let words = [(read.no_store, "no-store"), (read.no_cache, "no-cache"), (read.private, "private")];
    let words = words.into_iter().filter(|(is_said, _)| *is_said).map(|(_, word)| word.to_owned());
    let ages = [("max-age", read.max_age), ("s-maxage", read.s_maxage)];
    let ages = ages.into_iter().filter_map(|(name, age)| Some(format!("{name}={}", age?.as_secs())));
    words.chain(ages).map(|directive| (CACHE_CONTROL, value(directive.as_bytes()))).collect()
}

/// Where every field keeps to the grammar, all of it is understood; also if the fields are joined into one, and if its
/// members stand in another order.
fn says_what_the_grammar_says(fields: &HeaderMap, read: CacheControl) {
    let values: Vec<_> = fields.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
    let parsed: Option<Vec<_>> = values.iter().map(|value| directives(value)).collect();
    let Some(parsed) = parsed.filter(|_| !values.is_empty()) else { return };
    let parsed = parsed.concat();
    let says = |name: &str| parsed.iter().any(|(given, _)| given == name);
    let age = |name: &str| parsed.iter().filter(|(given, _)| given == name).map(|(_, given)| seconds(given)).min();
    let expected = CacheControl {
        no_store: says("no-store"),
        no_cache: says("no-cache"),
        private: says("private"),
        max_age: age("max-age"),
        s_maxage: age("s-maxage"),
    };
    assert_eq!(read, expected);
    let joined = HeaderMap::from_iter([(CACHE_CONTROL, value(&values.join(&b", "[..])))]);
    assert_eq!(CacheControl::of(&joined), expected, "fields may be joined");
}

/// Where nothing is quoted, a member between two commas is what it is, however odd the others are.
fn sees_what_is_not_quoted(fields: &HeaderMap, read: CacheControl) {
    let values = || fields.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let plain = values().filter(|value| !value.contains(&b'"'));
    let members = plain.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let members: Vec<_> = members.map(<[u8]>::to_ascii_lowercase).collect();
    for (word, is_said) in [("no-store", read.no_store), ("no-cache", read.no_cache), ("private", read.private)] {
        assert!(is_said || !members.iter().any(|member| member == word.as_bytes()), "{word} was not seen");
    }
    if values().next().is_none() {
        let pragmas = fields.get_all(PRAGMA).iter().map(HeaderValue::as_bytes).filter(|value| !value.contains(&b'"'));
        let mut members = pragmas.flat_map(|value| value.split(|byte| *byte == b','));
        let is_asked = members.any(|member| member.trim_ascii().eq_ignore_ascii_case(b"no-cache"));
        assert!(read.no_cache || !is_asked, "Pragma was not seen");
        assert_eq!(read, CacheControl { no_cache: read.no_cache, ..CacheControl::default() });
    }
}

/// One more field may forbid more, and never allows what was forbidden.
fn grows_only_more_cautious(fields: &HeaderMap, read: CacheControl) {
    if !fields.contains_key(CACHE_CONTROL) {
        return;
    }
    for (more, is_seen) in [
        ("no-store", (|now| now.no_store) as fn(CacheControl) -> bool),
        ("no-cache", |now| now.no_cache),
        ("private", |now| now.private),
        ("max-age=0", |now| now.max_age == Some(Duration::ZERO)),
        ("s-maxage=x", |now| now.s_maxage == Some(Duration::ZERO)),
        ("public, max-age=4294967295", |now| now.max_age.is_some()),
    ] {
        let mut fields = fields.clone();
        fields.append(CACHE_CONTROL, value(more.as_bytes()));
        let now = CacheControl::of(&fields);
        assert!(is_seen(now), "{more} was not seen");
        let flags = |all: CacheControl| [all.no_store, all.no_cache, all.private];
        assert!(flags(read).iter().zip(flags(now)).all(|(before, now)| now || !before), "{more} allowed something");
        for (before, now) in [(read.max_age, now.max_age), (read.s_maxage, now.s_maxage)] {
            assert!(before.is_none_or(|before| now.is_some_and(|now| now <= before)), "{more} made an age longer");
        }
    }
}

/// What an answer says can shorten its life, and the age that it came with is a number or nothing.
fn lives_no_longer_than_set(fields: &HeaderMap, read: CacheControl) {
    let set = Duration::from_secs(60);
    let life = freshness::lifetime(set, &read, fields);
    assert!(life <= set);
    assert!(read.s_maxage.or(read.max_age).is_none_or(|said| life == said.min(set)));
    if let Some(expires) = fields.get("expires").filter(|_| read.max_age.is_none() && read.s_maxage.is_none()) {
        let time = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
        let until = time(expires).zip(fields.get("date").and_then(time));
        let said = until.and_then(|(end, start): (SystemTime, SystemTime)| end.duration_since(start).ok());
        assert_eq!(life, said.unwrap_or_default().min(set));
    }
    let age = freshness::initial_age(fields);
    assert!(age.is_zero() || fields.contains_key("age"));
}

/// Takes one field apart, if it keeps to the grammar: `token [ "=" ( token / quoted-string ) ]`, between commas.
fn directives(value: &[u8]) -> Option<Vec<Directive>> {
    let mut found = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(behind) = rest.strip_prefix(b",") {
            rest = behind;
            continue;
        }
        if rest.is_empty() {
            return Some(found);
        }
        let (name, behind) = token(rest)?;
        let (argument, behind) = match behind.strip_prefix(b"=") {
            Some(behind) if behind.first() == Some(&b'"') => quoted(behind).map(|(text, rest)| (Some(text), rest))?,
            Some(behind) => token(behind).map(|(text, rest)| (Some(text), rest))?,
            None => (None, behind),
        };
        found.push((String::from_utf8_lossy(name).to_lowercase(), argument.map(<[u8]>::to_vec)));
        rest = behind.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

fn token(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

fn is_token(byte: u8) -> bool {
    HeaderName::from_bytes(&[byte]).is_ok()
}

/// Takes a quoted text, without its quotes and with its escapes.
fn quoted(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = &rest[1..];
    let mut end = 0;
    while *text.get(end)? != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    Some((&text[..end], &text[end + 1..]))
}

/// Reads delta-seconds (RFC 9111 §1.2.2): a number, or else none at all. Escapes are not what anybody writes in one.
fn seconds(argument: &Option<Vec<u8>>) -> Duration {
    let text = argument.as_deref().and_then(|argument| std::str::from_utf8(argument).ok()).unwrap_or_default();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.trim_start_matches('0');
    let seconds = if number.len() > 10 { u64::MAX } else { number.parse().unwrap_or(0) };
    Duration::from_secs(if is_number { seconds.min(u32::MAX.into()) } else { 0 })
}

fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).expect("it is made of what stood in fields")
}
