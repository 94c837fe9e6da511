//! Heads that are refused, each with the reason.

use super::*;

const HEAD: &str = "GET / HTTP/1.1\r\nhost: a\r\n";

const NOT_A_METHOD: &str = "the method is not a token";
const NO_SPACE: &str = "the method is not a token followed by a space";
const NO_VERSION: &str = "the request line has no version";
const VERSION: &str = "the version is neither HTTP/1.0 nor HTTP/1.1";
const CHARACTER: &str = "the target has a character that it may not have";
const FORM: &str = "the target is neither a path nor an absolute URI";
const URI: &str = "the target is not a URI";
const CONNECT: &str = "the target of CONNECT is not host and port";
const FEED: &str = "a line ends with a bare line feed";
const RETURN: &str = "a line has a bare carriage return in it";
const EMPTY: &str = "there are too many empty lines before the request";
const NOT_A_NAME: &str = "a field name is not a token";
const CONTROL: &str = "a line has a control character in it";
const HOST: &str = "the host is not a name or an address with or without a port";
const HOSTS: &str = "there is more than one host";
const LENGTH: &str = "the content length is not a decimal number";
const LENGTHS: &str = "there is more than one content length";
const OVERFLOW: &str = "the content length is too large";
const CODING: &str = "the transfer coding is not chunked alone";
const CODINGS: &str = "there is more than one transfer coding";
const BOTH: &str = "there are both a transfer coding and a content length";

/// Whole heads with a fault in the request line, or before it.
pub(in crate::server) const REQUEST_LINES: &[(&str, &str)] = &[
    ("\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", EMPTY),
    ("\nGET / HTTP/1.0\r\n\r\n", FEED),
    ("\rGET / HTTP/1.0\r\n\r\n", RETURN),
    (" GET / HTTP/1.0\r\n\r\n", NOT_A_METHOD),
    ("\x16\x03\x01\r\n\r\n", CONTROL),
    ("{}\r\n\r\n", NOT_A_METHOD),
    ("GET\r\n\r\n", NO_SPACE),
    ("G(T / HTTP/1.0\r\n\r\n", NO_SPACE),
    ("GET\t/ HTTP/1.0\r\n\r\n", NO_SPACE),
    ("G\0T / HTTP/1.0\r\n\r\n", CONTROL),
    ("GET /\r\n\r\n", NO_VERSION),
    ("GET \r\n\r\n", NO_VERSION),
    ("GET /aaaaaaaaa\r\n\r\n", VERSION),
    ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", VERSION),
    ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", VERSION),
    ("GET / HTTP/0.9\r\n\r\n", VERSION),
    ("GET / http/1.1\r\nhost: a\r\n\r\n", VERSION),
    ("GET / HTTP/1.1 \r\nhost: a\r\n\r\n", VERSION),
    ("GET / HTTP/1.10\r\nhost: a\r\n\r\n", VERSION),
    ("GET / ICY/1.1\r\nhost: a\r\n\r\n", VERSION),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    ("GET / HTTP/1.1\nhost: a\r\n\r\n", FEED),
    ("GET / HTTP/1.1\r\r\nhost: a\r\n\r\n", RETURN),
    ("GET  / HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /  HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /a b HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /a\tb HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /a\rb HTTP/1.0\r\n\r\n", RETURN),
    ("GET /a\0b HTTP/1.0\r\n\r\n", CONTROL),
    ("GET /a\x7fb HTTP/1.0\r\n\r\n", CONTROL),
    ("GET /ä HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /?ä HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /?a b HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /<a> HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET /a#b HTTP/1.0\r\n\r\n", "the target has a fragment"),
    ("GET /?a#b HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET http://a/#b HTTP/1.0\r\n\r\n", CHARACTER),
    ("GET * HTTP/1.0\r\n\r\n", "the target * is for OPTIONS only"),
    ("GET a HTTP/1.0\r\n\r\n", FORM),
    ("GET a:80 HTTP/1.0\r\n\r\n", FORM),
    ("GET a/b HTTP/1.0\r\n\r\n", URI),
    ("GET ?a HTTP/1.0\r\n\r\n", URI),
    ("GET http:///a HTTP/1.0\r\n\r\n", URI),
    ("GET http://u:p@a/ HTTP/1.0\r\n\r\n", "the target has user information"),
    ("CONNECT / HTTP/1.0\r\n\r\n", CONNECT),
    ("CONNECT http://a/ HTTP/1.0\r\n\r\n", CONNECT),
    ("CONNECT u@a:1 HTTP/1.0\r\n\r\n", "the target has user information"),
];

