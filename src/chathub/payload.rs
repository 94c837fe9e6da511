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

use super::id::{OperatorId, OrganizationId};
use super::object::Object;
use super::request::List;
use super::status::{OperatorStatus, StatusCounts};

/// About as long as an operator in a list at least is, in bytes.
const OPERATOR_BYTES: usize = 64;

/// What a list says of operators. A list of organizations says nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Operators {
    /// Who they are, in order, each once.
    pub ids: Box<[OperatorId]>,
    /// How many of them have which status.
    pub statuses: StatusCounts,
}

/// Returns the operators that a list holds, or `None` if `content` is not the array that `list` promises (contract 1.1,
/// 1.4).
#[must_use]
pub fn operators(list: List, content: &[u8]) -> Option<Operators> {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "the shape is what is checked")]
    struct Operator {
        id: OperatorId,
        name: Option<Text>,
        status: i64,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "the shape is what is checked")]
    struct Organization {
        id: i64,
        name: Option<Text>,
    }
    // Here once for all of it, instead of for each name and text.
    let content = std::str::from_utf8(content).ok()?;
    match list {
        List::Operators(_) => {
            let mut ids = Vec::with_capacity(content.len() / OPERATOR_BYTES);
            let mut statuses = StatusCounts::default();
            for_each(content, |Object(operator): Object<Operator>| {
                ids.push(operator.id);
                statuses.count(OperatorStatus::from(operator.status));
            })
            .ok()?;
            ids.sort_unstable();
            ids.dedup();
            Some(Operators { ids: ids.into(), statuses })
        }
        List::Organizations => {
            for_each(content, |_: Object<Organization>| ()).ok()?;
            Some(Operators::default())
        }
    }
}

/// Reads the members of an array one after the other and keeps none.
fn for_each<'de, T: Deserialize<'de>>(content: &'de str, act: impl FnMut(T)) -> serde_json::Result<()> {
    struct Members<T, F>(F, std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Members<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
            while let Some(member) = members.next_element()? {
                self.0(member);
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(content);
    serde::Deserializer::deserialize_seq(&mut reader, Members(act, std::marker::PhantomData))?;
    reader.end()
}

/// A text, whatever it says.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl Visitor<'_> for AnyText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

/// How many organizations a synchronize may name before it counts as naming all: to tell that many apart costs more than
/// to fetch their lists again.
const MOST_NAMED: usize = 1024;

/// Returns the organizations that a synchronize names, each once, or `None` if there is any doubt (contract 5.4) or there
/// are more than a thousand.
#[must_use]
pub fn synchronized(fields: &HeaderMap, content: &[u8]) -> Option<Vec<OrganizationId>> {
    let items: Vec<Named<InSynchronize>> = read_plain(fields, content)?;
    let distinct: HashSet<_> = items.into_iter().map(|item| item.id).collect();
    let ids = distinct.into_iter().map(|id| OrganizationId::new(u32::try_from(id).ok()?));
    ids.collect::<Option<Vec<_>>>().filter(|ids| ids.len() <= MOST_NAMED)
}

/// Returns the operator that a status write names, or `None` if there is any doubt (contract 5.4).
#[must_use]
pub fn switched(fields: &HeaderMap, content: &[u8]) -> Option<OperatorId> {
    read_plain::<Named<InStatus>>(fields, content).map(|named| OperatorId(named.id))
}

fn read_plain<'de, T: Deserialize<'de>>(fields: &HeaderMap, content: &'de [u8]) -> Option<T> {
    let is_plain = !fields.contains_key(CONTENT_ENCODING) && is_plain_json(fields);
    is_plain.then(|| serde_json::from_slice(content).ok()).flatten()
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

/// An object, reduced to the id that it gives without doubt.
struct Named<N> {
    id: i32,
    name: std::marker::PhantomData<N>,
}

/// The member that holds the id.
trait Member {
    const NAME: &'static str;
}

struct InSynchronize;

impl Member for InSynchronize {
    const NAME: &'static str = "organizationId";
}

struct InStatus;

impl Member for InStatus {
    const NAME: &'static str = "id";
}

impl<'de, N: Member> Deserialize<'de> for Named<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(std::marker::PhantomData))
    }
}

struct NamedVisitor<N>(std::marker::PhantomData<N>);

