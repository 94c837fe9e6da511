//! One client: chooses, asks, waits or leaves, and notes what it saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::cast::Cast;
use crate::mix::Mix;
use crate::recorder::{Call, Credential, Operation, Recorder, Seen, What};
use crate::support::answer::Answer;
use crate::support::connection::Connection;
use crate::support::emulator::{Clock, Random};
use crate::support::gateway::Gateway;

/// Of a thousand reads so many are refreshes, and so many of what remains list the organizations.
const REFRESHES: u32 = 60;
const ORGANIZATIONS: u32 = 30;

/// Of a thousand writes so many are followed by a read of what was written, with any of the company's credentials.
const SECOND_LOOKS: u32 = 700;

/// The longest that a client waits before it leaves, in milliseconds.
const PATIENCE_OF_LEAVERS: u64 = 12;

/// A synchronize that names its organization so that two parsers might read it differently, in three pieces.
const DOUBTFUL: [[&str; 2]; 3] = [
    [r#"[{"organizationId":""#, r#"","name":"Cid"}]"#],
    [r#"[{"OrganizationId":"#, r#","name":"Cid"}]"#],
    [r#"[{"organizationId":0,"organizationId":"#, r#","name":"Cid"}]"#],
];

pub(super) struct Client {
    number: usize,
    company: usize,
    random: Random,
    mix: Mix,
    cast: Arc<Cast>,
    recorder: Recorder,
    line: Line,
    operators_line: Line,
    /// What it wrote last and wants to look at.
    second_look: Option<u32>,
    writes: u64,
}

/// A connection that is opened when it is needed.
struct Line {
    address: SocketAddr,
    connection: Option<Connection>,
}

/// A request, ready to be sent.
struct Request {
    method: &'static str,
    target: String,
    fields: String,
    content: String,
}

impl Client {
    pub(super) fn new(number: usize, seed: u64, mix: &Mix, cast: &Arc<Cast>, gateway: &Gateway, clock: Clock) -> Self {
        let mut seeds = Random::seeded(seed ^ number as u64);
        Self {
            number,
            company: Cast::company_of(number),
            random: Random::seeded(seeds.number()),
            mix: *mix,
            cast: Arc::clone(cast),
            recorder: Recorder::new(clock),
            line: Line { address: gateway.address(), connection: None },
            operators_line: Line { address: gateway.admin_address(), connection: None },
            second_look: None,
            writes: 0,
        }
    }

    pub(super) async fn run(mut self, operations: usize) -> Vec<Operation> {
        for _ in 0..operations {
            let what = self.choose();
            self.perform(what).await;
        }
        self.recorder.into_operations()
    }

    // === what to do ===

    fn choose(&mut self) -> What {
        if let Some(organization) = self.second_look.take() {
            return What::List { organization, is_refresh: self.random.happens(REFRESHES) };
        }
        let organization = Cast::organization(self.company, &mut self.random);
        if self.random.happens(self.mix.purges) {
            return What::Purge { organization: Some(organization).filter(|_| self.random.happens(700)) };
        }
        if self.random.happens(self.mix.writes) {
            return self.choose_write(organization);
        }
        match self.random.happens(ORGANIZATIONS) {
            true => What::Organizations,
            false => What::List { organization, is_refresh: self.random.happens(REFRESHES) },
        }
    }

    fn choose_write(&mut self, organization: u32) -> What {
        self.writes += 1;
        let tag = (self.number as u64) << 32 | self.writes;
        let call = match self.random.below(10) {
            0..5 => Call::Status { operator: self.cast.operator(self.company, &mut self.random) },
            5..8 => Call::Synchronize { organizations: vec![organization] },
            8 => Call::Synchronize {
                organizations: vec![organization, Cast::organization(self.company, &mut self.random)],
            },
            _ => Call::Doubtful { organization },
        };
        let is_known = !matches!(call, Call::Status { .. });
        self.second_look = Some(organization).filter(|_| is_known && self.random.happens(SECOND_LOOKS));
        What::Write { call, tag }
    }

    // === doing it ===

    async fn perform(&mut self, what: What) {
        let credential = Cast::credential(self.company, &mut self.random);
        let request = self.request(&what, credential);
        let patience = self.random.happens(self.mix.leavers).then(|| self.random.below(PATIENCE_OF_LEAVERS));
        let is_purge = matches!(what, What::Purge { .. });
        let line = if is_purge { &mut self.operators_line } else { &mut self.line };
        let connection = line.open().await;
        let begin = self.recorder.now();
        let answer = exchange(connection, &request, patience).await;
        let end = self.recorder.now();
        if answer.as_ref().is_none_or(closes) {
            line.connection = None;
        }
        if let Some(answer) = &answer {
            assert!(!is_purge || answer.status == 200, "a purge was answered {answer:?}");
            self.learn(&what, answer);
        }
        let seen = answer.map(|answer| self.seen(&what, &answer));
        self.recorder.note(Operation { client: self.number, credential, what, begin, end, seen });
    }

    fn request(&mut self, what: &What, credential: Credential) -> Request {
        let own = self.cast.field(credential);
        let list = |target: String, fields: String| Request { method: "GET", target, fields, content: String::new() };
        match what {
            What::List { organization, is_refresh } => {
                let wish = if *is_refresh { "\r\ncache-control: no-cache" } else { "" };
                list(format!("/api/operator?organizationId={organization}"), format!("{own}{wish}"))
            }
            What::Organizations => list("/api/company/organization".to_owned(), own.to_owned()),
            What::Write { call, tag } => {
                let fields = format!("{own}\r\nx-emulator-tag: {tag}\r\ncontent-type: application/json");
                let (target, content) = written(call, &mut self.random);
                Request { method: "POST", target: target.to_owned(), fields, content }
            }
            What::Purge { organization } => {
                let query = organization.map(|id| format!("?organization={id}")).unwrap_or_default();
                let (target, fields) = (format!("/purge{query}"), "accept: */*".to_owned());
                Request { method: "POST", target, fields, content: String::new() }
            }
        }
    }

    // === what came of it ===

    fn learn(&mut self, what: &What, answer: &Answer) {
        if matches!(what, What::Write { call: Call::Synchronize { .. } | Call::Doubtful { .. }, .. })
            && answer.status == 200
        {
            let added = answer.json();
            let ids = added.as_array().into_iter().flatten().filter_map(|operator| operator["id"].as_u64());
            self.cast.learn(self.company, ids.filter_map(|id| u32::try_from(id).ok()));
        }
    }

    fn seen(&self, what: &What, answer: &Answer) -> Seen {
        let is_list = matches!(what, What::List { .. }) && answer.status == 200;
        let version = number(answer, "x-emulator-version");
        assert!(!is_list || version.is_some(), "a list tells its version: {answer:?}");
        let cache = answer.field("cache-status").unwrap_or_default();
        Seen {
            status: answer.status,
            version,
            made_for: answer.field("x-emulator-credential").and_then(|fingerprint| self.cast.identify(fingerprint)),
            made_at: number(answer, "x-emulator-moment").map(Duration::from_nanos),
            cache: cache.strip_prefix("chathub-gateway; ").unwrap_or(cache).into(),
        }
    }
}

impl Line {
    async fn open(&mut self) -> &mut Connection {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.address).await);
        }
        self.connection.as_mut().expect("it has just been opened")
    }
}

