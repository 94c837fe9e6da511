//! An answer as a client got it, whole.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// A complete answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The fields.
    pub(crate) fields: HeaderMap,
    /// The content, decoded from its framing.
    pub(crate) content: Bytes,
}

impl Answer {
    /// The only value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} is there more than once: {values:?}");
        values.first().copied()
    }

    /// The values of a field, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields.get_all(name).iter().map(|value| value.to_str().expect("fields are text")).collect()
    }

    /// What the gateway says of the cache, without its own name: `hit; ttl=59`.
    pub(crate) fn cache(&self) -> &str {
        let last = self.values("cache-status").pop().expect("every answer has a Cache-Status");
        last.strip_prefix("chathub-gateway; ").expect("the last entry is the gateway's")
    }

    /// Whether it came from memory.
    pub(crate) fn is_hit(&self) -> bool {
        self.cache().starts_with("hit; ttl=")
    }

    /// The content as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("the content is text")
    }

    /// The content as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.content).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The names in a list.
    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.json();
        let members = list.as_array().unwrap_or_else(|| panic!("not a list: {self:?}"));
        members.iter().map(|member| member["name"].as_str().expect("members have names").to_owned()).collect()
    }

    /// The fixed word of a problem that the gateway answered itself, once its form has been checked.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        let kind = problem["type"].as_str().expect("a problem has a type");
        kind.strip_prefix("urn:chathub-gateway:problem:").expect("its type is the gateway's").to_owned()
    }
}
