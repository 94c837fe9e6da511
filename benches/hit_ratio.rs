//! How many lists are answered from memory while others write: not a matter of time, so this is no criterion bench.
//!
//! Ten clients work for an hour of virtual time on 50 organizations of 200 operators: 95 % lists, 4 % status writes, 1 %
//! synchronize. The whole core of the gateway is there, over a leaf that takes 20 ms. It runs twice with the same seed.
//! The second time each write is spelled so that two parsers could read it differently (a quoted number), and so the
//! gateway must hide every list of operators. What lies between the two figures is what reading writes is worth.

#[path = "../tests/support/emulator/random.rs"]
#[allow(dead_code, reason = "the emulator uses more of it")]
mod random;
mod support;

use std::time::Duration;

use bytes::Bytes;
use chathub_gateway::chathub::credential::DigestKey;
use chathub_gateway::chathub::{List, Route, RoutedRequest};
use chathub_gateway::clock::Clock;
use chathub_gateway::config::Mode;
use chathub_gateway::error::Error;
use chathub_gateway::stack::{self, Core};
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::wire::cache_status::Outcome;
use chathub_gateway::wire::{Body, Request, Response};
use random::Random;
use tower::ServiceExt;

const SEED: u64 = 20_260_101;
const CLIENTS: u64 = 10;
const ORGANIZATIONS: u64 = 50;
const OPERATORS: u64 = 200;
const HOUR: Duration = Duration::from_secs(3600);
/// Each client does one thing, and then rests.
const REST: Duration = Duration::from_millis(250);
const LATENCY: Duration = Duration::from_millis(20);

/// Whether each client has a credential of its own.
#[derive(Clone, Copy)]
enum Tokens {
    One,
    Own,
}

/// How writes are spelled.
#[derive(Clone, Copy)]
enum Spelling {
    Plain,
    Doubtful,
}

#[derive(Default)]
struct Tally {
    lists: u64,
    hits: u64,
    fetched: u64,
}

fn main() {
    println!("seed {SEED}, {CLIENTS} clients, {ORGANIZATIONS} organizations of {OPERATORS} operators, one hour");
    for (name, tokens) in [("one token for all", Tokens::One), ("a token for each client", Tokens::Own)] {
        for (what, spelling) in [("what a write names", Spelling::Plain), ("every list", Spelling::Doubtful)] {
            let tally = run(tokens, spelling);
            let percent = |part: u64| 100.0 * part as f64 / tally.lists as f64;
            let (hits, fetched) = (percent(tally.hits), percent(tally.fetched));
            println!("{name}, hiding {what}: {} lists, {hits:.1} % hits, {fetched:.1} % fetched", tally.lists);
        }
    }
}

fn run(tokens: Tokens, spelling: Spelling) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let digests = DigestKey::random().expect("the system has random numbers");
        let metrics = Metrics::new(prometheus::Registry::new());
        let core = stack::core(
            support::core(Clock::start(), &metrics, digests.clone(), Mode::Enforce),
            tower::service_fn(answer),
        );
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let token = if matches!(tokens, Tokens::One) { 0 } else { client };
                tokio::spawn(work(core.clone(), digests.clone(), client, token, spelling))
            })
            .collect();
        let mut sum = Tally::default();
        for client in clients {
            let tally = client.await.expect("no client panics");
            sum.lists += tally.lists;
            sum.hits += tally.hits;
            sum.fetched += tally.fetched;
        }
        sum
    })
}

async fn work(core: Core, digests: DigestKey, client: u64, token: u64, spelling: Spelling) -> Tally {
    let mut dice = Random::seeded(SEED ^ (client << 32));
    let mut tally = Tally::default();
    let end = tokio::time::Instant::now() + HOUR;
    // They do not march in step.
    tokio::time::sleep(REST * u32::try_from(client).expect("it is small") / 10).await;
    while tokio::time::Instant::now() < end {
        let (kind, organization) = (dice.below(100), 1 + dice.below(ORGANIZATIONS));
        let operator = organization * OPERATORS + dice.below(OPERATORS);
        let quote = if matches!(spelling, Spelling::Doubtful) { "\"" } else { "" };
        let request = match kind {
            0..95 => request(&digests, token, "GET", &format!("/api/operator?organizationId={organization}"), ""),
            95..99 => {
                let content = format!(r#"{{"id":{quote}{operator}{quote},"status":1}}"#);
                request(&digests, token, "POST", "/api/operator/status", &content)
            }
            _ => {
                let content = format!(r#"[{{"organizationId":{quote}{organization}{quote},"name":"A"}}]"#);
                request(&digests, token, "POST", "/api/operator/synchronize", &content)
            }
        };
        let response = core.clone().oneshot(request).await.expect("the leaf does not fail");
        if kind < 95 {
            tally.lists += 1;
            match response.account.cache.outcome {
                Outcome::Hit { .. } => tally.hits += 1,
                Outcome::Forwarded { collapsed: false, .. } => tally.fetched += 1,
                _ => {}
            }
        }
        tokio::time::sleep(REST).await;
    }
    tally
}

fn request(digests: &DigestKey, token: u64, method: &str, target: &str, content: &str) -> RoutedRequest {
    let builder =
        http::Request::builder().method(method).uri(target).header("authorization", format!("Bearer t{token}"));
    let built = builder.header("content-type", "application/json").body(()).expect("the head is well-formed");
    let (head, ()) = built.into_parts();
    let (route, list) = (Route::of(&head.method, &head.uri), List::from_canonical(&head.method, &head.uri));
    let identity = digests.identify(&head.headers);
    let request = Request::new(
        head,
        if content.is_empty() { Body::empty() } else { Bytes::copy_from_slice(content.as_bytes()).into() },
        std::net::Ipv4Addr::LOCALHOST.into(),
        tokio::time::Instant::now(),
    );
    RoutedRequest::new(request, route, list, identity)
}

/// The leaf: the list that was asked for, or an empty 200.
async fn answer(request: RoutedRequest) -> Result<Response, Error> {
    tokio::time::sleep(LATENCY).await;
    let operator = |id| format!(r#"{{"id":{id},"name":"Operator {id}","status":0}}"#);
    let content = request.list.and_then(List::organization).map_or_else(String::new, |organization| {
        let first = u64::from(organization.get()) * OPERATORS;
        format!("[{}]", (first..first + OPERATORS).map(operator).collect::<Vec<_>>().join(","))
    });
    let message = http::Response::builder().header("content-type", "application/json; charset=utf-8");
    Ok(Response::new(message.body(Body::from(Bytes::from(content))).expect("the head is well-formed")))
}
