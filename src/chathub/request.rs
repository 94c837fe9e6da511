//! A request whose purpose and sender are known: what the core layers work on.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use http::header::{ACCEPT, UPGRADE};

use super::credential::Identity;
use super::id::OrganizationId;
use super::route::Route;
use crate::capacity::Place;
use crate::wire::event_stream::names_event_stream;
use crate::wire::{Request, RequestParts};

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

/// A request below the edge. What it brought is reached as if it were its own.
#[derive(Debug)]
pub struct RoutedRequest {
    /// The request as it came.
    pub request: Request,
    /// What it is for.
    pub route: Route,
    /// The list it asks for, if it does so in canonical form.
    pub list: Option<List>,
    /// Who sent it.
    pub identity: Identity,
    /// The longest that its exchange may take, from connecting to the last byte, if its answer is read whole.
    pub total_timeout: Option<Duration>,
    /// Its place among those that are on their way, once it has one.
    pub place: Option<Place>,
    /// What [`may_last`](Self::may_last) has found.
    lasts: Option<bool>,
}

impl RoutedRequest {
    /// Joins a request and what is known of it.
    #[must_use]
    pub const fn new(request: Request, route: Route, list: Option<List>, identity: Identity) -> Self {
        Self { request, route, list, identity, total_timeout: None, place: None, lasts: None }
    }

    /// Returns a copy without the content.
    #[must_use]
    pub fn without_content(&self) -> Self {
        Self { request: self.request.without_content(), place: None, ..*self }
    }

    /// Returns whether it may take as long as it likes: hub traffic (a long poll lasts up to 90 seconds, contract 7.9), and a
    /// wish for a WebSocket or an event stream. A write may not, whatever it wishes: its lists stay hidden for as long as it
    /// is under way; nor may what asks for a list, since others may wait for it.
    #[must_use]
    pub fn may_last(&mut self) -> bool {
        let (route, list, fields) = (self.route, self.list, &self.request.head.headers);
        *self.lasts.get_or_insert_with(|| {
            let may = list.is_none() && !route.is_write();
            let upgrades = || fields.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
            route == Route::Hub || may && (upgrades() || names_event_stream(fields, &ACCEPT))
        })
    }
}

impl Deref for RoutedRequest {
    type Target = RequestParts;

    fn deref(&self) -> &RequestParts {
        &self.request
    }
}

impl DerefMut for RoutedRequest {
    fn deref_mut(&mut self) -> &mut RequestParts {
        &mut self.request
    }
}

/// Marks a request that nobody waits for. It travels in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct InBackground;
