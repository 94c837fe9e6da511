//! Flights: running fetches, each with a leader's task and those who wait for what it brings.
//!
//! A flight lives as long as anybody waits for it. A leader that leaves takes nobody down, and when the last one has
//! left, the fetch is ended and its place in the throttle's queue is free. What a flight shares is a storable answer
//! or nothing: an error or an odd answer is its leader's alone, and the others then fetch for themselves, all at once.
//! If the fetch was lost, or a write took from it what it would have shared, the others elect a new leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::{Brought, CacheKey, Entry, Fetch};

/// All running flights.
#[derive(Debug, Default)]
pub struct Flights {
    running: Mutex<HashMap<CacheKey, Arc<Flight>>>,
}

/// One running fetch.
#[derive(Debug)]
pub struct Flight {
    fetch: Fetch,
    /// `None` while it is in the air.
    arrival: watch::Sender<Option<Arrival>>,
    passengers: Mutex<Passengers>,
}

#[derive(Debug, Default)]
struct Passengers {
    aboard: usize,
    task: Option<AbortHandle>,
}

/// How a flight ended for those who joined it.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// With a list that all may have.
    Shared(Arc<Entry>),
    /// With an answer, or an error, that is its leader's alone. The next fetch would likely bring the same.
    Private,
    /// With nothing that tells of the next fetch: its task ended early, or a write overtook it.
    Lost,
}

/// A request's part in a flight.
#[derive(Debug)]
pub enum Seat {
    /// It joined one that was running.
    Follower(Passenger),
    /// It begins one. The second part must be kept by whoever fetches.
    Leader(Passenger, Flying),
}

impl Flights {
    /// Joins the running flight of the same key if no write lies between, or begins one.
    ///
    /// A refresh never joins: the answer must be newer than the question. Others may join *its* flight.
    pub fn board(self: &Arc<Self>, fetch: &Fetch) -> Seat {
        let mut running = lock(&self.running);
        if let Some(flight) = running.get(&fetch.key()).filter(|flight| fetch.may_share(&flight.fetch)) {
            return Seat::Follower(self.seat(flight));
        }
        let flight =
            Arc::new(Flight { fetch: fetch.clone(), arrival: watch::Sender::new(None), passengers: Mutex::default() });
        running.insert(fetch.key(), Arc::clone(&flight));
        let seat = self.seat(&flight);
        Seat::Leader(seat, Flying { flights: Arc::clone(self), flight })
    }

    /// Lets nobody board what is running for `key`: a fetch of it has just been answered, and who has seen that answer must
    /// not be given an older one by a fetch that was running at the same time. Call it before the answer is released.
    pub fn answered(&self, key: &CacheKey) {
        lock(&self.running).remove(key);
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
        let key = flight.fetch.key();
        if running.get(&key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            running.remove(&key);
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
    /// Waits until the flight has ended.
    pub async fn arrival(&self) -> Arrival {
        let mut arrival = self.flight.arrival.subscribe();
        let arrived = arrival.wait_for(Option::is_some).await;
        arrived.ok().and_then(|arrived| arrived.clone()).unwrap_or(Arrival::Lost)
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
pub struct Flying {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Flying {
    /// Ends the flight with what the fetch brought for all, if anything.
    pub fn land(self, brought: Option<Brought>) {
        self.end(match brought {
            Some(Brought::List(entry)) => Arrival::Shared(entry),
            Some(Brought::Overtaken) => Arrival::Lost,
            None => Arrival::Private,
        });
    }

    /// First nobody boards any more, then those aboard go on.
    fn end(&self, arrival: Arrival) {
        self.flights.answered(&self.flight.fetch.key());
        self.flight.arrival.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                *ended = Some(arrival);
            }
            is_first
        });
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.end(Arrival::Lost);
    }
}

/// A panic elsewhere leaves these tables whole: every change to them is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