impl<'de, N: Member> Visitor<'de> for NamedVisitor<N> {
    type Value = Named<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with one plain {}", N::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut id = None;
        while let Some(name) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            if name == N::NAME && id.is_none() {
                id = Some(members.next_value()?);
            } else if name.is_ascii() && !name.eq_ignore_ascii_case(N::NAME) {
                members.next_value::<IgnoredAny>()?;
            } else {
                return Err(A::Error::custom("a name that parsers may read differently"));
            }
        }
        let id = id.ok_or_else(|| A::Error::missing_field(N::NAME))?;
        Ok(Named { id, name: std::marker::PhantomData })
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
    fn the_operator_of_a_plain_status_write_is_read() {
        let fields: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
        let read = |content: &str| switched(&fields, content.as_bytes());
        assert_eq!(read(r#"{"id":101,"status":1}"#), Some(OperatorId(101)));
        assert_eq!(read(r#" {"status": 1, "extra": [{"id": 7}], "id": -3} "#), Some(OperatorId(-3)));
        let doubtful = [
            r#"{"id":"101","status":1}"#,
            r#"{"id":101,"ID":102}"#,
            r#"{"Id":101}"#,
            r#"{"id":101,"id":101}"#,
            r#"{"id":101.0}"#,
            r#"{"id":1e2}"#,
            r#"{"id":2147483648}"#,
            r#"{"id":null}"#,
            r#"{"status":1}"#,
            r#"[{"id":101}]"#,
            r#"{"id":101,}"#,
            r#"{"id":101} x"#,
            r#"{"ıd":1,"id":101}"#,
            "\u{feff}{\"id\":101}",
            "",
        ];
        for content in doubtful {
            assert_eq!(read(content), None, "{content}");
        }
        assert_eq!(switched(&HeaderMap::new(), br#"{"id":101}"#), None, "no content type");
    }

    #[test]
    fn a_synchronize_that_names_more_than_a_thousand_organizations_names_all() {
        let body = |count: usize| {
            let items: Vec<_> = (1..=count).map(|id| format!(r#"{{"organizationId":{id}}}"#)).collect();
            format!("[{}]", items.join(","))
        };
        assert_eq!(read("application/json", &body(MOST_NAMED)).map(|ids| ids.len()), Some(MOST_NAMED));
        assert_eq!(read("application/json", &body(MOST_NAMED + 1)), None);
    }

    #[test]
    fn the_operators_of_a_list_are_counted_by_status_and_no_status_is_lost() {
        let statuses = [0, 2, 1, 2, 0, 2, 3, -1, i64::MAX];
        let members: Vec<_> =
            statuses.iter().enumerate().map(|(id, s)| format!(r#"{{"status":{s},"id":{id},"name":null}}"#)).collect();
        let content = format!("[{}]", members.join(","));
        let list = List::Operators(OrganizationId::new(24).unwrap());
        let counts = operators(list, content.as_bytes()).unwrap().statuses;
        let of = OperatorStatus::ALL.iter().map(|status| (status.as_str(), counts.of(*status)));
        assert_eq!(of.collect::<Vec<_>>(), [("active", 2), ("inactive", 1), ("deleted", 3), ("other", 3)]);
    }

    #[test]
    fn a_list_is_told_from_anything_else() {
        let of = List::Operators(OrganizationId::new(24).unwrap());
        let list = br#"[{"id":2,"name":"A","status":0,"organization":{"id":24,"name":"S"}},{"id":1,"name":"B","status":2},{"id":2,"name":"A","status":0}]"#;
        assert_eq!(operators(of, list).unwrap().ids[..], [OperatorId(1), OperatorId(2)]);
        assert_eq!(operators(of, b"[]"), Some(Operators::default()));
        assert_eq!(operators(List::Organizations, br#"[{"id":24,"name":"S"}]"#), Some(Operators::default()));
        let others = [
            "<html>",
            "{}",
            r#"{"error":"x"}"#,
            r#"[{"id":1}]"#,
            r#"[{"id":1,"name":"A","#,
            r#"[{"id":2147483648,"name":"A","status":0}]"#,
            "[] []",
            "",
            "null",
            r#"[[1,"A",0]]"#,
        ];
        for other in others {
            assert_eq!(operators(of, other.as_bytes()), None, "{other}");
        }
        assert_eq!(operators(List::Organizations, br#"[[24,"S"]]"#), None);
    }
}
