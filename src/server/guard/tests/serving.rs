//! The guard before the real server library.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::task::JoinHandle;

use super::*;
use crate::server::framing::tests::faults::{FIELDS, REQUEST_LINES};

/// A server that answers with what it was asked, and the client's end of a connection to it.
struct Server {
    client: DuplexStream,
    /// The targets that reached the service, a refused head not counted.
    served: Arc<Mutex<Vec<String>>>,
    faults: Arc<AtomicUsize>,
    connection: JoinHandle<Result<(), hyper::Error>>,
}

fn serve() -> Server {
    let (guard, handle, client) = connection();
    let served = Arc::<Mutex<Vec<String>>>::default();
    let faults = Arc::<AtomicUsize>::default();
    let noted = (served.clone(), faults.clone());
    let service = service_fn(move |request| answer(request, handle.clone(), noted.clone()));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(LIMITS.max_fields)
        .serve_connection(TokioIo::new(guard), service)
        .with_upgrades();
    Server { client, served, faults, connection: tokio::spawn(connection) }
}

type Noted = (Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>);

async fn answer(
    request: Request<Incoming>,
    handle: Handle,
    (served, faults): Noted,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answering = handle.answering();
    if let Some(fault) = handle.begin() {
        faults.fetch_add(1, Ordering::Relaxed);
        return Ok(response(fault.status(), fault.to_string()));
    }
    served.lock().unwrap().push(request.uri().to_string());
    let target = request.uri().path().to_owned();
    match target.as_str() {
        "/slow" => tokio::time::sleep(LIMITS.idle_timeout * 3).await,
        "/granted" => return Ok(grant(request, &handle)),
        "/unread" => return Ok(response(StatusCode::OK, target)),
        _ => {}
    }
    let answered = match request.into_body().collect().await {
        Ok(body) => response(StatusCode::OK, format!("{target}:{}", body.to_bytes().escape_ascii())),
        Err(error) => response(status_of(BodyFault::find(&error).unwrap()), error.to_string()),
    };
    drop(answering);
    Ok(answered)
}

fn grant(mut request: Request<Incoming>, handle: &Handle) -> Response<Full<Bytes>> {
    handle.upgraded();
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        tokio::io::copy(&mut from, &mut to).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut response = response(StatusCode::SWITCHING_PROTOCOLS, String::new());
    response.headers_mut().insert("upgrade", "x".parse().unwrap());
    response
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("from", "service").body(Full::from(body)).unwrap()
}

impl Server {
    /// Sends `bytes` while reading all that comes back until the server closes, and waits for its end.
    async fn exchange(self, bytes: &[u8]) -> (String, Vec<String>) {
        let (mut from, mut to) = tokio::io::split(self.client);
        let sent = bytes.to_vec();
        let sending = tokio::spawn(async move {
            let _closed = to.write_all(&sent).await;
            to
        });
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        drop((sending.await.unwrap(), from));
        self.connection.await.unwrap().unwrap();
        assert!(self.faults.load(Ordering::Relaxed) <= 1, "a fault was answered more than once");
        (String::from_utf8(received).unwrap(), Arc::try_unwrap(self.served).unwrap().into_inner().unwrap())
    }
}

