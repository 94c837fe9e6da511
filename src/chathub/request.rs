//! A request whose purpose and sender are known: what the core layers work on.

use std::net::IpAddr;

use tokio::time::Instant;

use super::credential::Identity;
use super::id::OrganizationId;
use super::route::Route;
use crate::wire::Body;

/// A list that may be answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// The operators of one organization.
    Operators(OrganizationId),
    /// The organizations that the credential may see.
    Organizations,
}

impl List {
    /// Returns the organization whose list it is.
    #[must_use]
    pub const fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Operators(organization) => Some(organization),
            Self::Organizations => None,
        }
    }
}

/// A request below the edge.
#[derive(Debug)]
pub struct RoutedRequest {
    /// Method, target as received, and the fields that go on to the upstream.
    pub head: http::request::Parts,
    /// Content.
    pub body: Body,
    /// What it is for.
    pub route: Route,
    /// The list it asks for, if it does so in canonical form.
    pub list: Option<List>,
    /// Who sent it.
    pub identity: Identity,
    /// The address of the client's end of the connection.
    pub peer: IpAddr,
    /// When it came. What stands above all queues may take this for the present.
    pub arrived: Instant,
    /// The client's connection is new, or the throttle has had no part in its answers for [`REST`](crate::wire::REST).
    pub is_rested: bool,
}

/// Marks a request that nobody waits for. It travels in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct InBackground;
