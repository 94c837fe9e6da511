//! The calls on operators: list, synchronize, set a status (contract 1.1 to 1.3).
//!
//! A list of an organization the caller may not see is an empty list, not an error; and a status write names no
//! organization, neither in the request nor in the answer.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use super::answer::Answer;
use super::credential::Caller;
use super::data::{Data, NewOperator, Writer};
use super::document::{self, Node};
use super::exchange::Call;
use super::organization::Listing;
use super::query::Bound;
use super::refusal::Refusal;
use super::shared::{Shared, lock};
use super::switches::{MissingId, UnknownOrganization};

const ID_KEY: &str = "organizationId";

/// By this field a test marks a write, to find it in the log of applied writes.
const TAG_FIELD: &str = "x-emulator-tag";

/// Which operators a list asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    Organization(i32),
    All,
}

/// `GET /api/operator`
pub(super) fn list(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let now = shared.clock.now();
    let mut data = lock(&shared.data);
    let listing = match wanted(&data, caller, call)? {
        Wanted::All => list_all(&mut data, caller, call, now),
        Wanted::Organization(id) => {
            let visible = data.owned(caller.company, id).filter(|id| sees(&data, caller, *id));
            match visible.and_then(|id| data.list(id, now, &call.switches)) {
                Some(listing) => listing,
                None => unknown(call)?,
            }
        }
    };
    Ok(Answer::json_bytes(listing.bytes).with_version(listing.version).with_origin(call, now))
}

fn wanted(data: &Data, caller: Caller, call: &Call) -> Result<Wanted, Refusal> {
    let text = match call.query.integer(ID_KEY) {
        Bound::Value(id) => return Ok(Wanted::Organization(id)),
        Bound::Invalid(text) => invalid_text(&text),
        Bound::Absent => match (call.switches.missing_id, caller.operator) {
            (MissingId::Refused, _) => {
                format!("A value for the '{ID_KEY}' parameter or property was not provided.")
            }
            (_, Some(operator)) => return Ok(own_organization(data, operator)),
            (MissingId::Zero, None) => return Ok(Wanted::Organization(0)),
            (MissingId::All, None) => return Ok(Wanted::All),
        },
    };
    Err(Refusal::invalid(ID_KEY, text))
}

/// The framework's words for a text that is no integer.
pub(super) fn invalid_text(text: &str) -> String {
    let verdict = if text.is_empty() { "is invalid." } else { "is not valid." };
    format!("The value '{text}' {verdict}")
}

fn own_organization(data: &Data, operator: u32) -> Wanted {
    let home = data.home_of(operator).and_then(|home| i32::try_from(home).ok());
    Wanted::Organization(home.unwrap_or_default())
}

/// An operator token shows its own organization only.
fn sees(data: &Data, caller: Caller, organization: u32) -> bool {
    caller.operator.is_none_or(|operator| data.home_of(operator) == Some(organization))
}

fn unknown(call: &Call) -> Result<Listing, Refusal> {
    match call.switches.unknown_organization {
        UnknownOrganization::Empty => Ok(Listing { bytes: Bytes::from_static(b"[]"), version: 0 }),
        UnknownOrganization::Forbidden => Err(Refusal::Forbidden),
        UnknownOrganization::NotFound => Err(Refusal::NotFound),
    }
}

/// The lists of a company's organizations one after the other, as one array.
fn list_all(data: &mut Data, caller: Caller, call: &Call, now: std::time::Duration) -> Listing {
    let ids: Vec<u32> = data.organizations(caller.company).iter().map(|organization| organization.id).collect();
    let mut whole = BytesMut::from(&b"["[..]);
    let mut version = 0;
    for listing in ids.into_iter().filter_map(|id| data.list(id, now, &call.switches)) {
        version = version.max(listing.version);
        let items = &listing.bytes[1..listing.bytes.len() - 1];
        if whole.len() > 1 && !items.is_empty() {
            whole.extend_from_slice(b",");
        }
        whole.extend_from_slice(items);
    }
    whole.extend_from_slice(b"]");
    Listing { bytes: whole.freeze(), version }
}

/// `POST /api/operator/synchronize`
pub(super) fn synchronize(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let items = new_operators(&document::read(&call.parts.headers, &call.body)?)?;
    let mut data = lock(&shared.data);
    let ids: BTreeSet<i32> = items.iter().map(|item| item.organization).collect();
    if ids.into_iter().any(|id| data.owned(caller.company, id).is_none()) {
        return Err(Refusal::NotFound);
    }
    let applied = &items[..call.plan.partial().unwrap_or(items.len()).min(items.len())];
    let result = if applied.is_empty() {
        Answer::json_bytes(Bytes::from_static(b"[]"))
    } else {
        let (created, order) = data.synchronize(writer(shared, call, caller), applied);
        Answer::json(&created).with_version(order)
    };
    if call.plan.partial().is_some() { Err(Refusal::Failed) } else { Ok(result) }
}

/// Reads all items before any is applied: one bad item rejects the whole array.
fn new_operators(body: &Node) -> Result<Vec<NewOperator>, Refusal> {
    let mut operators = Vec::new();
    let mut errors = Vec::new();
    for (position, item) in body.items("$")?.iter().enumerate() {
        let path = format!("$[{position}]");
        let item = item.object(&path)?;
        let (organization, name) = (item.int(ID_KEY)?, item.text("name")?);
        match name.filter(|name| !name.trim().is_empty()) {
            Some(name) => operators.push(NewOperator { organization, name: name.to_owned() }),
            None => errors.push((format!("[{position}].Name"), "The Name field is required.".to_owned())),
        }
    }
    if errors.is_empty() { Ok(operators) } else { Err(Refusal::Unprocessable(errors)) }
}

/// `POST /api/operator/status`
pub(super) fn set_status(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let body = document::read(&call.parts.headers, &call.body)?;
    let body = body.object("$")?;
    let (id, status) = (body.int("id")?, body.int("status")?);
    if !(0..=2).contains(&status) {
        return Err(Refusal::unprocessable("Status", "The field Status must be between 0 and 2."));
    }
    let order = lock(&shared.data).set_status(writer(shared, call, caller), id, status);
    order.map(|order| Answer::empty(StatusCode::OK).with_version(order)).ok_or(Refusal::NotFound)
}

/// Who makes a change; the time is taken under the data's lock, so that it rises with the order numbers.
pub(super) fn writer<'a>(shared: &Shared, call: &'a Call, caller: Caller) -> Writer<'a> {
    let credential = call.fingerprint.as_deref();
    let tag = call.parts.headers.get(TAG_FIELD).and_then(|tag| tag.to_str().ok());
    Writer { caller, credential, tag, now: shared.clock.now(), switches: &call.switches }
}
