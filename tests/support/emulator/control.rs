//! The control port: JSON calls that switch, count and disturb from outside the process.
//!
//! It listens apart from the API so that it takes no path away from it. There is no authentication: it is on loopback,
//! and what stands behind it is worth nothing. It never answers with a token.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::Answer;
use super::body::{Body, Ending};
use super::endpoint::Endpoint;
use super::fault::{Fault, Target};
use super::handle;
use super::intake;
use super::shared::{Shared, lock};
use super::stall::{Gate, Point};
use super::switches::Switches;

/// What a control call may send.
const BODY_LIMIT: u64 = 1 << 20;

/// The calls, as `GET /` lists them.
const CALLS: &[(&str, &str)] = &[
    ("GET /switches", "all switches"),
    ("PATCH /switches", "change some: {\"retryAfter\": true, \"rateLimit\": {\"kind\": \"off\"}}"),
    ("POST /faults", "{\"endpoint\": \"listOperators\", \"fault\": {\"statusBefore\": 503}, \"times\": 2}"),
    ("DELETE /faults", "empty the queue of faults"),
    ("POST /stalls", "{\"endpoint\": \"listOperators\", \"point\": \"before\"}; answers the stall's id"),
    ("GET /stalls", "how many requests each stall holds"),
    ("DELETE /stalls/{id}", "release a stall"),
    ("GET /counters", "requests by endpoint, credential and outcome; the largest one-second window"),
    ("DELETE /counters", "reset counters and logs"),
    ("GET /received", "the requests that were received"),
    ("GET /applied", "the writes that changed data"),
    ("GET /clock", "the emulator's time"),
    ("POST /clock", "{\"advanceMs\": 60000}, {\"setUnixMs\": …}, {\"frozen\": true}"),
    ("POST /operators", "{\"organization\": 24, \"names\": [\"Ann\"]}: replace its operators"),
    ("POST /revoke", "{\"credential\": \"…\"}: answer 401 to it"),
];

/// The stalls that were made through this port.
#[derive(Debug, Default)]
pub(super) struct ControlStalls {
    gates: Mutex<(u64, BTreeMap<u64, Gate>)>,
}

/// Why a control call failed.
type Failure = (StatusCode, String);

/// Answers one control call.
pub(super) async fn serve(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let body = intake::read_body(&parts.headers, incoming, BODY_LIMIT).await.unwrap_or_default();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let answer = match dispatch(shared, parts.method.as_str(), &path, &body) {
        Ok(value) => Answer::json(&value),
        Err((status, error)) => Answer { status, ..Answer::json(&json!({ "error": error })) },
    };
    answer.into_response(&HeaderMap::new(), Ending::Whole)
}

