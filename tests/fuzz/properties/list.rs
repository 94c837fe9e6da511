//! What is stored as a list is one (contract 1.1, 1.4), and the operators that are found in it are those it holds.
//!
//! An input is a line that says of what the list is, and content. An operator that is missed would stay visible after a
//! write of its status.

use std::collections::BTreeSet;

use chathub_gateway::chathub::{List, OrganizationId, payload};

use super::fields;
use super::json::{self, Json};

/// The places at which a list is cut short to see that it is none then.
const CUTS: usize = 16;

/// Checks one content.
pub(crate) fn check(input: &[u8]) {
    let (kind, content) = fields::line(input);
    let list = match kind.trim_ascii() {
        b"organizations" => List::Organizations,
        _ => List::Operators(OrganizationId::new(24).expect("it is above zero")),
    };
    let read =
        |content: &[u8]| payload::operators(list, content).map(|found| found.ids.iter().map(|id| id.0).collect());
    let found: Option<Vec<i32>> = read(content);
    assert_eq!(found, read(content), "it is read the same again");
    assert_eq!(found, read(&[b" ", content, b"\r\n"].concat()), "blanks say nothing");
    match found {
        Some(found) => {
            assert!(found.is_sorted_by(|one, next| one < next), "they are in order, each once: {found:?}");
            holds_these(list, content, &found);
            is_no_list_when_cut(content, read);
        }
        None => assert!(!is_plainly_a_list(list, content), "a list was not taken for one"),
    }
}

fn holds_these(list: List, content: &[u8], found: &[i32]) {
    assert!(std::str::from_utf8(content).is_ok(), "a list is UTF-8");
    let Some(Json::List(members)) = json::read(content) else { panic!("what is stored is no array") };
    let ids = members.iter().map(|member| id(list, member).expect("each member is an object with an id and the rest"));
    let ids: BTreeSet<i64> = ids.collect();
    match list {
        List::Operators(_) => assert!(ids.into_iter().eq(found.iter().copied().map(i64::from))),
        List::Organizations => assert!(found.is_empty(), "a list of organizations holds no operators"),
    }
}

fn is_no_list_when_cut(content: &[u8], read: impl Fn(&[u8]) -> Option<Vec<i32>>) {
    let content = content.trim_ascii();
    for cut in 1..=CUTS {
        let length = content.len() * (CUTS - cut) / CUTS;
        assert_eq!(read(&content[..length]), None, "a list that was cut short at {length} is none");
    }
    assert_eq!(read(&content[..content.len() - 1]), None, "a list that lacks its end is none");
}

/// Returns the id of a member as the upstream writes it: each name once, in its own case, and of its type.
fn id(list: List, member: &Json) -> Option<i64> {
    let Json::Object(members) = member else { return None };
    let only = |name: &str| {
        let mut alike = members.iter().filter(|(given, _)| given == name.as_bytes()).map(|(_, value)| value);
        let first = alike.next();
        first.filter(|_| alike.next().is_none())
    };
    let is_text_or_null = |value: &Json| matches!(value, Json::Text(_)) || *value == Json::Word(b"null".to_vec());
    let has_name = only("name").map_or_else(|| !members.iter().any(|(given, _)| given == b"name"), is_text_or_null);
    let has_status = || only("status").is_some_and(|status| status.plain_number().is_some());
    let is_whole = has_name && (list == List::Organizations || has_status());
    only("id")?.plain_number().filter(|_| is_whole)
}

/// Returns whether it is a list to any reader.
fn is_plainly_a_list(list: List, content: &[u8]) -> bool {
    let Ok(serde_json::Value::Array(members)) = serde_json::from_slice(content) else { return false };
    let Some(Json::List(read)) = json::read(content) else { return false };
    let is_operators = matches!(list, List::Operators(_));
    let fits = |id: i64| !is_operators || i32::try_from(id).is_ok();
    members.len() == read.len() && read.iter().all(|member| id(list, member).is_some_and(fits))
}
