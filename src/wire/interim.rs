//! Interim responses, such as 103, on their way past the server library, which has none to send (RFC 9110 §15.2).
//!
//! They are written by the guard of the connection, between two writes of the library. What a newcomer would get wrong:
//! that moment. The library may have bytes of the answer before still to write, and an interim response within them would
//! break both. Its `flush` is reached only when it has none; so they wait for that, and the answer waits for them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use http::{HeaderMap, StatusCode};

/// The most that may wait to be written: an upstream that sends more is not waited for.
const MOST_WAITING: usize = 64 << 10;

/// What waits to be written on one connection. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Interim(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    is_any: AtomicBool,
    bytes: Mutex<BytesMut>,
    /// The connection's task.
    task: AtomicWaker,
}

impl Interim {
    /// Sends a response without content. Beyond a bound it is dropped, as it may be.
    pub fn send(&self, status: StatusCode, fields: &HeaderMap) {
        let mut bytes = self.lock();
        let head = head(status, fields);
        if bytes.len() + head.len() <= MOST_WAITING {
            bytes.extend_from_slice(&head);
            self.0.is_any.store(true, Relaxed);
        }
        drop(bytes);
        self.0.task.wake();
    }

    /// Returns whether anything waits.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.is_any.load(Relaxed)
    }

    /// Names the task that is to be woken when something waits.
    pub fn wakes(&self, task: &std::task::Waker) {
        self.0.task.register(task);
    }

    /// Takes what waits. It counts as waiting until [`done`](Self::done).
    #[must_use]
    pub fn take(&self) -> BytesMut {
        std::mem::take(&mut *self.lock())
    }

    /// Notes that what was taken is written, and returns whether nothing has come meanwhile.
    #[must_use]
    pub fn done(&self) -> bool {
        let bytes = self.lock();
        self.0.is_any.store(!bytes.is_empty(), Relaxed);
        bytes.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BytesMut> {
        // Each change is a single step, so a panic elsewhere left it whole.
        self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in fields {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
