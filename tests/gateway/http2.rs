//! HTTP/2 to clients: the same answers as over HTTP/1.1, and bounds of its own.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::http2::{Http2, whole};
use crate::support::scripted::Scripted;
use crate::support::{eventually, soon};

const LIST: &str = "GET /api/operator?organizationId=24";

#[tokio::test]
async fn a_list_that_one_version_has_fetched_is_a_hit_over_the_other() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let bearer = format!("Bearer {token}");
    let fetched = gateway.client(&token).list(24).await;
    let mut client = Http2::open(gateway.address()).await;

    let hit = client.ask(LIST, &[("authorization", &bearer)], "").await;

    assert!(hit.is_hit(), "{hit:?}");
    assert_eq!(hit.content, fetched.content);
    assert_eq!(hit.field("connection"), None);
    let write = r#"[{"organizationId":24,"name":"Bea"}]"#;
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(client.ask("POST /api/operator/synchronize", &fields, write).await.status, 200);
    assert!(gateway.client(&token).list(24).await.names().contains(&"Bea".to_owned()));
    assert_eq!(chathub.count(Endpoint::ListOperators), 2);
}

#[tokio::test]
async fn requests_on_one_connection_do_not_wait_for_each_other() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let bearer = format!("Bearer {}", chathub.company_token("acme"));
    let mut client = Http2::open(gateway.address()).await;
    let gate = chathub.stall(Endpoint::ListChats);
    let slow = client.begin(Http2::request("GET /api/chat/chats", &[("authorization", &bearer)], ""));
    let slow = tokio::spawn(slow);
    soon(gate.reached(1)).await;

    assert_eq!(client.ask(LIST, &[("authorization", &bearer)], "").await.status, 200);

    assert_eq!(gateway.metrics().await.value("http2_streams"), 1.0);
    gate.release();
    assert_eq!(whole(soon(slow).await.unwrap().unwrap()).await.status, 200);
}

#[tokio::test]
async fn what_goes_on_is_what_the_other_version_would_have_sent() {
    let upstream = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut client = Http2::open(gateway.address()).await;

    let fields = [("cookie", "a=1"), ("cookie", "b=2"), ("x-a", "1"), ("te", "trailers")];
    client.ask("POST /a/../b?c=%20", &fields, "content").await;

    let seen = upstream.first_request().await;
    assert!(seen.starts_with("POST /a/../b?c=%20 HTTP/1.1\r\n"), "{seen}");
    for line in ["cookie: a=1; b=2", "x-a: 1", "te: trailers", "via: 2.0 chathub-gateway", "content-length: 7"] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    assert!(seen.contains(&format!("host: {}", upstream.authority())) && seen.ends_with("content"), "{seen}");
}

#[tokio::test]
async fn what_the_two_versions_would_read_differently_is_refused_and_the_connection_goes_on() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_fields = 8").start().await;
    let mut client = Http2::open(gateway.address()).await;
    let long = format!("GET /{}", "x".repeat(8 * 1024));
    let large = "x".repeat(32 * 1024);
    let many: Vec<_> = (0..9).map(|_| ("x", "y")).collect();
    for (line, fields, status, problem) in [
        ("GET /", &[("host", "elsewhere")][..], 400, "malformed-request"),
        (&long, &[], 414, "target-too-long"),
        ("GET /", &[("x", &large)], 431, "head-too-large"),
        ("GET /", &many, 431, "head-too-large"),
        ("TRACE /", &[], 405, "method-refused"),
        ("GET /", &[("authorization", "Bearer a"), ("authorization", "Bearer a")], 400, "repeated-credential"),
    ] {
        let refused = client.ask(line, fields, "").await;
        assert_eq!((refused.status, refused.problem()), (status, problem.to_owned()), "{problem}");
    }
    assert_eq!(chathub.total(), 0);
    assert_eq!(client.ask("GET /", &[], "").await.status, 200);
}

