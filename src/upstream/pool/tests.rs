//! Which connection a request takes, and what becomes of it afterwards.

use std::sync::Arc;

use http::StatusCode;
use http_body_util::BodyExt;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::connector::Trust;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// An upstream of which each accepted connection is handed to the test.
struct Upstream(TcpListener);

impl Upstream {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn pool(&self, idle_timeout: Duration, room: &Room) -> Pool {
        let connector = TimedConnector::new(LONG, Trust::of(&Default::default()).unwrap().client);
        let url = format!("http://{}", self.0.local_addr().unwrap()).parse().unwrap();
        Pool::new(connector, url, idle_timeout, room.clone())
    }

    async fn accept(&self) -> Accepted {
        Accepted(BufReader::new(soon(self.0.accept()).await.unwrap().0))
    }

    /// Accepts a connection and answers so many requests on it.
    async fn serve(&self, requests: usize) -> Accepted {
        let mut accepted = self.accept().await;
        for _ in 0..requests {
            accepted.request().await;
            accepted.answer().await;
        }
        accepted
    }
}

struct Accepted(BufReader<TcpStream>);

impl Accepted {
    /// Reads a head, and returns its first line.
    async fn request(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(soon(self.0.read_line(&mut head)).await.unwrap(), 0, "a request comes");
        }
        head.lines().next().unwrap().to_owned()
    }

    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) {
        self.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    }

    async fn is_closed(&mut self) {
        assert_eq!(soon(self.0.read(&mut [0])).await.unwrap(), 0);
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("what is waited for happens")
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

/// Sends a request over a connection that is there, or over a new one.
async fn send(pool: &Pool, mut request: Request<Body>) -> Result<(Response<Incoming>, Lent), SendError> {
    loop {
        let connection = match pool.take() {
            Some(connection) => connection,
            None => soon(pool.connect()).await.unwrap(),
        };
        match soon(connection.send(request)).await {
            Err(SendError::Closed(unsent)) => request = *unsent,
            result => return result,
        }
    }
}

/// Asks, and reads the answer to its end.
async fn ask(pool: &Pool, target: &str) -> StatusCode {
    let (response, connection) = send(pool, get(target)).await.unwrap();
    let status = response.status();
    soon(response.into_body().collect()).await.unwrap();
    drop(connection);
    status
}

#[tokio::test]
async fn a_target_is_sent_to_the_byte_and_its_authority_is_not() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let serving = async {
        let mut accepted = upstream.accept().await;
        let mut lines = Vec::new();
        for _ in 0..7 {
            lines.push(accepted.request().await);
            accepted.answer().await;
        }
        lines
    };
    let asking = async {
        let odd = ["/api/./operator?a='b'&&c", "/api/x/../operator", "//a//%2f?", "/%7E~\\|", "*"];
        for target in odd.into_iter().chain(["http://elsewhere/api/operator?a", "http://elsewhere"]) {
            ask(&pool, target).await;
        }
    };
    let (lines, ()) = tokio::join!(serving, asking);
    let targets: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    let expected =
        ["/api/./operator?a='b'&&c", "/api/x/../operator", "//a//%2f?", "/%7E~\\|", "*", "/api/operator?a", "/"];
    assert_eq!(targets, expected);
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_was_read() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let serving = async {
        let mut accepted = upstream.accept().await;
        for number in 0..3 {
            assert_eq!(accepted.request().await, format!("GET /{number} HTTP/1.1"));
            accepted.answer().await;
        }
    };
    let asking = async {
        for number in 0..3 {
            assert_eq!(ask(&pool, &format!("/{number}")).await, 200);
        }
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn a_connection_that_was_made_ahead_takes_the_first_request() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    soon(pool.warm()).await.unwrap();
    let mut accepted = upstream.accept().await;
    let serving = async {
        accepted.request().await;
        accepted.answer().await;
    };
    let ((), status) = tokio::join!(serving, ask(&pool, "/"));
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_is_closed() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let serving = async {
        let mut accepted = upstream.accept().await;
        accepted.request().await;
        accepted.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
        accepted.is_closed().await;
    };
    let asking = async { drop(send(&pool, get("/")).await.unwrap()) };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn an_unused_connection_that_the_upstream_closes_fails_nobody() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    for number in 0..20 {
        // What it returns is dropped at once: the connection is closed while nobody uses it.
        let serving = async { drop(upstream.serve(1).await) };
        let target = format!("/{number}");
        tokio::join!(serving, ask(&pool, &target));
    }
}

#[tokio::test]
async fn an_upstream_that_closes_each_new_connection_is_broken() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let serving = async { drop(upstream.accept().await) };
    let (result, ()) = tokio::join!(send(&pool, get("/")), serving);
    assert!(matches!(result, Err(SendError::Broken(_))));
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    drop(upstream);
    assert!(soon(pool.connect()).await.is_err());
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_a_while() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(SHORT, &Room::new(1));
    let serving = async { upstream.serve(1).await.is_closed().await };
    tokio::join!(serving, ask(&pool, "/"));
}