impl Request {
    fn bytes(&self) -> String {
        let Self { method, target, fields, content } = self;
        let length = match content.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        format!("{method} {target} HTTP/1.1\r\nhost: h\r\n{fields}\r\n{length}\r\n{content}")
    }
}

/// Sends a request and reads the answer; `None` if there is no whole one, or if the client's patience ends first.
async fn exchange(connection: &mut Connection, request: &Request, patience: Option<u64>) -> Option<Answer> {
    connection.try_send(request.bytes()).await.ok()?;
    let answer = connection.try_answer();
    match patience {
        Some(patience) => tokio::time::timeout(Duration::from_millis(patience), answer).await.ok()?.ok(),
        None => answer.await.ok(),
    }
}

/// The target and the content of a write.
fn written(call: &Call, random: &mut Random) -> (&'static str, String) {
    match call {
        Call::Status { operator } => {
            ("/api/operator/status", format!(r#"{{"id":{operator},"status":{}}}"#, random.below(3)))
        }
        Call::Synchronize { organizations } => {
            let item = |id: &u32| format!(r#"{{"organizationId":{id},"name":"Cid"}}"#);
            let items: Vec<_> = organizations.iter().map(item).collect();
            ("/api/operator/synchronize", format!("[{}]", items.join(",")))
        }
        Call::Doubtful { organization } => {
            let [head, tail] = DOUBTFUL[random.below(DOUBTFUL.len() as u64) as usize];
            ("/api/operator/synchronize", format!("{head}{organization}{tail}"))
        }
    }
}

fn closes(answer: &Answer) -> bool {
    answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

fn number(answer: &Answer, field: &str) -> Option<u64> {
    answer.field(field).and_then(|value| value.parse().ok())
}
