//! Gates that hold requests inside the emulator until a test lets them go.
//!
//! Where a request is held makes the difference: before it is applied ([`Point::Before`]), or when its answer is made but
//! not yet sent ([`Point::After`]). A list held at the second point is an old answer on its way, which is what a cache
//! must not store after a write.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use super::endpoint::Endpoint;
use super::fault::Target;
use super::shared::lock;

/// Where requests are held.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Point {
    /// Before the request is applied.
    Before,
    /// After its answer was made.
    After,
}

/// Holds the requests of an endpoint; letting it go out of scope releases them.
#[derive(Debug)]
pub(crate) struct Gate {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    target: Target,
    point: Point,
    /// First come, first let through; closed once the gate is open for all.
    permits: Semaphore,
    inside: watch::Sender<usize>,
}

impl Gate {
    /// Waits until `count` requests are held at the same time.
    pub(crate) async fn reached(&self, count: usize) {
        let mut inside = self.held.inside.subscribe();
        inside.wait_for(|inside| *inside >= count).await.expect("the gate holds the sender");
    }

    /// How many requests are held.
    pub(crate) fn inside(&self) -> usize {
        *self.held.inside.borrow()
    }

    /// Lets the request through that has waited longest, or the next to come.
    pub(crate) fn release_one(&self) {
        self.held.permits.add_permits(1);
    }

    /// Lets all requests through, now and from now on.
    pub(crate) fn release(&self) {
        self.held.permits.close();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.release();
    }
}

/// All gates of an emulator.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    gates: Mutex<Vec<Arc<Held>>>,
}

impl Stalls {
    pub(super) fn add(&self, target: Target, point: Point) -> Gate {
        let (permits, inside) = (Semaphore::new(0), watch::Sender::new(0));
        let held = Arc::new(Held { target, point, permits, inside });
        lock(&self.gates).push(held.clone());
        Gate { held }
    }

    /// Opens every gate for good.
    pub(super) fn release_all(&self) {
        lock(&self.gates).drain(..).for_each(|held| held.permits.close());
    }

    /// Waits at the first closed gate that holds this request, if there is one.
    pub(super) async fn pass(&self, endpoint: Endpoint, point: Point) {
        let Some(held) = self.find(endpoint, point) else { return };
        let _inside = Inside::enter(&held);
        if let Ok(permit) = held.permits.acquire().await {
            permit.forget();
        }
    }

    fn find(&self, endpoint: Endpoint, point: Point) -> Option<Arc<Held>> {
        let mut gates = lock(&self.gates);
        gates.retain(|held| !held.permits.is_closed());
        gates.iter().find(|held| held.point == point && held.target.covers(endpoint)).cloned()
    }
}

/// Counts a request among those inside, until it goes on or its client leaves.
struct Inside<'a>(&'a Held);

impl<'a> Inside<'a> {
    fn enter(held: &'a Held) -> Self {
        held.inside.send_modify(|inside| *inside += 1);
        Self(held)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.send_modify(|inside| *inside -= 1);
    }
}
