//! One line of the access log: what is known of a request when it comes, and what is told of it when it has ended.
//!
//! What a newcomer would get wrong: this runs once for each answer from memory, and formatting it with `write!` cost more
//! than finding the answer. So bytes are appended, and what has the same text for a second is rendered once a second.

use std::time::Duration;

use super::timestamp::Timestamps;
use crate::chathub::Route;
use crate::telemetry::metrics::CacheLabel;
use crate::wire::number::{hexadecimal, put_digits, put_number};
use crate::wire::octets;
use crate::wire::{Account, Request, RequestId};

/// What is known of a request when it comes.
#[derive(Debug, Clone)]
pub struct Line {
    id: RequestId,
    method: http::Method,
    target: http::Uri,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The answer's status.
    pub status: u16,
    /// What the layers know.
    pub account: &'a Account,
    /// The length of the answer's content, as far as it was given.
    pub bytes: u64,
    /// When it ended, since 1970.
    pub ended: Duration,
    /// How long it took until then.
    pub took: Duration,
}

impl Line {
    /// Takes note of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self { id: request.id.clone(), method: request.head.method.clone(), target: request.head.uri.clone() }
    }

    /// Returns what the request was for, if no layer could say so.
    #[must_use]
    pub fn route(&self) -> Route {
        Route::of(&self.method, &self.target)
    }
}

/// Renders lines. Each thread has one.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    text: Vec<u8>,
    timestamps: Timestamps,
}

impl Renderer {
    /// Returns the line with its line feed.
    pub(super) fn render(&mut self, line: &Line, told: &Told<'_>) -> &[u8] {
        let Account { route, organization, credential, cache, turn, upstream_time, .. } = told.account;
        let text = &mut self.text;
        text.clear();
        text.extend_from_slice(br#"{"time":""#);
        self.timestamps.render(text, told.ended);
        text.extend_from_slice(br#"","request_id":""#);
        // It has nothing to escape, as a method has not (RFC 9110 §5.6.2).
        text.extend_from_slice(line.id.as_bytes());
        text.extend_from_slice(br#"","method":""#);
        text.extend_from_slice(line.method.as_str().as_bytes());
        text.extend_from_slice(br#"","path":""#);
        escaped(text, line.target.path().as_bytes());
        text.extend_from_slice(br#"","route":""#);
        text.extend_from_slice(route.map_or("none", Route::as_str).as_bytes());
        text.extend_from_slice(br#"","status":"#);
        put_digits::<3>(text, told.status.into());
        text.extend_from_slice(br#","cache":""#);
        text.extend_from_slice(CacheLabel::from(cache).as_str().as_bytes());
        if let Some(detail) = cache.detail {
            text.extend_from_slice(br#"","detail":""#);
            text.extend_from_slice(detail.as_str().as_bytes());
        }
        text.push(b'"');
        if let Some(organization) = organization {
            text.extend_from_slice(br#","organization":"#);
            put_number(text, organization.get().into());
        }
        if let Some(credential) = credential {
            text.extend_from_slice(br#","credential":""#);
            text.extend_from_slice(credential.kind.as_str().as_bytes());
            text.push(b':');
            text.extend_from_slice(&hexadecimal::<8>(credential.digest.prefix().into()));
            text.push(b'"');
        }
        if let Some(turn) = turn {
            text.extend_from_slice(br#","throttle_wait":"#);
            seconds(text, turn.waited);
        }
        if let Some(predicted) = turn.and_then(|turn| turn.predicted) {
            text.extend_from_slice(br#","throttle_predicted":"#);
            seconds(text, predicted);
        }
        if let Some(time) = upstream_time {
            text.extend_from_slice(br#","upstream_time":"#);
            seconds(text, *time);
        }
        text.extend_from_slice(br#","duration":"#);
        seconds(text, told.took);
        text.extend_from_slice(br#","bytes":"#);
        put_number(text, told.bytes);
        text.extend_from_slice(b"}\n");
        text
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

/// What a client sent, as it may stand in a string.
fn escaped(into: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    if octets::all(text, is_plain) {
        into.extend_from_slice(text);
    } else {
        escape(into, &String::from_utf8_lossy(text));
    }
}

/// RFC 8259 §7.
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
