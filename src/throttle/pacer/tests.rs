//! The machine on a clock of its own: every time is exact, and a script can be played twice.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::testing;

mod bounds;
mod order;
mod promises;
mod returns;
mod shared;
mod stops;
mod terms;

const SECOND: Duration = Duration::from_secs(1);

fn quota(period: Duration, burst: u32) -> Quota {
    Quota::new(period, NonZeroU32::new(burst).unwrap())
}

/// So many a second, and so many at once.
fn per_second(rate: u32, burst: u32) -> Quota {
    quota(SECOND / rate, burst)
}

/// The quota of a single credential.
fn special(quota: Quota) -> Special {
    Special { quota, sha256: [1; 32] }
}

fn terms(quota: Quota) -> Terms {
    Terms {
        quotas: [quota; Class::ALL.len()],
        upstream: None,
        max_wait: Duration::from_secs(15),
        max_waiting: 10_000,
        max_waiting_per_lane: 1000,
        max_lanes: 100,
        max_stop: Duration::from_secs(300),
        is_adaptive: true,
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What somebody is told who comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Go,
    Wait(Duration),
    Refused(Duration, Rejection),
}

/// Somebody who went, or was refused while it waited.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gone {
    who: usize,
    at: Duration,
    pass: Option<Pass>,
}

/// One who came.
#[derive(Debug, Clone, Copy)]
struct Came {
    at: Duration,
    ask: Ask,
    told: Told,
    ticket: Option<Ticket>,
}

/// A pacer with a clock, and a record of all that happens.
#[derive(Debug)]
struct World {
    pacer: Pacer<usize>,
    /// The number of the terms.
    terms: u32,
    now: Duration,
    /// How late the timer is, each time.
    lateness: Duration,
    came: Vec<Came>,
    gone: Vec<Gone>,
}

impl World {
    fn new(terms: Terms) -> Self {
        // Not at zero, where what is saturated would look right.
        let (now, lateness) = (Duration::from_secs(1000), Duration::ZERO);
        Self { pacer: Pacer::new(terms), terms: 1, now, lateness, came: Vec::new(), gone: Vec::new() }
    }

    /// Somebody comes, and gets the next number.
    fn comes(&mut self, ask: Ask) -> Told {
        let who = self.came.len();
        let (arrival, _) = self.pacer.arrive(self.now, &ask, self.terms, || None, || who);
        let (told, ticket) = match arrival {
            Arrival::Go(pass) => {
                self.gone.push(Gone { who, at: self.now, pass: Some(pass) });
                (Told::Go, None)
            }
            Arrival::Wait(ticket, predicted) => (Told::Wait(predicted), Some(ticket)),
            Arrival::Refused(refusal) => (Told::Refused(refusal.retry_after, refusal.rejection), None),
        };
        self.came.push(Came { at: self.now, ask, told, ticket });
        told
    }

    fn leaves(&mut self, who: usize) {
        if let Some(ticket) = self.came[who].ticket {
            self.pacer.leave(self.now, ticket);
        }
    }

    /// Lets time pass, in steps as the timer would.
    fn passes(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.pacer.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due + self.lateness).min(until);
            let released = self.pacer.advance(self.now);
            self.note(released);
        }
        self.now = until;
    }

    /// Lets time pass until nobody waits.
    fn empties(&mut self) {
        while let Some(due) = self.pacer.next_due() {
            self.passes(due.saturating_sub(self.now));
        }
    }

    /// Looks at every lane. The hand may begin in the middle, so it goes round twice.
    fn tidies(&mut self) {
        (0..2).for_each(|_| while !self.pacer.tidy(self.now, 100) {});
    }

    fn note(&mut self, released: Released<usize>) {
        for (who, release) in released {
            let pass = match release {
                Release::Go(pass) => Some(pass),
                Release::Refused(_) => None,
            };
            self.gone.push(Gone { who, at: self.now, pass });
        }
    }

    fn answers(&mut self, who: usize, verdict: Verdict) {
        let pass = self.pass(who);
        if let Some(answered) = self.pacer.answered(self.now, &pass, verdict) {
            self.note(answered.released);
        }
    }

    fn pass(&self, who: usize) -> Pass {
        self.gone.iter().find(|gone| gone.who == who).and_then(|gone| gone.pass).expect("it went")
    }

    /// When somebody went, if it did.
    fn went(&self, who: usize) -> Option<Duration> {
        self.gone.iter().find(|gone| gone.who == who && gone.pass.is_some()).map(|gone| gone.at)
    }

    /// When each went of those whom `select` names, in order.
    fn times(&self, select: impl Fn(&Ask) -> bool) -> Vec<Duration> {
        let went = self.gone.iter().filter(|gone| gone.pass.is_some() && select(&self.came[gone.who].ask));
        went.map(|gone| gone.at).collect()
    }

    fn waiting(&self) -> usize {
        Class::ALL.iter().map(|class| self.pacer.count(*class).waiting).sum()
    }
}

