//! Content of any size and framing, in both directions, without room for it in the gateway.

use sha2::{Digest, Sha256};

use crate::support::answer::Answer;
use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint};
use crate::support::gateway::Gateway;
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::soon;

/// The most that Kestrel takes.
const LARGE: usize = 30_000_000;

/// How much more memory the gateway may ever have had after content of [`LARGE`] has passed than before.
const ROOM_KIB: u64 = 16 * 1024;

const BEFORE: &str = r#"{"textMessage":""#;
const AFTER: &str = r#""}"#;

/// Sends a message to a chat whose content is so long, in parts, and returns the digest of the content.
async fn send_message(connection: &mut Connection, token: &str, length: usize) -> String {
    let fields = format!("host: h\r\nauthorization: Bearer {token}\r\ncontent-type: application/json");
    connection
        .send(format!("POST /api/chat/1001/message HTTP/1.1\r\n{fields}\r\ncontent-length: {length}\r\n\r\n"))
        .await;
    let mut digest = Sha256::new();
    let part = "x".repeat(64 * 1024);
    let mut left = length - BEFORE.len() - AFTER.len();
    let filling = std::iter::from_fn(|| {
        let taken = left.min(part.len());
        left -= taken;
        (taken > 0).then(|| &part[..taken])
    });
    for part in [BEFORE].into_iter().chain(filling).chain([AFTER]) {
        digest.update(part);
        connection.send(part).await;
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn ask_messages(connection: &mut Connection, token: &str) -> Answer {
    let target = "/api/chat/1001/messages";
    connection.send(format!("GET {target} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n")).await;
    connection.answer_without_content().await
}

/// The framing of a request's content as the upstream saw it: its two framing fields, and the content.
async fn framed(head: &str, content: &str) -> (Option<String>, Option<String>, String) {
    let upstream = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    connection.send(format!("{head}{content}")).await;
    assert_eq!(connection.answer().await.status, 200);
    let seen = upstream.first_request().await;
    let (seen_head, seen_content) = seen.split_once("\r\n\r\n").expect("a request has a head");
    let field = |name: &str| seen_head.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    (field("content-length: "), field("transfer-encoding: "), seen_content.to_owned())
}

async fn passed_on(answer: &str) -> Answer {
    let upstream = Scripted::answering_once(answer).await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    connection.answer().await
}

#[tokio::test]
async fn thirty_million_bytes_pass_both_ways_without_room_for_them() {
    let chathub = Emulator::start().await;
    let token = chathub.company_token("acme");
    let gateway = Program::before(&chathub.url(), &[]).await;
    let mut connection = Connection::open(gateway.address).await;
    ask_messages(&mut connection, &token).await;
    let before = gateway.memory_kib("VmHWM");

    let mut upload = Connection::open(gateway.address).await;
    let digest = send_message(&mut upload, &token, LARGE).await;
    // The answer repeats the message, so the same bytes come down again; what the emulator adds is small.
    assert_eq!(upload.answer_without_content().await.status, 200);
    assert_eq!(upload.count_content(LARGE as u64).await, LARGE as u64);
    chathub.switch(|switches| switches.messages_bytes = Some(LARGE));
    let mut download = Connection::open(gateway.address).await;
    assert_eq!(ask_messages(&mut download, &token).await.status, 200);
    assert_eq!(download.count_content(LARGE as u64).await, LARGE as u64);

    let sent = chathub.received().into_iter().find(|received| received.endpoint == Endpoint::SendMessage).unwrap();
    assert_eq!((sent.body_bytes, sent.body_digest), (LARGE as u64, Some(digest)));
    let grown = gateway.memory_kib("VmHWM") - before;
    assert!(grown < ROOM_KIB, "{grown} KiB");
}

#[tokio::test]
async fn content_over_the_upstreams_limit_is_the_upstreams_to_refuse() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;
    let length = 30_000_001;

    let head = format!("POST /api/chat/1001/message HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n");
    connection.send(format!("{head}authorization: Bearer {}\r\n\r\n", chathub.company_token("acme"))).await;

    let refused = connection.answer().await;
    assert_eq!((refused.status, refused.cache()), (413, "fwd=method; detail=write-refused"));
    assert_eq!(refused.field("content-type"), None, "the upstream's own answer");
}

#[tokio::test]
async fn content_is_framed_for_the_upstream_as_the_client_framed_it() {
    let sized = framed("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n", "abcd").await;
    assert_eq!(sized, (Some("4".to_owned()), None, "abcd".to_owned()));

    let head = "POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    let (length, coding, content) = framed(head, "2;x=y\r\nab\r\n2\r\ncd\r\n0\r\n\r\n").await;
    assert_eq!((length, coding.as_deref()), (None, Some("chunked")));
    let data: String = content.split("\r\n").filter(|line| line.chars().any(|c| ('a'..='d').contains(&c))).collect();
    assert_eq!(data, "abcd");
}

#[tokio::test]
async fn a_request_without_content_is_forwarded_without() {
    let get = framed("GET /x HTTP/1.1\r\nhost: h\r\n\r\n", "").await;
    assert_eq!(get, (None, None, String::new()));
}

#[tokio::test]
async fn the_content_of_a_read_does_not_put_the_upstreams_connection_out_of_step() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    for _ in 0..3 {
        let odd = company.ask("GET /api/operator?organizationId=24").content("GET /smuggled HTTP/1.1\r\n\r\n");
        assert_eq!(odd.send().await.status, 200);
        assert_eq!(company.organizations().await.status, 200);
    }
    assert!(chathub.received().iter().all(|received| received.target.starts_with("/api/")));
}

