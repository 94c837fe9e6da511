//! The settings, as the program needs them: checked, typed, and complete.
//!
//! [`load()`] lays four sources over each other: the built-in defaults, the file, the environment, the flags. Each
//! later one wins, setting by setting. What a newcomer would get wrong: every value that was *given* is checked, also
//! one that a later source overrides, and all that is wrong is told at once ([`Problems`]) rather than the first fault.
//! For that reason no deserializer reads the file; `setting` is a table of all settings which file, environment, flags,
//! printing and documentation share. A new setting is a field here, its default in `defaults`, and a row there.
//!
//! ```
//! use chathub_gateway::config::{Arguments, load};
//!
//! let environment = [("CHATHUB_GATEWAY__CACHE__OPERATORS_TTL".into(), "30s".into())];
//! let config = load(&Arguments::default(), environment, |path| std::fs::read_to_string(path))?;
//! assert_eq!(config.cache.operators_ttl.as_secs(), 30);
//! # Ok::<(), chathub_gateway::config::Problems>(())
//! ```

mod address;
mod arguments;
mod change;
mod credentials;
mod defaults;
mod field;
mod file;
mod kind;
mod load;
mod numbers;
mod print;
mod problem;
mod rate;
mod raw;
mod rule;
mod setting;
mod suggestion;
#[cfg(test)]
mod tests;
mod text;
mod unit;
mod word;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::chathub::OrganizationId;

pub use arguments::{Arguments, Command, Probed};
pub use change::Changed;
pub use credentials::{Credentials, SingleCredential};
pub use load::{load, load_wanted};
pub use print::reference;
pub use problem::{Place, Problem, Problems};
pub use rate::{Per, Rate};
pub use word::{AccessFormat, Format, Level, Mode};

/// The default settings as a commented file, to start one's own from. It has the same effect as no file at all.
pub const DEFAULT_FILE: &str = include_str!("config/default.toml");

/// Everything that can be set. It holds no secret: a password in the upstream's URL is refused, the administrators'
/// token is named by its file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The clients' listener.
    pub server: Server,
    /// The operators' listener.
    pub admin: Admin,
    /// The way to ChatHub.
    pub upstream: Upstream,
    /// What is kept of ChatHub's answers.
    pub cache: Cache,
    /// How often a credential may ask upstream.
    pub throttle: Throttle,
    /// What is told about the work.
    pub log: Log,
    /// What is measured beside the rest.
    pub metrics: Metrics,
}

