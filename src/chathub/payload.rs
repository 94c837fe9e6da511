//! Reading content that passes through, only ever to decide: nothing read here is written again.
//!
//! Parsers differ on duplicate names, quoted numbers, comments and case (contract 5.4). Where two parsers could
//! disagree about what a body says, these functions say "not understood" and the caller does the cautious thing.

use std::collections::HashSet;
use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::id::OrganizationId;
use super::request::List;

/// Returns whether `content` is the array that `list` promises (contract 1.1, 1.4).
#[must_use]
pub fn is_list(list: List, content: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "the shape is what is checked")]
    struct Operator {
        id: i64,
        name: Option<String>,
        status: i64,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "the shape is what is checked")]
    struct Organization {
        id: i64,
        name: Option<String>,
    }
    match list {
        List::Operators(_) => serde_json::from_slice::<Each<Operator>>(content).is_ok(),
        List::Organizations => serde_json::from_slice::<Each<Organization>>(content).is_ok(),
    }
}

/// An array whose members are read one after the other and kept nowhere.
struct Each<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Each<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                while members.next_element::<T>()?.is_some() {}
                Ok(Each(self.0))
            }
        }
        deserializer.deserialize_seq(Members(std::marker::PhantomData))
    }
}

/// Returns the organizations that a synchronize names, each once, or `None` if there is any doubt (contract 5.4).
#[must_use]
pub fn synchronized(fields: &HeaderMap, content: &[u8]) -> Option<Vec<OrganizationId>> {
    if fields.contains_key(CONTENT_ENCODING) || !is_plain_json(fields) {
        return None;
    }
    let items: Vec<Item> = serde_json::from_slice(content).ok()?;
    let distinct: HashSet<_> = items.into_iter().map(|item| item.0).collect();
    Some(distinct.into_iter().collect())
}

/// Returns whether the content type is JSON in UTF-8, said in the plain way that every server reads alike.
fn is_plain_json(fields: &HeaderMap) -> bool {
    let mut types = fields.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = only.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is_json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/json"));
    is_json && parts.all(|parameter| parameter.eq_ignore_ascii_case(b"charset=utf-8"))
}

/// One item of a synchronize, reduced to the organization that it names without doubt.
struct Item(OrganizationId);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one plain organizationId")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut organization = None;
        while let Some(name) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            if name == "organizationId" && organization.is_none() {
                let id = members.next_value::<u32>()?;
                organization = Some(OrganizationId::new(id).ok_or_else(|| A::Error::custom("out of range"))?);
            } else if name.is_ascii() && !name.eq_ignore_ascii_case("organizationId") {
                members.next_value::<IgnoredAny>()?;
            } else {
                return Err(A::Error::custom("a name that parsers may read differently"));
            }
        }
        organization.map(Item).ok_or_else(|| A::Error::missing_field("organizationId"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(content_type: &'static str, content: &str) -> Option<Vec<u32>> {
        let fields = [(CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect();
        let mut ids: Vec<_> = synchronized(&fields, content.as_bytes())?.iter().map(|id| id.get()).collect();
        ids.sort_unstable();
        Some(ids)
    }

    #[test]
    fn the_organizations_of_a_plain_body_are_read() {
        let two =
            r#"[{"organizationId":24,"name":"A"},{"name":"B","organizationId":6},{"organizationId":24,"name":"C"}]"#;
        assert_eq!(read("application/json", two), Some(vec![6, 24]));
        assert_eq!(read("Application/JSON; charset=UTF-8", two), Some(vec![6, 24]));
        assert_eq!(read("application/json", "[]"), Some(vec![]));
        assert_eq!(read("application/json", r#"[{"organizationId":1,"extra":{"organizationId":2}}]"#), Some(vec![1]));
    }

    #[test]
    fn whatever_parsers_could_read_differently_is_not_understood() {
        let doubtful = [
            r#"[{"organizationId":24,"organizationId":6}]"#,
            r#"[{"organizationId":24,"OrganizationID":6}]"#,
            r#"[{"OrganizationId":24}]"#,
            r#"[{"organizationId":"24"}]"#,
            r#"[{"organizationId":24.0}]"#,
            r#"[{"organizationId":2.4e1}]"#,
            r#"[{"organizationId":0}]"#,
            r#"[{"organizationId":-1}]"#,
            r#"[{"organizationId":2147483648}]"#,
            r#"[{"organizationId":null}]"#,
            r#"[{"name":"A"}]"#,
            r#"[{"organizationId":24},]"#,
            r#"[{"organizationId":24}] // x"#,
            r"[{'organizationId':24}]",
            r#"{"organizationId":24}"#,
            r#"[{"organizationId":24},null]"#,
            "\u{feff}[{\"organizationId\":24}]",
            r#"[{"organızationId":24,"organizationId":24}]"#,
            "",
        ];
        for content in doubtful {
            assert_eq!(read("application/json", content), None, "{content}");
        }
    }

    #[test]
    fn another_charset_or_coding_is_not_understood() {
        let content = r#"[{"organizationId":24}]"#;
        for content_type in ["application/json; charset=utf-16", "text/plain", "application/problem+json"] {
            assert_eq!(read(content_type, content), None, "{content_type}");
        }
        let mut fields = HeaderMap::new();
        assert_eq!(synchronized(&fields, content.as_bytes()), None);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(synchronized(&fields, content.as_bytes()), None);
    }

    #[test]
    fn a_list_is_told_from_anything_else() {
        let operators = List::Operators(OrganizationId::new(24).unwrap());
        let list = br#"[{"id":1,"name":"A","status":0,"organization":{"id":24,"name":"S"}}]"#;
        assert!(is_list(operators, list));
        assert!(is_list(operators, b"[]"));
        assert!(is_list(List::Organizations, br#"[{"id":24,"name":"S"}]"#));
        for other in ["<html>", "{}", r#"{"error":"x"}"#, r#"[{"id":1}]"#, r#"[{"id":1,"name":"A","#, "", "null"] {
            assert!(!is_list(operators, other.as_bytes()), "{other}");
        }
    }
}
