//! One organization, its operators, and the list of them as bytes.
//!
//! The bytes are made once per write and handed out as they are, so equal lists are equal bytes and a list costs a
//! reference count. Under replica lag an older list is handed out, with the version it had.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::answer::to_json;
use super::switches::{DeletedOperators, Switches};
use super::token::CompanyId;

/// The status of an operator that was deleted.
pub(super) const DELETED: i32 = 2;

/// An operator; its id is known to the whole upstream.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) status: i32,
}

/// An organization of one company.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) company: CompanyId,
    operators: Vec<Operator>,
    /// The order number of the last write.
    version: u64,
    rendered: Option<(DeletedOperators, Bytes)>,
    earlier: VecDeque<Earlier>,
}

/// A list as it was before a write.
#[derive(Debug)]
struct Earlier {
    listing: Listing,
    replaced_at: Duration,
}

/// A list of operators, ready to send.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) bytes: Bytes,
    pub(super) version: u64,
}

#[derive(Serialize)]
struct ListedOperator<'a> {
    id: u32,
    name: &'a str,
    status: i32,
    organization: ListedOrganization<'a>,
}

/// An organization as lists show it.
#[derive(Serialize)]
pub(super) struct ListedOrganization<'a> {
    pub(super) id: u32,
    pub(super) name: &'a str,
}

impl Organization {
    pub(super) fn new(id: u32, name: &str, company: CompanyId) -> Self {
        let (operators, earlier) = (Vec::new(), VecDeque::new());
        Self { id, name: name.to_owned(), company, operators, version: 0, rendered: None, earlier }
    }

    pub(super) fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Changes the operators; the change happens at `now` and bears the order number `version`.
    pub(super) fn change(
        &mut self,
        version: u64,
        now: Duration,
        switches: &Switches,
        with: impl FnOnce(&mut Vec<Operator>),
    ) {
        if !switches.replica_lag.is_zero() {
            let listing = self.current(switches.deleted_operators);
            self.earlier.push_back(Earlier { listing, replaced_at: now });
        }
        with(&mut self.operators);
        self.operators.sort_by_key(|operator| operator.id);
        self.rendered = None;
        self.version = version;
    }

    /// The list that a reader is given at `now`: the newest one that is older than the replica lag.
    pub(super) fn list(&mut self, now: Duration, switches: &Switches) -> Listing {
        while self.earlier.front().is_some_and(|earlier| earlier.replaced_at + switches.replica_lag <= now) {
            self.earlier.pop_front();
        }
        match self.earlier.front() {
            Some(earlier) => earlier.listing.clone(),
            None => self.current(switches.deleted_operators),
        }
    }

    fn current(&mut self, deleted: DeletedOperators) -> Listing {
        let bytes = match &self.rendered {
            Some((rendered_for, bytes)) if *rendered_for == deleted => bytes.clone(),
            _ => self.render(deleted),
        };
        self.rendered = Some((deleted, bytes.clone()));
        Listing { bytes, version: self.version }
    }

    fn render(&self, deleted: DeletedOperators) -> Bytes {
        let is_shown = |operator: &&Operator| deleted == DeletedOperators::Listed || operator.status != DELETED;
        let listed = self.operators.iter().filter(is_shown).map(|operator| ListedOperator {
            id: operator.id,
            name: &operator.name,
            status: operator.status,
            organization: ListedOrganization { id: self.id, name: &self.name },
        });
        to_json(&listed.collect::<Vec<_>>())
    }
}