#[tokio::test]
async fn an_answer_is_framed_as_the_upstream_framed_it() {
    let sized = passed_on("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd").await;
    assert_eq!((sized.field("content-length"), sized.text()), (Some("4"), "abcd"));

    let chunked = passed_on("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n").await;
    assert_eq!((chunked.field("transfer-encoding"), chunked.text()), (Some("chunked"), "abcd"));

    let closed = passed_on("HTTP/1.1 200 OK\r\n\r\nabcd").await;
    assert_eq!((closed.field("content-length"), closed.text()), (None, "abcd"));

    let empty = passed_on("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!((empty.status, empty.field("content-length"), empty.field("transfer-encoding")), (204, None, None));
}

#[tokio::test]
async fn an_answer_with_two_lengths_is_passed_on_whole_with_one() {
    let fields = "content-length: 2\r\ntransfer-encoding: chunked";

    let answer = passed_on(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")).await;

    assert_eq!((answer.status, answer.text()), (200, "abcd"));
    assert_eq!(answer.field("content-length"), None);
}

#[tokio::test]
async fn the_length_in_an_answer_to_head_is_passed_on() {
    let upstream = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;
    for _ in 0..2 {
        connection.send("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(connection.answer_without_content().await.field("content-length"), Some("1234"));
    }
}

#[tokio::test]
async fn compressed_content_passes_untouched() {
    let field = "content-encoding: gzip\r\ncontent-length: 4";

    let answer = passed_on(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n\x1f\x0b\x08\x00")).await;

    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert_eq!(answer.content.as_ref(), b"\x1f\x0b\x08\x00");
}

#[tokio::test]
async fn a_list_to_be_stored_is_asked_for_uncompressed_and_any_other_answer_as_the_client_asked() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let company = gateway.client(&chathub.company_token("acme")).with("accept-encoding", "br");

    company.list(24).await;
    company.ask("GET /api/chat/chats").send().await;

    let received = chathub.received();
    assert_eq!(received[0].values("accept-encoding"), ["identity"]);
    assert_eq!(received[1].values("accept-encoding"), ["br"]);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_content_is_asked() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let mut connection = gateway.connect().await;
    let content = r#"{"id":101,"status":1}"#;
    let fields = format!("content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}", content.len());
    let token = chathub.company_token("acme");
    let head = format!("POST /api/operator/status HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n{fields}");
    connection.send(format!("{head}\r\n\r\n")).await;
    assert_eq!(connection.answer_without_content().await.status, 100);

    connection.send(content).await;

    assert_eq!(connection.answer().await.status, 200);
    assert_eq!(chathub.applied().len(), 1);
}

#[tokio::test]
async fn events_are_passed_on_one_by_one() {
    let event = "5\r\na: b\n\r\n";
    let fields = "content-type: text/event-stream\r\ntransfer-encoding: chunked";
    let upstream = Scripted::answering(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{event}")).await;
    let set = "upstream.idle_timeout = '20ms'\nupstream.total_timeout = '20ms'";
    let gateway = Gateway::before_url(&upstream.url()).set(set).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET /events HTTP/1.1\r\nhost: h\r\n\r\n").await;

    assert_eq!(connection.answer_without_content().await.status, 200);
    assert_eq!(connection.count_content(event.len() as u64).await, event.len() as u64);
    let silence = std::time::Duration::from_millis(60);
    assert!(
        tokio::time::timeout(silence, connection.rest()).await.is_err(),
        "a stream may pause for as long as it likes"
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_in_its_way() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).start().await;
    let token = chathub.company_token("acme");
    let mut connection = gateway.connect().await;

    connection.send(format!("GET /api/chat/chats HTTP/1.0\r\nauthorization: Bearer {token}\r\n\r\n")).await;

    let answer = soon(connection.answer()).await;
    assert_eq!((answer.status, answer.field("transfer-encoding")), (200, None));
    assert_eq!(answer.json()["total"], 4);
    assert_eq!(chathub.received()[0].values("via"), ["1.0 chathub-gateway"]);
}

#[tokio::test]
async fn a_post_without_content_says_so_to_the_upstream() {
    let upstream = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let gateway = Gateway::before_url(&upstream.url()).start().await;
    let mut connection = gateway.connect().await;

    connection.send("POST /chathub/negotiate HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;

    assert_eq!(connection.answer().await.status, 200);
    assert!(upstream.first_request().await.contains("content-length: 0\r\n"));
}
