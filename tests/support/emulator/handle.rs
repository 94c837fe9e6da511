//! The running emulator, as a test holds it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::builder::Builder;
use super::clock::Clock;
use super::data::{AppliedWrite, Company};
use super::endpoint::Endpoint;
use super::fault::{Chance, Fault, Target};
use super::records::{Received, Tally};
use super::shared::{Shared, lock};
use super::stall::{Gate, Point};
use super::switches::Switches;
use super::token;

/// The company that owns organizations made up by tests.
pub(super) const DEFAULT_COMPANY: &str = "acme";

/// How long the token lives that [`Emulator::company_token`] returns.
const LONG_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// A running emulator; dropping it closes its ports and connections and releases what is stalled.
#[derive(Debug)]
pub(crate) struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    control_address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    pub(super) fn new(
        shared: Arc<Shared>,
        address: SocketAddr,
        control_address: SocketAddr,
        tasks: Vec<JoinHandle<()>>,
    ) -> Self {
        Self { shared, address, control_address, tasks }
    }

    /// Starts an emulator with default settings on free ports.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// An emulator to set up before it starts.
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    // === where it is ===

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT` of the control port.
    pub(crate) fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    // === data and credentials ===

    /// Replaces the operators of an organization by active ones with new ids, which are returned.
    ///
    /// A missing organization is made for the company acme. The change raises the organization's version but is no
    /// applied write.
    pub(crate) fn operators<'a>(&self, organization: u32, names: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
        set_operators(&self.shared, DEFAULT_COMPANY, organization, names)
    }

    /// The same for an organization of any company.
    pub(crate) fn operators_of<'a>(
        &self,
        company: &str,
        organization: u32,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Vec<u32> {
        set_operators(&self.shared, company, organization, names)
    }

    /// A new token of a company, which lives for a year.
    pub(crate) fn company_token(&self, company: &str) -> String {
        self.company_token_expiring(company, LONG_LIFE)
    }

    /// A new token of a company, which expires on the emulator's clock.
    pub(crate) fn company_token_expiring(&self, company: &str, life: Duration) -> String {
        let company = self.company(company).id;
        self.shared.issue(company, None, (self.shared.clock.now() + life).as_secs())
    }

    /// A new token of an operator, which expires on the emulator's clock.
    ///
    /// # Panics
    ///
    /// If there is no such operator.
    pub(crate) fn operator_token(&self, operator: u32, life: Duration) -> String {
        let company = lock(&self.shared.data).company_of(operator).expect("the operator exists");
        self.shared.issue(company, Some(operator), (self.shared.clock.now() + life).as_secs())
    }

    /// The profile key of a company, for `X-Authorization-Key`.
    pub(crate) fn profile_key(&self, company: &str) -> String {
        self.company(company).profile_key.to_owned()
    }

    /// The login and password of a company.
    pub(crate) fn login(&self, company: &str) -> (String, String) {
        let company = self.company(company);
        (company.login.to_owned(), company.password.to_owned())
    }

    /// Accepts any text as a credential of a company, in either field.
    pub(crate) fn accept(&self, credential: &str, company: &str) {
        let company = self.company(company).id;
        lock(&self.shared.credentials).opaque.insert(credential.to_owned(), company);
    }

    /// From now on answers 401 to this credential.
    pub(crate) fn revoke(&self, credential: &str) {
        lock(&self.shared.credentials).revoked.insert(credential.to_owned());
    }

    /// The name under which a credential appears in counters and records.
    pub(crate) fn fingerprint(credential: &str) -> String {
        token::fingerprint(credential)
    }

    fn company(&self, name: &str) -> Company {
        lock(&self.shared.data).company_named(name).expect("the companies are acme and globex").clone()
    }

    // === what reached it ===

    /// How many requests an endpoint has received.
    pub(crate) fn count(&self, endpoint: Endpoint) -> u64 {
        self.shared.records.count(endpoint)
    }

    /// How many requests were received in all.
    pub(crate) fn total(&self) -> u64 {
        self.shared.records.total()
    }

    /// The largest number of requests in any one second.
    pub(crate) fn largest_window(&self) -> u32 {
        self.shared.records.largest_window()
    }

    /// The same for the requests of one company.
    pub(crate) fn largest_window_of(&self, company: &str) -> u32 {
        self.shared.records.largest_window_of(self.company(company).id)
    }

    /// The requests that were received, the last ten thousand of them unless set otherwise.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.records.received()
    }

    /// Requests by endpoint, credential and outcome.
    pub(crate) fn tallies(&self) -> Vec<Tally> {
        self.shared.records.tallies()
    }

    /// The writes that changed data, in order.
    pub(crate) fn applied(&self) -> Vec<AppliedWrite> {
        lock(&self.shared.data).applied.clone()
    }

    /// Forgets all counters, requests and applied writes; order numbers go on.
    pub(crate) fn reset_counters(&self) {
        reset(&self.shared);
    }

    /// Waits until an endpoint has received `count` requests since the start or the last reset.
    pub(crate) async fn wait_for_requests(&self, endpoint: Endpoint, count: u64) {
        self.shared.records.wait_for(endpoint, count).await;
    }

    // === what goes wrong ===

    /// Queues a fault for the next `times` requests, or for all until cleared.
    pub(crate) fn fault(&self, target: impl Into<Target>, fault: Fault, times: Option<u32>) {
        self.shared.faults.add(target.into(), fault, times);
    }

    /// From now on faults befall requests by lot. The same seed draws the same lots, in the order of arrival.
    pub(crate) fn leave_to_chance(&self, seed: u64, chances: Vec<Chance>) {
        self.shared.faults.leave_to_chance(seed, chances);
    }

    /// Empties the queue of faults, and leaves nothing to chance.
    pub(crate) fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Holds requests before they are applied.
    pub(crate) fn stall(&self, target: impl Into<Target>) -> Gate {
        self.shared.stalls.add(target.into(), Point::Before)
    }

    /// Holds requests after they were applied: their answers are made, but not sent.
    pub(crate) fn stall_answers(&self, target: impl Into<Target>) -> Gate {
        self.shared.stalls.add(target.into(), Point::After)
    }

    /// The switches as they are.
    pub(crate) fn switches(&self) -> Switches {
        Switches::clone(&self.shared.switches())
    }

    /// Replaces all switches.
    pub(crate) fn set(&self, switches: Switches) {
        self.shared.set_switches(|current| *current = switches);
    }

    /// Changes some switches: `chathub.switch(|switches| switches.retry_after = true)`.
    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.shared.set_switches(change);
    }

    /// The emulator's time.
    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// How many connections the hub has.
    pub(crate) fn hub_connections(&self) -> usize {
        self.shared.hub.len()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.shared.stalls.release_all();
        self.shared.ended.send_replace(true);
    }
}

/// Replaces the operators of an organization, which is made if it is missing.
pub(super) fn set_operators<'a>(
    shared: &Shared,
    company: &str,
    organization: u32,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<u32> {
    let mut data = lock(&shared.data);
    let owner = data.company_named(company).expect("the companies are acme and globex").id;
    data.add_organization(organization, &format!("Organization {organization}"), owner);
    let operators = data.new_operators(names);
    let ids = operators.iter().map(|operator| operator.id).collect();
    data.replace_operators(organization, operators, shared.clock.now(), &shared.switches());
    ids
}

/// Forgets all counters and logs.
pub(super) fn reset(shared: &Shared) {
    shared.records.reset();
    lock(&shared.data).applied.clear();
}
