//! What all connections of one emulator share.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use tokio::sync::watch;

use super::clock::Clock;
use super::control::ControlStalls;
use super::data::Data;
use super::fault::Faults;
use super::hub::Hub;
use super::intake::Limits;
use super::rate::Limiter;
use super::records::Records;
use super::refusal::field_value;
use super::seed;
use super::stall::Stalls;
use super::switches::Switches;
use super::token::{self, Claims, CompanyId};

/// The state of an emulator.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) data: Mutex<Data>,
    pub(super) credentials: Mutex<Credentials>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) faults: Faults,
    pub(super) stalls: Stalls,
    pub(super) control_stalls: ControlStalls,
    pub(super) records: Records,
    pub(super) hub: Hub,
    /// True once the emulator ends, for the tasks that outlive their request.
    pub(super) ended: watch::Sender<bool>,
    switches: Mutex<Arc<Switches>>,
    last_token: AtomicU64,
    /// The `Date` field of the current second.
    date: Mutex<(u64, HeaderValue)>,
}

/// Credentials that are no tokens, and tokens that count no more.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) profile_keys: HashMap<String, CompanyId>,
    /// Accepted in either field.
    pub(super) opaque: HashMap<String, CompanyId>,
    pub(super) revoked: HashSet<String>,
}

impl Shared {
    pub(super) fn new(switches: Switches, limits: Limits, kept_requests: usize) -> Self {
        let clock = Clock::new();
        let data = seed::data(clock.now());
        let keys = data.companies.iter().map(|company| (company.profile_key.to_owned(), company.id));
        let credentials = Credentials { profile_keys: keys.collect(), ..Credentials::default() };
        Self {
            clock,
            limits,
            data: Mutex::new(data),
            credentials: Mutex::new(credentials),
            limiter: Mutex::default(),
            faults: Faults::default(),
            stalls: Stalls::default(),
            control_stalls: ControlStalls::default(),
            records: Records::new(kept_requests),
            hub: Hub::default(),
            ended: watch::Sender::new(false),
            switches: Mutex::new(Arc::new(switches)),
            last_token: AtomicU64::new(0),
            date: Mutex::new((0, HeaderValue::from_static(""))),
        }
    }

    /// The switches as they are now; a request keeps those it began with.
    pub(super) fn switches(&self) -> Arc<Switches> {
        lock(&self.switches).clone()
    }

    pub(super) fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        let mut current = lock(&self.switches);
        let mut switches = Switches::clone(&current);
        change(&mut switches);
        if switches.rate_limit != current.rate_limit {
            lock(&self.limiter).reset();
        }
        *current = Arc::new(switches);
    }

    /// A new token, different from all others of this emulator.
    pub(super) fn issue(&self, company: CompanyId, operator: Option<u32>, exp: u64) -> String {
        let jti = self.last_token.fetch_add(1, Ordering::Relaxed);
        token::issue(&Claims { client_id: company, operator_id: operator, jti, exp })
    }

    /// The value of `Date`.
    pub(super) fn date(&self, now: Duration) -> HeaderValue {
        let mut date = lock(&self.date);
        if date.0 != now.as_secs() {
            *date = (now.as_secs(), field_value(&httpdate::fmt_http_date(UNIX_EPOCH + now)));
        }
        date.1.clone()
    }
}

/// Locks a mutex; a panic in another test's task does not make what it guards useless.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
