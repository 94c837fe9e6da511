//! A server of nothing but the libraries the gateway stands on: the measure of what the gateway adds.
//!
//! It serves two ends of a comparison. As a *peer* it answers with a list that it looks up by a keyed digest of the
//! credential, which is as little as any server over hyper can do for this API, or passes each request on as it came. As an *upstream* it stands behind the other peers: it takes
//! less of the machine than the emulator of ChatHub, and what it does is the same for all.
//!
//! What a newcomer would get wrong: it must not be made cleverer, nor more like the gateway. Whoever makes it slower makes
//! the gateway look fast.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use siphasher::sip128::SipHasher13;
use tokio::net::{TcpListener, TcpStream};

const USAGE: &str = "Usage: bare LISTEN (BYTES | distinct:BYTES | http://UPSTREAM) [THREADS]

Answers each request on LISTEN with a list of operators of about so many bytes, or with what UPSTREAM answers. With
`distinct`, each organization has operators that no other has. Tells its address on standard output.";

type Message = http::Request<Incoming>;
type Answer = http::Response<Either<Full<Bytes>, Incoming>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done with a request.
#[derive(Clone)]
enum Role {
    Answer(Arc<Lists>),
    Distinct(usize),
    Pass(Arc<Client<HttpConnector, Incoming>>, http::uri::Authority),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(parsed) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    listen: SocketAddr,
    role: Role,
    threads: Option<usize>,
}

fn parse(arguments: &[String]) -> Option<Arguments> {
    let (listen, role, threads) = match arguments {
        [listen, role] => (listen, role, None),
        [listen, role, threads] => (listen, role, Some(threads.parse().ok().filter(|threads| *threads > 0)?)),
        _ => return None,
    };
    let role = match (role.strip_prefix("http://"), role.strip_prefix("distinct:")) {
        (Some(authority), _) => Role::Pass(Arc::new(client()), authority.parse().ok()?),
        (None, Some(bytes)) => Role::Distinct(bytes.parse().ok()?),
        (None, None) => Role::Answer(Arc::new(Lists::new(list(24, role.parse().ok()?)))),
    };
    Some(Arguments { listen: listen.parse().ok()?, role, threads })
}

/// The same list for each credential.
struct Lists {
    key: SipHasher13,
    stored: moka::sync::Cache<u128, Bytes>,
    list: Bytes,
}

impl Lists {
    fn new(list: Bytes) -> Self {
        let chance = RandomState::new();
        let key = SipHasher13::new_with_keys(chance.hash_one(0), chance.hash_one(1));
        Self { key, stored: moka::sync::Cache::new(100_000), list }
    }

    fn find(&self, request: &Message) -> Bytes {
        let credential = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let digest = self.key.hash(credential).as_u128();
        self.stored.get(&digest).unwrap_or_else(|| {
            self.stored.insert(digest, self.list.clone());
            self.list.clone()
        })
    }
}

fn client() -> Client<HttpConnector, Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The list of an organization's operators as ChatHub writes it, of `bytes` bytes or a little more.
fn list(organization: usize, bytes: usize) -> Bytes {
    let mut text = String::with_capacity(bytes + 128);
    text.push('[');
    for id in organization * 100.. {
        let _ = write!(
            text,
            r#"{{"id":{id},"name":"Operator {id}","status":0,"organization":{{"id":{organization},"name":"Support"}}}}"#
        );
        if text.len() + 1 >= bytes {
            break;
        }
        text.push(',');
    }
    text.push(']');
    text.into()
}

/// The number at the end of a request's target.
fn organization(request: &Message) -> usize {
    let target = request.uri().query().unwrap_or_default();
    target.rsplit('=').next().and_then(|id| id.parse().ok()).unwrap_or(24)
}

fn run(Arguments { listen, role, threads }: Arguments) -> Result<(), Failure> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        runtime.worker_threads(threads);
    }
    runtime.enable_all().build()?.block_on(accept(listen, role))
}

async fn accept(listen: SocketAddr, role: Role) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    println!("bare on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, role.clone()));
    }
}

async fn serve(stream: TcpStream, role: Role) {
    let service = service_fn(move |request| answer(request, role.clone()));
    // A client that has left is nobody's fault.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Message, role: Role) -> Result<Answer, Failure> {
    match role {
        Role::Answer(lists) => {
            let list = lists.find(&request);
            drop(request.into_body().collect().await?);
            Ok(listed(list))
        }
        Role::Distinct(bytes) => {
            let list = list(organization(&request), bytes);
            drop(request.into_body().collect().await?);
            Ok(listed(list))
        }
        Role::Pass(client, upstream) => Ok(client.request(addressed(request, upstream)?).await?.map(Either::Right)),
    }
}

fn listed(list: Bytes) -> Answer {
    let mut answer = Answer::new(Either::Left(Full::new(list)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

fn addressed(mut request: Message, upstream: http::uri::Authority) -> Result<Message, http::uri::InvalidUriParts> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(upstream);
    *request.uri_mut() = http::Uri::from_parts(parts)?;
    Ok(request)
}