#[tokio::test]
async fn content_that_does_not_come_is_the_clients_fault() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.body_timeout = '50ms'").start().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    // POST with a length and no content: `:method`, `:scheme` and the rest as literals.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let fields =
        [(":method", "POST"), (":scheme", "http"), (":path", "/api/operator/synchronize"), (":authority", "h")];
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    stream.write_all(&frame(1, 0x4, 1, &block)).await.unwrap();

    gateway.reaches(r#"refusals_total{reason="content-timeout"}"#, 1.0).await;

    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn a_client_that_takes_back_what_it_asks_for_is_cut_and_others_are_not() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_resets = 5").start().await;
    let mut other = Http2::open(gateway.address()).await;
    let gate = chathub.stall(None);
    let mut client = Http2::open(gateway.address()).await;
    for taken_back in 1..=6 {
        let begun = tokio::spawn(client.begin(Http2::request("GET /", &[], "")));
        soon(gate.reached(1)).await;
        begun.abort();
        gateway.reaches("http2_resets_total", f64::from(taken_back)).await;
        eventually(async || gate.inside(), |inside| *inside == 0).await;
    }

    gateway.reaches(r#"connections_closed_total{cause="max-resets"}"#, 1.0).await;

    client.ends().await;
    drop(gate);
    assert_eq!(other.ask("GET /", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_head_without_an_end_is_cut_when_it_is_over_the_bound() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream.write_all(&frame(1, 0, 1, &literal(":method", "GET"))).await.unwrap();
    let continuation = frame(9, 0, 1, &literal("x", &"y".repeat(100)));

    // Far more than the head may be; the gateway closes long before.
    let mut sent = 0;
    while sent < 64 << 20 && stream.write_all(&continuation).await.is_ok() {
        sent += continuation.len();
    }

    assert!(sent < 8 << 20, "{sent} bytes were taken");
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn a_flood_of_frames_that_bring_nothing_is_cut_and_counted() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("server.max_control_frames = 1000").start().await;
    let mut other = Http2::open(gateway.address()).await;
    for (kind, content) in [(4, &[][..]), (6, &[0; 8]), (8, &[0, 0, 0, 1])] {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let frames = frame(kind, 0, 0, content).repeat(2000);
        // The gateway closes before it has read all of it.
        let _ = stream.write_all(&frames).await;
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }

    gateway.reaches(r#"connections_closed_total{cause="max-control-frames"}"#, 3.0).await;

    assert_eq!(other.ask("GET /", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_client_that_gives_no_room_for_its_answer_is_cut() {
    let large = format!("HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n{}", "x".repeat(20_000_000));
    let upstream = Scripted::answering(large).await;
    let gateway = Gateway::before_url(&upstream.url()).set("server.send_timeout = '200ms'").start().await;
    let mut client = Http2::open(gateway.address()).await;

    let answer = soon(client.begin(Http2::request("GET /", &[], ""))).await.unwrap();

    gateway.reaches(r#"connections_closed_total{cause="untaken"}"#, 1.0).await;
    drop(answer);
    client.ends().await;
}

#[tokio::test]
async fn a_long_answer_from_memory_is_given_in_pieces_to_whoever_takes_it_and_to_nobody_else() {
    let chathub = Emulator::start().await;
    let names: Vec<_> =
        (0..40_000).map(|number| format!("A rather long name of an operator, number {number}")).collect();
    chathub.operators(24, names.iter().map(String::as_str));
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let bearer = format!("Bearer {token}");
    let fetched = gateway.client(&token).list(24).await;
    assert!(fetched.content.len() > 3 << 20, "{}", fetched.content.len());
    let mut client = Http2::open(gateway.address()).await;
    let hit = client.ask(LIST, &[("authorization", &bearer)], "").await;
    assert!(hit.is_hit() && hit.content == fetched.content);
    gateway.changes_to("server.send_timeout = '300ms'").await;
    let mut client = Http2::open(gateway.address()).await;

    let untaken = soon(client.begin(Http2::request(LIST, &[("authorization", &bearer)], ""))).await.unwrap();

    gateway.reaches(r#"connections_closed_total{cause="untaken"}"#, 1.0).await;
    drop(untaken);
    client.ends().await;
}

#[tokio::test]
async fn an_answer_that_ends_with_trailers_is_none_that_was_taken_back() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let upstream = Scripted::answering(answer).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut client = Http2::open(gateway.address()).await;

    assert_eq!(client.ask("GET /", &[("te", "trailers")], "").await.text(), "abc");

    gateway.reaches("http2_streams", 0.0).await;
    assert_eq!(gateway.metrics().await.value("http2_resets_total"), 0.0);
}

#[tokio::test]
async fn an_answer_of_the_gateway_itself_to_head_has_no_content() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut client = Http2::open(gateway.address()).await;

    let refused = client.ask("HEAD /", &[("host", "elsewhere")], "").await;

    assert_eq!((refused.status, refused.text()), (400, ""));
    let length: usize = refused.field("content-length").unwrap().parse().unwrap();
    assert!(length > 50, "it tells the length of what is left out");
}

#[tokio::test]
async fn a_gateway_that_stops_says_goodbye_and_answers_what_is_under_way() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut client = Http2::open(gateway.address()).await;
    let gate = chathub.stall(None);
    let slow = tokio::spawn(client.begin(Http2::request("GET /", &[], "")));
    soon(gate.reached(1)).await;

    let stopping = gateway.begin_to_stop();

    gate.release();
    assert_eq!(whole(soon(slow).await.unwrap().unwrap()).await.status, 200);
    assert!(client.ends().await, "a goodbye is no error");
    stopping.ended().await;
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("frames are short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], content].concat()
}

/// A field that is not to be remembered, without compression (RFC 7541 §6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("fields are short")], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}
