//! What is known of a request when it comes, and what is told of it when it has ended.

use std::net::IpAddr;
use std::time::Duration;

use crate::chathub::Route;
use crate::wire::{Account, Request, RequestId};

/// What is known of a request when it comes.
#[derive(Debug, Clone)]
pub struct Line {
    pub(super) id: RequestId,
    pub(super) method: http::Method,
    pub(super) target: http::Uri,
    pub(super) version: http::Version,
    pub(super) peer: IpAddr,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The answer's status.
    pub status: u16,
    /// What the layers know.
    pub account: &'a Account,
    /// The length of the answer's content, as far as it was given.
    pub bytes: u64,
    /// When it ended, since 1970.
    pub ended: Duration,
    /// How long it took until then.
    pub took: Duration,
}

impl Line {
    /// Takes note of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let head = &request.head;
        Self {
            id: request.id.clone(),
            method: head.method.clone(),
            target: head.uri.clone(),
            version: head.version,
            peer: request.peer,
        }
    }

    /// Returns what the request was for, if no layer could say so.
    #[must_use]
    pub fn route(&self) -> Route {
        Route::of(&self.method, &self.target)
    }
}
