//! Flights: running fetches, each with a leader's task and those who wait for what it brings.
//!
//! A flight lives as long as anybody waits for it. A leader that leaves takes nobody down, and when the last one has
//! left, the fetch is ended and its place in the throttle's queue is free. What a flight shares is a storable answer
//! or nothing: an error or an odd answer is its leader's alone, and the others then fetch for themselves, all at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::CacheKey;
use crate::store::{Entry, Fetch, Stamp};

/// All running flights.
#[derive(Debug, Default)]
pub struct Flights {
    running: Mutex<HashMap<CacheKey, Arc<Flight>>>,
}

/// One running fetch.
#[derive(Debug)]
pub struct Flight {
    key: CacheKey,
    stamp: Stamp,
    landing: watch::Sender<Landing>,
    passengers: Mutex<Passengers>,
}

#[derive(Debug, Default)]
struct Passengers {
    aboard: usize,
    task: Option<AbortHandle>,
}

/// How a flight ended.
#[derive(Debug, Clone)]
enum Landing {
    Aloft,
    Brought(Arc<Entry>),
    Nothing,
}

/// A request's part in a flight.
#[derive(Debug)]
pub enum Seat {
    /// It joined one that was running.
    Follower(Passenger),
    /// It begins one. The landing must be kept by whoever fetches.
    Leader(Passenger, Landed),
}

impl Flights {
    /// Joins the running flight of the same key and stamp, or begins one.
    ///
    /// A refresh never joins: the answer must be newer than the question. Others may join *its* flight.
    pub fn board(self: &Arc<Self>, fetch: &Fetch) -> Seat {
        let mut running = lock(&self.running);
        if !fetch.is_refresh
            && let Some(flight) = running.get(&fetch.key).filter(|flight| flight.stamp == fetch.stamp)
        {
            return Seat::Follower(self.seat(flight));
        }
        let flight = Arc::new(Flight {
            key: fetch.key,
            stamp: fetch.stamp,
            landing: watch::Sender::new(Landing::Aloft),
            passengers: Mutex::default(),
        });
        running.insert(fetch.key, Arc::clone(&flight));
        let seat = self.seat(&flight);
        Seat::Leader(seat, Landed { flights: Arc::clone(self), flight })
    }

    /// Returns how many flights there are.
    pub fn count(&self) -> usize {
        lock(&self.running).len()
    }

    /// Called with `running` locked, so that no flight loses its last passenger while one boards.
    fn seat(self: &Arc<Self>, flight: &Arc<Flight>) -> Passenger {
        lock(&flight.passengers).aboard += 1;
        Passenger { flights: Arc::clone(self), flight: Arc::clone(flight) }
    }

    fn close(running: &mut HashMap<CacheKey, Arc<Flight>>, flight: &Arc<Flight>) {
        if running.get(&flight.key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            running.remove(&flight.key);
        }
    }
}

/// Somebody waits for the flight while this lives.
#[derive(Debug)]
pub struct Passenger {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Passenger {
    /// Waits until the flight has landed and returns what it brought for all, if anything.
    pub async fn landed(&self) -> Option<Arc<Entry>> {
        let mut landing = self.flight.landing.subscribe();
        let landed = landing.wait_for(|landing| !matches!(landing, Landing::Aloft)).await.ok()?;
        match &*landed {
            Landing::Brought(entry) => Some(Arc::clone(entry)),
            Landing::Aloft | Landing::Nothing => None,
        }
    }

    /// Names the task that ends when nobody waits any more.
    pub fn fetched_by(&self, task: AbortHandle) {
        lock(&self.flight.passengers).task = Some(task);
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        let mut running = lock(&self.flights.running);
        let mut passengers = lock(&self.flight.passengers);
        passengers.aboard -= 1;
        if passengers.aboard == 0 {
            Flights::close(&mut running, &self.flight);
            if let Some(task) = passengers.task.take() {
                task.abort();
            }
        }
    }
}

/// Held by the fetch: ends the flight, also if the fetch panics or is ended.
#[derive(Debug)]
pub struct Landed {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Landed {
    /// Ends the flight with something that all may have.
    pub fn with(self, entry: Option<Arc<Entry>>) {
        if let Some(entry) = entry {
            self.flight.landing.send_replace(Landing::Brought(entry));
        }
    }
}

impl Drop for Landed {
    fn drop(&mut self) {
        Flights::close(&mut lock(&self.flights.running), &self.flight);
        self.flight.landing.send_if_modified(|landing| {
            let is_aloft = matches!(landing, Landing::Aloft);
            if is_aloft {
                *landing = Landing::Nothing;
            }
            is_aloft
        });
    }
}

/// A panic elsewhere leaves these tables whole: every change to them is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