#[tokio::test]
async fn each_pool_keeps_one_unused_connection_and_more_while_there_is_room_in_all() {
    let upstream = Upstream::start().await;
    let room = Room::new(1);
    let (first, second) = (upstream.pool(LONG, &room), upstream.pool(LONG, &room));
    let serve_two = async || {
        let mut both = [upstream.accept().await, upstream.accept().await];
        for accepted in &mut both {
            accepted.request().await;
        }
        for accepted in &mut both {
            accepted.answer().await;
        }
        both
    };
    let ask_two = async |pool| tokio::join!(ask(pool, "/"), ask(pool, "/"));
    let (kept, _) = tokio::join!(serve_two(), ask_two(&first));
    let (mut others, _) = tokio::join!(serve_two(), ask_two(&second));
    let [one, other] = &mut others;
    tokio::select! {
        () = one.is_closed() => {}
        () = other.is_closed() => {}
    }
    assert_eq!((first.0.lock().waiting.len(), second.0.lock().waiting.len()), (2, 1));

    drop((kept, first));
    assert_eq!(room.left.load(Relaxed), 1, "what goes leaves its place");
}

#[tokio::test]
async fn without_room_nothing_is_kept_or_made_ahead() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(0));
    soon(pool.warm()).await.unwrap();
    let serving = async { upstream.serve(1).await.is_closed().await };
    tokio::join!(serving, ask(&pool, "/"));
}

#[tokio::test]
async fn an_answer_that_is_there_and_that_nobody_reads_does_not_cost_its_connection() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let serving = async {
        let mut accepted = upstream.accept().await;
        accepted.request().await;
        // The library takes the chunk whether anybody reads or not, and looks for the end only then.
        accepted.send("HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
        accepted.request().await;
        accepted.answer().await;
    };
    let asking = async {
        drop(send(&pool, get("/")).await.unwrap());
        while pool.0.lock().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        ask(&pool, "/").await
    };
    assert_eq!(tokio::join!(serving, soon(asking)).1, 200);
}

#[tokio::test]
async fn an_upstream_is_asked_on_several_connections_also_if_it_speaks_http2() {
    let upstream = Upstream::start().await;
    let (pool, tls) = secure_pool(&upstream, &[b"h2", b"http/1.1"]);
    let serve = async || {
        let stream = soon(upstream.0.accept()).await.unwrap().0;
        tls.accept(stream).await.unwrap()
    };
    let both = futures_util::future::join(ask(&pool, "/1"), ask(&pool, "/2"));
    let serving = async {
        // Both are there before either has its answer.
        let mut streams = [serve().await, serve().await];
        for stream in &mut streams {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
        streams
    };
    let (answers, _streams) = tokio::join!(both, serving);
    assert_eq!(answers, (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn a_request_that_is_given_up_before_it_was_sent_is_never_sent() {
    let upstream = Upstream::start().await;
    let pool = upstream.pool(LONG, &Room::new(1));
    let connection = soon(pool.connect()).await.unwrap();
    let mut accepted = upstream.accept().await;

    // Polled once: the library has it, and its task had no turn.
    assert!(futures_util::FutureExt::now_or_never(connection.send(get("/"))).is_none());

    accepted.is_closed().await;
}

/// A pool that trusts the upstream's certificate, and what the upstream speaks TLS with.
fn secure_pool(upstream: &Upstream, protocols: &[&[u8]]) -> (Pool, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trust = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TimedConnector::new(LONG, trust);
    let url = format!("https://localhost:{}", upstream.0.local_addr().unwrap().port());
    (Pool::new(connector, url.parse().unwrap(), LONG, Room::new(8)), TlsAcceptor::from(Arc::new(server)))
}