/// The clients' listener, and what it lets one client cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where clients connect. Port 0 takes any free one. Default `127.0.0.1:2428`: CHAT on a telephone keypad, and
    /// loopback since a sidecar serves its own pod only.
    pub listen: SocketAddr,
    /// Threads that serve requests, 1 to 1024. Absent, the default, means one for each available core.
    pub workers: Option<NonZeroUsize>,
    /// Whether another gateway may listen on `listen` at the same time (`SO_REUSEPORT`): then the next can start before the
    /// last stops, with another `admin.listen`. Default `false`: an address that is taken is more
    /// often a mistake.
    pub share_port: bool,
    /// Connections that may be open at once, 1 to 1 000 000; more wait to be accepted. Default 10 000, far above
    /// what a few services open.
    pub max_connections: usize,
    /// Connections that may be open at once from one address, 1 to 1 000 000; one more is answered 503 and closed. Absent,
    /// the default, means that only `max_connections` bounds them: beside a service all come from loopback.
    pub max_connections_per_peer: Option<NonZeroUsize>,
    /// Requests after which a connection is closed, politely, 1 to 1 000 000 000. Absent, the default, means never:
    /// it is for gateways that several services share and that are to share them anew now and then.
    pub max_requests_per_connection: Option<NonZeroUsize>,
    /// Requests that may be under way at once on one HTTP/2 connection, 1 to 1000. Default 100, the least that RFC 9113
    /// §6.5.2 recommends.
    pub max_streams: u32,
    /// Requests that a client may take back within a second on one HTTP/2 connection, 1 to 10 000, before the connection
    /// is cut (the rapid reset of CVE-2023-44487). Default 100, `max_streams` once over.
    pub max_resets: u32,
    /// Frames that bring neither a request nor content (PING, SETTINGS, WINDOW_UPDATE, …) which a client may send within a
    /// second on one HTTP/2 connection, 1 to 1 000 000, before the connection is cut. Default 10 000: more than a client
    /// that takes 150 MB a second needs, and a few thousandths of a core.
    pub max_control_frames: u32,
    /// Requests that may be on their way to ChatHub at once, 1 to 1 000 000; one more is answered 503 at once. Those
    /// answered from memory, those that wait for their turn or for the fetch of another, and hub traffic are not counted.
    /// Default 1000, a hundred seconds' worth of one credential's greatest rate at two seconds an answer.
    pub max_in_flight: usize,
    /// Bytes of a request's line and fields together, 1 KiB to 1 MiB. Default 32 KiB, the limit of Kestrel.
    pub max_head: usize,
    /// Fields of a request, 1 to 1000. Default 100, the limit of Kestrel.
    pub max_fields: usize,
    /// Bytes of a request's target, 256 B to 64 KiB. Default 8 KiB (RFC 9110 §4.1 recommends no less than 8000).
    pub max_target: usize,
    /// Bytes of a request's content, up to 1 GiB; zero refuses all content. Default 32 MiB, above the 30 000 000 bytes
    /// of Kestrel, so that the upstream stays the one who refuses.
    pub max_body: usize,
    /// How long a request's line and fields may take to arrive, 1 ms to 1 h. Default 10 s: a slow client holds a
    /// connection no longer.
    pub head_timeout: Duration,
    /// How long a connection may stay without a request, 1 ms to 1 h. Default 120 s, near the 130 s of Kestrel.
    pub idle_timeout: Duration,
    /// How long a request's content may be waited for, 1 ms to 1 h; `min_rate` pays it back. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may be waited for to take its answer, 1 ms to 1 h; `min_rate` pays it back. Default 60 s: a script
    /// may well do something else for a while between two reads of a long list.
    pub send_timeout: Duration,
    /// Bytes a second that earn a slow client its time anew, up to 1 MiB: both times above run down while the client is
    /// waited for, and what it sends or takes pays them back at this rate. Zero pays all back for any byte. Default
    /// 240 B, the rate of Kestrel.
    pub min_rate: u64,
    /// How long connections are still accepted after readiness has fallen, up to 5 min; zero stops accepting at once.
    /// Default 0 s: a sidecar has no balancer that must notice first.
    pub drain_delay: Duration,
    /// When, counted from the signal to stop, the connections still open are cut: 1 ms to 1 h and longer than
    /// `drain_delay`. Default 25 s, within the 30 s of grace that Kubernetes gives.
    pub drain_deadline: Duration,
    /// The file with the certificate chain that clients are shown, in PEM, the leaf first. With it, and only together
    /// with `tls_key`, the listener speaks TLS and nothing else. Absent, the default, means none: beside a service the
    /// gateway listens on loopback.
    pub tls_certificate: Option<PathBuf>,
    /// The file with the private key of that certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// The file with the authorities, in PEM, one of which must vouch for a client's certificate. Absent, the default,
    /// means that clients need none.
    pub tls_client_ca: Option<PathBuf>,
}

/// The operators' listener: metrics, health, purge.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Where operators connect; it may not collide with `server.listen`. Port 0 takes any free one. Default
    /// `127.0.0.1:2429`, the clients' port and one.
    pub listen: SocketAddr,
    /// Connections that may be open at once from this machine (127.0.0.1 and ::1), and as many from all others together, 1 to
    /// 10 000; one more is closed at once. Default 64, many more than ask at once: each lasts five minutes at most.
    pub max_connections: usize,
    /// The file that holds the bearer secret of those who may purge and let the gateway leave or end, from wherever. Absent,
    /// the default, means that whoever comes from 127.0.0.1 or ::1 may, and nobody else.
    pub token_file: Option<PathBuf>,
}

