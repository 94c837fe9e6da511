//! A client as services are: it keeps its connections and sends one credential with every request.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::PATIENCE;
use super::answer::Answer;

/// A client with the fields that all its requests have. Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    fields: HeaderMap,
}

/// A request that has not been sent.
#[derive(Debug)]
pub(crate) struct Ask {
    request: reqwest::RequestBuilder,
}

impl Client {
    /// A client without a credential.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self::built(address, None)
    }

    /// The same, on a machine of its own as far as the other side can see: loopback has all of 127.0.0.0/8.
    pub(crate) fn coming_from(local: IpAddr, address: SocketAddr) -> Self {
        Self::built(address, Some(local))
    }

    fn built(address: SocketAddr, local: Option<IpAddr>) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        let http = http.local_address(local).build().expect("a client without TLS needs nothing");
        Self { http, base: format!("http://{address}"), fields: HeaderMap::new() }
    }

    /// The same with a field in all its requests.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("the value is good");
        self.fields.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same with a token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same with a profile key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.with("x-authorization-key", key)
    }

    /// A request; the line is a method and a target.
    pub(crate) fn ask(&self, line: &str) -> Ask {
        let (method, target) = line.split_once(' ').expect("a line is a method and a target");
        let method = Method::from_bytes(method.as_bytes()).expect("the method is good");
        let request = self.http.request(method, format!("{}{target}", self.base)).headers(self.fields.clone());
        Ask { request }
    }

    /// Asks for the operators of an organization.
    pub(crate) fn list(&self, organization: u32) -> impl Future<Output = Answer> + Send + use<> {
        self.ask(&format!("GET /api/operator?organizationId={organization}")).send()
    }

    /// Asks for the organizations.
    pub(crate) fn organizations(&self) -> impl Future<Output = Answer> + Send + use<> {
        self.ask("GET /api/company/organization").send()
    }

    /// Adds operators, each to its organization.
    pub(crate) fn synchronize(&self, operators: &[(u32, &str)]) -> impl Future<Output = Answer> + Send + use<> {
        let item = |(organization, name): &(u32, &str)| json!({ "organizationId": organization, "name": name });
        let items = operators.iter().map(item).collect();
        self.ask("POST /api/operator/synchronize").json(&Value::Array(items)).send()
    }

    /// Sets the status of an operator.
    pub(crate) fn status(&self, operator: u32, status: u8) -> impl Future<Output = Answer> + Send + use<> {
        self.ask("POST /api/operator/status").json(&json!({ "id": operator, "status": status })).send()
    }
}

impl Ask {
    /// Adds a field.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value) }
    }

    /// Sets the content and says that it is JSON.
    pub(crate) fn json(self, content: &Value) -> Self {
        self.with("content-type", "application/json").content(content.to_string())
    }

    /// Sets the content.
    pub(crate) fn content(self, content: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.body(content) }
    }

    /// Sends the request and reads the answer whole.
    ///
    /// # Panics
    ///
    /// If there is no complete answer.
    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("there is a complete answer")
    }

    /// Sends the request and reads the answer whole.
    pub(crate) async fn try_send(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let (status, fields) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, fields, content: response.bytes().await? })
    }
}
