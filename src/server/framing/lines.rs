//! Lines of a section that is shown again and again while it grows, and the trailer section, which is nothing but lines.
//!
//! What a newcomer would get wrong: the line end is CRLF. A line feed alone is not taken for one, although RFC 9112 §2.2
//! allows it: a party before us that does not take it sees another field, or another request, than we would.

use super::Bounds;
use super::octets::{self, TOKEN};

/// A field line, taken apart: the name, and the value with the blanks around it.
pub(super) type Field<'a> = (&'a [u8], &'a [u8]);

/// Why a line cannot be read.
#[derive(Debug)]
pub(super) enum LineFault {
    /// The section is longer than its bound.
    TooLong,
    /// There is a control character where none may be.
    Control(&'static str),
}

/// How far a section has been read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the line begins that is not ended yet.
    line: usize,
    /// Up to where there is no control character that has not been seen.
    scanned: usize,
}

impl Lines {
    /// Returns the next line without its end, or `None` if there is no whole line left.
    ///
    /// The section must end within its first `max` bytes, whether or not that many have been read.
    // Always inlined: called for every line, and its result is too large to be returned in registers.
    #[inline(always)]
    pub(super) fn next<'a>(&mut self, section: &'a [u8], max: usize) -> Result<Option<&'a [u8]>, LineFault> {
        let bounded = &section[..section.len().min(max)];
        let found = octets::find_control(&bounded[self.scanned..]);
        self.scanned = found.map_or(bounded.len(), |place| self.scanned + place);
        match &bounded[self.scanned..] {
            [b'\r', b'\n', ..] => {
                let line = &bounded[self.line..self.scanned];
                self.scanned += 2;
                self.line = self.scanned;
                Ok(Some(line))
            }
            [] | [b'\r'] if section.len() >= max => Err(LineFault::TooLong),
            [] | [b'\r'] => Ok(None),
            [control, ..] => Err(LineFault::Control(misplaced(*control))),
        }
    }

    /// Returns what was read of a line that is not ended yet, without a carriage return at its end.
    pub(super) fn unfinished<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        &section[self.line..self.scanned]
    }

    /// Returns whether there is a line that is not ended yet; an end that is not whole does not make one.
    pub(super) fn is_within_line(&self) -> bool {
        self.scanned > self.line
    }

    /// Returns where the last whole line ended.
    pub(super) fn end(&self) -> usize {
        self.line
    }
}

#[cold]
fn misplaced(control: u8) -> &'static str {
    match control {
        b'\n' => "a line ends with a bare line feed",
        b'\r' => "a line has a bare carriage return in it",
        _ => "a line has a control character in it",
    }
}

/// Takes a field line apart and checks the name (RFC 9112 §5).
#[inline]
pub(super) fn field(line: &[u8]) -> Result<Field<'_>, &'static str> {
    let length = octets::run(line, TOKEN);
    match line.get(length) {
        Some(b':') if length > 0 => Ok((&line[..length], &line[length + 1..])),
        next => Err(misnamed(length, next.copied())),
    }
}

/// Returns what is wrong with a field line whose first `length` bytes are a token, and `next` the byte behind.
#[cold]
fn misnamed(length: usize, next: Option<u8>) -> &'static str {
    match (length, next) {
        (0, Some(b' ' | b'\t')) => "a field is folded over lines",
        (_, Some(b':')) => "a field has no name",
        (_, Some(b' ' | b'\t')) => "a field name is followed by a blank",
        (_, Some(_)) => "a field name is not a token",
        (_, None) => "a field line has no colon",
    }
}

/// The trailer section of a chunked body (RFC 9112 §7.1.2), from behind the last chunk to the empty line.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    lines: Lines,
    fields: usize,
}

impl Trailers {
    /// Reads on in `section`, and returns its length when it is whole.
    pub(super) fn advance(&mut self, section: &[u8], bounds: &Bounds) -> Result<Option<usize>, &'static str> {
        while let Some(line) = self.lines.next(section, bounds.max_head).map_err(trailer_fault)? {
            if line.is_empty() {
                return Ok(Some(self.lines.end()));
            }
            self.fields += 1;
            if self.fields > bounds.max_fields {
                return Err("there are too many trailers");
            }
            let (name, _) = field(line)?;
            if is_framing(name) {
                return Err("a trailer would change the framing or the target");
            }
        }
        Ok(None)
    }
}

fn trailer_fault(fault: LineFault) -> &'static str {
    match fault {
        LineFault::TooLong => "the trailers are too large",
        LineFault::Control(reason) => reason,
    }
}

/// Returns whether a field of this name decides where a request ends or goes (RFC 9110 §6.5.1).
fn is_framing(name: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding", b"host"].iter().any(|framing| name.eq_ignore_ascii_case(framing))
}
