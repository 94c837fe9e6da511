//! Flights: running fetches, each with a leader's task and those who wait for what it brings.
//!
//! A flight lives as long as anybody waits for it. A leader that leaves takes nobody down, and when the last one has
//! left, the fetch is ended and its place in the throttle's queue is free. What a flight shares is a storable answer
//! or nothing: an error or an odd answer is its leader's alone, and the others then fetch for themselves, all at once.
//! If the fetch was lost, or brought what those who joined may not have, they elect a new leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::{CacheKey, Entry, Fetch};

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
    rivals: Mutex<Rivals>,
}

/// What other fetches of the same list brought while a flight was in the air.
///
/// The flight may have been read before them, though it began later. Who boards it afterwards may have seen what they
/// brought, and must not be given anything older; of two lists that differ nobody here can say which is newer.
#[derive(Debug, Clone, Default)]
enum Rivals {
    #[default]
    Nothing,
    This(Arc<Entry>),
    /// Several that differ, or one that is not known.
    Anything,
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
    /// With nothing that tells of the next fetch: its task ended early, or it brought something else than another did.
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

impl Rivals {
    fn note(&mut self, brought: Option<&Arc<Entry>>) {
        *self = match (&self, brought) {
            (Self::Nothing, Some(entry)) => Self::This(Arc::clone(entry)),
            (Self::This(known), Some(entry)) if known.says_the_same_as(entry) => return,
            _ => Self::Anything,
        };
    }

    fn allow(&self, entry: &Entry) -> bool {
        match self {
            Self::Nothing => true,
            Self::This(known) => known.says_the_same_as(entry),
            Self::Anything => false,
        }
    }
}

impl Flights {
    /// Joins the running flight of the same key if no write lies between, or begins one.
    ///
    /// A refresh never joins: the answer must be newer than the question. Others may join *its* flight. Nor does anybody
    /// join the flight he has waited for in vain.
    pub fn board(self: &Arc<Self>, fetch: &Fetch, in_vain: Option<&Passenger>) -> Seat {
        let mut running = lock(&self.running);
        let may_board = |flight: &&Arc<Flight>| {
            fetch.may_share(&flight.fetch)
                && !in_vain.is_some_and(|passenger| Arc::ptr_eq(&passenger.flight, flight))
                && !matches!(*lock(&flight.rivals), Rivals::Anything)
        };
        if let Some(flight) = running.get(&fetch.key()).filter(may_board) {
            return Seat::Follower(self.seat(flight));
        }
        let flight = Arc::new(Flight {
            fetch: fetch.clone(),
            arrival: watch::Sender::new(None),
            passengers: Mutex::default(),
            rivals: Mutex::default(),
        });
        running.insert(fetch.key(), Arc::clone(&flight));
        let seat = self.seat(&flight);
        Seat::Leader(seat, Flying { flights: Arc::clone(self), flight })
    }

    /// Notes that a fetch of `key` that is no flight has been answered with a list. Call it before that is released.
    pub fn answered(&self, key: &CacheKey, brought: Option<&Arc<Entry>>) {
        if let Some(flight) = lock(&self.running).get(key) {
            lock(&flight.rivals).note(brought);
        }
    }

    /// Returns how many flights there are.
    pub fn count(&self) -> usize {
        lock(&self.running).len()
    }

    /// Called with `running` locked, so that no flight loses its last passenger while one boards.
    fn seat(self: &Arc<Self>, flight: &Arc<Flight>) -> Passenger {
        lock(&flight.passengers).aboard += 1;
        let rivals = lock(&flight.rivals).clone();
        Passenger { flights: Arc::clone(self), flight: Arc::clone(flight), rivals }
    }

    /// Lets nobody board the flight any more. Returns the one that may be boarded in its stead, if there is one.
    fn close<'a>(running: &'a mut HashMap<CacheKey, Arc<Flight>>, flight: &Arc<Flight>) -> Option<&'a Arc<Flight>> {
        let key = flight.fetch.key();
        if running.get(&key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            running.remove(&key);
        }
        running.get(&key)
    }
}

/// Somebody waits for the flight while this lives.
#[derive(Debug)]
pub struct Passenger {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    /// What others had brought when it boarded.
    rivals: Rivals,
}

impl Passenger {
    /// Waits until the flight has ended.
    pub async fn arrival(&self) -> Arrival {
        let mut arrival = self.flight.arrival.subscribe();
        let arrived = arrival.wait_for(Option::is_some).await;
        match arrived.ok().and_then(|arrived| arrived.clone()) {
            Some(Arrival::Shared(entry)) if !self.rivals.allow(&entry) => Arrival::Lost,
            Some(arrival) => arrival,
            None => Arrival::Lost,
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
pub struct Flying {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Flying {
    /// Ends the flight with what the fetch brought for all, if anything. `is_seen` tells whether its leader is given a
    /// list: if so, who boards another from now on may have seen it.
    pub fn land(self, brought: Option<Arc<Entry>>, is_seen: bool) {
        self.end(brought.map_or(Arrival::Private, Arrival::Shared), is_seen);
    }

    /// First nobody boards any more, and who boards another learns of this; then those aboard go on.
    fn end(&self, arrival: Arrival, is_seen: bool) {
        if self.flight.arrival.borrow().is_some() {
            return;
        }
        if let Some(other) = Flights::close(&mut lock(&self.flights.running), &self.flight).filter(|_| is_seen) {
            let brought = if let Arrival::Shared(entry) = &arrival { Some(entry) } else { None };
            lock(&other.rivals).note(brought);
        }
        self.flight.arrival.send_replace(Some(arrival));
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.end(Arrival::Lost, false);
    }
}

/// A panic elsewhere leaves these tables whole: every change to them is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
