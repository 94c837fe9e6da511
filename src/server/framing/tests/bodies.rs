//! Bodies: where they end, and what breaks them.

use super::*;

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

/// Shows a chunked body at once, and then byte by byte, and returns what came of it.
#[track_caller]
fn inspect_body(body: &str) -> Rest {
    let at_once = inspect(format!("{CHUNKED}{body}")).rest;
    let mut framing = framing();
    assert_eq!(framing.inspect(CHUNKED.as_bytes()).rest, Rest::Keep);
    let mut shown = Vec::new();
    let mut piecewise = Rest::Keep;
    for byte in body.bytes() {
        shown.push(byte);
        let inspected = framing.inspect(&shown);
        shown.drain(..inspected.pass);
        piecewise = inspected.rest;
        if piecewise != Rest::Keep {
            break;
        }
    }
    assert_eq!(at_once, piecewise, "{}", body.escape_debug());
    at_once
}

#[track_caller]
fn assert_broken(body: &str, reason: &'static str) {
    assert_eq!(inspect_body(body), Rest::BodyFault(BodyFault::Malformed(reason)), "{}", body.escape_debug());
}

#[test]
fn a_body_of_known_length_passes_as_it_comes() {
    let mut framing = framing();
    framing.inspect(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n");
    assert_eq!(framing.inspect(b"\0\r\n"), Inspected { pass: 3, rest: Rest::Keep });
    assert_eq!(framing.awaiting(), Awaiting::Body);
    assert_eq!(framing.inspect(b"abcG"), Inspected { pass: 3, rest: Rest::Keep });
    assert_eq!(framing.awaiting(), Awaiting::Head);
}

#[test]
fn valid_chunks_pass() {
    for body in [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n0;b=\"c;d\"\r\n\r\n",
        "5 \t;a = b\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "0\r\na: b\r\nc:\r\n\r\n",
    ] {
        let whole = format!("{CHUNKED}{body}");
        assert_passes(format!("{whole}{whole}"));
        assert_eq!(inspect_body(body), Rest::Keep);
    }
}

#[test]
fn the_largest_chunk_is_followed() {
    let mut framing = framing();
    framing.inspect(format!("{CHUNKED}ffffffffffffffff\r\nabc").as_bytes());
    assert_eq!(framing.awaiting(), Awaiting::Body);
    assert_eq!(framing.inspect(&[0; 4096]), Inspected { pass: 4096, rest: Rest::Keep });
}

#[test]
fn faulty_chunks_break_the_body() {
    const NUMBER: &str = "a chunk's size is not a hexadecimal number";
    const SIZE: &str = "a chunk has no size";
    const END: &str = "a chunk's data do not end with CRLF";
    for (body, reason) in [
        ("\r\n", SIZE),
        (";a\r\n", SIZE),
        (" 5\r\nhello\r\n", SIZE),
        ("-5\r\nhello\r\n", SIZE),
        ("x\r\n", SIZE),
        ("5g\r\nhello\r\n", NUMBER),
        ("0x5\r\nhello\r\n", NUMBER),
        ("5 \r\nhello\r\n", NUMBER),
        ("5 5\r\nhello\r\n", NUMBER),
        ("5\nhello\r\n", NUMBER),
        ("5\r\r\nhello\r\n", "a chunk's size line does not end with CRLF"),
        ("5\rhello\r\n", "a chunk's size line does not end with CRLF"),
        ("5;a\nhello\r\n", "a chunk extension has a control character in it"),
        ("5;\0\r\nhello\r\n", "a chunk extension has a control character in it"),
        ("00000000000000005\r\nhello\r\n", "a chunk's size has too many digits"),
        ("10000000000000005\r\nhello\r\n", "a chunk's size has too many digits"),
        ("5\r\nhello\n0\r\n\r\n", END),
        ("5\r\nhelloo\r\n0\r\n\r\n", END),
        ("5\r\nhello\r0\r\n\r\n", END),
        ("5\r\nhell\r\n0\r\n\r\n", END),
    ] {
        assert_broken(body, reason);
    }
}

#[test]
fn extensions_are_bounded() {
    let line = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 1));
    assert_eq!(inspect_body(&line(1024)), Rest::Keep);
    assert_broken(&line(1025), "the chunk extensions are too long");
    assert_eq!(inspect_body(&line(1024).repeat(16)), Rest::Keep);
    assert_broken(&line(1024).repeat(17), "the chunk extensions are too long");
}

#[test]
fn faulty_trailers_break_the_body() {
    const FRAMING: &str = "a trailer would change the framing or the target";
    for (trailers, reason) in [
        ("\n", "a line ends with a bare line feed"),
        ("a: b\n\r\n", "a line ends with a bare line feed"),
        ("a : b\r\n\r\n", "a field name is followed by a blank"),
        ("a: b\r\n c\r\n\r\n", "a field is folded over lines"),
        ("GET / HTTP/1.1\r\n\r\n", "a field name is followed by a blank"),
        ("a: \0\r\n\r\n", "a line has a control character in it"),
        ("Content-Length: 5\r\n\r\n", FRAMING),
        ("transfer-encoding: chunked\r\n\r\n", FRAMING),
        ("host: b\r\n\r\n", FRAMING),
    ] {
        assert_broken(&format!("0\r\n{trailers}"), reason);
    }
}

#[test]
fn trailers_are_bounded_like_a_head() {
    assert_eq!(inspect_body(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(LIMITS.max_fields))), Rest::Keep);
    assert_broken(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(LIMITS.max_fields + 1)), "there are too many trailers");
    assert_broken(&format!("0\r\na: {}", "b".repeat(LIMITS.max_head)), "the trailers are too large");
}
