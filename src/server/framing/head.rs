//! Reads one request head, line by line, and finds out where the request ends (RFC 9112 §3, §5 and §6).
//!
//! The verdict does not depend on how the bytes were cut into reads: what is judged before a line is whole (its first
//! byte, a target that is too long, a control character) is judged in the same order when the line comes whole.
//!
//! What a newcomer would get wrong: being liberal here is what request smuggling lives on. Where RFC 9112 leaves a
//! choice between refusing and repairing (both framing fields §6.3, equal lengths repeated §6.3, folded lines §5.2, bare
//! line feeds §2.2), we refuse: the upstream, or something between, may repair it another way.

use http::Uri;

use super::lines::{self, LineFault, Lines};
use super::memo::Memo;
use super::octets::{self, HOST, LITERAL, PATH, QUERY, TOKEN};
use super::{Bounds, Fault};

/// RFC 9112 §2.2 asks to ignore at least one empty line before a request; some clients send one behind a body.
const MAX_EMPTY_LINES: u8 = 2;

/// The longest field name that [`http::HeaderName`] takes.
const MAX_NAME: usize = u16::MAX as usize;

/// A head that is whole and valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// Its bytes, with the empty lines before it and the one that ends it.
    pub(super) len: usize,
    pub(super) body: Body,
    /// Whether the bytes behind the request may be those of another protocol.
    pub(super) asks_for_upgrade: bool,
}

/// How a body is delimited; a request without one has the length zero (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

/// A head that is being read.
#[derive(Debug, Default)]
pub(super) struct Head {
    lines: Lines,
    /// The empty lines before the request line.
    empty_lines: u8,
    line: Option<RequestLine>,
    fields: usize,
    seen: Seen,
}

#[derive(Debug, Clone, Copy)]
struct RequestLine {
    /// Where the fields begin.
    end: usize,
    version: Version,
    is_connect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// What the fields said that decide about the framing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    length: Option<u64>,
    chunked: bool,
    host: bool,
    upgrade: bool,
    connection_upgrade: bool,
}

impl Head {
    /// Reads on in `bytes`, which begin with the first byte of the head, and returns the request when the head is whole.
    pub(super) fn advance(&mut self, bytes: &[u8], bounds: &Bounds, memo: &mut Memo) -> Result<Option<Request>, Fault> {
        if self.is_untouched()
            && let Some(request) = memo.recall(bytes)
        {
            return Ok(Some(request));
        }
        loop {
            match self.lines.next(bytes, bounds.max_head) {
                Ok(Some(line)) => match self.line {
                    None => {
                        self.take_first_line(line, bounds)?;
                        if let Some(request) = self.recall(bytes, bounds, memo)? {
                            return Ok(Some(request));
                        }
                    }
                    Some(first) if line.is_empty() => return self.end(first, self.lines.end(), bytes, memo).map(Some),
                    Some(_) => self.take_field(line, bounds)?,
                },
                stopped => {
                    if self.line.is_none() {
                        check_first_line(self.lines.unfinished(bytes), bounds)?;
                    }
                    return stopped.map(|_| None).map_err(Fault::from);
                }
            }
        }
    }

    /// Returns whether a byte of the request has been read; the empty lines before it do not count.
    pub(super) fn has_begun(&self) -> bool {
        self.line.is_some() || self.lines.is_within_line()
    }

    fn is_untouched(&self) -> bool {
        !self.has_begun() && self.empty_lines == 0
    }

    fn take_first_line(&mut self, line: &[u8], bounds: &Bounds) -> Result<(), Fault> {
        check_first_line(line, bounds)?;
        if !line.is_empty() {
            self.line = Some(request_line(line, self.lines.end()).map_err(Fault::Malformed)?);
            return Ok(());
        }
        self.empty_lines += 1;
        if self.empty_lines > MAX_EMPTY_LINES {
            return Err(Fault::Malformed("there are too many empty lines before the request"));
        }
        Ok(())
    }

    #[inline]
    fn take_field(&mut self, line: &[u8], bounds: &Bounds) -> Result<(), Fault> {
        self.fields += 1;
        if self.fields > bounds.max_fields {
            return Err(Fault::TooManyFields);
        }
        let (name, value) = lines::field(line).map_err(Fault::Malformed)?;
        if name.len() > MAX_NAME {
            return Err(Fault::HeadTooLarge);
        }
        self.seen.note(name, value).map_err(Fault::Malformed)
    }

