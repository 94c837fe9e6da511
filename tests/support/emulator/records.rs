//! What reached the emulator, and what became of it.
//!
//! A request is counted when its head has been read, so a test can wait for it while it is still held inside; its outcome
//! is counted when it ends. Credentials are kept as fingerprints only, wherever in the request they stood.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::request::Parts;
use serde::Serialize;
use tokio::sync::Notify;

use super::credential::KEY_FIELD;
use super::endpoint::Endpoint;
use super::shared::lock;
use super::token::{CompanyId, fingerprint};

/// A request as it was received.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    /// Counts all requests since the emulator started.
    pub(crate) order: u64,
    /// What it was taken for.
    pub(crate) endpoint: Endpoint,
    /// The method as it was sent.
    pub(crate) method: String,
    /// The request target as it was sent, without a fragment; the value of `access_token` is a fingerprint.
    pub(crate) target: String,
    /// The fields in order, names in lower case; a credential's value is its fingerprint.
    pub(crate) headers: Vec<(String, String)>,
    /// The fingerprint of the credential that was judged.
    pub(crate) credential: Option<String>,
    /// The length of the body, once it has been read.
    pub(crate) body_bytes: u64,
    /// The SHA-256 of the body in hexadecimal, if there was one.
    pub(crate) body_digest: Option<String>,
    /// When, since the Unix epoch.
    #[serde(rename = "atMs", serialize_with = "super::switches::millis::serialize")]
    pub(crate) at: Duration,
}

impl Received {
    /// The values of a field, its name in lower case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    fn new(parts: &Parts, target: &str, arrival: &Arrival<'_>, order: u64) -> Self {
        Self {
            order,
            endpoint: arrival.endpoint,
            method: parts.method.as_str().to_owned(),
            target: redact_target(target),
            headers: redact(&parts.headers),
            credential: arrival.credential.map(str::to_owned),
            body_bytes: 0,
            body_digest: None,
            at: arrival.now,
        }
    }
}

/// What is known of a request when it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) credential: Option<&'a str>,
    pub(super) company: Option<CompanyId>,
    pub(super) now: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Outcome {
    /// It was answered with this status.
    Status(u16),
    /// The connection was closed on purpose, without an answer or within it.
    Dropped,
    /// The client went away first.
    Abandoned,
}

/// One line of the counters.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Tally {
    /// The call.
    pub(crate) endpoint: Endpoint,
    /// The credential's fingerprint.
    pub(crate) credential: Option<String>,
    /// A status, `dropped` or `abandoned`.
    pub(crate) outcome: String,
    /// How many.
    pub(crate) requests: u64,
}

/// The counters and the log of requests.
#[derive(Debug)]
pub(super) struct Records {
    books: Mutex<Books>,
    arrived: Notify,
    /// How many requests are kept in full; older ones are forgotten.
    kept: usize,
}

#[derive(Debug, Default)]
struct Books {
    order: u64,
    arrivals: BTreeMap<Endpoint, u64>,
    outcomes: HashMap<(Endpoint, Option<String>, Outcome), u64>,
    overall: Window,
    by_company: HashMap<CompanyId, Window>,
    received: VecDeque<Received>,
}

/// The requests of the last second, and the most there ever were in one.
#[derive(Debug, Default)]
struct Window {
    recent: VecDeque<Duration>,
    largest: u32,
}

impl Window {
    fn add(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|first| *first + Duration::from_secs(1) <= now) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.largest = self.largest.max(u32::try_from(self.recent.len()).unwrap_or(u32::MAX));
    }
}

impl Records {
    pub(super) fn new(kept: usize) -> Self {
        Self { books: Mutex::default(), arrived: Notify::new(), kept }
    }