/// The way to ChatHub.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Scheme, host and perhaps port of ChatHub: `http` or `https`, no user, no path, no query. Default
    /// `https://chatapi.smsbat.com`, the published address. `http`, which shows credentials to whoever listens, is for
    /// tests, and is warned of at the start.
    pub url: http::Uri,
    /// The file with the authorities, in PEM, one of which must vouch for ChatHub's certificate. Absent, the default, means
    /// those of the system or, if it has none, those that Mozilla trusts.
    pub ca_file: Option<PathBuf>,
    /// The file with the certificate chain that ChatHub is shown, in PEM, the leaf first; together with `client_key`
    /// only. Absent, the default, means none.
    pub client_certificate: Option<PathBuf>,
    /// The file with the private key of that certificate, in PEM.
    pub client_key: Option<PathBuf>,
    /// How long TCP and TLS may take to connect, 1 ms to 1 h. Default 5 s: time for two more SYNs,
    /// which TCP sends after 1 s and 3 s.
    pub connect_timeout: Duration,
    /// How long an answer's head may keep us waiting once there is a connection, and all of the content was sent that the
    /// client has sent, 1 ms to 1 h. Default 30 s.
    pub head_timeout: Duration,
    /// How long an answer's content may pause, 1 ms to 1 h. Default 60 s.
    pub idle_timeout: Duration,
    /// How long the exchange of a list that may be stored, which is read whole, may take each time it goes upstream, from
    /// finding or making a connection to the last byte of the answer, 1 ms to 1 h; what streams has no such limit. Default
    /// 60 s.
    pub total_timeout: Duration,
    /// How long an unused connection is kept, 1 ms to 1 h. Default 55 s, well below the 2 min after which Kestrel and
    /// what stands before it close theirs: who closes later meets resets.
    pub pool_idle_timeout: Duration,
    /// Unused connections that are kept, up to 10 000; zero keeps none. Default 64.
    pub pool_max_idle: usize,
    /// Whether each worker makes a connection at the start, before anybody asks. Default `true`: TCP, TLS and the name's
    /// resolution take longer than a request.
    pub warm: bool,
    /// Reads that may be retried on a connection that died before an answer, in percent of requests, 0 to 100; zero
    /// retries none. Default 20: enough for a restart of the upstream, too few to double the load of a broken one.
    pub retry_percent: u8,
}

/// What is kept of ChatHub's answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    /// How long a list of operators is fresh, up to 24 h; zero does not cache them. Default 60 s, the sample on the
    /// published page of operators.
    pub operators_ttl: Duration,
    /// How long the list of organizations is fresh, up to 24 h; zero does not cache it. Default 300 s, the sample on
    /// the published page of organizations.
    pub organizations_ttl: Duration,
    /// Bytes of all stored answers together, up to 1 TiB; zero stores nothing. Default 64 MiB: thousands of lists.
    pub capacity: u64,
    /// Bytes of one answer that is stored, 1 B to 1 GiB and at most `capacity`; a larger one passes unstored. Default
    /// 8 MiB, so that eight of the largest fit.
    pub max_body: usize,
    /// Bytes of a synchronize or status request that are read to learn what it changes, up to 1 GiB; beyond it, and
    /// always with zero, every list of operators is dropped. Default 1 MiB, some thousand operators.
    pub max_inspect: usize,
    /// Bytes of such requests that are held at once, in line too, up to 1 TiB and at least `max_inspect`; one that finds no
    /// room passes unread, and every list of operators is dropped. Default 32 MiB, so that 32 of the largest fit: anybody can
    /// send them.
    pub inspect_buffer: usize,
    /// Bytes of lists that are held at once while they are fetched, and if they were not stored until they are answered, 1 B to
    /// 1 TiB and at least `max_body`; one that finds no room passes unstored. What is stored
    /// counts as `capacity` and no longer here. Default 32 MiB, so that four of the largest fit.
    pub fetch_buffer: usize,
    /// How long nothing is stored of the lists that a write of unknown outcome may still change, up to 1 h; zero holds
    /// such a write to be done when it ends. Default 5 s.
    pub quarantine: Duration,
    /// How long a request waits for the running fetch of another, up to 1 h. Then the first of those who waited begins a
    /// new fetch, for which the others wait as long, and so three times before each fetches for itself; zero shares no
    /// fetch. Default 10 s: far longer than a list takes.
    pub collapse_timeout: Duration,
    /// How long before the end of its lifetime a list that somebody asks for is fetched anew in the background, up to
    /// 24 h. Such a fetch takes only a cell that nobody else wants. Default zero: never, lists are fetched when they are
    /// asked for and no longer fresh.
    pub refresh_ahead: Duration,
}