    /// Ends the head if the fields are those of the last one, and all of them have come.
    fn recall(&mut self, bytes: &[u8], bounds: &Bounds, memo: &mut Memo) -> Result<Option<Request>, Fault> {
        let Some(line) = self.line else { return Ok(None) };
        match memo.recall_fields(&bytes[line.end..]) {
            Some((length, seen)) if line.end + length <= bounds.max_head => {
                self.seen = seen;
                self.end(line, line.end + length, bytes, memo).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn end(&self, line: RequestLine, len: usize, bytes: &[u8], memo: &mut Memo) -> Result<Request, Fault> {
        let request = self.request(line, len).map_err(Fault::Malformed)?;
        memo.remember(&bytes[..len], line.end, request, self.seen);
        Ok(request)
    }

    fn request(&self, line: RequestLine, len: usize) -> Result<Request, &'static str> {
        let is_11 = line.version == Version::Http11;
        if is_11 && !self.seen.host {
            return Err("there is no host");
        }
        let body = match (self.seen.chunked, self.seen.length) {
            (true, Some(_)) => return Err("there are both a transfer coding and a content length"),
            (true, None) if !is_11 => return Err("HTTP/1.0 has no transfer codings"),
            (true, None) => Body::Chunked,
            (false, length) => Body::Length(length.unwrap_or(0)),
        };
        // RFC 9110 §7.8: an upgrade is asked for by both fields together, and not in HTTP/1.0.
        let asks_for_upgrade = line.is_connect || is_11 && self.seen.upgrade && self.seen.connection_upgrade;
        Ok(Request { len, body, asks_for_upgrade })
    }
}

/// Checks what can be said of a first line before it is whole. Garbage need not wait for a line feed or a limit.
fn check_first_line(line: &[u8], bounds: &Bounds) -> Result<(), Fault> {
    if line.first().is_some_and(|&first| !octets::is(first, TOKEN)) {
        return Err(Fault::Malformed("the method is not a token"));
    }
    if line.len() <= bounds.max_target {
        return Ok(());
    }
    match line.split(|&byte| byte == b' ').nth(1) {
        Some(target) if target.len() > bounds.max_target => Err(Fault::TargetTooLong),
        _ => Ok(()),
    }
}

/// Reads `method SP request-target SP HTTP-version` (RFC 9112 §3) of a line that ended at `end`.
fn request_line(line: &[u8], end: usize) -> Result<RequestLine, &'static str> {
    let (method, rest) = line.split_at(octets::run(line, TOKEN));
    let rest = rest.strip_prefix(b" ").ok_or("the method is not a token followed by a space")?;
    let (target, version) = rest.split_last_chunk::<9>().ok_or("the request line has no version")?;
    let version = match version {
        b" HTTP/1.1" => Version::Http11,
        b" HTTP/1.0" => Version::Http10,
        _ => return Err("the version is neither HTTP/1.0 nor HTTP/1.1"),
    };
    let is_connect = method == b"CONNECT";
    if target.first() == Some(&b'/') && !is_connect {
        check_origin_form(target)?;
    } else {
        check_rare_form(method, target)?;
    }
    Ok(RequestLine { end, version, is_connect })
}

/// Checks `absolute-path [ "?" query ]` (RFC 9112 §3.2.1).
pub(in crate::server) fn check_origin_form(target: &[u8]) -> Result<(), &'static str> {
    let path = octets::run(target, PATH);
    match &target[path..] {
        [] => Ok(()),
        [b'?', query @ ..] if octets::run(query, QUERY) == query.len() => Ok(()),
        [b'#', ..] => Err("the target has a fragment"),
        _ => Err("the target has a character that it may not have"),
    }
}

/// Checks the other three forms (RFC 9112 §3.2.2 to §3.2.4), each of which only some methods may use.
fn check_rare_form(method: &[u8], target: &[u8]) -> Result<(), &'static str> {
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(()) } else { Err("the target * is for OPTIONS only") };
    }
    // A fragment would be dropped, and user information is a trap that RFC 9110 §4.2.4 asks to refuse.
    if !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
        return Err("the target has a character that it may not have");
    }
    let uri = Uri::try_from(target).map_err(|_| "the target is not a URI")?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("the target has user information");
    }
    match (method == b"CONNECT", uri.scheme().is_some(), uri.authority().is_some()) {
        (true, false, true) | (false, true, true) => Ok(()),
        (true, ..) => Err("the target of CONNECT is not host and port"),
        (false, ..) => Err("the target is neither a path nor an absolute URI"),
    }
}

impl From<LineFault> for Fault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::TooLong => Self::HeadTooLarge,
            LineFault::Control(reason) => Self::Malformed(reason),
        }
    }
}

impl Seen {
    /// Notes a field if it is one of those that matter here; told apart by their lengths, which are all different.
    #[inline]
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.note_host(octets::trim(value)),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.connection_upgrade |= lists_upgrade(value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(octets::trim(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_coding(octets::trim(value)),
            _ => Ok(()),
        }
    }

    /// RFC 9112 §3.2: a request with no, more than one, or an invalid `Host` is answered 400.
    fn note_host(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.host {
            return Err("there is more than one host");
        }
        if !is_host_and_port(value) {
            return Err("the host is not a name or an address with or without a port");
        }
        self.host = true;
        Ok(())
    }

    /// RFC 9110 §8.6: a number of octets; a list of equal ones might be repaired, and is not.
    fn note_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.length.is_some() {
            return Err("there is more than one content length");
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err("the content length is not a decimal number");
        }
        let length =
            value.iter().try_fold(0i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit - b'0')));
        self.length = Some(length.ok_or("the content length is too large")?.cast_unsigned());
        Ok(())
    }

    /// RFC 9112 §6.1: `chunked` comes once and last, and of the codings before it we know none.
    fn note_coding(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.chunked {
            return Err("there is more than one transfer coding");
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err("the transfer coding is not chunked alone");
        }
        self.chunked = true;
        Ok(())
    }
}

fn lists_upgrade(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|option| octets::trim(option).eq_ignore_ascii_case(b"upgrade"))
}

/// Returns whether `value` looks like `uri-host [ ":" port ]` (RFC 9110 §7.2).
pub(in crate::server) fn is_host_and_port(value: &[u8]) -> bool {
    let rest = match value {
        [b'[', literal @ ..] => match literal[octets::run(literal, LITERAL)..] {
            [b']', ref rest @ ..] if literal[0] != b']' => rest,
            _ => return false,
        },
        _ => &value[octets::run(value, HOST)..],
    };
    match rest {
        [] => !value.is_empty(),
        [b':', port @ ..] => rest.len() < value.len() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
