//! The table of all settings: the one place that knows a setting's path, kind, bounds and meaning.
//!
//! A row's path *is* its field in [`Config`], so the two cannot part. Defaults stand in [`defaults`](super::defaults)
//! and are read through the row.

use std::time::Duration;

use super::Config;
use super::field::Field;
use super::kind::{Fault, Kind, Value};
use super::numbers::Numbers;
use super::raw::Written;
use super::word::Word;

/// What environment variables that are settings begin with.
pub(super) const PREFIX: &str = "CHATHUB_GATEWAY__";

/// One row.
#[derive(Debug)]
pub(super) struct Setting {
    /// `cache.operators_ttl`
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What it is, what zero means; one line without a final stop.
    pub(super) about: &'static str,
    /// A good value as plain text, for a setting whose default is to be absent.
    example: Option<&'static str>,
    /// It is read at the start only: what changes later waits for the next one.
    pub(super) is_fixed: bool,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, Value),
}

impl Setting {
    pub(super) fn get(&self, config: &Config) -> Value {
        (self.get)(config)
    }

    pub(super) fn set(&self, config: &mut Config, value: Value) {
        (self.set)(config, value);
    }

    /// Reads a value for this setting.
    pub(super) fn read(&self, written: &Written) -> Result<Value, Fault> {
        match written {
            // The one way to undo, from the environment, what the file gives.
            Written::Plain(text) if text.is_empty() && self.is_optional() => Ok(Value::Absent),
            _ => self.kind.read(written),
        }
    }

    pub(super) fn default(&self) -> Value {
        self.get(&Config::default())
    }

    pub(super) fn is_optional(&self) -> bool {
        self.example.is_some()
    }

    /// Returns a good value: the default, or the example if that is to be absent.
    pub(super) fn example(&self) -> Value {
        match self.example {
            Some(text) => self.kind.read(&Written::Plain(text.to_owned())).expect("the table's examples are good"),
            None => self.default(),
        }
    }

    /// Returns its section and its name there.
    pub(super) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').expect("every setting is in a section")
    }

    /// Returns the environment variable for it.
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }
}

/// Returns the environment variable for a path.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// Returns the setting of that path.
pub(super) fn find(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.path == path)
}

/// The sections and what they are about, in the order of the table.
pub(super) static SECTIONS: &[(&str, &str)] = &[
    ("server", "The listener for clients"),
    ("admin", "The listener for operators: metrics, health, purge"),
    ("upstream", "The way to ChatHub"),
    ("cache", "What is kept of ChatHub's answers"),
    ("throttle", "How often a credential may ask upstream; what the cache answers is free"),
    ("throttle.operator", "Operator and organization lists, synchronize, status"),
    ("throttle.login", "Company logins, counted by the peer's address"),
    ("throttle.other", "All other requests"),
    ("throttle.upstream", "All requests of all credentials together; without a rate there is no such quota"),
    ("log", "What is told about the work"),
    ("metrics", "What is measured beside the rest"),
];