    /// Counts a request whose head has been read and returns its order.
    pub(super) fn arrive(&self, parts: &Parts, target: &str, arrival: Arrival<'_>) -> u64 {
        let mut books = lock(&self.books);
        books.order += 1;
        let order = books.order;
        *books.arrivals.entry(arrival.endpoint).or_default() += 1;
        books.overall.add(arrival.now);
        if let Some(company) = arrival.company {
            books.by_company.entry(company).or_default().add(arrival.now);
        }
        if self.kept > 0 {
            if books.received.len() >= self.kept {
                books.received.pop_front();
            }
            books.received.push_back(Received::new(parts, target, &arrival, order));
        }
        drop(books);
        self.arrived.notify_waiters();
        order
    }

    /// Adds what is known of a request's body.
    pub(super) fn note_body(&self, order: u64, length: u64, digest: Option<String>) {
        let mut books = lock(&self.books);
        // The latest are at the end.
        if let Some(received) = books.received.iter_mut().rev().find(|received| received.order == order) {
            received.body_bytes = length;
            received.body_digest = digest;
        }
    }

    /// Whether digests of bodies are worth computing.
    pub(super) fn keeps_requests(&self) -> bool {
        self.kept > 0
    }

    pub(super) fn end(&self, endpoint: Endpoint, credential: Option<String>, outcome: Outcome) {
        *lock(&self.books).outcomes.entry((endpoint, credential, outcome)).or_default() += 1;
    }

    /// Waits until an endpoint has received `count` requests since the last reset.
    pub(super) async fn wait_for(&self, endpoint: Endpoint, count: u64) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.count(endpoint) >= count {
                return;
            }
            arrived.await;
        }
    }

    pub(super) fn count(&self, endpoint: Endpoint) -> u64 {
        lock(&self.books).arrivals.get(&endpoint).copied().unwrap_or_default()
    }

    pub(super) fn arrivals(&self) -> BTreeMap<Endpoint, u64> {
        lock(&self.books).arrivals.clone()
    }

    pub(super) fn total(&self) -> u64 {
        lock(&self.books).arrivals.values().sum()
    }

    pub(super) fn largest_window(&self) -> u32 {
        lock(&self.books).overall.largest
    }

    pub(super) fn largest_window_of(&self, company: CompanyId) -> u32 {
        lock(&self.books).by_company.get(&company).map_or(0, |window| window.largest)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        lock(&self.books).received.iter().cloned().collect()
    }

    pub(super) fn tallies(&self) -> Vec<Tally> {
        let books = lock(&self.books);
        let mut tallies: Vec<_> = books.outcomes.iter().collect();
        tallies.sort();
        let to_tally = |((endpoint, credential, outcome), requests): (&(_, Option<String>, Outcome), &u64)| Tally {
            endpoint: *endpoint,
            credential: credential.clone(),
            outcome: outcome.to_string(),
            requests: *requests,
        };
        tallies.into_iter().map(to_tally).collect()
    }

    pub(super) fn reset(&self) {
        let mut books = lock(&self.books);
        *books = Books { order: books.order, ..Books::default() };
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "{status}"),
            Self::Dropped => formatter.write_str("dropped"),
            Self::Abandoned => formatter.write_str("abandoned"),
        }
    }
}

fn redact(headers: &HeaderMap) -> Vec<(String, String)> {
    let fields = headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    fields.map(|(name, value)| (name.to_owned(), shown(name, &value))).collect()
}

/// What is kept of a field's value; a scheme such as Bearer is no secret.
fn shown(name: &str, value: &str) -> String {
    if [COOKIE.as_str(), KEY_FIELD].contains(&name) {
        return fingerprint(value);
    }
    if ![AUTHORIZATION.as_str(), PROXY_AUTHORIZATION.as_str()].contains(&name) {
        return value.to_owned();
    }
    match value.split_once(' ') {
        Some((scheme, secret)) => format!("{scheme} {}", fingerprint(secret.trim())),
        None => fingerprint(value),
    }
}

fn redact_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("access_token") => format!("{key}={}", fingerprint(value)),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}
