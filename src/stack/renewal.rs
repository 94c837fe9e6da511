//! Puts another stack in the place of one that serves, without closing a connection.
//!
//! So the settings of layers are plain values, and a reload makes new layers over what they share. Each connection goes
//! over to the new stack with its next request; requests under way end in the one in which they began.
//!
//! What a newcomer would get wrong: to put each setting behind a lock, to be asked with each request. Then one request sees
//! some settings of before and some of after, and pays for it. Here it is one comparison, and a request is served by one
//! set of settings from its beginning to its end.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tower::Service;

use super::Stack;
use crate::wire::{Request, Response};

/// The stack of one worker, as it is now. Clones share it.
#[derive(Debug, Clone)]
pub struct Current<S>(Arc<Slot<S>>);

#[derive(Debug)]
struct Slot<S> {
    /// How often it was replaced.
    generation: AtomicU64,
    stack: Mutex<S>,
}

/// A stack that goes over to the one that replaces it.
#[derive(Debug, Clone)]
pub struct Following<S> {
    stack: S,
    generation: u64,
    slot: Arc<Slot<S>>,
}

impl<S: Stack> Current<S> {
    /// Begins with a stack.
    #[must_use]
    pub fn new(stack: S) -> Self {
        Self(Arc::new(Slot { generation: AtomicU64::new(0), stack: Mutex::new(stack) }))
    }

    /// Serves all requests that begin from now on by another stack.
    pub fn replace(&self, stack: S) {
        let before = std::mem::replace(&mut *self.0.lock(), stack);
        // After the stack, so that whoever sees the number finds it there.
        self.0.generation.fetch_add(1, Ordering::Release);
        // Here, where the lock is free: it may be the last to hold what it holds.
        drop(before);
    }

    /// Returns the stack, for one connection.
    #[must_use]
    pub fn follow(&self) -> Following<S> {
        let generation = self.0.generation.load(Ordering::Acquire);
        Following { stack: self.0.lock().clone(), generation, slot: Arc::clone(&self.0) }
    }
}

impl<S> Slot<S> {
    fn lock(&self) -> MutexGuard<'_, S> {
        // It is replaced in one step, so a panic elsewhere left it whole.
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Stack> Following<S> {
    #[cold]
    fn go_over(&mut self) {
        // The number first: a stack that comes between the two is taken once more, and none is missed.
        self.generation = self.slot.generation.load(Ordering::Acquire);
        let stack = self.slot.lock().clone();
        self.stack = stack;
    }
}

impl<S: Stack> Service<Request> for Following<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stack.poll_ready(cx)
    }

    #[inline(always)] // a call would move the request once more
    fn call(&mut self, request: Request) -> Self::Future {
        if self.slot.generation.load(Ordering::Acquire) != self.generation {
            self.go_over();
        }
        self.stack.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use futures_util::future::{Ready, ready};
    use http::StatusCode;
    use tokio::time::Instant;

    use super::*;
    use crate::wire::Body;

    /// Answers with a status.
    #[derive(Debug, Clone)]
    struct Says(StatusCode);

    impl Service<Request> for Says {
        type Response = Response;
        type Error = Infallible;
        type Future = Ready<Result<Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            let mut message = http::Response::new(Body::from(Bytes::new()));
            *message.status_mut() = self.0;
            ready(Ok(Response::new(message)))
        }
    }

    async fn ask(stack: &mut Following<Says>) -> StatusCode {
        let (head, ()) = http::Request::new(()).into_parts();
        let request = Request::new(head, Body::empty(), IpAddr::V4(Ipv4Addr::LOCALHOST), Instant::now());
        let Ok(response) = stack.call(request).await;
        response.message.status()
    }

    #[tokio::test]
    async fn a_connection_that_is_open_goes_over_with_its_next_request() {
        let current = Current::new(Says(StatusCode::OK));
        let mut connection = current.follow();
        assert_eq!(ask(&mut connection).await, StatusCode::OK);
        current.replace(Says(StatusCode::ACCEPTED));
        assert_eq!(ask(&mut connection).await, StatusCode::ACCEPTED);
        assert_eq!(ask(&mut current.follow()).await, StatusCode::ACCEPTED);
        assert_eq!(ask(&mut connection).await, StatusCode::ACCEPTED);
    }

    #[tokio::test]
    async fn whatever_comes_between_two_requests_the_last_stack_answers() {
        let current = Current::new(Says(StatusCode::OK));
        let mut connection = current.follow();
        for status in [StatusCode::ACCEPTED, StatusCode::CREATED, StatusCode::NO_CONTENT] {
            current.replace(Says(status));
        }
        assert_eq!(ask(&mut connection).await, StatusCode::NO_CONTENT);
    }
}