fn owner(number: u32) -> Digest {
    testing::digests().digest_other(&number.to_be_bytes())
}

fn peer(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

fn ask(rank: Rank) -> Ask {
    Ask { class: Class::Operator, owner: owner(1), rank, peer: peer(1), is_rested: true }
}

fn read() -> Ask {
    ask(Rank::Foreground)
}

fn write() -> Ask {
    ask(Rank::Write)
}

fn read_of(who: u32) -> Ask {
    Ask { owner: owner(who), ..read() }
}

/// What happens in a script.
#[derive(Debug, Clone, Copy)]
enum Step {
    Comes {
        after: u64,
        owner: u32,
        peer: u8,
        rank: Rank,
        is_rested: bool,
    },
    Leaves {
        nth: usize,
    },
    /// The upstream refuses one that went, for so many milliseconds.
    IsStopped {
        nth: usize,
        wait: u64,
    },
}

fn steps(most: usize, owners: u32, peers: u8) -> impl Strategy<Value = Vec<Step>> {
    let rank = prop_oneof![
        3 => Just(Rank::Foreground),
        1 => Just(Rank::Write),
        1 => Just(Rank::Background),
    ];
    // Often at once, sometimes after a rest.
    let after = prop_oneof![4 => Just(0), 4 => 0..100_u64, 1 => 0..3000_u64];
    let comes = (after, 0..owners, 0..peers, rank, any::<bool>())
        .prop_map(|(after, owner, peer, rank, is_rested)| Step::Comes { after, owner, peer, rank, is_rested });
    let leaves = any::<usize>().prop_map(|nth| Step::Leaves { nth });
    proptest::collection::vec(prop_oneof![8 => comes, 1 => leaves], 1..most)
}

fn play(world: &mut World, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Comes { after, owner: who, peer: from, rank, is_rested } => {
                world.passes(millis(after));
                world.comes(Ask { owner: owner(who), peer: peer(from), is_rested, ..ask(rank) });
            }
            Step::Leaves { nth } if !world.came.is_empty() => world.leaves(nth % world.came.len()),
            Step::IsStopped { nth, wait } => {
                let went: Vec<_> = world.gone.iter().filter(|gone| gone.pass.is_some()).map(|gone| gone.who).collect();
                if !went.is_empty() {
                    world.answers(went[nth % went.len()], Verdict::TooMany(Some(millis(wait))));
                }
            }
            Step::Leaves { .. } => {}
        }
    }
}

/// Asserts that no span of time holds more than the burst and what the rate gives meanwhile.
fn assert_conforming(times: &[Duration], quota: &Quota) {
    assert_conforming_but_for(times, quota, Duration::ZERO);
}

/// The same, if the rate gives so much longer.
fn assert_conforming_but_for(times: &[Duration], quota: &Quota, slack: Duration) {
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let regained = (*to - *from + slack).as_nanos() / quota.period().as_nanos();
            let allowed = u128::from(quota.burst().get()) + regained;
            assert!(
                (last - first + 1) as u128 <= allowed,
                "{} within {:?} of {quota:?}",
                last - first + 1,
                *to - *from
            );
        }
    }
}