fn dispatch(shared: &Shared, method: &str, path: &[&str], body: &Bytes) -> Result<Value, Failure> {
    match (method, path) {
        ("GET", [""]) => Ok(CALLS.iter().copied().collect::<BTreeMap<_, _>>().into_iter().collect()),
        ("GET", ["switches"]) => Ok(json!(*shared.switches())),
        ("PATCH" | "POST" | "PUT", ["switches"]) => change_switches(shared, body),
        ("POST", ["faults"]) => add_fault(shared, &read(body)?),
        ("DELETE", ["faults"]) => {
            shared.faults.clear();
            Ok(json!({ "queued": 0 }))
        }
        ("GET", ["counters"]) => Ok(counters(shared)),
        ("DELETE", ["counters"]) => {
            handle::reset(shared);
            Ok(counters(shared))
        }
        ("GET", ["received"]) => Ok(json!(shared.records.received())),
        ("GET", ["applied"]) => Ok(json!(lock(&shared.data).applied)),
        ("GET", ["clock"]) => Ok(clock(shared)),
        ("POST", ["clock"]) => Ok(move_clock(shared, &read(body)?)),
        ("POST", ["operators"]) => Ok(replace_operators(shared, &read(body)?)),
        ("POST", ["revoke"]) => Ok(revoke(shared, read(body)?)),
        (_, ["stalls", ..]) => stalls(shared, method, path, body),
        _ => Err((StatusCode::NOT_FOUND, "GET / lists the calls".to_owned())),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(bad_request)
}

fn bad_request(error: impl ToString) -> Failure {
    (StatusCode::BAD_REQUEST, error.to_string())
}

// === switches and faults ===

/// Lays the members that were sent over the switches as they are.
fn change_switches(shared: &Shared, body: &[u8]) -> Result<Value, Failure> {
    let changes: serde_json::Map<String, Value> = read(body)?;
    let mut merged = json!(*shared.switches());
    for (name, value) in changes {
        merged[name] = value;
    }
    let switches: Switches = serde_json::from_value(merged).map_err(bad_request)?;
    shared.set_switches(|current| *current = switches);
    Ok(json!(*shared.switches()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FaultOrder {
    /// Absent is any.
    endpoint: Option<Endpoint>,
    fault: Fault,
    /// Absent is until cleared.
    times: Option<u32>,
}

fn add_fault(shared: &Shared, order: &FaultOrder) -> Result<Value, Failure> {
    shared.faults.add(Target::from(order.endpoint), order.fault.clone(), order.times);
    Ok(json!({ "queued": shared.faults.len() }))
}

// === stalls ===

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StallOrder {
    endpoint: Option<Endpoint>,
    #[serde(default = "before")]
    point: Point,
}

fn before() -> Point {
    Point::Before
}

fn stalls(shared: &Shared, method: &str, path: &[&str], body: &[u8]) -> Result<Value, Failure> {
    let mut stalls = lock(&shared.control_stalls.gates);
    let (last, gates) = &mut *stalls;
    match (method, path) {
        ("POST", ["stalls"]) => {
            let order: StallOrder = read(body)?;
            *last += 1;
            gates.insert(*last, shared.stalls.add(Target::from(order.endpoint), order.point));
            Ok(json!({ "id": *last }))
        }
        ("GET", ["stalls"]) => {
            Ok(gates.iter().map(|(id, gate)| json!({ "id": id, "inside": gate.inside() })).collect())
        }
        ("DELETE", ["stalls", id]) => {
            let gate = id.parse().ok().and_then(|id: u64| gates.remove(&id));
            let gate = gate.ok_or_else(|| (StatusCode::NOT_FOUND, format!("no stall {id}")))?;
            Ok(json!({ "released": gate.inside() }))
        }
        _ => Err((StatusCode::NOT_FOUND, "GET / lists the calls".to_owned())),
    }
}

// === counters, time, data ===

fn counters(shared: &Shared) -> Value {
    let companies: BTreeMap<&str, u32> = {
        let data = lock(&shared.data);
        let windows = data.companies.iter();
        windows.map(|company| (company.name, shared.records.largest_window_of(company.id))).collect()
    };
    json!({
        "total": shared.records.total(),
        "byEndpoint": shared.records.arrivals(),
        "byOutcome": shared.records.tallies(),
        "largestWindow": shared.records.largest_window(),
        "largestWindowByCompany": companies,
        "hubConnections": shared.hub.len(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockOrder {
    advance_ms: Option<u64>,
    set_unix_ms: Option<u64>,
    frozen: Option<bool>,
}

fn move_clock(shared: &Shared, order: &ClockOrder) -> Value {
    match order.frozen {
        Some(true) => shared.clock.freeze(),
        Some(false) => shared.clock.resume(),
        None => {}
    }
    if let Some(moment) = order.set_unix_ms {
        shared.clock.set(Duration::from_millis(moment));
    }
    if let Some(length) = order.advance_ms {
        shared.clock.advance(Duration::from_millis(length));
    }
    clock(shared)
}

fn clock(shared: &Shared) -> Value {
    let now = u64::try_from(shared.clock.now().as_millis()).unwrap_or(u64::MAX);
    json!({ "unixMs": now, "frozen": shared.clock.is_frozen() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorsOrder {
    organization: u32,
    names: Vec<String>,
}

fn replace_operators(shared: &Shared, order: &OperatorsOrder) -> Value {
    let names = order.names.iter().map(String::as_str);
    json!({ "ids": handle::set_operators(shared, handle::DEFAULT_COMPANY, order.organization, names) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeOrder {
    credential: String,
}

fn revoke(shared: &Shared, order: RevokeOrder) -> Value {
    let mut credentials = lock(&shared.credentials);
    credentials.revoked.insert(order.credential);
    json!({ "revoked": credentials.revoked.len() })
}
