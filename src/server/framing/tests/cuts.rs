//! That the verdict depends neither on how the bytes were cut into reads nor on what the connection remembers.

use proptest::prelude::*;

use super::faults::{FIELDS, NOT_HOSTS, REQUEST_LINES};
use super::*;

/// Shows `bytes` in pieces of the given lengths, over and over, as the guard does, and returns what passed in all.
fn inspect_in_pieces(bytes: &[u8], lengths: &[usize]) -> Inspected {
    let mut framing = framing();
    let (mut passed, mut shown) = (0, 0);
    let mut lengths = lengths.iter().cycle();
    while shown < bytes.len() {
        shown = bytes.len().min(shown + lengths.next().unwrap());
        let inspected = framing.inspect(&bytes[passed..shown]);
        passed += inspected.pass;
        if inspected.rest != Rest::Keep {
            return Inspected { pass: passed, rest: inspected.rest };
        }
    }
    Inspected { pass: passed, rest: Rest::Keep }
}

/// Reasons may differ: a line may be seen to be faulty before all is seen that is wrong with it.
fn kind(rest: Rest) -> Rest {
    match rest {
        Rest::Fault(Fault::Malformed(_)) => Rest::Fault(Fault::Malformed("")),
        rest => rest,
    }
}

#[test]
fn a_faulty_head_is_refused_byte_by_byte_for_the_same_reason() {
    let fields = FIELDS.iter().map(|(fields, _)| format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    let hosts = NOT_HOSTS.iter().map(|value| format!("GET / HTTP/1.1\r\nhost: {value}\r\n\r\n"));
    let lines = REQUEST_LINES.iter().map(|(head, _)| (*head).to_owned());
    for head in lines.chain(fields).chain(hosts) {
        let piecewise = inspect_in_pieces(head.as_bytes(), &[1]);
        assert_eq!(piecewise.rest, inspect(&head).rest, "{}", head.escape_debug());
        assert_eq!(piecewise.pass, 0);
    }
}

/// Requests that differ in little, some of them faulty.
const ALIKE: [&str; 11] = [
    "GET /a HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /b HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /a HTTP/1.0\r\nhost: a\r\n\r\n",
    "\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n",
    "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd",
    "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET /a HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nx: y\r\n\r\n",
    "GET /a HTTP/1.1\r\nhost: a\r\n x: y\r\n\r\n",
];

/// Heads about as long as the bounds, in which something may be wrong.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(&b"GET / HTTP/1.1\r\nhost: a\r\n"[..]),
        6 => Just(&b"a: b\r\n"[..]),
        6 => Just(&b"\r\n"[..]),
        2 => Just(&b"GET / HTTP/1.0\r\n"[..]),
        2 => Just(&b"0123456789012345678901234567890123456789012345678901234567890123"[..]),
        1 => Just(&b"GET /"[..]),
        1 => Just(&b"content-length: 9\r\n"[..]),
        1 => Just(&b"transfer-encoding: chunked\r\n"[..]),
        1 => Just(&b"1;\r\na\r\n0\r\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\0"[..]),
    ];
    prop::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_verdict_does_not_depend_on_the_cuts(
        bytes in heads(),
        lengths in prop::collection::vec(1usize..100, 1..8),
    ) {
        let at_once = inspect(&bytes);
        for lengths in [&lengths[..], &[1]] {
            let in_pieces = inspect_in_pieces(&bytes, lengths);
            prop_assert_eq!(kind(in_pieces.rest), kind(at_once.rest));
            // A broken body may have passed on before its fault was seen.
            if !matches!(at_once.rest, Rest::BodyFault(_)) {
                prop_assert_eq!(in_pieces.pass, at_once.pass);
            }
        }
    }

    #[test]
    fn the_verdict_does_not_depend_on_what_came_before(
        requests in prop::collection::vec(prop::sample::select(&ALIKE[..]), 1..12),
        length in 1usize..60,
    ) {
        let mut framing = framing();
        for request in requests {
            // What it is, it is on a connection of its own.
            let alone = inspect(request);
            let (mut passed, mut rest) = (0, Rest::Keep);
            for shown in (length..request.len()).step_by(length).chain([request.len()]) {
                let inspected = framing.inspect(&request.as_bytes()[passed..shown]);
                (passed, rest) = (passed + inspected.pass, inspected.rest);
                if rest != Rest::Keep {
                    break;
                }
            }
            prop_assert_eq!((passed, kind(rest)), (alone.pass, kind(alone.rest)));
            if rest != Rest::Keep {
                return Ok(());
            }
            prop_assert_eq!(framing.awaiting(), Awaiting::Request);
        }
    }
}