/// Writes the rows. A row's path names the field, and `get` and `set` go there. Those that end with `[fixed]` are read at
/// the start only.
macro_rules! settings {
    ($($section:ident $(. $name:ident)+: $kind:expr, $about:tt $(, example $example:literal)? $([$fixed:ident])?;)+) => {
        &[$(Setting {
            path: concat!(stringify!($section) $(, ".", stringify!($name))+),
            kind: $kind,
            about: $about,
            example: settings!(@ $($example)?),
            is_fixed: settings!(? $($fixed)?),
            get: |config| config.$section $(. $name)+.to_value(),
            set: |config, value| {
                config.$section $(. $name)+ = Field::from_value(value).expect("the kind is that of the field");
            },
        },)+]
    };
    (@ $example:literal) => { Some($example) };
    (@) => { None };
    (? fixed) => { true };
    (?) => { false };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// A wait that must end: zero would refuse everything.
const TIMEOUT: Kind = Kind::Duration(Duration::from_millis(1)..=HOUR);
const UP_TO_AN_HOUR: Kind = Kind::Duration(Duration::ZERO..=HOUR);
const LIFETIME: Kind = Kind::Duration(Duration::ZERO..=Duration::from_secs(24 * 3600));
const BURST: Kind = Kind::Number(1..=1_000_000);
const HOUR: Duration = Duration::from_secs(3600);

const RATE_ABOUT: &str = "Requests a second, a minute or an hour in the long run";
const BURST_ABOUT: &str = "Requests at once after a rest";

/// The table, in the order in which it is printed.
pub(super) static SETTINGS: &[Setting] = settings! {
    server.listen: Kind::Address, "Address on which clients are served; port 0 takes any free one" [fixed];
    server.workers: Kind::Number(1..=1024), "Threads that serve requests; absent: one for each core that the process may use", example "2" [fixed];
    server.share_port: Kind::Switch,
        "Whether another gateway may listen on the same address at the same time, for restarts without a gap" [fixed];
    server.max_connections: Kind::Number(1..=1_000_000), "Connections open at once; more wait";
    server.max_connections_per_peer: Kind::Number(1..=1_000_000),
        "Connections open at once from one address, more are refused; absent: as many as there may be", example "1000";
    server.max_requests_per_connection: Kind::Number(1..=1_000_000_000),
        "Requests after which a connection is closed; absent: as many as come", example "10000";
    server.max_streams: Kind::Number(1..=1000), "Requests at once on one HTTP/2 connection";
    server.max_resets: Kind::Number(1..=10_000), "Requests that a client may take back in a second, on one HTTP/2 connection";
    server.max_control_frames: Kind::Number(1..=1_000_000),
        "Frames without request or content that a client may send in a second, on one HTTP/2 connection";
    server.max_in_flight: Kind::Number(1..=1_000_000),
        "Requests on their way to ChatHub at once; more are answered 503, those from memory are not counted";
    server.max_head: Kind::Size(KIB..=MIB), "Size of a request's line and fields";
    server.max_fields: Kind::Number(1..=1000), "Number of a request's fields";
    server.max_target: Kind::Size(256..=64 * KIB), "Size of a request's target";
    server.max_body: Kind::Size(0..=GIB), "Size of a request's content; 0B: none is allowed";
    server.head_timeout: TIMEOUT, "How long a request's line and fields may take";
    server.idle_timeout: TIMEOUT, "How long a connection may stay without a request";
    server.body_timeout: TIMEOUT, "How long a request's content may be waited for";
    server.send_timeout: TIMEOUT, "How long a client may be waited for to take its answer";
    server.min_rate: Kind::Size(0..=MIB),
        "Bytes a second of content, and of its answer, that a client keeps both times by; 0B: any byte is enough";
    server.drain_delay: Kind::Duration(Duration::ZERO..=Duration::from_secs(300)),
        "How long connections are still accepted after the signal to stop; 0s: none are";
    server.drain_deadline: TIMEOUT, "When, after the signal to stop, open connections are cut; longer than drain_delay";
    server.tls_certificate: Kind::Path,
        "File with the certificate chain (PEM) shown to clients; absent: no TLS", example "/etc/chathub-gateway/tls/tls.crt" [fixed];
    server.tls_key: Kind::Path, "File with its private key (PEM)", example "/etc/chathub-gateway/tls/tls.key" [fixed];
    server.tls_client_ca: Kind::Path,
        "File with the authorities (PEM) of certificates that clients must show; absent: they need none", example "/etc/chathub-gateway/tls/ca.crt" [fixed];

    admin.listen: Kind::Address,
        "Address on which operators are served, other than the clients'; port 0 takes any free one" [fixed];
    admin.max_connections: Kind::Number(1..=10_000),
        "Connections open at once from 127.0.0.1 and ::1, and as many from elsewhere; one more is closed";
    admin.token_file: Kind::Path,
        "File with the secret of those who may purge, drain and quit; absent: 127.0.0.1 and ::1 only", example "/run/secrets/admin-token";

    upstream.url: Kind::Url, "Scheme, host and perhaps port of ChatHub; http, for tests only, or https" [fixed];
    upstream.ca_file: Kind::Path,
        "File with the authorities (PEM) that may vouch for ChatHub; absent: the system's, or Mozilla's if it has none", example "/etc/chathub-gateway/upstream-ca.crt";
    upstream.client_certificate: Kind::Path,
        "File with the certificate chain (PEM) shown to ChatHub; absent: none", example "/etc/chathub-gateway/client.crt";
    upstream.client_key: Kind::Path, "File with its private key (PEM)", example "/etc/chathub-gateway/client.key";
    upstream.connect_timeout: TIMEOUT, "How long connecting may take";
    upstream.head_timeout: TIMEOUT, "How long the beginning of an answer may take";
    upstream.idle_timeout: TIMEOUT, "How long an answer's content may pause";
    upstream.total_timeout: TIMEOUT, "How long a list that may be stored may take in all, connecting included";
    upstream.pool_idle_timeout: TIMEOUT, "How long an unused connection is kept";
    upstream.pool_max_idle: Kind::Number(0..=10_000), "Unused connections that are kept in all, beside one for each worker; 0: none";
    upstream.warm: Kind::Switch, "Whether connections are made at the start, so that nobody waits for them" [fixed];
    upstream.retry_percent: Kind::Number(0..=100),
        "Reads that may be retried on a dead connection, in percent of requests; 0: none";

    cache.operators_ttl: LIFETIME, "How long a list of operators is fresh; 0s: not cached";
    cache.organizations_ttl: LIFETIME, "How long the list of organizations is fresh; 0s: not cached";
    cache.capacity: Kind::Size(0..=TIB), "Size of all stored answers together; 0B: nothing is stored" [fixed];
    cache.max_body: Kind::Size(1..=GIB), "Size of a stored answer, at most the capacity; larger ones pass unstored";
    cache.max_inspect: Kind::Size(0..=GIB),
        "How much of a write's content is read for what it changes; beyond, every list of operators is dropped";
    cache.inspect_buffer: Kind::Size(0..=TIB),
        "Size of all that is read and held of writes, at least max_inspect; what finds no room passes unread";
    cache.fetch_buffer: Kind::Size(1..=TIB),
        "Size of all lists on their way to be stored, at least max_body; what finds no room passes unstored";
    cache.quarantine: UP_TO_AN_HOUR, "How long lists are not stored after a write of unknown outcome; 0s: not at all";
    cache.collapse_timeout: UP_TO_AN_HOUR,
        "How long a request waits for another's fetch before it begins one; 0s: none is shared";
    cache.refresh_ahead: LIFETIME,
        "How long before its end a list that is asked for is fetched anew, with cells nobody wants; 0s: never";

    throttle.mode: Kind::Word(super::Mode::WORDS), "Whether quotas bind, are only counted, or neither";
    throttle.max_wait: UP_TO_AN_HOUR, "How long a request over quota may wait; 0s: it is refused at once";
    throttle.max_waiting: Kind::Number(0..=1_000_000), "Requests that may wait at once, of all credentials";
    throttle.max_waiting_per_credential: Kind::Number(0..=100_000),
        "Requests that may wait at once, of one credential in one class";
    throttle.max_credentials: Kind::Number(1..=10_000_000), "Credentials that are told apart at once, in each class; more share a quota";
    throttle.max_stop: TIMEOUT, "How long a 429 or 503 of the upstream may stop a credential, whatever its Retry-After says";
    throttle.adaptive: Kind::Switch, "Whether repeated 429s of the upstream lower a credential's rate for a while";
    throttle.credentials_file: Kind::Path,
        "File with quotas for single credentials; absent: all have the same", example "/etc/chathub-gateway/credentials.toml";
    throttle.operator.rate: Kind::Rate, RATE_ABOUT;
    throttle.operator.burst: BURST, BURST_ABOUT;
    throttle.login.rate: Kind::Rate, RATE_ABOUT;
    throttle.login.burst: BURST, BURST_ABOUT;
    throttle.other.rate: Kind::Rate, RATE_ABOUT;
    throttle.other.burst: BURST, BURST_ABOUT;
    throttle.upstream.rate: Kind::Rate,
        "Requests a second, a minute or an hour in the long run; absent: as many as the other quotas allow", example "50/s";
    throttle.upstream.burst: BURST, BURST_ABOUT;

    log.level: Kind::Word(super::Level::WORDS), "The least severe events that are logged";
    log.format: Kind::Word(super::Format::WORDS), "How an event is written" [fixed];
    log.access: Kind::Switch, "Whether each request is logged";
    log.access_format: Kind::Word(super::AccessFormat::WORDS), "How a request is logged";
    log.access_hit_percent: Kind::Number(0..=100), "Answers from memory that are logged, in percent, evenly; 0: none";
    log.access_buffer: Kind::Size(4 * KIB..=GIB), "Size of what waits to be written to the access log; lines beyond are dropped" [fixed];

    metrics.organizations: Kind::Numbers(Numbers { each: 1..=2_147_483_647, most: 100 }),
        "Organizations whose operators are counted by status; absent: none", example "24,25";
};
