//! The companies, their organizations and operators, and the log of applied writes.
//!
//! One lock guards all of it, and an order number is drawn under that lock: of two answers the one with the higher
//! number is the later, whatever the network did to them. What is changed by hand draws a number too, but the log holds
//! only what came through the API.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use super::chat_data::Chats;
use super::credential::Caller;
use super::endpoint::Endpoint;
use super::organization::{ListedOrganization, Listing, Operator, Organization};
use super::switches::Switches;
use super::token::CompanyId;

/// Where new operator ids begin: the seed ends at 103.
const FIRST_NEW_ID: u32 = 104;

/// A write that changed data.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppliedWrite {
    /// Rises with every change; an organization's version is the order of its last one.
    pub(crate) order: u64,
    /// The call.
    pub(crate) endpoint: Endpoint,
    /// The company's name.
    pub(crate) company: String,
    /// The organizations whose lists changed, each once.
    pub(crate) organizations: Vec<u32>,
    /// The operators that were added or changed; for chat calls the chat.
    pub(crate) ids: Vec<u32>,
    /// When, since the Unix epoch.
    #[serde(rename = "atMs", serialize_with = "super::switches::millis::serialize")]
    pub(crate) at: Duration,
    /// The fingerprint of the writer's credential.
    pub(crate) credential: Option<String>,
    /// What the request said in `X-Emulator-Tag`, so that a test knows its writes again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

/// A company with what it needs to log in.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) id: CompanyId,
    pub(super) name: &'static str,
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    pub(super) profile_key: &'static str,
}

/// Who writes, when, and under which switches.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) caller: Caller,
    pub(super) credential: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
    pub(super) now: Duration,
    pub(super) switches: &'a Switches,
}

/// An operator that a synchronize asks for.
#[derive(Clone, Debug)]
pub(super) struct NewOperator {
    pub(super) organization: i32,
    pub(super) name: String,
}

/// An operator as synchronize answers it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CreatedOperator {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) status: i32,
}

/// All that the upstream remembers.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) companies: Vec<Company>,
    organizations: BTreeMap<u32, Organization>,
    /// Operator to organization.
    homes: HashMap<u32, u32>,
    next_id: u32,
    order: u64,
    pub(super) applied: Vec<AppliedWrite>,
    pub(super) chats: Chats,
}

impl Data {
    pub(super) fn new(companies: Vec<Company>, chats: Chats) -> Self {
        let (organizations, homes) = (BTreeMap::new(), HashMap::new());
        Self { companies, organizations, homes, next_id: FIRST_NEW_ID, order: 0, applied: Vec::new(), chats }
    }

    // === reading ===

    pub(super) fn company_named(&self, name: &str) -> Option<&Company> {
        self.companies.iter().find(|company| company.name == name)
    }

    pub(super) fn company(&self, id: CompanyId) -> Option<&Company> {
        self.companies.iter().find(|company| company.id == id)
    }

    /// The organization of an operator.
    pub(super) fn home_of(&self, operator: u32) -> Option<u32> {
        self.homes.get(&operator).copied()
    }

    /// The company of an operator.
    pub(super) fn company_of(&self, operator: u32) -> Option<CompanyId> {
        self.organizations.get(self.homes.get(&operator)?).map(|home| home.company)
    }

    /// The organization with this id, if the company owns it.
    pub(super) fn owned(&self, company: CompanyId, id: i32) -> Option<u32> {
        let id = u32::try_from(id).ok()?;
        self.organizations.get(&id).filter(|organization| organization.company == company).map(|_| id)
    }

    /// The operator with this id and its organization, if the company owns it.
    pub(super) fn operator(&self, company: CompanyId, id: i32) -> Option<(&Operator, u32)> {
        let id = u32::try_from(id).ok()?;
        let home = self.organizations.get(self.homes.get(&id)?).filter(|home| home.company == company)?;
        home.operators().iter().find(|operator| operator.id == id).map(|operator| (operator, home.id))
    }

