//! How a line is written: as JSON, as logfmt, or in Apache's combined format.
//!
//! Whatever the format, a path stands in quotes or has nothing that ends a value, so it can write no line and no member of
//! its own. The combined format has places for a user, a referer and a client's name, which stay empty: the last two
//! are whatever a client sent, and a referer may well hold a token.
//!
//! What a newcomer would get wrong: this runs once for each answer from memory, and formatting it with `write!` cost more
//! than finding the answer. So bytes are appended, and what has the same text for a second is rendered once a second.

use std::io::Write;
use std::time::Duration;

use http::Version;

use super::line::{Line, Told};
use super::timestamp::Timestamps;
use crate::chathub::Route;
use crate::config::AccessFormat;
use crate::telemetry::metrics::CacheLabel;
use crate::wire::Account;
use crate::wire::number::{hexadecimal, put_digits, put_number};
use crate::wire::octets;

/// Renders lines. Each thread has one.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    text: Vec<u8>,
    timestamps: Timestamps,
}

/// Appends a member's name, and what stands between it and a number.
macro_rules! name {
    ($text:ident, $name:literal) => {
        $text.extend_from_slice(match JSON {
            true => concat!(",\"", $name, "\":").as_bytes(),
            false => concat!(" ", $name, "=").as_bytes(),
        })
    };
}

/// Appends a member whose value has nothing to escape.
macro_rules! word {
    ($text:ident, $name:literal, $($part:expr),+) => {{
        $text.extend_from_slice(match JSON {
            true => concat!(",\"", $name, "\":\"").as_bytes(),
            false => concat!(" ", $name, "=").as_bytes(),
        });
        $($text.extend_from_slice($part);)+
        if JSON {
            $text.push(b'"');
        }
    }};
}

impl Renderer {
    /// Returns the line with its line feed.
    pub(super) fn render(&mut self, format: AccessFormat, line: &Line, told: &Told<'_>) -> &[u8] {
        self.text.clear();
        match format {
            AccessFormat::Json => {
                self.members::<true>(line, told);
                self.text.push(b'}');
            }
            AccessFormat::Logfmt => self.members::<false>(line, told),
            AccessFormat::Combined => self.combined(line, told),
        }
        self.text.push(b'\n');
        &self.text
    }

    /// Names and values, the same in both notations.
    fn members<const JSON: bool>(&mut self, line: &Line, told: &Told<'_>) {
        let Account { route, organization, credential, cache, turn, upstream_time, .. } = told.account;
        let text = &mut self.text;
        text.extend_from_slice(if JSON { br#"{"time":""# } else { b"time=" });
        self.timestamps.rfc3339(text, told.ended);
        if JSON {
            // Ids are fit to stand in quotes, and need not be looked at again.
            text.extend_from_slice(br#"","request_id":""#);
            text.extend_from_slice(line.id.as_bytes());
            text.push(b'"');
        } else {
            text.extend_from_slice(b" request_id=");
            value::<JSON>(text, line.id.as_bytes());
        }
        // It has nothing to escape (RFC 9110 §5.6.2).
        word!(text, "method", line.method.as_str().as_bytes());
        name!(text, "path");
        value::<JSON>(text, line.target.path().as_bytes());
        word!(text, "route", route.map_or("none", Route::as_str).as_bytes());
        name!(text, "status");
        put_digits::<3>(text, told.status.into());
        word!(text, "cache", CacheLabel::from(cache).as_str().as_bytes());
        if let Some(detail) = cache.detail {
            word!(text, "detail", detail.as_str().as_bytes());
        }
        if let Some(organization) = organization {
            name!(text, "organization");
            put_number(text, organization.get().into());
        }
        if let Some(credential) = credential {
            let digest = hexadecimal::<8>(credential.digest.prefix().into());
            word!(text, "credential", credential.kind.as_str().as_bytes(), b":", &digest);
        }
        if let Some(turn) = turn {
            name!(text, "throttle_wait");
            seconds(text, turn.waited);
        }
        if let Some(predicted) = turn.and_then(|turn| turn.predicted) {
            name!(text, "throttle_predicted");
            seconds(text, predicted);
        }
        if let Some(time) = upstream_time {
            name!(text, "upstream_time");
            seconds(text, *time);
        }
        name!(text, "duration");
        seconds(text, told.took);
        name!(text, "bytes");
        put_number(text, told.bytes);
    }

    /// `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`
    fn combined(&mut self, line: &Line, told: &Told<'_>) {
        let text = &mut self.text;
        write!(text, "{} - - [", line.peer).expect("writing to memory does not fail");
        self.timestamps.common(text, told.ended);
        text.extend_from_slice(b"] \"");
        text.extend_from_slice(line.method.as_str().as_bytes());
        text.push(b' ');
        hexadecimally_escaped(text, line.target.path().as_bytes());
        text.extend_from_slice(protocol(line.version));
        put_digits::<3>(text, told.status.into());
        text.push(b' ');
        match told.bytes {
            0 => text.push(b'-'),
            bytes => put_number(text, bytes),
        }
        text.extend_from_slice(br#" "-" "-""#);
    }
}

/// The end of a request's line, with what stands before the status.
fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_10 => b" HTTP/1.0\" ",
        Version::HTTP_2 => b" HTTP/2.0\" ",
        _ => b" HTTP/1.1\" ",
    }
}

/// Seconds to the microsecond, as a number.
fn seconds(into: &mut Vec<u8>, duration: Duration) {
    match duration.as_secs() {
        // Nearly always.
        0 => into.extend_from_slice(b"0."),
        seconds => {
            put_number(into, seconds);
            into.push(b'.');
        }
    }
    put_digits::<6>(into, duration.subsec_micros().into());
}

/// What a client sent, as a member's value.
fn value<const JSON: bool>(into: &mut Vec<u8>, text: &[u8]) {
    // Without quotes these would end a value of logfmt, or make it one that readers take for another.
    let ends = |byte: u8| (byte == b' ') | (byte == b'=') | !is_plain(byte);
    if !JSON && !text.is_empty() && octets::all(text, |byte| !ends(byte)) {
        into.extend_from_slice(text);
        return;
    }
    into.push(b'"');
    if octets::all(text, is_plain) {
        into.extend_from_slice(text);
    } else {
        escape(into, &String::from_utf8_lossy(text));
    }
    into.push(b'"');
}

/// Returns whether a byte stands for itself in quotes.
fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
}

/// RFC 8259 §7. Readers of logfmt take what stands in quotes for the same.
fn escape(into: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => into.extend_from_slice(b"\\\""),
            '\\' => into.extend_from_slice(b"\\\\"),
            control if control.is_control() => {
                into.extend_from_slice(b"\\u");
                into.extend_from_slice(&hexadecimal::<4>(u64::from(u32::from(control))));
            }
            other => into.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// As Apache does it: a backslash before a quote and before itself, and all that cannot be printed as `\xhh`.
fn hexadecimally_escaped(into: &mut Vec<u8>, text: &[u8]) {
    if octets::all(text, is_plain) {
        into.extend_from_slice(text);
        return;
    }
    for byte in text {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => into.push(*byte),
            _ => {
                into.extend_from_slice(b"\\x");
                into.extend_from_slice(&hexadecimal::<2>(u64::from(*byte)));
            }
        }
    }
}