/// Field lines that make a head faulty which is otherwise valid and has a host.
pub(in crate::server) const FIELDS: &[(&str, &str)] = &[
    ("a: b\n", FEED),
    ("a: b\r\n\n", FEED),
    ("a: b\rc: d\r\n", RETURN),
    ("a: b\r\r\n", RETURN),
    ("a: b\0\r\n", CONTROL),
    ("a: \x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", CONTROL),
    ("a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x1f\r\n", CONTROL),
    ("a: b\x7f\r\n", CONTROL),
    ("a: b\r\n c\r\n", "a field is folded over lines"),
    ("a: b\r\n\tc\r\n", "a field is folded over lines"),
    ("a : b\r\n", "a field name is followed by a blank"),
    ("a\t: b\r\n", "a field name is followed by a blank"),
    ("a b: c\r\n", "a field name is followed by a blank"),
    (": b\r\n", "a field has no name"),
    ("a\r\n", "a field line has no colon"),
    ("a(b: c\r\n", NOT_A_NAME),
    ("ä: b\r\n", NOT_A_NAME),
    ("a\0: b\r\n", CONTROL),
    ("a\r: b\r\n", RETURN),
    ("content-length : 5\r\n", "a field name is followed by a blank"),
    ("content-length:\r\n", LENGTH),
    ("content-length: +5\r\n", LENGTH),
    ("content-length: -5\r\n", LENGTH),
    ("content-length: 0x5\r\n", LENGTH),
    ("content-length: 5, 5\r\n", LENGTH),
    ("content-length: 5 5\r\n", LENGTH),
    ("content-length: 5.0\r\n", LENGTH),
    ("content-length: \"5\"\r\n", LENGTH),
    ("content-length: 5\r\ncontent-length: 5\r\n", LENGTHS),
    ("content-length: 0\r\nContent-Length: 7\r\n", LENGTHS),
    ("content-length: 9223372036854775808\r\n", OVERFLOW),
    ("content-length: 18446744073709551621\r\n", OVERFLOW),
    ("content-length: 99999999999999999999999999\r\n", OVERFLOW),
    ("transfer-encoding:\r\n", CODING),
    ("transfer-encoding: identity\r\n", CODING),
    ("transfer-encoding: gzip\r\n", CODING),
    ("transfer-encoding: gzip, chunked\r\n", CODING),
    ("transfer-encoding: chunked, chunked\r\n", CODING),
    ("transfer-encoding: chunked;a=b\r\n", CODING),
    ("transfer-encoding: chunked,\r\n", CODING),
    ("transfer-encoding: \x0bchunked\r\n", CONTROL),
    ("transfer-encoding: xchunked\r\n", CODING),
    ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", CODINGS),
    ("transfer-encoding: chunked\r\nTransfer-Encoding: identity\r\n", CODINGS),
    ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", BOTH),
    ("content-length: 0\r\ntransfer-encoding: chunked\r\n", BOTH),
    ("host: a\r\n", HOSTS),
    ("Host: b\r\n", HOSTS),
];

/// What may not stand in the one field `host`.
pub(in crate::server) const NOT_HOSTS: &[&str] = &[
    "", " ", "a b", "a/b", "u@a", "a?b", "a#b", "a,b", "a:b", "a:1:2", "a:123456", ":80", "[]", "[::1", "::1",
    "[::1]a", "[::1]:x", "[a/b]", "ä", "a\\b", "<a>", "\"a\"", "a:-1",
];

#[test]
fn a_faulty_request_line_is_refused() {
    for (head, reason) in REQUEST_LINES {
        assert_refused(head, reason);
    }
}

#[test]
fn a_faulty_field_is_refused() {
    for (fields, reason) in FIELDS {
        assert_refused(&format!("{HEAD}{fields}\r\n"), reason);
    }
}

