//! What the two writes of operators say that they change (contract 5.4).
//!
//! An input is fields, an empty line, and content. What is understood must be what *every* parser finds there; and what
//! every parser reads alike must be understood, or each write would hide all lists.

use std::collections::BTreeSet;

use chathub_gateway::chathub::payload;
use http::HeaderMap;

use super::fields;
use super::json::{self, Json};

/// A synchronize that names more organizations counts as naming all.
const MOST_NAMED: usize = 1024;

/// Checks what is read of a synchronize.
pub(crate) fn check_synchronize(input: &[u8]) {
    let (fields, content) = fields::split(input);
    let understood = synchronized(&fields, content);
    assert_eq!(understood, synchronized(&fields, content), "it is read the same again");
    doubts_what_is_changed(content, understood.as_ref(), |content| synchronized(&fields, content));
    let expected = is_plain(&fields).then(|| named_in_items(content)).flatten();
    if let Some(understood) = understood {
        assert_eq!(Some(understood), expected, "what was understood is what there is");
    } else if is_strict(content) {
        assert_eq!(None, expected, "there was nothing to doubt");
    }
}

/// Checks what is read of a status write.
pub(crate) fn check_status(input: &[u8]) {
    let (fields, content) = fields::split(input);
    let switched = |content: &[u8]| payload::switched(&fields, content).map(|operator| i64::from(operator.0));
    let understood = switched(content);
    assert_eq!(understood, switched(content), "it is read the same again");
    doubts_what_is_changed(content, understood.as_ref(), switched);
    let expected = is_plain(&fields).then(|| named(&json::read(content)?, "id")).flatten();
    if understood.is_some() {
        assert_eq!(understood, expected, "what was understood is what there is");
    } else if is_strict(content) {
        assert_eq!(None, expected, "there was nothing to doubt");
    }
}

fn synchronized(fields: &HeaderMap, content: &[u8]) -> Option<BTreeSet<i64>> {
    let ids = payload::synchronized(fields, content)?;
    let distinct: BTreeSet<_> = ids.iter().map(|id| i64::from(id.get())).collect();
    assert_eq!(distinct.len(), ids.len(), "each is named once");
    Some(distinct)
}

/// Blanks around content change nothing, and anything else around it is a doubt.
fn doubts_what_is_changed<T: PartialEq + std::fmt::Debug>(
    content: &[u8],
    understood: Option<&T>,
    read: impl Fn(&[u8]) -> Option<T>,
) {
    assert_eq!(read(&[b"\r\n\t ", content, b" \n"].concat()).as_ref(), understood, "blanks say nothing");
    if understood.is_none() {
        return;
    }
    for (before, behind) in [("\u{feff}", ""), ("", "\0"), ("", ","), ("", "//"), ("[", ""), ("", "{}"), ("'", "'")] {
        let changed = [before.as_bytes(), content, behind.as_bytes()].concat();
        assert_eq!(read(&changed), None, "{}", changed.escape_ascii());
    }
    let content = content.trim_ascii();
    for length in [content.len() - 1, content.len() / 2] {
        assert_eq!(read(&content[..length]), None, "what was cut short at {length} is not understood");
    }
}

/// Returns the organizations that every parser finds in a synchronize.
fn named_in_items(content: &[u8]) -> Option<BTreeSet<i64>> {
    let Json::List(items) = json::read(content)? else { return None };
    let ids = items.iter().map(|item| named(item, "organizationId").filter(|id| *id > 0));
    ids.collect::<Option<BTreeSet<_>>>().filter(|ids| ids.len() <= MOST_NAMED)
}

/// Returns the id that every parser finds in an object.
fn named(object: &Json, name: &'static str) -> Option<i64> {
    let folded = json::folded(name.as_bytes());
    let mut members = object.members(&folded);
    let (Some((given, value)), None) = (members.next(), members.next()) else { return None };
    let is_plain = given == name.as_bytes() && object.is_object_of_plain_names();
    value.plain_number().filter(|number| is_plain && i32::try_from(*number).is_ok())
}

/// Returns whether it is JSON as it is defined, nested no deeper than such a parser likes.
fn is_strict(content: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(content).is_ok()
}

/// Returns whether the fields leave no doubt of what the content is: JSON, in UTF-8, as it is.
fn is_plain(fields: &HeaderMap) -> bool {
    let types: Vec<_> = fields.get_all("content-type").iter().collect();
    let [only] = types[..] else { return false };
    let lower = only.as_bytes().to_ascii_lowercase();
    let mut parts = lower.split(|byte| *byte == b';').map(|part| part.trim_ascii());
    let is_json = parts.next() == Some(b"application/json");
    is_json && parts.all(|part| part == b"charset=utf-8") && !fields.contains_key("content-encoding")
}