/// How often a credential may ask upstream. Hits cost nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// Whether the quotas bind. Default `enforce`.
    pub mode: Mode,
    /// How long a request over quota may wait for its turn, up to 1 h; zero refuses it at once. Default 15 s: a
    /// client with 30 s of patience still gets its answer.
    pub max_wait: Duration,
    /// Requests that may wait at once, of all credentials together, up to 1 000 000, a quarter of them for writes only;
    /// one more is refused, and with zero each that is over quota. Default 10 000, as many as there may be connections.
    pub max_waiting: usize,
    /// Requests that may wait at once of one credential in one class, up to 100 000; zero as above. Default 1000, more
    /// than 50/s lets go within `max_wait`.
    pub max_waiting_per_credential: usize,
    /// Credentials that are told apart at once in each class, 1 to 10 000 000; more share one quota. Default 100 000.
    pub max_credentials: usize,
    /// How long one 429 or 503 of the upstream stops a credential's class at the most, whatever its `Retry-After` asks
    /// for, 1 ms to 1 h. Default 300 s.
    pub max_stop: Duration,
    /// Whether repeated 429s of the upstream lower the rate of a credential's class, from where it rises again. Default
    /// true.
    pub adaptive: bool,
    /// The file that gives single credentials quotas of their own. Absent, the default, means that all have the same.
    pub credentials_file: Option<PathBuf>,
    /// Operator and organization lists, synchronize, status. Default 5/s, burst 5: the published page's sample.
    pub operator: Quota,
    /// Company logins, by the peer's address. Default 1/s, burst 5: the authentication page's sample.
    pub login: Quota,
    /// All else. Default 50/s, burst 25: the rate-limit page allows 50/s with no second above 75.
    pub other: Quota,
    /// All credentials and classes together. By default there is no such quota.
    pub upstream: UpstreamQuota,
}

/// An allowance for all credentials together, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamQuota {
    /// What may go upstream in the long run, at most 1 000 000/s. Absent, the default, means no such quota.
    pub rate: Option<Rate>,
    /// What may go upstream at once after a rest, 1 to 1 000 000. Default 20, which with 50/s keeps 70 within a second:
    /// below the 75 of the rate-limit page, with 0.1 s to spare for delays on the way.
    pub burst: NonZeroU32,
}

impl UpstreamQuota {
    /// Returns it as a quota, if there is one.
    #[must_use]
    pub fn quota(self) -> Option<Quota> {
        self.rate.map(|rate| Quota { rate, burst: self.burst })
    }
}

/// One class's allowance for each credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What may go upstream in the long run, at most 1 000 000/s.
    pub rate: Rate,
    /// What may go upstream at once after a rest, 1 to 1 000 000. To regain it all may take 24 h at most.
    pub burst: NonZeroU32,
}

/// What is told about the work.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The least severe events that are logged. Default `info`.
    pub level: Level,
    /// How an event is written. Default `json`, one object a line.
    pub format: Format,
    /// Whether each request is logged as one line. Default true.
    pub access: bool,
    /// How a line of the access log is written. Default `json`, whose members other tools find by name.
    pub access_format: AccessFormat,
    /// Hits whose line is written, in percent, 0 to 100; zero writes none. All other requests have theirs, and what is left
    /// out is counted. Default 100.
    pub access_hit_percent: u8,
    /// Bytes of access log that may wait to be written, 4 KiB to 1 GiB; lines beyond are dropped and counted. Default
    /// 1 MiB, some three thousand lines: enough for a pipe that stalls for a moment.
    pub access_buffer: usize,
}

/// What is measured beside the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// The organizations whose operators are counted by status, up to 100, each once. Default none: each has six series, and
    /// nobody but the operator knows which of them matter.
    pub organizations: Vec<OrganizationId>,
}
