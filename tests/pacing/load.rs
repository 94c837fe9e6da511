//! Clients, and the two ways in which they ask: by a timetable, or one request after another.
//!
//! A timetable waits for no answer, so a slow gateway meets as many requests as a fast one (no coordinated omission). Both
//! end at a moment that is given to them, and how many requests one client has under way is bounded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::support::answer::Answer;
use crate::support::client::{Ask, Client};
use crate::support::emulator::Random;

/// How long a client that was refused without `Retry-After` waits.
const UNTOLD: u64 = 1;

/// What a request asks for. None of them is answered from memory: lists are not cached here, nor are they shared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Operators of an organization: class `operator`.
    List,
    /// Class `other`.
    Chats,
    /// A status: class `operator`, and it may overtake lists.
    Write,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Served,
    /// By the gateway, which said after how many seconds to come again.
    Refused {
        seconds: u64,
    },
    /// By the upstream.
    RefusedUpstream,
    /// Any other answer, or none.
    Failed,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) client: usize,
    pub(crate) kind: Kind,
    pub(crate) took: Duration,
    pub(crate) ended: Instant,
    pub(crate) end: End,
}

/// All that has ended, in that order. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    samples: Arc<Mutex<Vec<Sample>>>,
}

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) number: usize,
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
}

/// A timetable.
#[derive(Debug)]
pub(crate) struct Timetable {
    pub(crate) per_second: f64,
    /// How many may be under way at once; what would be more is not sent, and counted.
    pub(crate) most: usize,
    /// Of each hundred requests so many are lists and so many writes, in an order left to chance; the others ask for chats.
    /// So all clients of a timetable ask for the same.
    pub(crate) lists: usize,
    pub(crate) writes: usize,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::List, Self::Chats, Self::Write];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "lists",
            Self::Chats => "chats",
            Self::Write => "writes",
        }
    }

    fn ask(self, client: &Client, random: &mut Random) -> Ask {
        match self {
            Self::List => client.ask(&format!("GET /api/operator?organizationId={}", 1 + random.below(1000))),
            Self::Chats => client.ask("GET /api/chat/chats"),
            Self::Write => client.ask("POST /api/operator/status").json(&json!({ "id": 101, "status": 1 })),
        }
    }
}

impl End {
    fn of(answer: &Answer) -> Self {
        match answer.status {
            200 => Self::Served,
            429 if answer.cache().contains("fwd=") => Self::RefusedUpstream,
            429 => {
                let told = answer.field("retry-after").and_then(|seconds| seconds.parse().ok());
                Self::Refused { seconds: told.unwrap_or(UNTOLD) }
            }
            _ => Self::Failed,
        }
    }
}

impl Ledger {
    fn note(&self, sample: Sample) {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }

    /// What ended from one moment to before another.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().filter(|sample| (from..to).contains(&sample.ended)).copied().collect()
    }
}

impl Visitor {
    /// Sends a request, waits for its end and notes it.
    async fn send(&self, kind: Kind, ask: Ask) -> End {
        let sent = Instant::now();
        let end = ask.try_send().await.map_or(End::Failed, |answer| End::of(&answer));
        let ended = Instant::now();
        self.ledger.note(Sample { client: self.number, kind, took: ended - sent, ended, end });
        end
    }

    /// Asks by a timetable, each request within its share of the time at a moment left to chance. Those still under way
    /// at the end leave. Returns how many were not sent because too many were.
    pub(crate) async fn by_timetable(self, table: Timetable, mut random: Random, until: Instant) -> u64 {
        let began = Instant::now();
        let (mut flying, mut deck, mut unsent) = (JoinSet::new(), Vec::new(), 0);
        for number in 0_u64.. {
            let within = random.below(1000) as f64 / 1000.0;
            let at = began + Duration::from_secs_f64((number as f64 + within) / table.per_second);
            if at >= until {
                break;
            }
            sleep_until(at).await;
            while flying.try_join_next().is_some() {}
            if deck.is_empty() {
                deck = table.deck(&mut random);
            }
            let kind = deck.pop().expect("it was just filled");
            if flying.len() >= table.most {
                unsent += 1;
                continue;
            }
            let visitor = self.clone();
            let ask = kind.ask(&visitor.client, &mut random);
            flying.spawn(async move { visitor.send(kind, ask).await });
        }
        sleep_until(until).await;
        unsent
    }

    /// Asks, thinks, and asks again; comes back no sooner than a refusal says.
    pub(crate) async fn one_by_one(self, kind: Kind, think: Duration, mut random: Random, until: Instant) -> u64 {
        // Nobody starts in step with the others.
        sleep_until(until.min(Instant::now() + think.mul_f64(random.below(1000) as f64 / 1000.0))).await;
        while Instant::now() < until {
            let ask = kind.ask(&self.client, &mut random);
            let sent = tokio::time::timeout_at(until, self.send(kind, ask)).await;
            let pause = match sent {
                Ok(End::Refused { seconds }) => Duration::from_secs(seconds),
                Ok(End::RefusedUpstream | End::Failed) => Duration::from_secs(UNTOLD),
                Ok(End::Served) | Err(_) => think,
            };
            if !pause.is_zero() {
                sleep_until(until.min(Instant::now() + pause)).await;
            }
        }
        0
    }
}

impl Timetable {
    /// A hundred requests, shuffled.
    fn deck(&self, random: &mut Random) -> Vec<Kind> {
        let mut deck = vec![Kind::Chats; 100];
        deck[..self.lists].fill(Kind::List);
        deck[self.lists..self.lists + self.writes].fill(Kind::Write);
        for place in (1..deck.len()).rev() {
            let other = usize::try_from(random.below(place as u64 + 1)).expect("it is below a hundred");
            deck.swap(place, other);
        }
        deck
    }
}
