//! Where one request ends and the next begins: what the stack is called with is what the bytes say, however they are cut.
//!
//! An input is what a client sends over one connection. It is served as the gateway serves it ([`connection`]): the guard
//! before the socket, the server library behind that, and a stack that notes what it is called with. So the guard, the
//! library and a third reader ([`transcript`]) must agree, and the library answers nothing by itself.

use super::connection::{self, Call, Seen};
use super::transcript::{self, Asked, End};

/// What a client of HTTP/2 sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Checks what comes of what a client sends.
pub(crate) fn check(input: &[u8]) {
    // Whoever begins so speaks HTTP/2, whose frames are the library's affair; and whoever leaves within it has said nothing.
    if input.starts_with(PREFACE) || PREFACE.starts_with(input) {
        return;
    }
    let (asked, end) = transcript::read(input);
    let at_once = connection::serve([input.to_vec()]);
    agrees(&at_once, &asked, end);
    let byte_by_byte = connection::serve(input.iter().map(|byte| vec![*byte]));
    let in_pieces = connection::serve(pieces(input));
    for cut in [byte_by_byte, in_pieces] {
        agrees(&cut, &asked, end);
        assert_eq!(fault(&cut), fault(&at_once), "it is refused alike however it is cut");
        assert_eq!(cut.calls.len(), at_once.calls.len(), "as many are served however it is cut");
    }
}

/// Cuts at places that depend on the bytes alone.
fn pieces(input: &[u8]) -> Vec<Vec<u8>> {
    let hash = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let mut state = input.iter().fold(0x811c_9dc5, hash);
    let (mut pieces, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        state = hash(state, &rest[0]);
        let (piece, behind) = rest.split_at(rest.len().min(1 + (state >> 8) as usize % 50));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

fn agrees(seen: &Seen, asked: &[Asked], end: End) {
    let served: Vec<_> = seen.calls.iter().filter(|call| call.fault.is_none()).collect();
    assert!(served.len() <= asked.len(), "a request was served that nobody sent: {:?}", served.last());
    served.iter().zip(asked).for_each(|(call, asked)| is_what_was_asked(call, asked));
    if let Some(place) = seen.calls.iter().position(|call| call.fault.is_some()) {
        assert_eq!(place + 1, seen.calls.len(), "behind what is refused nothing is read");
        assert!(place == asked.len() && end != End::Clean, "{:?} was refused", asked.get(place));
    }
    let is_closed = asked[..served.len()].iter().any(|asked| asked.may_close || !asked.is_whole);
    if !is_closed {
        assert_eq!(served.len(), asked.len(), "what was asked for was served");
        assert!(end != End::Fault || fault(seen).is_some(), "a head that leaves a doubt was not refused");
    }
    let is_whole = asked[..served.len()].iter().all(|asked| asked.is_whole);
    assert!(seen.answers == seen.calls.len() || !is_whole && seen.answers < seen.calls.len(), "each has one answer");
    assert_eq!(seen.heads, seen.answers, "nobody answers but the stack");
}

fn is_what_was_asked(call: &Call, asked: &Asked) {
    assert_eq!(call.method, String::from_utf8_lossy(&asked.method));
    assert_eq!(Some(&call.target), http::Uri::try_from(&asked.target[..]).ok().as_ref());
    assert_eq!(call.fields, asked.fields);
    assert_eq!(call.is_whole, asked.is_whole, "a body is whole or broken: {asked:?}");
    if asked.is_whole {
        assert_eq!(call.content.escape_ascii().to_string(), asked.content.escape_ascii().to_string());
    } else {
        assert!(asked.content.starts_with(&call.content), "{} is no part of it", call.content.escape_ascii());
    }
}

/// Returns why the last one was refused. Which of several faults is told may depend on how much was seen.
fn fault(seen: &Seen) -> Option<http::StatusCode> {
    seen.calls.iter().find_map(|call| call.fault)
}
