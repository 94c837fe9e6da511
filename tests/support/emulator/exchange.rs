//! The way of one request through the emulator.
//!
//! The order is the upstream's: limits of the server, routing, authentication, rate limit, and only then the controller,
//! which binds and validates. Stalls, latency and faults surround the controller. Once its body has been read, a call that
//! changes data runs to its end though its client may have gone: that is what makes a timed-out write ambiguous.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{DATE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::answer::Answer;
use super::body::{Body, Ending, Hangup};
use super::controllers;
use super::cors;
use super::credential::{self, Caller, Identity};
use super::endpoint::{self, Access, Endpoint, Matched, Parameter};
use super::fault::Plan;
use super::intake::{self, BodyFault};
use super::query::Query;
use super::records::{Arrival, Outcome};
use super::refusal::Refusal;
use super::shared::{Shared, lock};
use super::stall::Point;
use super::switches::Switches;
use super::token::sha256;

/// A request that may be applied.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) parameter: Option<Parameter>,
    pub(super) query: Query,
    pub(super) parts: Arc<Parts>,
    pub(super) body: Bytes,
    pub(super) switches: Arc<Switches>,
    pub(super) plan: Plan,
    /// Present on a request to switch protocols, until it is taken.
    pub(super) upgrade: Mutex<Option<OnUpgrade>>,
    caller: Option<Caller>,
    pub(super) fingerprint: Option<String>,
}

impl Call {
    /// Who calls; every endpoint that asks has been authenticated.
    pub(super) fn caller(&self) -> Result<Caller, Refusal> {
        self.caller.ok_or(Refusal::Unauthorized(None))
    }
}

/// An answer and how its body ends.
struct Reply {
    answer: Answer,
    ending: Ending,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { answer, ending: Ending::Whole }
    }
}

/// Answers one request, or closes its connection.
pub(super) async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
    let (mut parts, incoming) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let (parts, switches) = (Arc::new(parts), shared.switches());
    let matched = endpoint::resolve(parts.method.as_str(), parts.uri.path());
    let identity = credential::identify(&shared, &parts, matched.endpoint());
    let mut ticket = Ticket::take(&shared, &parts, &matched, &identity);
    let exchange = Exchange { shared: &shared, parts: &parts, switches: &switches, upgrade };
    let reply = exchange.run(matched, identity, incoming, ticket.order).await;
    ticket.outcome = match &reply {
        Ok(reply) if reply.ending == Ending::Whole => Outcome::Status(reply.answer.status.as_u16()),
        _ => Outcome::Dropped,
    };
    reply.map(|reply| finish(&shared, &parts, &switches, reply))
}

/// Counts a request, and its outcome whichever way it ends.
struct Ticket {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    fingerprint: Option<String>,
    order: u64,
    outcome: Outcome,
}

impl Ticket {
    fn take(shared: &Arc<Shared>, parts: &Parts, matched: &Matched, identity: &Identity) -> Self {
        let (endpoint, fingerprint) = (matched.endpoint(), identity.fingerprint.clone());
        let company = identity.caller.map(|caller| caller.company);
        let arrival = Arrival { endpoint, credential: fingerprint.as_deref(), company, now: shared.clock.now() };
        let order = shared.records.arrive(parts, &intake::target(parts), arrival);
        Self { shared: shared.clone(), endpoint, fingerprint, order, outcome: Outcome::Abandoned }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.records.end(self.endpoint, self.fingerprint.take(), self.outcome);
    }
}

/// One request on its way.
struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    parts: &'a Arc<Parts>,
    switches: &'a Arc<Switches>,
    upgrade: Option<OnUpgrade>,
}