/// The statuses of all answers but 100.
fn statuses(received: &str) -> Vec<&str> {
    let lines = received.match_indices("HTTP/1.").map(|(place, _)| &received[place..]);
    let statuses = lines.filter_map(|line| line.get(8..12)?.strip_prefix(' '));
    statuses.filter(|status| *status != "100" && status.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_faulty_head_is_answered_in_its_turn_and_the_connection_closed() {
    let (received, served) = serve().exchange(format!("{GET}{GET}GET / HTTP/1.1\r\n\r\n{GET}").as_bytes()).await;
    assert_eq!(statuses(&received), ["200", "200", "400"]);
    assert!(received.ends_with("malformed request head: there is no host"), "{received}");
    assert!(received.contains("connection: close"));
    assert_eq!(served.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fault_behind_a_slow_request_waits_for_its_answer() {
    let (received, served) = serve().exchange(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n\0\0\0").await;
    assert_eq!(statuses(&received), ["200", "400"]);
    assert_eq!(served, ["/slow"]);
}

#[tokio::test(start_paused = true)]
async fn both_framing_fields_are_answered_once_in_either_order() {
    let (length, coding) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    for (first, second) in [(length, coding), (coding, length)] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{first}{second}\r\n0\r\n\r\n{GET}");
        let (received, served) = serve().exchange(request.as_bytes()).await;
        assert_eq!(statuses(&received), ["400"]);
        assert_eq!(served, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_faulty_head_is_answered_by_the_service() {
    let fields = FIELDS.iter().map(|(fields, _)| format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    for head in REQUEST_LINES.iter().map(|(head, _)| (*head).to_owned()).chain(fields) {
        let (received, served) = serve().exchange(head.as_bytes()).await;
        assert_eq!(statuses(&received), ["400"], "{}", head.escape_debug());
        assert!(received.contains("from: service"));
        assert_eq!(served, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_of_a_mebibyte_is_answered_431() {
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    let (received, served) = serve().exchange(head.as_bytes()).await;
    assert_eq!(statuses(&received), ["431"]);
    assert_eq!(served, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_long_target_is_answered_414() {
    let (received, _) = serve().exchange(format!("GET /{}", "a".repeat(1 << 20)).as_bytes()).await;
    assert_eq!(statuses(&received), ["414"]);
}

#[tokio::test(start_paused = true)]
async fn many_fields_pass_to_the_limit_and_are_answered_431_beyond() {
    for (count, status) in [(LIMITS.max_fields - 1, "200"), (LIMITS.max_fields, "431")] {
        let last = "GET / HTTP/1.0\r\n\r\n";
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n{last}", "x: y\r\n".repeat(count));
        assert_eq!(statuses(&serve().exchange(head.as_bytes()).await.0)[0], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_408() {
    let (received, served) = serve().exchange(format!("{GET}GET / HTT").as_bytes()).await;
    assert_eq!(statuses(&received), ["200", "408"]);
    assert_eq!(served.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    let start = tokio::time::Instant::now();
    let (received, _) = serve().exchange(GET.as_bytes()).await;
    assert_eq!(statuses(&received), ["200"]);
    assert!(start.elapsed() >= LIMITS.idle_timeout && start.elapsed() < LIMITS.idle_timeout + Duration::from_secs(1));
    let (received, _) = serve().exchange(b"").await;
    assert_eq!(received, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for_and_the_idle_time_begins_behind_it() {
    let start = tokio::time::Instant::now();
    let (received, _) = serve().exchange(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(statuses(&received), ["200"]);
    let expected = LIMITS.idle_timeout * 4;
    assert!(
        start.elapsed() >= expected && start.elapsed() < expected + Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_arrives_and_one_that_breaks_is_known_to_the_service() {
    let head = "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let (received, _) =
        serve().exchange(format!("{head}3;x\r\nabc\r\n0\r\nt: u\r\n\r\n{head}3\r\nab\r\n\r\n").as_bytes()).await;
    assert_eq!(statuses(&received), ["200", "400"]);
    assert!(received.contains("/body:abc"));
    let (received, _) = serve().exchange(format!("{head}3\r\na").as_bytes()).await;
    assert_eq!(statuses(&received), ["408"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_body_has_come_is_received() {
    let request =
        format!("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{}", "a".repeat(1_000_000));
    let (received, served) = serve().exchange(request.as_bytes()).await;
    assert_eq!(statuses(&received), ["200"]);
    assert_eq!(served, ["/unread"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_a_granted_upgrade_reach_the_tunnel() {
    let mut server = serve();
    let request = "GET /granted HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n\0early\n";
    server.client.write_all(request.as_bytes()).await.unwrap();
    let mut received = vec![0; 1024];
    let mut length = 0;
    while !received[..length].ends_with(b"\0early\n") {
        length += server.client.read(&mut received[length..]).await.unwrap();
    }
    assert!(received.starts_with(b"HTTP/1.1 101"));
    server.client.write_all(b"\0later").await.unwrap();
    let read = server.client.read(&mut received).await.unwrap();
    assert_eq!(&received[..read], b"\0later");
}

#[tokio::test(start_paused = true)]
async fn requests_behind_a_refused_upgrade_are_served() {
    let request = "GET /refused HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let (received, served) = serve().exchange(format!("{request}{request}{GET}").as_bytes()).await;
    assert_eq!(statuses(&received), ["200", "200", "200"]);
    assert_eq!(served, ["/refused", "/refused", "/"]);
}

/// A valid stream of requests in which some bytes were changed, left out or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let request = prop::sample::select(vec![
        GET,
        "GET http://a:1/b?c HTTP/1.1\r\nhost: a:1\r\naccept: */*\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nconnection: keep-alive\r\n\r\n",
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        "PUT /p HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nt: u\r\n\r\n",
        "GET /w HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\nexpect: 100-continue\r\n\r\n",
    ]);
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\0 \t:,;/?#@[]%*0158aZ<>{}|\\^`\"\x7f\x80\xff".to_vec())];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), byte, 0..3), 0..3);
    (prop::collection::vec(request, 1..4), damage).prop_map(|(requests, damage)| {
        let mut bytes = requests.concat().into_bytes();
        for (place, byte, kind) in damage {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_library_never_answers_in_place_of_the_service(bytes in damaged()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let received = runtime.block_on(async { serve().exchange(&bytes).await.0 });
        prop_assert_eq!(received.matches("from: service").count(), statuses(&received).len(), "{}", received);
    }
}

/// As the edge words it.
fn status_of(fault: BodyFault) -> StatusCode {
    match fault {
        BodyFault::Malformed(_) => StatusCode::BAD_REQUEST,
        BodyFault::TimedOut => StatusCode::REQUEST_TIMEOUT,
    }
}
