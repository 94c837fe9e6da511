//! Where one request ends and the next begins: the bytes of an HTTP/1.1 connection, followed strictly (RFC 9112).
//!
//! [`Framing`] is a pure machine, without I/O and without a clock. It is shown what a client sent and says how much of it
//! may go on to the server, and why the rest may not. The server library behind it is lenient where two parties could
//! read the same bytes differently (both framing fields, bare line feeds, repeated lengths), and refuses the rest with an
//! answer that we can neither word nor count; so whatever passes here must be valid for us *and* acceptable for it.
//!
//! What a newcomer would get wrong: a head passes only as a whole. Bytes that did not pass are **shown again**, from
//! their first one, with more behind them; the machine remembers how far it had read, so nothing is scanned twice. Body
//! bytes pass as they come, which is why a fault in a body cannot be answered in place of the request.

mod chunked;
mod head;
mod lines;
mod memo;
mod octets;

#[cfg(test)]
pub(in crate::server) mod tests;

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;

use chunked::Chunked;
use head::{Body, Head};
pub(in crate::server) use head::{check_origin_form, is_host_and_port};
use lines::Trailers;
use memo::Memo;

/// What a client may send, and how long it may take. No value means "unlimited"; a zero refuses everything.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's head, from its first byte to the empty line that ends it; for trailers the same.
    pub max_head: usize,
    /// Field lines of a head, and of a trailer section. At most [`MAX_FIELDS`] is used.
    pub max_fields: usize,
    /// Bytes of a request target. At most [`MAX_TARGET`] is used.
    pub max_target: usize,
    /// From the first byte of a head to its last; also how long a new connection may stay silent.
    pub head_timeout: Duration,
    /// From an answer to the first byte of the next head.
    pub idle_timeout: Duration,
    /// How long a client may be waited for while its body's bytes are being asked for; see
    /// [`Allowance`](super::allowance::Allowance).
    pub body_timeout: Duration,
    /// How long a client may be waited for to take its answer's bytes; see [`Allowance`](super::allowance::Allowance).
    pub send_timeout: Duration,
    /// Bytes a second that give both times back; zero: any byte gives all of it.
    pub min_rate: u64,
}

/// The longest target that [`http::Uri`] holds.
pub(crate) const MAX_TARGET: usize = u16::MAX as usize - 1;

/// Half of what [`http::HeaderMap`] holds: it panics when asked for more than its limit.
pub(crate) const MAX_FIELDS: usize = 1 << 14;

/// Why a head was refused. The connection ends with the answer, for nothing behind the fault can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It breaks the grammar, or leaves open where the request ends.
    #[error("malformed request head: {0}")]
    Malformed(&'static str),
    /// It is longer than [`Limits::max_head`].
    #[error("request head is too large")]
    HeadTooLarge,
    /// It has more field lines than [`Limits::max_fields`].
    #[error("request head has too many fields")]
    TooManyFields,
    /// Its target is longer than [`Limits::max_target`].
    #[error("request target is too long")]
    TargetTooLong,
    /// It was begun, and not ended within [`Limits::head_timeout`].
    #[error("request head was not completed in time")]
    HeadTimeout,
    /// Nothing is wrong with it, but its client has as many connections as it may.
    #[error("client has too many connections")]
    TooManyConnections,
}

impl Fault {
    /// Returns the status that tells the client.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a body broke off. The reader of the body meets it inside an [`io::Error`]; [`BodyFault::find`] takes it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    /// Its chunks or trailers break the grammar or their bounds (RFC 9112 §7.1).
    #[error("malformed request body: {0}")]
    Malformed(&'static str),
    /// It came too slowly for [`Limits::body_timeout`].
    #[error("request body stalled")]
    TimedOut,
}

impl BodyFault {
    /// Returns the fault that is at the bottom of `error`, if that is what broke the body.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // `io::Error` shows what it wraps by `get_ref` only: its `source` is already the one below.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(fault) = wrapped.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(*fault);
            }
            next = error.source();
        }
        None
    }
}

impl From<BodyFault> for io::Error {
    fn from(fault: BodyFault) -> Self {
        let kind = match fault {
            BodyFault::Malformed(_) => io::ErrorKind::InvalidData,
            BodyFault::TimedOut => io::ErrorKind::TimedOut,
        };
        Self::new(kind, fault)
    }
}

/// What [`Framing::inspect`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// How many bytes, from the first one shown, may go on to the server.
    pub(crate) pass: usize,
    /// What is to be done with the others.
    pub(crate) rest: Rest,
}

