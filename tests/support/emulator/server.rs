//! The two listeners, and the connections that live no longer than they.
//!
//! Every connection is a task of the accepting task's set: aborting that one task ends them all.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::body::Body;
use super::control;
use super::exchange;
use super::intake::Limits;
use super::shared::Shared;

/// How far hyper's own limit on fields lies above ours.
const FIELDS_MARGIN: usize = 100;

/// Serves the API until aborted.
pub(super) async fn serve_api(listener: TcpListener, shared: Arc<Shared>) {
    accept(listener, |stream| api_connection(stream, shared.clone())).await;
}

/// Serves the control port until aborted.
pub(super) async fn serve_control(listener: TcpListener, shared: Arc<Shared>) {
    accept(listener, |stream| control_connection(stream, shared.clone())).await;
}

async fn accept<F>(listener: TcpListener, mut connection: impl FnMut(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream))),
                // Out of descriptors, most likely: trying again at once would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn api_connection(stream: TcpStream, shared: Arc<Shared>) {
    let builder = builder(&shared.limits);
    let service = service_fn(|request| exchange::serve(shared.clone(), request));
    serve_stream(stream, |io| builder.serve_connection(io, service).with_upgrades()).await;
}

async fn control_connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<Response<Body>, Infallible>(control::serve(&shared, request).await) }
    });
    serve_stream(stream, |io| http1::Builder::new().serve_connection(io, service)).await;
}

/// A client that leaves early, or a connection closed on purpose, is no fault here.
async fn serve_stream<F, T, E>(stream: TcpStream, serve: impl FnOnce(TokioIo<TcpStream>) -> F)
where
    F: Future<Output = Result<T, E>>,
{
    if stream.set_nodelay(true).is_ok() {
        let _ = serve(TokioIo::new(stream)).await;
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(limits.head_fields + FIELDS_MARGIN)
        .title_case_headers(true)
        .auto_date_header(false);
    builder
}
