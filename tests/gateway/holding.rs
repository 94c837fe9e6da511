//! Content that the gateway holds whole, of a crowd that sends it and never ends: how much memory it may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::Client;
use crate::support::emulator::{Emulator, Endpoint, Fault, RateLimit};
use crate::support::gateway::Gateway;
use crate::support::metrics::Exposition;
use crate::support::program::Program;
use crate::support::{eventually, soon};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// How many requests a crowd makes on one connection.
const STREAMS: usize = 40;

/// All of a content but the last byte, in parts. Counts itself when the last part is asked for, and never ends.
fn all_but_a_byte(length: usize, sent: Arc<AtomicUsize>) -> impl Stream<Item = Result<Frame<Bytes>, std::io::Error>> {
    let part = Bytes::from(vec![b' '; 16 * KIB]);
    let parts = (0..length / part.len()).map(move |number| {
        let is_last = (number + 1) * part.len() == length;
        sent.fetch_add(usize::from(is_last), Relaxed);
        Ok(Frame::data(part.slice(usize::from(is_last)..)))
    });
    stream::iter(parts).chain(stream::pending())
}

/// Begins writes of a mebibyte each on one connection, and sends all of them but the last byte.
async fn crowd(address: SocketAddr, token: &str, sent: &Arc<AtomicUsize>, tasks: &mut JoinSet<()>) {
    let stream = TcpStream::connect(address).await.expect("the gateway listens");
    let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = soon(client).await.expect("HTTP/2 is spoken");
    tasks.spawn(async move { drop(connection.await) });
    for _ in 0..STREAMS {
        let content = Box::pin(StreamBody::new(all_but_a_byte(MIB, Arc::clone(sent))));
        let request = Request::post("http://h/api/operator/synchronize")
            .header("content-type", "application/json")
            .header("content-length", MIB)
            .header("authorization", format!("Bearer {token}"))
            .body(content);
        let answer = sender.send_request(request.expect("the request is good"));
        tasks.spawn(async move { drop(answer.await) });
    }
    // As long as somebody may ask, the connection stays.
    tasks.spawn(async move {
        std::future::pending::<()>().await;
        drop(sender);
    });
}

#[tokio::test]
async fn a_crowd_that_never_ends_its_writes_takes_no_more_memory_than_is_set() {
    const BUFFER: usize = 4 * MIB;
    // Beside the buffer: windows, what is on its way up, what the allocator keeps.
    const MOST_KIB: u64 = (BUFFER / KIB) as u64 + 12 * 1024;
    let chathub = Emulator::builder().rate_limit(RateLimit::Off).start().await;
    let buffer = BUFFER.to_string() + "B";
    let set = [("CHATHUB_GATEWAY__CACHE__INSPECT_BUFFER", &*buffer), ("CHATHUB_GATEWAY__THROTTLE__MODE", "off")];
    let program = Program::before(&chathub.url(), &set).await;
    let token = chathub.company_token("acme");
    let company = Client::of(program.address).bearer(&token);
    company.list(24).await;
    let before = program.memory_kib("VmHWM");
    let (sent, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..2 {
        crowd(program.address, &token, &sent, &mut tasks).await;
    }
    eventually(|| async { sent.load(Relaxed) }, |sent| *sent == 2 * STREAMS).await;

    let written = soon(company.synchronize(&[(24, "Ann")])).await;

    assert_eq!(written.status, 200);
    assert!(soon(company.list(24)).await.names().contains(&"Ann".to_owned()), "no list is older than a write");
    let metrics = Client::of(program.admin_address).ask("GET /metrics").send().await;
    let metrics = Exposition::parse(metrics.text());
    let held = metrics.value(r#"buffered_bytes{content="write"}"#);
    assert!(held <= BUFFER as f64, "{held} bytes");
    assert!(metrics.value(r#"buffer_full_total{content="write"}"#) >= (2 * STREAMS - BUFFER / MIB) as f64);
    assert!(metrics.value(r#"invalidations_total{cause="synchronize",scope="operator_lists"}"#) > 0.0);
    let grown = program.memory_kib("VmHWM") - before;
    assert!(grown < MOST_KIB, "{grown} KiB");

    tasks.shutdown().await;
    program.measures(r#"chathub_gateway_buffered_bytes{content="write"} 0"#).await;
}

#[tokio::test]
async fn lists_that_are_fetched_take_no_more_memory_than_is_set_and_others_are_answered_unstored() {
    let chathub = Emulator::start().await;
    let gateway = Gateway::before(&chathub).set("cache.max_body = '300B'\ncache.fetch_buffer = '300B'").start().await;
    let company = gateway.client(&chathub.company_token("acme"));
    chathub.fault(Endpoint::ListOperators, Fault::HangInBody, Some(1));
    let hanging = tokio::spawn({
        let company = company.clone();
        async move { company.list(24).await }
    });
    gateway.reaches(r#"buffered_bytes{content="list"}"#, 300.0).await;

    let other = company.list(6).await;

    assert_eq!((other.status, other.cache()), (200, "fwd=uri-miss; detail=no-room"));
    gateway.changes_to("cache.max_body = '300B'\ncache.fetch_buffer = '600B'").await;
    assert_eq!(company.list(6).await.cache(), "fwd=uri-miss; stored", "there is more room now");
    hanging.abort();
}