#[test]
fn a_host_that_is_none_is_refused() {
    for value in NOT_HOSTS {
        assert_refused(&format!("GET / HTTP/1.1\r\nhost: {value}\r\n\r\n"), HOST);
    }
}

#[test]
fn a_host_may_be_missing_in_http_10_only() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", "there is no host");
    assert_refused("GET http://a/ HTTP/1.1\r\n\r\n", "there is no host");
    assert_refused("GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n", HOSTS);
}

#[test]
fn http_10_has_no_chunks() {
    assert_refused("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.0 has no transfer codings");
}

#[test]
fn garbage_is_refused_before_its_line_ends() {
    for garbage in [&b"\x16"[..], b"\x80", b"\n", b" ", b"\r\n\r\n\x00"] {
        assert!(matches!(inspect(garbage).rest, Rest::Fault(Fault::Malformed(_))), "{}", garbage.escape_ascii());
    }
}

#[test]
fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
    let filled = |length: usize| {
        let value = "a".repeat(length - HEAD.len() - "x: \r\n\r\n".len());
        format!("{HEAD}x: {value}\r\n\r\n")
    };
    assert_passes(filled(LIMITS.max_head));
    assert_eq!(inspect(filled(LIMITS.max_head + 1)).rest, Rest::Fault(Fault::HeadTooLarge));
}

#[test]
fn an_endless_line_is_refused_at_the_limit() {
    for beginning in ["GET / HTTP/1.1\r\nhost: a\r\nx: ", "GET / HTTP/1.1\r\nhost: a\r\n", "", "GET / "] {
        let endless = format!("{beginning}{}", "a".repeat(LIMITS.max_head - beginning.len() - 1));
        let mut framing = framing();
        assert_eq!(framing.inspect(endless.as_bytes()).rest, Rest::Keep, "{beginning}");
        let inspected = framing.inspect(format!("{endless}a").as_bytes());
        assert_eq!(inspected, Inspected { pass: 0, rest: Rest::Fault(Fault::HeadTooLarge) }, "{beginning}");
    }
}

#[test]
fn a_target_may_be_as_long_as_the_limit_and_no_longer() {
    let target = |length: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 1));
    assert_passes(target(LIMITS.max_target));
    assert_eq!(inspect(target(LIMITS.max_target + 1)).rest, Rest::Fault(Fault::TargetTooLong));
    assert_eq!(inspect(target(100_000)).rest, Rest::Fault(Fault::TargetTooLong));
    let unfinished = format!("GET /{}", "a".repeat(LIMITS.max_target));
    assert_eq!(inspect(unfinished).rest, Rest::Fault(Fault::TargetTooLong));
}

#[test]
fn fields_may_be_as_many_as_the_limit_and_no_more() {
    let fields = |count: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_passes(fields(LIMITS.max_fields));
    assert_eq!(inspect(fields(LIMITS.max_fields + 1)).rest, Rest::Fault(Fault::TooManyFields));
}

#[test]
fn limits_beyond_those_of_the_message_library_are_not_used() {
    let limits = Limits { max_head: 1 << 20, max_fields: usize::MAX, max_target: usize::MAX, ..LIMITS };
    let target = |length: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 1));
    let inspect = |head: String| Framing::new(&limits).inspect(head.as_bytes()).rest;
    assert_eq!(inspect(target(MAX_TARGET)), Rest::Keep);
    assert_eq!(inspect(target(MAX_TARGET + 1)), Rest::Fault(Fault::TargetTooLong));
    let named = |length: usize| format!("GET / HTTP/1.0\r\n{}: b\r\n\r\n", "a".repeat(length));
    assert_eq!(inspect(named(65_535)), Rest::Keep);
    assert_eq!(inspect(named(65_536)), Rest::Fault(Fault::HeadTooLarge));
    let many = format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
    assert_eq!(inspect(many), Rest::Fault(Fault::TooManyFields));
}

#[track_caller]
fn assert_refused(head: &str, reason: &'static str) {
    let expected = Inspected { pass: 0, rest: Rest::Fault(Fault::Malformed(reason)) };
    assert_eq!(inspect(head), expected, "{}", head.escape_debug());
}