/// What becomes of the bytes that do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// They begin something that is not complete, or must wait: show them again, with more behind them or after
    /// [`Framing::resume`].
    Keep,
    /// They begin a head that is refused: they and all that follows are lost.
    Fault(Fault),
    /// They belong to a body that is broken: they and all that follows are lost.
    BodyFault(BodyFault),
}

/// What the connection waits for when all that came has been inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// The first byte of a request; empty lines before it do not count.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// Word whether the protocol changes (RFC 9110 §7.8): until then nothing passes.
    Decision,
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    bounds: Bounds,
    state: State,
    memo: Memo,
    /// Whether the request that is followed asks for another protocol.
    asks_for_upgrade: bool,
    /// Heads that passed.
    requests: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    max_head: usize,
    max_fields: usize,
    max_target: usize,
}

#[derive(Debug)]
enum State {
    Head(Head),
    Length(u64),
    Chunked(Chunked),
    Trailers(Trailers),
    Decision,
}

/// How a state came to its end with the bytes that it was shown.
enum Step {
    /// It took so many, and the next state follows.
    Next(usize),
    /// It needs to see more; so many may pass.
    More(usize),
}

impl Framing {
    /// Returns the machine of a connection on which nothing was read yet.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bounds: Bounds {
                max_head: limits.max_head,
                max_fields: limits.max_fields.min(MAX_FIELDS),
                max_target: limits.max_target.min(MAX_TARGET),
            },
            state: State::Head(Head::default()),
            memo: Memo::default(),
            asks_for_upgrade: false,
            requests: 0,
        }
    }

    /// Follows `bytes`, which begin with the first byte that has not passed. After a fault it must not be called again.
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Inspected {
        let mut pass = 0;
        while pass < bytes.len() {
            match self.step(&bytes[pass..]) {
                Ok(Step::Next(taken)) => pass += taken,
                Ok(Step::More(taken)) => {
                    return Inspected { pass: pass + taken, rest: Rest::Keep };
                }
                Err(rest) => return Inspected { pass, rest },
            }
        }
        Inspected { pass, rest: Rest::Keep }
    }

    /// Returns what the connection waits for.
    pub(crate) fn awaiting(&self) -> Awaiting {
        match &self.state {
            State::Head(head) if head.has_begun() => Awaiting::Head,
            State::Head(_) => Awaiting::Request,
            State::Length(_) | State::Chunked(_) | State::Trailers(_) => Awaiting::Body,
            State::Decision => Awaiting::Decision,
        }
    }

    /// Returns how many heads have passed.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Goes on with HTTP/1.1 after [`Awaiting::Decision`]. What was kept is to be inspected again.
    pub(crate) fn resume(&mut self) {
        self.state = State::Head(Head::default());
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Step, Rest> {
        match &mut self.state {
            State::Head(head) => match head.advance(bytes, &self.bounds, &mut self.memo).map_err(Rest::Fault)? {
                Some(request) => {
                    self.requests += 1;
                    self.asks_for_upgrade = request.asks_for_upgrade;
                    self.enter_body(request.body);
                    Ok(Step::Next(request.len))
                }
                None => Ok(Step::More(0)),
            },
            State::Length(length) => {
                let (taken, left) = left_after(*length, bytes.len());
                *length = left;
                if left == 0 {
                    self.end_request();
                }
                Ok(Step::Next(taken))
            }
            State::Chunked(chunked) => match chunked.advance(bytes).map_err(broken)? {
                Some(taken) => {
                    self.state = State::Trailers(Trailers::default());
                    Ok(Step::Next(taken))
                }
                None => Ok(Step::More(bytes.len())),
            },
            State::Trailers(trailers) => match trailers.advance(bytes, &self.bounds).map_err(broken)? {
                Some(taken) => {
                    self.end_request();
                    Ok(Step::Next(taken))
                }
                None => Ok(Step::More(0)),
            },
            State::Decision => Ok(Step::More(0)),
        }
    }

    fn enter_body(&mut self, body: Body) {
        match body {
            Body::Length(0) => self.end_request(),
            Body::Length(length) => self.state = State::Length(length),
            Body::Chunked => self.state = State::Chunked(Chunked::default()),
        }
    }

    fn end_request(&mut self) {
        self.state = if self.asks_for_upgrade { State::Decision } else { State::Head(Head::default()) };
    }
}

/// Returns how many of `available` bytes belong to a body of which `left` are missing, and how many then still are.
fn left_after(left: u64, available: usize) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available);
    (taken, left - taken as u64)
}

fn broken(reason: &'static str) -> Rest {
    Rest::BodyFault(BodyFault::Malformed(reason))
}
