//! An upstream that answers each request with the same bytes, for what no well-behaved server would send.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::soon;

/// A running upstream; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: SocketAddr,
    requests: watch::Receiver<Vec<String>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

/// What it does beside answering.
#[derive(Clone, Copy, Debug)]
struct Manner {
    closes: bool,
    remembers: bool,
}

impl Scripted {
    /// Answers with `bytes` and keeps the connection.
    pub(crate) async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        Self::start(bytes.into(), Manner { closes: false, remembers: true }).await
    }

    /// Answers with `bytes` and closes the connection.
    pub(crate) async fn answering_once(bytes: impl Into<Vec<u8>>) -> Self {
        Self::start(bytes.into(), Manner { closes: true, remembers: true }).await
    }

    /// Answers with `bytes`, keeps the connection and forgets what was asked: for so many requests that it matters.
    pub(crate) async fn forgetting(bytes: impl Into<Vec<u8>>) -> Self {
        Self::start(bytes.into(), Manner { closes: false, remembers: false }).await
    }

    async fn start(answer: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (heard, requests) = watch::channel(Vec::new());
        let (heard, answer) = (Arc::new(heard), Arc::new(answer));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Relaxed);
                tokio::spawn(serve(stream, heard.clone(), answer.clone(), manner));
            }
        });
        Self { address, requests, connections, accepting }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The requests received so far, as they were on the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }

    /// Waits for the first request and returns it as it was on the wire.
    pub(crate) async fn first_request(&self) -> String {
        let mut requests = self.requests.clone();
        let requests = soon(requests.wait_for(|requests| !requests.is_empty())).await.expect("the upstream runs");
        requests[0].clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<watch::Sender<Vec<String>>>, answer: Arc<Vec<u8>>, manner: Manner) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if !is_whole(&request) {
            continue;
        }
        if manner.remembers {
            let text = String::from_utf8_lossy(&request).into_owned();
            heard.send_modify(|requests| requests.push(text));
        }
        request.clear();
        if stream.write_all(&answer).await.is_err() || manner.closes {
            return;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, content)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    if head.contains("\r\ntransfer-encoding:") {
        let (_, last) = content.rsplit_once("0\r\n").unwrap_or_default();
        return last == "\r\n" || last.ends_with("\r\n\r\n");
    }
    content.len() >= length.unwrap_or(0)
}
