//! What passes, what does not, and that neither depends on how the bytes were cut.

mod bodies;
mod cuts;
pub(in crate::server) mod faults;

use std::time::Duration;

use super::*;

/// Bounds small enough to be reached by a table.
pub(in crate::server) const LIMITS: Limits = Limits {
    max_head: 512,
    max_fields: 8,
    max_target: 64,
    head_timeout: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(60),
    body_timeout: Duration::from_secs(10),
    send_timeout: Duration::from_secs(20),
    min_rate: 240,
};

fn framing() -> Framing {
    Framing::new(&LIMITS)
}

/// Shows all of `bytes` at once.
fn inspect(bytes: impl AsRef<[u8]>) -> Inspected {
    framing().inspect(bytes.as_ref())
}

#[track_caller]
fn assert_passes(bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let inspected = inspect(bytes);
    assert_eq!(inspected, Inspected { pass: bytes.len(), rest: Rest::Keep }, "{}", bytes.escape_ascii());
}

#[test]
fn valid_heads_pass() {
    for head in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "get / HTTP/1.0\r\n\r\n",
        "M-SEARCH!#$%&'*+-.^_`|~09 / HTTP/1.0\r\n\r\n",
        "GET /a;b=c/%20/..//?q=1&r[]=2&s={\"}|^\\? HTTP/1.0\r\nHost:h\r\n\r\n".replace('"', "'").as_str(),
        "GET http://example.org HTTP/1.1\r\nhost: example.org\r\n\r\n",
        "GET https://example.org:444/a?b HTTP/1.1\r\nhost: example.org:444\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST:\t a.b-c_d~1 \t\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: [2001:db8::1]:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: [::1]\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: 127.0.0.1:\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nempty:\r\ntab:\ta\tb\t\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nContent-Length:\t000 \r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9223372036854775807\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: \tChunked \r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: close\r\n\r\n",
    ] {
        assert_passes(head);
    }
}

#[test]
fn text_beyond_ascii_may_stand_in_a_value() {
    assert_passes(b"GET / HTTP/1.1\r\nhost: a\r\nname: \xc3\xa4\xff\r\n\r\n");
}

#[test]
fn requests_that_came_together_pass_together() {
    let mut framing = framing();
    let bytes = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\r\nGET";
    assert_eq!(framing.inspect(bytes.as_bytes()), Inspected { pass: bytes.len() - 5, rest: Rest::Keep });
    assert_eq!(framing.requests(), 2);
    assert_eq!(framing.awaiting(), Awaiting::Head);
}

#[test]
fn empty_lines_do_not_begin_a_request() {
    let mut framing = framing();
    assert_eq!(framing.inspect(b"\r\n").pass, 0);
    assert_eq!(framing.awaiting(), Awaiting::Request);
    assert_eq!(framing.inspect(b"\r\nG").pass, 0);
    assert_eq!(framing.awaiting(), Awaiting::Head);
}

#[test]
fn a_good_head_before_a_faulty_one_passes() {
    let good = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let inspected = inspect(format!("{good}GET /"));
    assert_eq!(inspected, Inspected { pass: good.len(), rest: Rest::Keep });
    let inspected = inspect(format!("{good}GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(inspected, Inspected { pass: good.len(), rest: Rest::Fault(Fault::Malformed("there is no host")) });
}

#[test]
fn what_may_be_another_protocol_waits() {
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive ,\tUpgrade\r\nupgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut framing = framing();
        let bytes = format!("{request}\0\0\n");
        assert_eq!(framing.inspect(bytes.as_bytes()), Inspected { pass: request.len(), rest: Rest::Keep });
        assert_eq!(framing.awaiting(), Awaiting::Decision, "{request}");
        assert_eq!(framing.inspect(b"\0\0\n\n"), Inspected { pass: 0, rest: Rest::Keep });
    }
}

#[test]
fn nothing_waits_if_an_upgrade_is_not_asked_for() {
    for head in [
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrades\r\nupgrade: x\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let mut framing = framing();
        framing.inspect(head.as_bytes());
        assert_eq!(framing.awaiting(), Awaiting::Request, "{head}");
    }
}

#[test]
fn after_a_refused_upgrade_requests_are_followed_again() {
    let mut framing = framing();
    framing.inspect(b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    framing.resume();
    assert_eq!(framing.inspect(b"GET / HTTP/1.0\r\n\r\n").pass, 18);
    assert!(matches!(framing.inspect(b"\0").rest, Rest::Fault(_)));
}

#[test]
fn fields_that_come_again_mean_the_same_again() {
    let posts = "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".repeat(3);
    let upgrade = "GET /2 HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let mut framing = framing();
    assert_eq!(framing.inspect(posts.as_bytes()).pass, posts.len());
    for ordinal in 4..7 {
        assert_eq!(framing.inspect(upgrade.as_bytes()).pass, upgrade.len());
        assert_eq!((framing.awaiting(), framing.requests()), (Awaiting::Decision, ordinal));
        framing.resume();
    }
}

#[test]
fn fields_that_come_again_are_judged_by_the_request_line_before_them() {
    let (no_host, coding) = ("accept: b\r\n\r\n", "host: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let missing = inspect(format!("GET / HTTP/1.0\r\n{no_host}GET / HTTP/1.1\r\n{no_host}"));
    assert_eq!(missing.rest, Rest::Fault(Fault::Malformed("there is no host")));
    let old = inspect(format!("POST / HTTP/1.1\r\n{coding}0\r\n\r\nPOST / HTTP/1.0\r\n{coding}"));
    assert_eq!(old.rest, Rest::Fault(Fault::Malformed("HTTP/1.0 has no transfer codings")));
    let long = format!("host: a\r\nb: {}\r\n\r\n", "c".repeat(LIMITS.max_head - 40));
    let too_long = inspect(format!("GET / HTTP/1.1\r\n{long}GET /123456789 HTTP/1.1\r\n{long}"));
    assert_eq!(too_long.rest, Rest::Fault(Fault::HeadTooLarge));
}

#[test]
fn fields_that_only_begin_like_the_last_ones_are_read() {
    let inspected = inspect("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n");
    assert_eq!(inspected.rest, Rest::Fault(Fault::Malformed("there is more than one host")));
}

#[test]
fn remembered_fields_are_not_shown() {
    let mut framing = framing();
    framing.inspect(b"GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\n\r\n");
    let shown = format!("{framing:?}");
    assert!(shown.contains("Memo") && !shown.contains("115, 101, 99"), "{shown}");
}

#[test]
fn a_body_fault_is_found_within_an_error() {
    let error = io::Error::other(io::Error::from(BodyFault::TimedOut));
    assert_eq!(BodyFault::find(&error), None, "an error's inner error is not its source");
    let error = io::Error::from(BodyFault::TimedOut);
    assert_eq!(BodyFault::find(&error), Some(BodyFault::TimedOut));
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(BodyFault::find(&io::Error::other("else")), None);
}