    /// The list of one organization.
    pub(super) fn list(&mut self, id: u32, now: Duration, switches: &Switches) -> Option<Listing> {
        self.organizations.get_mut(&id).map(|organization| organization.list(now, switches))
    }

    /// The organizations of a company, by id.
    pub(super) fn organizations(&self, company: CompanyId) -> Vec<ListedOrganization<'_>> {
        let owned = self.organizations.values().filter(|organization| organization.company == company);
        owned.map(|organization| ListedOrganization { id: organization.id, name: &organization.name }).collect()
    }

    // === changing by hand ===

    pub(super) fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    pub(super) fn add_organization(&mut self, id: u32, name: &str, company: CompanyId) {
        self.organizations.entry(id).or_insert_with(|| Organization::new(id, name, company));
    }

    /// Replaces the operators of an existing organization.
    pub(super) fn replace_operators(&mut self, id: u32, operators: Vec<Operator>, now: Duration, switches: &Switches) {
        let order = self.next_order();
        let Some(organization) = self.organizations.get_mut(&id) else {
            return;
        };
        for gone in organization.operators() {
            self.homes.remove(&gone.id);
        }
        self.homes.extend(operators.iter().map(|operator| (operator.id, id)));
        organization.change(order, now, switches, |present| *present = operators);
    }

    /// Makes operators with new ids, which belong nowhere yet.
    pub(super) fn new_operators<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Vec<Operator> {
        let make = |(id, name): (u32, &str)| Operator { id, name: name.to_owned(), status: 0 };
        let operators: Vec<Operator> = (self.next_id..).zip(names).map(make).collect();
        self.next_id = operators.last().map_or(self.next_id, |last| last.id + 1);
        operators
    }

    // === changing through the API ===

    /// Adds operators to organizations that the writer is known to own.
    pub(super) fn synchronize(&mut self, writer: Writer<'_>, items: &[NewOperator]) -> (Vec<CreatedOperator>, u64) {
        let operators = self.new_operators(items.iter().map(|item| item.name.as_str()));
        let mut by_home: BTreeMap<u32, Vec<Operator>> = BTreeMap::new();
        for (item, operator) in items.iter().zip(&operators) {
            by_home.entry(item.organization.unsigned_abs()).or_default().push(operator.clone());
            self.homes.insert(operator.id, item.organization.unsigned_abs());
        }
        let ids = operators.iter().map(|operator| operator.id).collect();
        let order = self.log(writer, Endpoint::Synchronize, by_home.keys().copied().collect(), ids);
        for (id, added) in by_home {
            if let Some(organization) = self.organizations.get_mut(&id) {
                organization.change(order, writer.now, writer.switches, |present| present.extend(added));
            }
        }
        let created =
            |operator: Operator| CreatedOperator { id: operator.id, name: operator.name, status: operator.status };
        (operators.into_iter().map(created).collect(), order)
    }

    /// Sets the status of an operator; `None` if the company has no such operator.
    pub(super) fn set_status(&mut self, writer: Writer<'_>, id: i32, status: i32) -> Option<u64> {
        let (operator, home) = self.operator(writer.caller.company, id)?;
        let id = operator.id;
        let order = self.log(writer, Endpoint::SetStatus, vec![home], vec![id]);
        self.organizations.get_mut(&home)?.change(order, writer.now, writer.switches, |present| {
            present.iter_mut().filter(|operator| operator.id == id).for_each(|operator| operator.status = status);
        });
        Some(order)
    }

    /// Notes a write and returns its order number.
    pub(super) fn log(
        &mut self,
        writer: Writer<'_>,
        endpoint: Endpoint,
        organizations: Vec<u32>,
        ids: Vec<u32>,
    ) -> u64 {
        let order = self.next_order();
        let company = self.company(writer.caller.company).map_or_else(String::new, |company| company.name.to_owned());
        let (credential, tag) = (writer.credential.map(str::to_owned), writer.tag.map(str::to_owned));
        let at = writer.now;
        self.applied.push(AppliedWrite { order, endpoint, company, organizations, ids, at, credential, tag });
        order
    }
}
