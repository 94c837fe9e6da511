//! A request as the edge sees it.
//!
//! What a newcomer would get wrong: a plain struct. Each layer that a request goes through would move it, some three
//! hundred bytes, a dozen times and more; so it is a handle.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use http::header::{EXPECT, HeaderMap};
use tokio::time::Instant;

use super::{Body, Interim, RequestId};
use crate::server::framing::Fault;

/// A request. Its parts are reached as if they were its own.
#[derive(Debug)]
pub struct Request(Box<RequestParts>);

/// What a request is made of.
#[derive(Debug)]
pub struct RequestParts {
    /// Method, target as received, and fields.
    pub head: http::request::Parts,
    /// Content, not yet read.
    pub body: Body,
    /// The address of the client's end of the connection.
    pub peer: IpAddr,
    /// When it came. What stands above all queues may take this for the present.
    pub arrived: Instant,
    /// Its connection is new, or the throttle has had no part in its answers for [`REST`](super::REST).
    pub is_rested: bool,
    /// Taken from the client's `X-Request-Id`, or made.
    pub id: RequestId,
    /// How interim responses reach the client, if it can be sent any.
    pub interim: Option<Interim>,
    /// What is wrong with the bytes that stood where this request stands, if anything. The head is then a placeholder.
    pub fault: Option<Fault>,
}

impl Request {
    /// Returns a faultless request of a rested connection.
    #[must_use]
    #[inline(always)] // it is built where it is to lie
    pub fn new(head: http::request::Parts, body: Body, peer: IpAddr, arrived: Instant) -> Self {
        let id = RequestId::take_or_make(&head.headers);
        Self(Box::new(RequestParts { head, body, peer, arrived, is_rested: true, id, interim: None, fault: None }))
    }

    /// Takes the request apart.
    #[must_use]
    pub fn into_parts(self) -> RequestParts {
        *self.0
    }

    /// Returns a copy without the content.
    #[must_use]
    pub fn without_content(&self) -> Self {
        let (head, id) = (self.head.clone(), self.id.clone());
        Self(Box::new(RequestParts { head, body: Body::empty(), id, interim: self.interim.clone(), ..*self.0 }))
    }
}

impl RequestParts {
    /// Asks a client for its content that waits to be asked (RFC 9110 §10.1.1). To be called when it is certain that the
    /// content is wanted, and before anything is waited for: curl sends it unasked after a second, and PHP's waits for
    /// that with all that is longer than a mebibyte.
    pub fn invite(&mut self) {
        if !self.body.is_empty() && expects_to_be_asked(&self.head.headers) {
            self.body.invite();
        }
    }
}

/// Returns whether the client waits to be asked for its content.
#[must_use]
pub fn expects_to_be_asked(fields: &HeaderMap) -> bool {
    fields.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl Deref for Request {
    type Target = RequestParts;

    fn deref(&self) -> &RequestParts {
        &self.0
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut RequestParts {
        &mut self.0
    }
}
