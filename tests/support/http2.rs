//! A client of HTTP/2, on one connection that it begins without asking (prior knowledge) or over whatever it is given.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::soon;

/// One connection of HTTP/2. Clones send on it too.
#[derive(Debug)]
pub(crate) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    running: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    /// Connects, and knows that HTTP/2 is spoken.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the gateway listens")).await
    }

    /// Speaks HTTP/2 over a connection.
    pub(crate) async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) =
            soon(http2::handshake(TokioExecutor::new(), TokioIo::new(io))).await.expect("HTTP/2 is spoken");
        Self { sender, running: tokio::spawn(connection) }
    }

    /// A request; the line is a method and a target, the authority is `h`.
    pub(crate) fn request(line: &str, fields: &[(&str, &str)], content: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let (method, target) = line.split_once(' ').expect("a line is a method and a target");
        let mut request = Request::builder().method(method).uri(format!("http://h{target}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(Full::new(content.into())).expect("the request is good")
    }

    /// Sends a request, and returns its answer when it has begun. Dropped before, it takes the request back.
    pub(crate) fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        self.sender.send_request(request)
    }

    /// Sends a request and reads the answer whole.
    pub(crate) async fn ask(&mut self, line: &str, fields: &[(&str, &str)], content: impl Into<Bytes>) -> Answer {
        let request = Self::request(line, fields, content);
        whole(soon(self.begin(request)).await.expect("there is an answer")).await
    }

    /// Waits until the other side ends the connection, and returns whether it did so politely.
    pub(crate) async fn ends(self) -> bool {
        let Self { sender, running } = self;
        let ended = soon(running).await.expect("the connection's task does not panic").is_ok();
        drop(sender);
        ended
    }
}

/// Reads an answer whole.
pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (head, content) = response.into_parts();
    let content = soon(content.collect()).await.expect("the answer is whole").to_bytes();
    Answer { status: head.status.as_u16(), fields: head.headers, content }
}