impl Exchange<'_> {
    async fn run(self, matched: Matched, identity: Identity, body: Incoming, order: u64) -> Result<Reply, Hangup> {
        let switches = self.switches.clone();
        let admitted = self.admit(&matched, &identity);
        if let Err(refusal @ Refusal::Server(_)) = admitted {
            return Ok(refusal.into_answer(&switches).into());
        }
        let body = self.read(body, order).await;
        if body == Err(BodyFault::Broken) {
            return Err(Hangup);
        }
        let (endpoint, parameter) = match (admitted, matched) {
            (Err(refusal), _) => return Ok(refusal.into_answer(&switches).into()),
            (Ok(()), Matched::Found { endpoint, parameter }) => (endpoint, parameter),
            (Ok(()), _) => return Ok(cors::preflight(&self.parts.headers, &switches).into()),
        };
        let Ok(body) = body else {
            return Ok(Refusal::Server(StatusCode::PAYLOAD_TOO_LARGE).into_answer(&switches).into());
        };
        let call = Call {
            endpoint,
            parameter,
            query: Query::parse(self.parts.uri.query()),
            parts: self.parts.clone(),
            body,
            plan: self.shared.faults.plan(endpoint, &switches),
            switches,
            upgrade: Mutex::new(self.upgrade),
            caller: identity.caller,
            fingerprint: identity.fingerprint,
        };
        run_to_end(self.shared.clone(), call).await
    }

    /// Whether a request may go on to its controller, or is a preflight.
    fn admit(&self, matched: &Matched, identity: &Identity) -> Result<(), Refusal> {
        if let Some(status) = intake::refusal(self.parts, &intake::target(self.parts), &self.shared.limits) {
            return Err(Refusal::Server(status));
        }
        if cors::is_preflight(&self.parts.method, &self.parts.headers) {
            return Ok(());
        }
        match matched {
            Matched::Malformed => Err(Refusal::Server(StatusCode::BAD_REQUEST)),
            Matched::Unknown => Err(Refusal::NoRoute),
            Matched::WrongMethod { allow } => Err(Refusal::WrongMethod(allow.clone())),
            Matched::Found { endpoint, .. } => {
                self.spend(*endpoint, identity)?;
                authorize(endpoint.access(), identity)
            }
        }
    }

    fn spend(&self, endpoint: Endpoint, identity: &Identity) -> Result<(), Refusal> {
        if !endpoint.is_limited() {
            return Ok(());
        }
        let company = identity.caller.map(|caller| caller.company);
        let taken = lock(&self.shared.limiter).take(self.switches.rate_limit, company, self.shared.clock.now());
        taken.map_err(|wait| Refusal::TooMany(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
    }

    async fn read(&self, body: Incoming, order: u64) -> Result<Bytes, BodyFault> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let body = intake::read_body(&self.parts.headers, body, self.shared.limits.body_bytes).await?;
        if self.shared.records.keeps_requests() && !body.is_empty() {
            self.shared.records.note_body(order, body.len() as u64, Some(sha256(&body)));
        }
        Ok(body)
    }
}

fn authorize(access: Access, identity: &Identity) -> Result<(), Refusal> {
    if access == Access::Anyone {
        return Ok(());
    }
    let description = identity.fault.map(|fault| fault.description());
    let caller = identity.caller.ok_or(Refusal::Unauthorized(description))?;
    let is_enough = access == Access::AnyToken || caller.operator.is_none();
    if is_enough { Ok(()) } else { Err(Refusal::Forbidden) }
}

/// Performs a call; one that changes data goes on without its client.
async fn run_to_end(shared: Arc<Shared>, call: Call) -> Result<Reply, Hangup> {
    if call.endpoint.changes_data() {
        return tokio::spawn(async move { perform(&shared, &call).await }).await.unwrap_or(Err(Hangup));
    }
    perform(&shared, &call).await
}

async fn perform(shared: &Arc<Shared>, call: &Call) -> Result<Reply, Hangup> {
    shared.stalls.pass(call.endpoint, Point::Before).await;
    shared.clock.sleep(call.plan.latency_before).await;
    if let Some(early) = call.plan.before(&call.switches) {
        return early.map(Reply::from);
    }
    let answer = controllers::apply(shared, call).await.unwrap_or_else(|refusal| refusal.into_answer(&call.switches));
    shared.stalls.pass(call.endpoint, Point::After).await;
    shared.clock.sleep(call.plan.latency_after).await;
    let answer = call.plan.after(answer)?;
    Ok(Reply { answer, ending: call.plan.ending() })
}

/// Adds what every response carries.
fn finish(shared: &Shared, parts: &Parts, switches: &Switches, reply: Reply) -> Response<Body> {
    let traces = if switches.version_field { traces(&reply.answer) } else { Vec::new() };
    let mut response = reply.answer.into_response(&parts.headers, reply.ending);
    let headers = response.headers_mut();
    headers.insert(DATE, shared.date(shared.clock.now()));
    for (name, value) in cors::fields(&parts.headers, switches) {
        headers.append(name, value);
    }
    headers.extend(traces);
    response
}

/// What a test wants to know of an answer: which writes it shows, for whom it was made, and when, in nanoseconds.
fn traces(answer: &Answer) -> Vec<(HeaderName, HeaderValue)> {
    let field = |name, value: Option<HeaderValue>| value.map(|value| (HeaderName::from_static(name), value));
    let (version, origin) = (answer.version.map(HeaderValue::from), answer.origin.as_ref());
    let credential = origin.and_then(|origin| HeaderValue::from_str(origin.credential.as_deref()?).ok());
    let moment = origin.and_then(|origin| u64::try_from(origin.at.as_nanos()).ok()).map(HeaderValue::from);
    let fields = [
        field("x-emulator-version", version),
        field("x-emulator-credential", credential),
        field("x-emulator-moment", moment),
    ];
    fields.into_iter().flatten().collect()
}
